package atom

import (
	"bytes"
	"encoding/xml"

	"peewit/bridge"
)

// Append puts elements before the end tag of the payload's root and leaves
// every byte of the publisher's as it is. Payload is one well-formed element;
// elements must declare their own namespaces. Anything that does not end like
// an element is returned unchanged.
func Append(payload, elements []byte) []byte {
	if len(elements) == 0 {
		return payload
	}
	body := bytes.TrimRight(payload, " \t\r\n")
	var head, tail []byte
	switch end := bytes.LastIndex(body, []byte("</")); {
	case bytes.HasSuffix(body, []byte("/>")): // the root itself: nothing is behind it
		name := rootName(body)
		if name == "" {
			return payload
		}
		head = append(bytes.Clone(body[:len(body)-2]), '>')
		tail = []byte("</" + name + ">")
	case end > 0 && bytes.HasSuffix(body, []byte(">")):
		head, tail = body[:end], body[end:]
	default:
		return payload
	}
	return bytes.Join([][]byte{head, elements, tail}, nil)
}

// Extend appends what part has to an entry: each field of it becomes an element
// before the entry's end tag. The caller sees to it that the entry did not have
// it before.
func Extend(payload []byte, part bridge.Post) []byte {
	var b bytes.Buffer
	writer{b: &b, declare: !startsInAtom(payload)}.post(part)
	return Append(payload, b.Bytes())
}

// rootName is the name of the payload's root as it is written, with its prefix.
func rootName(payload []byte) string {
	start, ok := rootTag(payload)
	if !ok {
		return ""
	}
	if start.Name.Space != "" {
		return start.Name.Space + ":" + start.Name.Local
	}
	return start.Name.Local
}

// startsInAtom reports whether the root makes Atom the default namespace, so
// that elements appended to it need not.
func startsInAtom(payload []byte) bool {
	start, _ := rootTag(payload)
	for _, a := range start.Attr {
		if a.Name.Space == "" && a.Name.Local == "xmlns" {
			return a.Value == NS
		}
	}
	return false
}

func rootTag(payload []byte) (xml.StartElement, bool) {
	d := xml.NewDecoder(bytes.NewReader(payload))
	for {
		token, err := d.RawToken()
		if err != nil {
			return xml.StartElement{}, false
		}
		if start, ok := token.(xml.StartElement); ok {
			return start, true
		}
	}
}

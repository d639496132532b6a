package atom

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep elements may be nested in what is parsed.
const maxDepth = 256

// node is an element of a parsed document. Its kids are *node and string.
type node struct {
	name xml.Name
	attr []xml.Attr
	kids []any
}

var (
	errDepth    = errors.New("elements are nested too deep")
	errTrailing = errors.New("something follows the element")
)

// parseTree reads a document of one element, with nothing but space behind it.
// Comments, processing instructions and document types are left out; entities
// that XML does not define are errors.
func parseTree(document []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(document))
	var open []*node
	for {
		token, err := d.Token()
		if err == io.EOF {
			return nil, errors.New("no element")
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(open) == maxDepth {
				return nil, errDepth
			}
			n := &node{name: t.Name, attr: t.Attr}
			if len(open) > 0 {
				parent := open[len(open)-1]
				parent.kids = append(parent.kids, n)
			}
			open = append(open, n)
		case xml.EndElement:
			n := open[len(open)-1]
			if open = open[:len(open)-1]; len(open) > 0 {
				continue
			}
			if len(bytes.TrimSpace(document[d.InputOffset():])) > 0 {
				return nil, errTrailing
			}
			return n, nil
		case xml.CharData:
			if len(open) > 0 {
				parent := open[len(open)-1]
				parent.kids = append(parent.kids, string(t))
			}
		}
	}
}

// is reports whether n is the element local of a namespace.
func (n *node) is(space, local string) bool { return n.name.Space == space && n.name.Local == local }

// elements are the element children of n.
func (n *node) elements() []*node {
	var out []*node
	for _, kid := range n.kids {
		if e, ok := kid.(*node); ok {
			out = append(out, e)
		}
	}
	return out
}

// get is the value of an attribute without namespace, or "".
func (n *node) get(local string) string { return n.getNS("", local) }

func (n *node) getNS(space, local string) string {
	for _, a := range n.attr {
		if a.Name.Space == space && a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// text is all the character data in n, however deep.
func (n *node) text() string {
	var b strings.Builder
	n.addText(&b)
	return b.String()
}

func (n *node) addText(b *strings.Builder) {
	for _, kid := range n.kids {
		switch k := kid.(type) {
		case string:
			b.WriteString(k)
		case *node:
			k.addText(b)
		}
	}
}

// write serialises n without prefixes: a namespace is declared on each element
// that differs from its parent's, space. Attributes of foreign namespaces would
// need a prefix; they are left out, except those of XML itself (xml:lang).
func (n *node) write(b *bytes.Buffer, space string) {
	b.WriteByte('<')
	b.WriteString(n.name.Local)
	if n.name.Space != space {
		fmt.Fprintf(b, ` xmlns="%s"`, Escape(n.name.Space))
	}
	for _, a := range n.attr {
		switch {
		case a.Name.Space == nsXML:
			writeAttr(b, "xml:"+a.Name.Local, a.Value)
		case a.Name.Space == "" && a.Name.Local != "xmlns":
			value := a.Value
			if n.name.Space == NSXHTML {
				value = withoutApostrophe(a.Name.Local, value)
			}
			writeAttr(b, a.Name.Local, value)
		}
	}
	if len(n.kids) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteByte('>')
	for _, kid := range n.kids {
		switch k := kid.(type) {
		case string:
			b.WriteString(Escape(k))
		case *node:
			k.write(b, n.name.Space)
		}
	}
	b.WriteString("</")
	b.WriteString(n.name.Local)
	b.WriteByte('>')
}

// withoutApostrophe is an attribute value of XHTML that Movim can put between
// single quotes without escaping, as it does.
func withoutApostrophe(name, value string) string {
	if name == "href" || name == "src" || name == "cite" {
		return strings.ReplaceAll(value, "'", "%27")
	}
	return strings.ReplaceAll(value, "'", "’")
}

func writeAttr(b *bytes.Buffer, name, value string) {
	fmt.Fprintf(b, ` %s="%s"`, name, Escape(value))
}

// Escape is s as character data or as an attribute value in double quotes.
// Characters that XML 1.0 does not allow are dropped, bytes that are no UTF-8
// become U+FFFD.
func Escape(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		switch r {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '"':
			b.WriteString("&quot;")
		case '\r':
			b.WriteString("&#13;")
		default:
			if Legal(r) {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// plain reports whether s is ASCII with nothing to escape, as most of what is
// written is.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' && c != '\n' && c != '\t', c >= utf8.RuneSelf, c == '&', c == '<', c == '>', c == '"':
			return false
		}
	}
	return true
}

// Legal reports whether XML 1.0 §2.2 allows the character in a document.
func Legal(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		0x20 <= r && r <= 0xD7FF || 0xE000 <= r && r <= 0xFFFD || 0x10000 <= r && r <= 0x10FFFF
}

package servertest

import (
	"encoding/xml"
	"strings"
)

// Element is received XML as a test asks about it.
type Element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Children []*Element `xml:",any"`
	Text     string     `xml:",chardata"`
	raw      string
}

// ParseElement reads one element.
func ParseElement(s string) (*Element, error) {
	e := &Element{raw: s}
	if err := xml.Unmarshal([]byte(s), e); err != nil {
		return nil, err
	}
	return e, nil
}

// Name is the local name.
func (e *Element) Name() string { return e.XMLName.Local }

// Attr is the value of an attribute by its local name, or "". It may be called
// on nil.
func (e *Element) Attr(name string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// Find walks down by local names, "event/items/item", into the first child of
// each name. It is nil when there is no such element, and may be called on nil.
func (e *Element) Find(path string) *Element {
	for name := range strings.SplitSeq(path, "/") {
		e = e.child(name)
	}
	return e
}

// All are the elements that Find would choose the first of.
func (e *Element) All(path string) []*Element {
	parent, name := e, path
	if i := strings.LastIndex(path, "/"); i >= 0 {
		parent, name = e.Find(path[:i]), path[i+1:]
	}
	var all []*Element
	if parent != nil {
		for _, c := range parent.Children {
			if c.Name() == name {
				all = append(all, c)
			}
		}
	}
	return all
}

func (e *Element) child(name string) *Element {
	if e != nil {
		for _, c := range e.Children {
			if c.Name() == name {
				return c
			}
		}
	}
	return nil
}

// Condition is the defined condition of an error stanza, or "".
func (e *Element) Condition() string {
	if err := e.Find("error"); err != nil {
		for _, c := range err.Children {
			if c.XMLName.Space == "urn:ietf:params:xml:ns:xmpp-stanzas" && c.Name() != "text" {
				return c.Name()
			}
		}
	}
	return ""
}

// String is the element as it was received; of an inner element only the name.
func (e *Element) String() string {
	if e == nil {
		return "nothing"
	}
	if e.raw == "" {
		return "<" + e.Name() + ">"
	}
	return e.raw
}

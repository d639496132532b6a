package xmpp

import (
	"encoding/xml"
	"sort"
	"strings"
)

// Element is one XML element, read strictly. It keeps the bytes it was read
// from, so that what a publisher wrote can be passed on unchanged.
type Element struct {
	Name     xml.Name   // with the namespace, never a prefix
	Attr     []xml.Attr // without namespace declarations
	Children []*Element
	Text     string // the character data directly inside, unescaped

	raw    []byte // the element, from its '<' to its last '>'
	inner  []byte // what is between its tags
	scope  *scope // the declarations in force around it
	own    *scope // the declarations in force inside it
	prefix string

	// Where in what was parsed raw and inner begin, and where the declaration of
	// a default namespace (with the space before it) begins and ends.
	at, innerAt, declAt, declEnd int
}

// Child is the first child with this name, or nil. An empty space matches
// every namespace.
func (e *Element) Child(space, local string) *Element {
	if e == nil {
		return nil
	}
	for _, c := range e.Children {
		if c.Name.Local == local && (space == "" || c.Name.Space == space) {
			return c
		}
	}
	return nil
}

// Attribute is the value of the attribute with this name and no namespace, or "".
func (e *Element) Attribute(local string) string { return e.AttributeNS("", local) }

// AttributeNS is the value of the attribute with this name, or "".
func (e *Element) AttributeNS(space, local string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.Attr {
		if a.Name.Local == local && a.Name.Space == space {
			return a.Value
		}
	}
	return ""
}

// Has reports whether the element has the attribute, even an empty one.
func (e *Element) Has(local string) bool {
	for _, a := range e.Attr {
		if a.Name.Local == local && a.Name.Space == "" {
			return true
		}
	}
	return false
}

// Raw is the element's own bytes. They may rely on namespace declarations made
// around them; see [Element.Standalone].
func (e *Element) Raw() []byte { return e.raw }

// Inner is the bytes between the element's start and end tag.
func (e *Element) Inner() []byte { return e.inner }

// Standalone is the element's own bytes, byte for byte, except that namespace
// declarations which it uses and which were made around it are added to its
// start tag. The result means the same wherever it is put.
func (e *Element) Standalone() []byte {
	missing := e.missing()
	if len(missing) == 0 {
		return e.raw
	}
	prefixes := make([]string, 0, len(missing))
	for p := range missing {
		prefixes = append(prefixes, p)
	}
	sort.Strings(prefixes)
	var decl strings.Builder
	for _, p := range prefixes {
		decl.WriteString(" xmlns")
		if p != "" {
			decl.WriteString(":" + p)
		}
		decl.WriteString("='" + Escape(missing[p]) + "'")
	}
	at := 1 + len(e.Name.Local) // behind "<name"
	if e.prefix != "" {
		at += len(e.prefix) + 1
	}
	out := make([]byte, 0, len(e.raw)+decl.Len())
	out = append(out, e.raw[:at]...)
	out = append(out, decl.String()...)
	return append(out, e.raw[at:]...)
}

// missing is the declarations, by prefix, that the element takes from around it.
func (e *Element) missing() map[string]string {
	if e.scope == nil {
		return nil
	}
	used := make(map[string]string)
	border := &scope{up: e.scope, border: used}
	p := newParser(e.raw)
	if _, err := p.element(border, 0); err != nil {
		return nil // it was read once already, so this cannot be
	}
	return used
}

package xmpp

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// What is wrong with a stranger's bytes. A transport ends the stream with the
// stream error in brackets (RFC 6120 §4.9.3).
var (
	ErrMalformed  = errors.New("not well-formed XML")              // not-well-formed
	ErrRestricted = errors.New("XML that XMPP does not allow")     // restricted-xml
	ErrTooBig     = errors.New("element exceeds the size allowed") // policy-violation
)

// How much one element may hold.
const (
	maxDepth      = 64
	maxNodes      = 8192 // elements and attributes together
	maxAttributes = 64   // of one element
)

// Parse reads exactly one element. defaultNS is the stream's default namespace;
// "" for bytes that stand alone. It is strict: what XML 1.0 with namespaces does
// not allow is [ErrMalformed], what RFC 6120 §11.1 adds to that (DTDs, comments,
// processing instructions, other entities) is [ErrRestricted], and [ErrTooBig]
// is for elements nested or numerous beyond reason. The element keeps raw, which
// must not be changed afterwards.
func Parse(raw []byte, defaultNS string) (*Element, error) {
	p := newParser(raw)
	if err := checkText(p.s); err != nil {
		return nil, err
	}
	p.space()
	e, err := p.element(stream(defaultNS), 0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos != len(p.s) {
		return nil, p.malformed("something follows the element")
	}
	return e, nil
}

// ParseStart reads a start tag alone, as a stream header is. A header without
// a default namespace has none.
func ParseStart(raw []byte) (*Element, error) {
	p := newParser(raw)
	if err := checkText(p.s); err != nil {
		return nil, err
	}
	p.space()
	e, empty, err := p.startTag(nil)
	if err != nil {
		return nil, err
	}
	p.space()
	if empty || p.pos != len(p.s) {
		return nil, p.malformed("not a single start tag")
	}
	return e, nil
}

// DefaultNS is the default namespace in force inside the element: on a stream
// header, the namespace of the stanzas to come.
func (e *Element) DefaultNS() string {
	space, _ := e.own.lookup("")
	return space
}

// parser reads s, which is raw as a string: names and values are parts of it,
// and elements and attributes come from two arrays, so that reading costs few
// allocations.
type parser struct {
	raw      []byte
	s        string
	pos      int
	nodes    int
	elements []Element
	attrs    []xml.Attr
}

func newParser(raw []byte) parser {
	p := parser{raw: raw, s: string(raw)}
	elements := min(strings.Count(p.s, "<")-strings.Count(p.s, "</"), maxNodes)
	p.elements = make([]Element, 0, max(elements, 1))
	p.attrs = make([]xml.Attr, 0, 2*cap(p.elements)+2)
	return p
}

// fresh is a new element. The array never grows, or pointers to elements made
// before would lead to a copy of them.
func (p *parser) fresh() *Element {
	if len(p.elements) == cap(p.elements) {
		p.elements = make([]Element, 0, 16)
	}
	p.elements = append(p.elements, Element{})
	return &p.elements[len(p.elements)-1]
}

func (p *parser) malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s at byte %d", ErrMalformed, fmt.Sprintf(format, args...), p.pos)
}

func (p *parser) space() {
	for p.pos < len(p.s) && isSpace(p.s[p.pos]) {
		p.pos++
	}
}

// count notes one more element or attribute.
func (p *parser) count() error {
	if p.nodes++; p.nodes > maxNodes {
		return fmt.Errorf("%w: more than %d nodes", ErrTooBig, maxNodes)
	}
	return nil
}

func (p *parser) element(around *scope, depth int) (*Element, error) {
	if depth == maxDepth {
		return nil, fmt.Errorf("%w: nested more than %d deep", ErrTooBig, maxDepth)
	}
	start := p.pos
	e, empty, err := p.startTag(around)
	if err != nil {
		return nil, err
	}
	if !empty {
		e.innerAt = p.pos
		if err := p.content(e, depth); err != nil {
			return nil, err
		}
		e.inner = p.raw[e.innerAt:p.pos:p.pos]
		if err := p.endTag(e); err != nil {
			return nil, err
		}
	}
	e.at, e.raw = start, p.raw[start:p.pos:p.pos]
	return e, nil
}

// startTag reads a start tag or an empty-element tag.
func (p *parser) startTag(around *scope) (e *Element, empty bool, err error) {
	if !strings.HasPrefix(p.s[p.pos:], "<") {
		return nil, false, p.malformed("no element")
	}
	if err := p.restricted(); err != nil {
		return nil, false, err
	}
	p.pos++
	if err := p.count(); err != nil {
		return nil, false, err
	}
	e = p.fresh()
	e.scope, e.own = around, around
	var local string
	if e.prefix, local, err = p.name(); err != nil {
		return nil, false, err
	}
	e.Name.Local = local
	empty, err = p.attributes(e)
	if err != nil {
		return nil, false, err
	}
	if e.Name.Space, err = p.resolve(e.own, e.prefix); err != nil {
		return nil, false, err
	}
	return e, empty, p.qualify(e)
}

// restricted refuses what RFC 6120 §11.1 does.
func (p *parser) restricted() error {
	rest := p.s[p.pos:]
	switch {
	case strings.HasPrefix(rest, "<?"):
		return fmt.Errorf("%w: a processing instruction", ErrRestricted)
	case strings.HasPrefix(rest, "<!--"):
		return fmt.Errorf("%w: a comment", ErrRestricted)
	case strings.HasPrefix(rest, "<!"):
		return fmt.Errorf("%w: a declaration", ErrRestricted)
	}
	return nil
}

// attributes reads up to the end of the tag. Declarations go to e.own; the
// other attributes keep their prefix in Name.Space until qualify.
func (p *parser) attributes(e *Element) (empty bool, err error) {
	first := len(p.attrs)
	defer func() { e.Attr = p.attrs[first:len(p.attrs):len(p.attrs)] }()
	for n := 0; ; n++ {
		before := p.pos
		p.space()
		switch {
		case p.pos == len(p.s):
			return false, p.malformed("the tag does not end")
		case p.s[p.pos] == '>':
			p.pos++
			return false, nil
		case strings.HasPrefix(p.s[p.pos:], "/>"):
			p.pos += 2
			return true, nil
		case p.pos == before:
			return false, p.malformed("no space before an attribute")
		case n == maxAttributes:
			return false, fmt.Errorf("%w: more than %d attributes", ErrTooBig, maxAttributes)
		}
		if err := p.attribute(e, before); err != nil {
			return false, err
		}
	}
}

// attribute reads one attribute; the space before it begins at from.
func (p *parser) attribute(e *Element, from int) error {
	if err := p.count(); err != nil {
		return err
	}
	prefix, local, err := p.name()
	if err != nil {
		return err
	}
	value, err := p.value()
	if err != nil {
		return err
	}
	switch {
	case prefix == "" && local == "xmlns":
		e.declAt, e.declEnd = from, p.pos
		return p.declare(e, "", value)
	case prefix == "xmlns":
		return p.declare(e, local, value)
	}
	p.attrs = append(p.attrs, xml.Attr{Name: xml.Name{Space: prefix, Local: local}, Value: value})
	return nil
}

// declare adds a namespace declaration (Namespaces in XML 1.0 §3).
func (p *parser) declare(e *Element, prefix, space string) error {
	for s := e.own; s != e.scope; s = s.up {
		if s.prefix == prefix {
			return p.malformed("two declarations of the prefix %q", prefix)
		}
	}
	switch {
	case prefix == "xmlns", space == nsXMLNS, (prefix == "xml") != (space == nsXML):
		return p.malformed("a reserved namespace is declared")
	case prefix != "" && space == "":
		return p.malformed("the prefix %q is undeclared again", prefix)
	case e.own != nil && e.own.size >= maxScope:
		return fmt.Errorf("%w: more than %d namespace declarations", ErrTooBig, maxScope)
	}
	e.own = e.own.declare(prefix, space)
	return nil
}

// qualify turns the prefixes of the attributes into namespaces and refuses
// duplicates.
func (p *parser) qualify(e *Element) error {
	for i := range e.Attr {
		name := &e.Attr[i].Name
		if name.Space != "" {
			space, err := p.resolve(e.own, name.Space)
			if err != nil {
				return err
			}
			name.Space = space
		}
		for _, other := range e.Attr[:i] {
			if other.Name == *name {
				return p.malformed("two attributes %q", name.Local)
			}
		}
	}
	return nil
}

func (p *parser) resolve(s *scope, prefix string) (string, error) {
	space, ok := s.lookup(prefix)
	if !ok {
		return "", p.malformed("the prefix %q is not declared", prefix)
	}
	return space, nil
}

// content reads up to the element's end tag.
func (p *parser) content(e *Element, depth int) error {
	var text strings.Builder // used when there is more than one piece of it
	for {
		piece, err := p.textPiece()
		if err != nil {
			return err
		}
		switch {
		case e.Text == "":
			e.Text = piece
		case piece != "":
			if text.Len() == 0 {
				text.WriteString(e.Text)
			}
			text.WriteString(piece)
		}
		switch rest := p.s[p.pos:]; {
		case rest == "":
			return p.malformed("the element %q does not end", e.Name.Local)
		case strings.HasPrefix(rest, "</"):
			if text.Len() > 0 {
				e.Text = text.String()
			}
			return nil
		case rest[0] != '<', strings.HasPrefix(rest, cdataOpens):
			continue // more text
		}
		child, err := p.element(e.own, depth+1)
		if err != nil {
			return err
		}
		e.Children = append(e.Children, child)
	}
}

// How a CDATA section begins and ends.
const cdataOpens, cdataCloses = "<![CDATA[", "]]>"

// textPiece reads text up to the next '<', or a CDATA section.
func (p *parser) textPiece() (string, error) {
	rest, isCDATA := strings.CutPrefix(p.s[p.pos:], cdataOpens)
	if isCDATA {
		if err := p.count(); err != nil {
			return "", err
		}
		text, _, found := strings.Cut(rest, cdataCloses)
		if !found {
			return "", p.malformed("a CDATA section does not end")
		}
		p.pos += len(cdataOpens) + len(text) + len(cdataCloses)
		return newlines(text), nil
	}
	text, _, _ := strings.Cut(rest, "<")
	p.pos += len(text)
	return p.unescape(text, false)
}

func (p *parser) endTag(e *Element) error {
	p.pos += len("</")
	prefix, local, err := p.name()
	if err != nil {
		return err
	}
	if prefix != e.prefix || local != e.Name.Local {
		return p.malformed("the end tag does not match %q", e.Name.Local)
	}
	p.space()
	if p.pos == len(p.s) || p.s[p.pos] != '>' {
		return p.malformed("the end tag does not end")
	}
	p.pos++
	return nil
}

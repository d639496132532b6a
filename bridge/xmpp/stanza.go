package xmpp

import (
	"bytes"
	"errors"
	"fmt"

	"peewit/bridge"
)

// ErrNotStanza is a well-formed element that is none of message, presence and
// iq; a transport ends the stream with unsupported-stanza-type
// (RFC 6120 §4.9.3.24), unless it knows the element.
var ErrNotStanza = errors.New("not a stanza")

// Stanza is a message, presence or iq (RFC 6120 §8).
type Stanza struct {
	*Element
	Kind     string // "message", "presence" or "iq"
	ID       string
	Type     string // as sent; "" on a message means normal, on a presence available
	Lang     string
	From, To bridge.JID // "" when absent
	Raw      []byte     // the stanza as it came

	streamNS string
}

// ParseStanza reads one stanza of a stream whose default namespace is streamNS.
// When only an address in it is malformed it returns the stanza without that
// address and a [bridge.MalformedJID] error, with which [Router.Refuse] can
// answer.
func ParseStanza(raw []byte, streamNS string) (*Stanza, error) {
	e, err := Parse(raw, streamNS)
	if err != nil {
		return nil, err
	}
	return NewStanza(e, streamNS)
}

// NewStanza is [ParseStanza] for an element that was parsed already.
func NewStanza(e *Element, streamNS string) (*Stanza, error) {
	st := &Stanza{Element: e, Kind: e.Name.Local, Raw: e.raw, streamNS: streamNS}
	switch st.Kind {
	case "message", "presence", "iq":
	default:
		return nil, fmt.Errorf("%w: %s", ErrNotStanza, Escape(e.Name.Local))
	}
	if e.Name.Space != streamNS {
		return nil, fmt.Errorf("%w: %s in namespace %q", ErrNotStanza, st.Kind, e.Name.Space)
	}
	st.ID, st.Type, st.Lang = e.Attribute("id"), e.Attribute("type"), e.AttributeNS(nsXML, "lang")
	var bad *bridge.Error
	address := func(name string) bridge.JID {
		if !e.Has(name) {
			return ""
		}
		j, err := bridge.ParseJID(e.Attribute(name))
		if err != nil {
			bad = bridge.Refuse(bridge.MalformedJID, "the %s address is malformed", name)
			bad.Err = err
		}
		return j
	}
	st.From, st.To = address("from"), address("to")
	if bad != nil {
		return st, bad
	}
	return st, nil
}

// Payload is the first child element, or nil: what a get or set asks for.
func (st *Stanza) Payload() *Element {
	if len(st.Children) == 0 {
		return nil
	}
	return st.Children[0]
}

// Answerable reports whether an error may be sent in reply: errors are never
// answered, and neither are results (RFC 6120 §8.2.3, §8.3.1).
func (st *Stanza) Answerable() bool {
	return st.Type != "error" && !(st.Kind == "iq" && st.Type == "result")
}

// Bytes is the stanza with its addresses as they are in the fields now, its
// content byte for byte, and nothing that ties it to the stream it came from.
func (st *Stanza) Bytes() []byte {
	var b bytes.Buffer
	b.Grow(len(st.Raw) + 64)
	start(&b, st.Kind, st.Type, st.ID, st.From, st.To)
	attribute(&b, "xml:lang", st.Lang)
	for s := st.own; s != st.scope; s = s.up {
		if s.prefix != "" { // the default namespace is the stream's
			attribute(&b, "xmlns:"+s.prefix, s.space)
		}
	}
	b.WriteByte('>')
	st.writeContent(&b)
	b.WriteString("</" + st.Kind + ">")
	return b.Bytes()
}

// writeContent leaves out declarations of the stream's namespace on children
// (<body xmlns='jabber:client'>): on a stream with another one they would make
// foreign elements.
func (st *Stanza) writeContent(b *bytes.Buffer) {
	done := 0 // how much of st.inner is written
	for _, c := range st.Children {
		if c.declEnd > 0 && c.prefix == "" && c.Name.Space == st.streamNS {
			b.Write(st.inner[done : c.declAt-st.innerAt])
			done = c.declEnd - st.innerAt
		}
	}
	b.Write(st.inner[done:])
}

// Wrap is a stanza made here: kind is "message", "presence" or "iq"; typ, id,
// from and to are left out when empty; inner is its content.
func Wrap(kind, typ, id string, from, to bridge.JID, inner []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(inner) + len(from) + len(to) + 64)
	start(&b, kind, typ, id, from, to)
	if len(inner) == 0 {
		b.WriteString("/>")
		return b.Bytes()
	}
	b.WriteByte('>')
	b.Write(inner)
	b.WriteString("</" + kind + ">")
	return b.Bytes()
}

// start writes a start tag up to, not including, its '>'.
func start(b *bytes.Buffer, kind, typ, id string, from, to bridge.JID) {
	b.WriteString("<" + kind)
	attribute(b, "type", typ)
	attribute(b, "id", id)
	attribute(b, "from", string(from))
	attribute(b, "to", string(to))
}

func attribute(b *bytes.Buffer, name, value string) {
	if value == "" {
		return
	}
	b.WriteByte(' ')
	b.WriteString(name)
	b.WriteString("='")
	b.WriteString(Escape(value))
	b.WriteByte('\'')
}

package pubsub

import (
	"strconv"
	"time"
	"unicode/utf8"

	"peewit/bridge"
)

// The namespaces spoken here.
const (
	nsPubsub     = "http://jabber.org/protocol/pubsub"
	nsOwner      = "http://jabber.org/protocol/pubsub#owner"
	nsEvent      = "http://jabber.org/protocol/pubsub#event"
	nsInfo       = "http://jabber.org/protocol/disco#info"
	nsItems      = "http://jabber.org/protocol/disco#items"
	nsData       = "jabber:x:data"
	nsRSM        = "http://jabber.org/protocol/rsm"
	nsOrder      = "urn:xmpp:order-by:1"
	nsDelay      = "urn:xmpp:delay"
	nsSocialFeed = "urn:xmpp:pubsub-social-feed:1"
)

// writer builds XML. Elements are written as text with their namespace on each
// root and never a prefix: some readers (Movim) do not know prefixes.
type writer struct{ b []byte }

// raw writes markup, or bytes that are XML already.
func (w *writer) raw(s string) *writer {
	w.b = append(w.b, s...)
	return w
}

// text writes character data or the inside of a quoted attribute value.
func (w *writer) text(s string) *writer {
	w.b = appendText(w.b, s)
	return w
}

// attr writes an attribute.
func (w *writer) attr(name, value string) *writer {
	w.b = append(append(append(w.b, ' '), name...), "='"...)
	w.b = append(appendText(w.b, value), '\'')
	return w
}

// optional writes an attribute that is left out when it is empty.
func (w *writer) optional(name, value string) *writer {
	if value == "" {
		return w
	}
	return w.attr(name, value)
}

// number writes a number.
func (w *writer) number(n int) *writer {
	w.b = strconv.AppendInt(w.b, int64(n), 10)
	return w
}

// appendText appends s escaped for both character data and attribute values in
// either quote. White space other than blanks becomes character references, so
// that it survives as an attribute. What XML 1.0 cannot hold becomes U+FFFD: one
// such character would end the whole stream.
func appendText(dst []byte, s string) []byte {
	plain := 0 // start of what needs no change
	for i := 0; i < len(s); {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if ref := reference(r, size); ref != "" {
			dst = append(append(dst, s[plain:i]...), ref...)
			plain = i + size
		}
		i += size
	}
	return append(dst, s[plain:]...)
}

// reference is what stands for r in XML text, or "" when r stands for itself.
func reference(r rune, size int) string {
	switch r {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '\'':
		return "&apos;"
	case '"':
		return "&quot;"
	case '\t':
		return "&#9;"
	case '\n':
		return "&#10;"
	case '\r':
		return "&#13;"
	}
	if r < ' ' || r == 0xFFFE || r == 0xFFFF || (r == utf8.RuneError && size == 1) {
		return "\uFFFD"
	}
	return ""
}

// stamp is a time as XEP-0082 §3.2 writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// writeItem writes an item as it stands in events and in answers; without
// payload for those who only want to know that it is there.
func writeItem(w *writer, item *bridge.Item, payload bool) {
	w.raw("<item").attr("id", item.ID).optional("publisher", string(item.Publisher)) // XEP-0060 §7.1.2.3
	if !payload || len(item.Payload) == 0 {
		w.raw("/>")
		return
	}
	w.raw(">")
	w.b = append(w.b, item.Payload...)
	w.raw("</item>")
}

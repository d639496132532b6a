package pubsub

import (
	"strconv"
	"time"

	"peewit/bridge"
)

// maxEvent is the most bytes of an event. A bigger one is sent without its
// payload: links between servers refuse or delay big stanzas, and whoever wants
// the item can fetch it.
const maxEvent = 64 << 10

// Event is one notification of a node (XEP-0060 §4.3), the same for each of its
// recipients but for the address and the message id.
type Event struct {
	Node bridge.Node // whose subscribers are told

	seq  uint64 // of the record it tells of
	salt uint64 // tells the events of one record apart
	head []byte // up to the value of the attribute to
	tail []byte // from the end of the value of the attribute id
}

// newEvent is an event of node about the record seq; body writes what stands
// inside <event/>, what names it among the events of the record, and a time that
// is not zero marks it as news of then (XEP-0203).
func newEvent(node bridge.Node, seq uint64, what string, then time.Time, body func(*writer)) Event {
	head := new(writer)
	head.raw("<message").attr("from", string(node.Addr.Service))
	if node.Config.NotificationType != "normal" { // the default type of a message
		head.attr("type", "headline")
	}
	head.raw(" to='")
	tail := new(writer)
	tail.raw("'><event xmlns='" + nsEvent + "'>")
	body(tail)
	tail.raw("</event>")
	if !then.IsZero() {
		tail.raw("<delay xmlns='"+nsDelay+"'").attr("stamp", stamp(then)).raw("/>")
	}
	tail.raw("</message>")
	salt := hash(hash(offset64, node.ID), what)
	return Event{Node: node, seq: seq, salt: salt, head: head.b, tail: tail.b}
}

// itemEvent tells of an item that was published.
func itemEvent(node bridge.Node, seq uint64, item *bridge.Item, then time.Time) Event {
	payload := node.Config.DeliverPayloads
	for {
		e := newEvent(node, seq, item.ID, then, func(w *writer) {
			w.raw("<items").attr("node", node.Addr.Name).raw(">")
			writeItem(w, item, payload)
			w.raw("</items>")
		})
		if !payload || len(e.head)+len(e.tail) <= maxEvent {
			return e
		}
		payload = false // XEP-0060 §7.1.2.2
	}
}

// retractEvent tells of an item that was taken out (XEP-0060 §7.2.2.1).
func retractEvent(node bridge.Node, seq uint64, id string) Event {
	return newEvent(node, seq, id, time.Time{}, func(w *writer) {
		w.raw("<items").attr("node", node.Addr.Name).raw("><retract").attr("id", id).raw("/></items>")
	})
}

// nodeEvent tells of something that happened to the whole node: "purge"
// (XEP-0060 §8.5.2) or "delete" (§8.4.2).
func nodeEvent(node bridge.Node, seq uint64, what string) Event {
	return newEvent(node, seq, what, time.Time{}, func(w *writer) {
		w.raw("<"+what).attr("node", node.Addr.Name).raw("/>")
	})
}

// Stanza appends the event as a message to one recipient. Its id is the same
// whenever the same event is made for the same recipient.
func (e *Event) Stanza(dst []byte, to bridge.JID) []byte {
	dst = append(dst, e.head...)
	dst = appendText(dst, string(to))
	dst = append(dst, "' id='"...)
	dst = e.appendID(dst, to)
	return append(dst, e.tail...)
}

// MessageID is the id of the message to one recipient: what a bounce names
// (XEP-0060 §12.4).
func (e *Event) MessageID(to bridge.JID) string { return string(e.appendID(nil, to)) }

func (e *Event) appendID(dst []byte, to bridge.JID) []byte {
	dst = strconv.AppendUint(dst, e.seq, 36)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, hash(e.salt, string(to)), 36)
}

const (
	offset64 = 14695981039346656037
	prime64  = 1099511628211
)

// hash goes on with a 64 bit FNV-1a hash, with an end mark behind each part.
func hash(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime64
	}
	return (h ^ 0xff) * prime64 // no byte of UTF-8
}

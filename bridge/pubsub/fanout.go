package pubsub

import (
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// Events is what a record of the log makes known, in order. It reads the record
// and what is in memory, so it may be asked again later: for a record whose node
// is gone since there is nothing left to tell.
func (h *Handler) Events(rec *bridge.Record) []Event {
	switch {
	case rec.Publish != nil, rec.Reference != nil:
		return h.published(rec)
	case rec.Retract != nil:
		return h.retracted(rec)
	case rec.Purge != nil:
		if node, ok := h.svc.Registry().NodeByID(rec.Purge.NodeID); ok && node.Config.NotifyRetract {
			return []Event{nodeEvent(node, rec.Seq, "purge")}
		}
	case rec.Node != nil:
		if rec.Node.Removed && rec.Node.Config.NotifyDelete {
			return []Event{nodeEvent(*rec.Node, rec.Seq, "delete")}
		}
	}
	return nil
}

// published is the event of a new item at its node, and at the views that show
// it.
func (h *Handler) published(rec *bridge.Record) []Event {
	node, ok := h.svc.Registry().NodeByID(rec.NodeID())
	if !ok {
		return nil
	}
	item, ok := h.svc.Posts.Resolve(rec)
	if !ok {
		return nil
	}
	events := []Event{itemEvent(node, rec.Seq, &item, time.Time{})}
	item.ID = viewID(node.Addr, item.ID)
	for _, view := range h.shownIn(&node) {
		events = append(events, itemEvent(view, rec.Seq, &item, time.Time{}))
	}
	return events
}

// retracted is one event an item: many clients read the first item only.
func (h *Handler) retracted(rec *bridge.Record) []Event {
	node, ok := h.svc.Registry().NodeByID(rec.Retract.NodeID)
	if !ok {
		return nil
	}
	var events []Event
	views := h.shownIn(&node)
	for _, id := range rec.Retract.Items {
		if node.Config.NotifyRetract || rec.Retract.Notify {
			events = append(events, retractEvent(node, rec.Seq, id))
		}
		for _, view := range views {
			events = append(events, retractEvent(view, rec.Seq, viewID(node.Addr, id)))
		}
	}
	return events
}

// Observe pushes what a record makes known to the sessions of this process. It
// is called by the goroutine that applies the log, so a subscription that stands
// before a post in the log is heeded and a later one is not.
func (h *Handler) Observe(rec *bridge.Record) {
	events := h.Events(rec)
	for i := range events {
		if rec.Removed() {
			h.mourners.note(events[i].Node.ID, h.Remote(&events[i], ""))
		}
		h.push(&events[i])
	}
}

// buffers hold a stanza on its way: Session.Send copies.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// push sends an event to the recipients that have a session here, once to each
// full address.
func (h *Handler) push(e *Event) {
	buf := buffers.Get().(*[]byte)
	for jid := range h.recipients(e, "") {
		if jid.Domain() != h.domain {
			continue
		}
		*buf = e.Stanza((*buf)[:0], jid)
		h.deliver(jid, *buf)
	}
	buffers.Put(buf)
}

// deliver sends an event to one address: to all sessions of a bare one here
// (RFC 6121 §8.5.2.1.1). That nobody can be reached now is no error, and a
// session that cannot keep up is closed by its transport.
func (h *Handler) deliver(to bridge.JID, stanza []byte) {
	if !to.IsBare() || to.Domain() != h.domain {
		if err := h.router.Send(to, xmpp.Event, stanza); errors.Is(err, xmpp.ErrUnreachable) {
			h.visitors.forget(to)
		}
		return
	}
	for _, session := range h.router.Sessions(to) {
		_ = session.Send(xmpp.Event, stanza)
	}
}

// Remote is the recipients of an event on other domains, in the order of their
// addresses, behind the address after. Who has lost access is left out.
func (h *Handler) Remote(e *Event, after bridge.JID) iter.Seq[bridge.JID] {
	return func(yield func(bridge.JID) bool) {
		for jid := range h.recipients(e, after) {
			if jid.Domain() != h.domain && !yield(jid) {
				return
			}
		}
	}
}

// recipients are the addresses an event goes to, in their order and behind the
// address after: the subscribers, visitors, and at an account those who asked
// for it with +notify (XEP-0163 §4.3). A bare address stands for all of its full ones: they
// get the event through it and not once more.
func (h *Handler) recipients(e *Event, after bridge.JID) iter.Seq[bridge.JID] {
	if _, living := h.svc.Registry().NodeByID(e.Node.ID); !living {
		return merged(nil, h.mourners.of(e.Node.ID), after)
	}
	subs := h.svc.Registry().Subscriptions(e.Node.ID)
	notify := h.visitors.on(e.Node.ID)
	if e.Node.Addr.Service != h.domain {
		notify = slices.Concat(notify, h.router.Interested(e.Node.Addr.Service, e.Node.Addr.Name))
		slices.Sort(notify)
	}
	may := h.readers(&e.Node)
	return func(yield func(bridge.JID) bool) {
		for jid := range merged(subs, notify, after) {
			if !jid.IsBare() && subscribed(subs, jid.Bare()) {
				continue
			}
			if may(jid) && !yield(jid) {
				return
			}
		}
	}
}

// merged is the addresses of both sorted lists in order, each once, behind after.
func merged(subs []bridge.Subscription, jids []bridge.JID, after bridge.JID) iter.Seq[bridge.JID] {
	return func(yield func(bridge.JID) bool) {
		last := after
		for len(subs) > 0 || len(jids) > 0 {
			var next bridge.JID
			if len(jids) == 0 || len(subs) > 0 && subs[0].JID <= jids[0] {
				next, subs = subs[0].JID, subs[1:]
			} else {
				next, jids = jids[0], jids[1:]
			}
			if next <= last {
				continue
			}
			if last = next; !yield(next) {
				return
			}
		}
	}
}

// subscribed reports whether jid is among the subscriptions, which are sorted.
func subscribed(subs []bridge.Subscription, jid bridge.JID) bool {
	_, found := slices.BinarySearchFunc(subs, jid, func(s bridge.Subscription, jid bridge.JID) int {
		if s.JID < jid {
			return -1
		}
		if s.JID > jid {
			return 1
		}
		return 0
	})
	return found
}

// readers reports who may still read a node. An open node is read by all but the
// few that were shut out, which is known at once.
func (h *Handler) readers(node *bridge.Node) func(bridge.JID) bool {
	if node.Config.AccessModel != bridge.AccessOpen {
		return func(jid bridge.JID) bool { return h.allow(jid, bridge.Read, node) == nil }
	}
	var shut []bridge.JID
	for _, a := range h.svc.Registry().Affiliations(node.ID) {
		if a.Role == bridge.RoleOutcast || a.Role == bridge.RolePublishOnly {
			shut = append(shut, a.JID)
		}
	}
	return func(jid bridge.JID) bool {
		return len(shut) == 0 || !slices.Contains(shut, jid.Bare())
	}
}

// maxMourned bounds the deleted nodes whose recipients are remembered: longer
// than any lane is behind in ordinary times.
const maxMourned = 64

// mourners are the recipients elsewhere that nodes had when they were removed, by
// node id: the lanes come to the event when the subscriptions have gone.
type mourners struct {
	mu    sync.Mutex
	known map[string][]bridge.JID
	order []string // ids, oldest first
}

func (m *mourners) note(nodeID string, recipients iter.Seq[bridge.JID]) {
	list := slices.Collect(recipients)
	if len(list) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string][]bridge.JID{}
	}
	m.known[nodeID], m.order = list, append(m.order, nodeID) // it is removed once
	if len(m.order) > maxMourned {
		delete(m.known, m.order[0])
		m.order = m.order[1:]
	}
}

func (m *mourners) of(nodeID string) []bridge.JID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[nodeID]
}

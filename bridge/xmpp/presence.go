package xmpp

import (
	"bytes"
	"context"
	"log/slog"
	"strconv"
	"strings"

	"peewit/bridge"
)

// receivePresence deals with presence from a session or from elsewhere.
func (r *Router) receivePresence(ctx context.Context, st *Stanza) {
	if r.ours(st.From) {
		if b := r.sessions.get(st.From); b != nil {
			r.presenceOut(ctx, b, st)
		}
		return
	}
	if r.ours(st.To) {
		r.presenceIn(ctx, st)
	}
}

// maxPresence is how many bytes a session's presence may have: it is kept, and
// sent to every contact.
const maxPresence = 16 << 10

// presenceOut deals with presence from a session (RFC 6121 §4).
func (r *Router) presenceOut(ctx context.Context, b *bound, st *Stanza) {
	switch {
	case len(st.Raw) > maxPresence:
		r.Refuse(ctx, st, bridge.Refuse(bridge.PolicyViolation, "presence has at most %d bytes", maxPresence))
	case changesSubscription(st.Type):
		if st.To == "" {
			r.Refuse(ctx, st, bridge.Refuse(bridge.BadRequest, "a subscription is to somebody"))
			return
		}
		r.subscriptionOut(ctx, st)
	case st.Type == "error", st.Type == "probe": // §4.3: probes are servers' business
	case st.Type != "" && st.Type != "unavailable":
		r.Refuse(ctx, st, bridge.Refuse(bridge.BadRequest, "there is no presence of this type"))
	case st.To != "":
		r.presenceDirected(ctx, b, st)
	case st.Type == "":
		r.arrive(ctx, b, st)
	default:
		r.depart(ctx, b, st.body())
	}
}

// body is the stanza behind its addresses, up to its end: what is the same for
// all who are sent it.
func (st *Stanza) body() []byte {
	whole := *st
	whole.Type, whole.ID, whole.From, whole.To = "", "", "", ""
	return whole.Bytes()[len("<")+len(st.Kind):]
}

// addressed is a presence with a body made by [Stanza.body].
func addressed(typ string, from, to bridge.JID, body []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(body) + len(from) + len(to) + 48)
	start(&b, "presence", typ, "", from, to)
	b.Write(body)
	return b.Bytes()
}

// noBody is the body of a presence without content.
const noBody = "/>"

// arrive deals with available presence: the first one, or an update
// (RFC 6121 §4.2, §4.4).
func (r *Router) arrive(ctx context.Context, b *bound, st *Stanza) {
	priority, err := priorityOf(st)
	if err != nil {
		r.Refuse(ctx, st, err)
		return
	}
	b.turn.Lock()
	first, ok := b.arrive(st.body(), priority)
	if ok {
		r.broadcast(ctx, b, "", b.body())
		if first {
			r.greet(ctx, b)
		}
	}
	b.turn.Unlock()
	if ok && !b.anonymous {
		r.noteCaps(ctx, b.jid, r.domain, st.Element)
	}
}

// priorityOf is the presence's priority (RFC 6121 §4.7.2.3).
func priorityOf(st *Stanza) (int, error) {
	e := st.Child(st.streamNS, "priority")
	if e == nil {
		return 0, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(e.Text), 10, 8)
	if err != nil {
		return 0, bridge.Refuse(bridge.BadRequest, "a priority is a number from -128 to 127")
	}
	return int(n), nil
}

// greet shows a session that has just become available who else is, asks about
// contacts elsewhere, and brings requests that waited (RFC 6121 §3.1.3, §4.2.2).
func (r *Router) greet(ctx context.Context, b *bound) {
	account := b.jid.Bare()
	for _, other := range r.sessions.of(account) {
		if body := other.body(); body != nil && other != b {
			_ = b.session.Send(Presence, addressed("", other.jid, b.jid, body))
		}
	}
	if b.anonymous {
		return
	}
	for _, c := range r.contacts.List(account) {
		if c.SeesContact() {
			if r.ours(c.JID) {
				r.probed(ctx, b.jid, c.JID)
			} else {
				_ = r.sendOut(c.JID, Presence, Wrap("presence", "probe", "", b.jid, c.JID, nil))
			}
		}
		if c.PendingIn {
			_ = b.session.Send(Presence, Wrap("presence", subscribe, "", c.JID, account, nil))
		}
	}
}

// depart deals with unavailable presence (RFC 6121 §4.5, §4.6.3).
func (r *Router) depart(ctx context.Context, b *bound, body []byte) {
	b.turn.Lock()
	defer b.turn.Unlock()
	was, directed := b.depart()
	if was {
		r.broadcast(ctx, b, "unavailable", body)
	}
	for _, to := range directed {
		r.sendPresence(ctx, to, addressed("unavailable", b.jid, to, body))
	}
	r.forget(b.jid)
}

// leave is what is left to do when a session is gone.
func (r *Router) leave(ctx context.Context, b *bound) {
	b.end()
	r.depart(ctx, b, []byte(noBody))
	r.mu.RLock()
	told := r.onEnd
	r.mu.RUnlock()
	for _, fn := range told {
		fn(b.jid)
	}
}

// broadcast sends a session's presence to those who may see it: contacts and
// the account's own sessions, itself included (RFC 6121 §4.2.2, §4.4.2, §4.5.2).
func (r *Router) broadcast(ctx context.Context, b *bound, typ string, body []byte) {
	account := b.jid.Bare()
	r.sendPresence(ctx, account, addressed(typ, b.jid, account, body))
	if b.anonymous {
		return
	}
	for _, c := range r.contacts.List(account) {
		if c.SeenByContact() {
			r.sendPresence(ctx, c.JID, addressed(typ, b.jid, c.JID, body))
		}
	}
}

// sendPresence carries presence to whoever of the address is there.
func (r *Router) sendPresence(ctx context.Context, to bridge.JID, stanza []byte) {
	if err := r.Send(to, Presence, stanza); err != nil && !r.ours(to) {
		r.logger.DebugContext(ctx, "presence lost", slog.String("to", string(to)), slog.Any("error", err))
	}
}

// presenceDirected carries presence to one address and remembers to take it
// back (RFC 6121 §4.6).
func (r *Router) presenceDirected(ctx context.Context, b *bound, st *Stanza) {
	b.turn.Lock()
	defer b.turn.Unlock()
	if st.Type == "" {
		c, _ := r.contacts.Get(b.jid.Bare(), st.To.Bare())
		if !c.SeenByContact() && !b.direct(st.To) {
			r.Refuse(ctx, st, bridge.Refuse(bridge.ResourceConstraint, "presence was directed to too many"))
			return
		}
	} else {
		b.undirect(st.To)
	}
	if err := r.carry(st); err != nil && !r.ours(st.To) { // §8.5.3.2.2: otherwise silently ignored
		r.Refuse(ctx, st, err)
	}
}

// presenceIn deals with presence from another domain.
func (r *Router) presenceIn(ctx context.Context, st *Stanza) {
	account := st.To.Bare()
	switch {
	case changesSubscription(st.Type):
		r.subscriptionIn(ctx, st.Type, st.From.Bare(), account, r.bare(st))
	case st.Type == "probe":
		r.probed(ctx, st.From, account)
	case st.Type == "":
		_ = r.carry(st)
		if r.remotes.add(st.From, account, r.related(account, st.From)) {
			r.noteCaps(ctx, st.From, account, st.Element)
			r.judge(ctx, account, st.From)
		}
	case st.Type == "unavailable":
		_ = r.carry(st)
		r.remoteGone(st.From, account)
	case st.Type == "error": // never answered; the sender of what failed is told
		if r.sessions.get(st.To) != nil {
			_ = r.carry(st)
		}
	}
}

// bare is the stanza between bare addresses.
func (r *Router) bare(st *Stanza) []byte {
	whole := *st
	whole.From, whole.To = st.From.Bare(), st.To.Bare()
	return whole.Bytes()
}

// related reports whether the account has to do with a contact, so that its
// presence is worth remembering.
func (r *Router) related(account, contact bridge.JID) bool {
	c, ok := r.contacts.Get(account, contact.Bare())
	return ok && (c.SeesContact() || c.SeenByContact())
}

// probed answers a presence probe (RFC 6121 §4.3.2).
func (r *Router) probed(ctx context.Context, from, account bridge.JID) {
	c, _ := r.contacts.Get(account, from.Bare())
	switch {
	case !r.exists(account), !c.SeenByContact():
		r.tell(ctx, unsubscribed, account, from.Bare(), nil)
	case !r.show(ctx, account, from):
		r.sendPresence(ctx, from, addressed("unavailable", account, from, []byte(noBody)))
	}
}

// show sends an account's presence to one address and reports whether there
// was any.
func (r *Router) show(ctx context.Context, account, to bridge.JID) bool {
	shown := false
	for from, body := range r.there(account) {
		r.sendPresence(ctx, to, addressed("", from, to, body))
		shown = true
	}
	return shown
}

// hide takes back what show said.
func (r *Router) hide(ctx context.Context, account, to bridge.JID) {
	for from := range r.there(account) {
		r.sendPresence(ctx, to, addressed("unavailable", from, to, []byte(noBody)))
	}
}

// there is the full JIDs at which an account is available, with their presence.
func (r *Router) there(account bridge.JID) map[bridge.JID][]byte {
	out := make(map[bridge.JID][]byte)
	if r.alwaysThere(account) {
		from, place := account, OnDomain
		if account != r.domain {
			from, place = account.WithResource(Bridge), OnResource
		}
		out[from] = []byte(">" + string(r.Caps(place)) + "</presence>")
	}
	for _, b := range r.sessions.of(account) {
		if body := b.body(); body != nil {
			out[b.jid] = body
		}
	}
	return out
}

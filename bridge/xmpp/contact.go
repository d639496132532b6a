package xmpp

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync"

	"peewit/bridge"
)

// maxPending is how many strangers may wait for an account's answer. How many
// contacts there may be in all is decided where they are kept.
const maxPending = 500

// contactLocks lets one change at a time happen to one contact.
type contactLocks struct {
	seed    maphash.Seed
	stripes [64]sync.Mutex
}

func newContactLocks() *contactLocks { return &contactLocks{seed: maphash.MakeSeed()} }

func (l *contactLocks) of(account, jid bridge.JID) *sync.Mutex {
	h := maphash.String(l.seed, string(account)+"\x00"+string(jid))
	return &l.stripes[h%uint64(len(l.stripes))]
}

// edit says what becomes of a contact, and which stanza the account's sessions
// are to see before they see their roster change (RFC 6121 §3.1.6, §3.2.3,
// §3.3.3), or nil.
type edit func(bridge.Contact) (next bridge.Contact, notice []byte, err error)

// change edits one of an account's contacts and tells the account's sessions.
// Both states are returned. Nothing is saved and told when the edit changes
// nothing or fails. No two changes of one contact overlap.
func (r *Router) change(ctx context.Context, account, jid bridge.JID, fn edit) (before, after bridge.Contact, err error) {
	lock := r.locks.of(account, jid)
	lock.Lock()
	defer lock.Unlock()
	before, known := r.contacts.Get(account, jid)
	if !known {
		before = bridge.Contact{Account: account, JID: jid, Subscription: "none"}
	}
	after, notice, err := fn(before)
	if err != nil || sameContact(before, after) {
		return before, before, err
	}
	if !known {
		if err := r.room(after); err != nil {
			return before, before, err
		}
	}
	after.Removed = empty(after)
	if err := r.contacts.Save(ctx, after); err != nil {
		return before, before, fmt.Errorf("save contact %s of %s: %w", jid, account, err)
	}
	if notice != nil {
		_ = r.Send(account, Presence, notice) // when nobody is there, a request waits in the contact
	}
	if !sameItem(before, after) {
		r.push(account, after)
	}
	return before, after, nil
}

// room refuses one stranger too many.
func (r *Router) room(c bridge.Contact) error {
	if c.InRoster {
		return nil
	}
	strangers := 0
	for _, o := range r.contacts.List(c.Account) {
		if o.PendingIn && !o.InRoster {
			strangers++
		}
	}
	if strangers >= maxPending {
		return bridge.Refuse(bridge.ResourceConstraint, "too many requests to %s are unanswered", c.Account)
	}
	return nil
}

func sameContact(a, b bridge.Contact) bool {
	return sameItem(a, b) && a.PendingIn == b.PendingIn && a.Removed == b.Removed
}

// sameItem reports whether two states of a contact look the same in the roster.
func sameItem(a, b bridge.Contact) bool {
	return a.Name == b.Name && slices.Equal(a.Groups, b.Groups) && a.Subscription == b.Subscription &&
		a.Ask == b.Ask && a.InRoster == b.InRoster
}

// subscriptionOut deals with a presence that changes a subscription and comes
// from one of our sessions (RFC 6121 §3.1.2, §3.1.5, §3.2.2, §3.3.2).
func (r *Router) subscriptionOut(ctx context.Context, st *Stanza) {
	account, contact := st.From.Bare(), st.To.Bare()
	if account == contact || !r.exists(account) {
		return
	}
	if !r.ours(contact) && r.linkTo(contact.Domain()) == nil && st.Type == subscribe {
		r.Refuse(ctx, st, bridge.Refuse(RemoteServerNotFound, "there is no way to %s from here", contact.Domain()))
		return
	}
	route := false
	before, after, err := r.change(ctx, account, contact, func(c bridge.Contact) (next bridge.Contact, _ []byte, _ error) {
		next, route = outbound(c, st.Type)
		return next, nil, nil
	})
	if err != nil {
		r.Refuse(ctx, st, err)
		return
	}
	if route {
		whole := *st
		whole.From, whole.To = account, contact // RFC 6121 §3.1.2: from the bare JID
		r.tell(ctx, st.Type, account, contact, whole.Bytes())
	}
	r.seenChanged(ctx, before, after)
}

// tell carries a subscription stanza to a bare address.
func (r *Router) tell(ctx context.Context, typ string, from, to bridge.JID, stanza []byte) {
	if stanza == nil {
		stanza = Wrap("presence", typ, "", from, to, nil)
	}
	if r.ours(to) {
		r.subscriptionIn(ctx, typ, from, to, stanza)
		return
	}
	if err := r.sendOut(to, Presence, stanza); err != nil {
		r.logger.DebugContext(ctx, "presence lost", slog.String("to", string(to)), slog.Any("error", err))
	}
}

// subscriptionIn deals with one that comes to an address of ours
// (RFC 6121 §3.1.3, §3.1.6, §3.2.3, §3.3.3).
func (r *Router) subscriptionIn(ctx context.Context, typ string, from, to bridge.JID, stanza []byte) {
	switch {
	case from == to:
		return
	case r.alwaysThere(to):
		r.followed(ctx, typ, from, to)
		return
	case !r.exists(to):
		if typ == subscribe { // RFC 6121 §3.1.3
			r.tell(ctx, unsubscribed, to, from, nil)
		}
		return
	}
	before, after, err := r.change(ctx, to, from, func(c bridge.Contact) (bridge.Contact, []byte, error) {
		return inbound(c, typ), stanza, nil
	})
	if err != nil {
		r.logger.WarnContext(ctx, "presence subscription not changed", slog.String("account", string(to)),
			slog.String("contact", string(from)), slog.String("type", typ), slog.Any("error", err))
		return
	}
	if typ == subscribe && before.SeenByContact() { // RFC 6121 §3.1.3, item 2
		r.tell(ctx, subscribed, to, from, nil)
	}
	r.seenChanged(ctx, before, after)
}

// seenChanged shows an account to a contact that may see it now, and hides it
// from one that may not any more.
func (r *Router) seenChanged(ctx context.Context, before, after bridge.Contact) {
	if before.SeenByContact() == after.SeenByContact() {
		return
	}
	if after.SeenByContact() {
		r.show(ctx, after.Account, after.JID)
	} else {
		r.hide(ctx, after.Account, after.JID)
	}
	r.refresh(ctx, after.Account, after.JID)
}

// followed is subscriptionIn for an address that is always there. Everybody may
// see it. It wants to see its followers elsewhere too: without their presence
// it would not know which events they want (XEP-0163 §4). What changes nothing
// is not answered, or two such addresses would never stop.
func (r *Router) followed(ctx context.Context, typ string, from, to bridge.JID) {
	before, after, err := r.change(ctx, to, from, func(c bridge.Contact) (bridge.Contact, []byte, error) {
		next := c
		switch typ {
		case subscribe:
			next.InRoster = true
			next.Subscription = subscription(c.SeesContact(), true)
			next.Ask = !r.ours(from) && !c.SeesContact()
		case unsubscribe:
			next = bridge.Contact{Account: to, JID: from, Subscription: "none"}
		default:
			next = inbound(c, typ)
		}
		return next, nil, nil
	})
	if err != nil {
		r.logger.WarnContext(ctx, "follower not changed", slog.String("account", string(to)),
			slog.String("contact", string(from)), slog.String("type", typ), slog.Any("error", err))
		return
	}
	switch {
	case typ == subscribe:
		r.tell(ctx, subscribed, to, from, nil)
		if !before.SeenByContact() {
			r.show(ctx, to, from)
		}
		if after.Ask && !before.Ask {
			r.tell(ctx, subscribe, to, from, nil)
		}
	case typ == unsubscribe && before.SeenByContact():
		r.tell(ctx, unsubscribed, to, from, nil)
		r.hide(ctx, to, from)
		if before.SeesContact() || before.Ask {
			r.tell(ctx, unsubscribe, to, from, nil)
		}
	}
	r.refresh(ctx, to, from)
}

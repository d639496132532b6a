package xmpp

import (
	"bytes"
	"context"
	"slices"

	"peewit/bridge"
)

const nsRoster = "jabber:iq:roster"

// Limits on what a client may write into a roster item.
const (
	maxName   = 1023 // bytes of a name, and of a group's name
	maxGroups = 32
)

// rosterGet sends an account its roster (RFC 6121 §2.1.4). From then on the
// session is told of changes.
func (r *Router) rosterGet(_ context.Context, st *Stanza) ([]byte, error) {
	b, err := r.rosterOwner(st)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	b.interested = true
	b.mu.Unlock()
	var q bytes.Buffer
	q.WriteString("<query xmlns='" + nsRoster + "'>")
	for _, c := range r.contacts.List(st.From.Bare()) {
		if c.InRoster {
			rosterItem(&q, c)
		}
	}
	q.WriteString("</query>")
	return q.Bytes(), nil
}

// rosterSet adds, changes or removes one item (RFC 6121 §2.3, §2.4, §2.5).
func (r *Router) rosterSet(ctx context.Context, st *Stanza) ([]byte, error) {
	b, err := r.rosterOwner(st)
	if err != nil {
		return nil, err
	}
	account := b.jid.Bare()
	if len(st.Payload().Children) != 1 || st.Payload().Child(nsRoster, "item") == nil { // §2.3.3
		return nil, bridge.Refuse(bridge.BadRequest, "a roster is changed one item at a time")
	}
	item := st.Payload().Children[0]
	jid, err := bridge.ParseJID(item.Attribute("jid"))
	if err != nil {
		e := bridge.Refuse(bridge.MalformedJID, "the address of the item is malformed")
		e.Err = err
		return nil, e
	}
	if jid = jid.Bare(); jid == account {
		return nil, bridge.Refuse(bridge.NotAllowed, "an account is not its own contact")
	}
	if item.Attribute("subscription") == "remove" {
		return nil, r.rosterRemove(ctx, account, jid)
	}
	name, groups, err := rosterNames(item)
	if err != nil {
		return nil, err
	}
	_, _, err = r.change(ctx, account, jid, func(c bridge.Contact) (bridge.Contact, []byte, error) {
		c.Name, c.Groups, c.InRoster = name, groups, true
		return c, nil, nil
	})
	return nil, err
}

// rosterOwner is the session that asks, when it asks about its own roster.
func (r *Router) rosterOwner(st *Stanza) (*bound, error) {
	b := r.sessions.get(st.From)
	if b == nil || st.To != st.From.Bare() { // §2.1.5, §2.3.3
		return nil, bridge.Refuse(bridge.Forbidden, "a roster is its account's alone")
	}
	return b, nil
}

func rosterNames(item *Element) (name string, groups []string, err error) {
	name = item.Attribute("name")
	if len(name) > maxName {
		return "", nil, bridge.Refuse(bridge.NotAcceptable, "the name is longer than %d bytes", maxName)
	}
	for _, g := range item.Children {
		if g.Name.Local != "group" || g.Name.Space != nsRoster {
			continue
		}
		switch {
		case g.Text == "" || len(g.Text) > maxName:
			return "", nil, bridge.Refuse(bridge.NotAcceptable, "a group's name has 1 to %d bytes", maxName)
		case slices.Contains(groups, g.Text):
			return "", nil, bridge.Refuse(bridge.BadRequest, "a group is named twice")
		case len(groups) == maxGroups:
			return "", nil, bridge.Refuse(bridge.NotAcceptable, "a contact is in at most %d groups", maxGroups)
		}
		groups = append(groups, g.Text)
	}
	return name, groups, nil
}

// rosterRemove takes a contact out of the roster and cancels the subscriptions
// both ways (RFC 6121 §2.5.2).
func (r *Router) rosterRemove(ctx context.Context, account, jid bridge.JID) error {
	before, after, err := r.change(ctx, account, jid, func(c bridge.Contact) (bridge.Contact, []byte, error) {
		if !c.InRoster {
			return c, nil, bridge.Refuse(bridge.ItemNotFound, "%s is not in the roster", jid) // §2.5.3
		}
		return bridge.Contact{Account: account, JID: jid, Subscription: "none"}, nil, nil
	})
	if err != nil {
		return err
	}
	if before.SeesContact() || before.Ask {
		r.tell(ctx, unsubscribe, account, jid, nil)
	}
	if before.SeenByContact() || before.PendingIn {
		r.tell(ctx, unsubscribed, account, jid, nil)
	}
	r.seenChanged(ctx, before, after)
	return nil
}

// push tells the sessions that asked for the roster of a change
// (RFC 6121 §2.1.6), behind the presence that caused it.
func (r *Router) push(account bridge.JID, c bridge.Contact) {
	var q bytes.Buffer
	q.WriteString("<query xmlns='" + nsRoster + "'>")
	rosterItem(&q, c)
	q.WriteString("</query>")
	for _, b := range r.sessions.of(account) {
		b.mu.Lock()
		interested := b.interested
		b.mu.Unlock()
		if interested {
			_ = b.session.Send(Presence, Wrap("iq", "set", randomID(), account, b.jid, q.Bytes()))
		}
	}
}

func rosterItem(b *bytes.Buffer, c bridge.Contact) {
	b.WriteString("<item")
	attribute(b, "jid", string(c.JID))
	if !c.InRoster {
		b.WriteString(" subscription='remove'/>")
		return
	}
	attribute(b, "name", c.Name)
	attribute(b, "subscription", c.Subscription)
	if c.Ask {
		b.WriteString(" ask='subscribe'")
	}
	b.WriteByte('>')
	for _, g := range c.Groups {
		b.WriteString("<group>" + Escape(g) + "</group>")
	}
	b.WriteString("</item>")
}

package xmpp

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"peewit/bridge"
)

// states names the nine states of RFC 6121 appendix A.1: none, to, from, both,
// with "o" for pending out and "i" for pending in.
var states = map[string]bridge.Contact{
	"none":    {Subscription: "none"},
	"none+o":  {Subscription: "none", Ask: true},
	"none+i":  {Subscription: "none", PendingIn: true},
	"none+oi": {Subscription: "none", Ask: true, PendingIn: true},
	"to":      {Subscription: "to"},
	"to+i":    {Subscription: "to", PendingIn: true},
	"from":    {Subscription: "from"},
	"from+o":  {Subscription: "from", Ask: true},
	"both":    {Subscription: "both"},
}

func nameOf(c bridge.Contact) string {
	for name, s := range states {
		if s.Subscription == c.Subscription && s.Ask == c.Ask && s.PendingIn == c.PendingIn {
			return name
		}
	}
	return "no state of the RFC"
}

// The tables of RFC 6121 appendix A: where a stanza leads from which state. All
// other states stay as they are; a "!" marks states in which the stanza goes on
// all the same.
func TestSubscriptionTables(t *testing.T) {
	for typ, table := range map[string]string{
		subscribe:    "none>none+o none+o! none+i>none+oi none+oi! to! to+i! from>from+o from+o! both!",
		unsubscribe:  "none+o>none none+oi>none+i to>none to+i>none+i from+o>from both>from",
		subscribed:   "none+i>from none+oi>from+o to+i>both",
		unsubscribed: "none+i>none none+oi>none+o to+i>to from>none from+o>none+o both>to",
	} {
		checkTable(t, "out", typ, table, outbound)
	}
	for typ, table := range map[string]string{
		subscribe:    "none>none+i none+o>none+oi to>to+i",
		unsubscribe:  "none+i>none none+oi>none+o to+i>to from>none from+o>none+o both>to",
		subscribed:   "none+o>to none+oi>to+i from+o>both",
		unsubscribed: "none+o>none none+oi>none+i to>none to+i>none+i from+o>from both>from",
	} {
		checkTable(t, "in", typ, table, func(c bridge.Contact, typ string) (bridge.Contact, bool) {
			next := inbound(c, typ)
			return next, !sameContact(next, c)
		})
	}
}

func checkTable(t *testing.T, way, typ, table string, step func(bridge.Contact, string) (bridge.Contact, bool)) {
	t.Helper()
	leads, goesOn := make(map[string]string), make(map[string]bool)
	for _, row := range strings.Fields(table) {
		from, to, changes := strings.Cut(row, ">")
		if !changes {
			from = strings.TrimSuffix(from, "!")
			to = from
		}
		leads[from], goesOn[from] = to, true
	}
	for name, c := range states {
		want, listed := leads[name]
		if !listed {
			want = name
		}
		next, route := step(c, typ)
		if got := nameOf(next); got != want || route != goesOn[name] {
			t.Errorf("%s %s in state %s leads to %s and goes on: %v", way, typ, name, got, route)
		}
	}
}

// Whatever two accounts do, each of them knows the same as the other, and sees
// the other exactly when it may.
func TestBothSidesAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		sides := []*client{w.login("alice@example.org/a"), w.login("bob@example.org/b")}
		for _, c := range sides {
			c.say("<presence/>")
		}
		steps := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 30).Draw(rt, "steps")
		for _, s := range steps {
			c, other := sides[s%2], sides[1-s%2].jid.Bare()
			if s/2 == 4 {
				c.say("<iq type='set' id='r'><query xmlns='jabber:iq:roster'><item jid='%s' subscription='remove'/></query></iq>", other)
			} else {
				c.say("<presence type='%s' to='%s'/>", []string{subscribe, subscribed, unsubscribe, unsubscribed}[s/2], other)
			}
			a, _ := w.contacts.Get("alice@example.org", "bob@example.org")
			b, _ := w.contacts.Get("bob@example.org", "alice@example.org")
			for _, pair := range [][2]bridge.Contact{{a, b}, {b, a}} {
				me, you := pair[0], pair[1]
				if me.SeesContact() != you.SeenByContact() || me.Ask != you.PendingIn {
					rt.Fatalf("after %v one has %+v, the other %+v", steps, me, you)
				}
			}
		}
		for i, c := range sides {
			sees := false
			for _, s := range c.all() {
				if from := "presence " + string(sides[1-i].jid); strings.HasPrefix(s, from) {
					sees = true
				} else if strings.HasPrefix(s, "presence:unavailable "+string(sides[1-i].jid)) {
					sees = false
				}
			}
			contact, _ := w.contacts.Get(c.jid.Bare(), sides[1-i].jid.Bare())
			if sees != contact.SeesContact() {
				rt.Fatalf("after %v %s sees the other: %v, and should: %v", steps, c.jid, sees, contact.SeesContact())
			}
		}
	})
}

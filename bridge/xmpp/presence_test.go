package xmpp

import (
	"context"
	"slices"
	"strings"
	"testing"

	"peewit/bridge"
)

func TestSubscribingBetweenAccounts(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.online("alice@example.org/a"), w.online("bob@example.org/b")

	alice.say("<presence type='subscribe' to='bob@example.org/x' id='s1'/>")
	w.inOrder(alice, "iq:set alice@example.org>alice@example.org/a roster[bob@example.org/none/subscribe]")
	w.inOrder(bob, "presence:subscribe alice@example.org>bob@example.org")

	bob.say("<presence type='subscribed' to='alice@example.org'/>")
	w.inOrder(bob, "iq:set bob@example.org>bob@example.org/b roster[alice@example.org/from]")
	w.inOrder(alice,
		"presence:subscribed bob@example.org>alice@example.org",
		"iq:set alice@example.org>alice@example.org/a roster[bob@example.org/to]",
		"presence bob@example.org/b>alice@example.org")
	if c, _ := w.contacts.Get("alice@example.org", "bob@example.org"); c.Subscription != "to" || c.Ask {
		t.Errorf("alice has %+v", c)
	}
}

func TestPresenceReachesWhoMaySeeIt(t *testing.T) {
	w := newWorld(t)
	w.know("alice@example.org", "bob@example.org", "both")
	w.know("bob@example.org", "alice@example.org", "both")
	w.know("alice@example.org", "carol@far.example", "from")
	w.know("alice@example.org", "dave@far.example", "to")
	bob := w.online("bob@example.org/b")

	alice := w.login("alice@example.org/a")
	alice.say("<presence><priority>1</priority></presence>")
	w.got(alice,
		"presence alice@example.org/a>alice@example.org priority=1",
		"presence bob@example.org/b>alice@example.org/a")
	w.got(bob, "presence alice@example.org/a>bob@example.org priority=1")
	w.got(w.far,
		"presence alice@example.org/a>carol@far.example priority=1",
		"presence:probe alice@example.org/a>dave@far.example")

	alice.say("<presence><show>away</show></presence>")
	w.got(alice, "presence alice@example.org/a>alice@example.org show=away")
	w.got(bob, "presence alice@example.org/a>bob@example.org show=away")
	w.got(w.far, "presence alice@example.org/a>carol@far.example show=away")

	w.hear("<presence from='dave@far.example/d' to='alice@example.org/a'/>")
	w.got(alice, "presence dave@far.example/d>alice@example.org/a")

	second := w.login("alice@example.org/a2")
	second.say("<presence/>")
	w.got(alice, "presence alice@example.org/a2>alice@example.org")
	w.got(second,
		"presence alice@example.org/a2>alice@example.org",
		"presence alice@example.org/a>alice@example.org/a2 show=away",
		"presence bob@example.org/b>alice@example.org/a2")

	w.quiet()
	w.router.Unbind(second)
	w.router.Unbind(second)
	w.got(bob, "presence:unavailable alice@example.org/a2>bob@example.org")
	w.got(w.far, "presence:unavailable alice@example.org/a2>carol@far.example")

	alice.say("<presence type='unavailable'><status>bye</status></presence>")
	w.got(bob, "presence:unavailable alice@example.org/a>bob@example.org status=bye")
}

func TestTheEndOfASessionIsToldOnce(t *testing.T) {
	w := newWorld(t)
	var ended []bridge.JID
	w.router.OnEnd(func(full bridge.JID) { ended = append(ended, full) })
	replaced := w.online("alice@example.org/a")
	last := w.online("alice@example.org/a")
	w.router.Unbind(replaced)
	w.router.Unbind(last)
	w.router.Unbind(last)
	if want := []bridge.JID{"alice@example.org/a", "alice@example.org/a"}; !slices.Equal(ended, want) {
		t.Errorf("told of %v, want %v: one for the session replaced, one for the last", ended, want)
	}
}

func TestRequestsWaitForTheNextLogin(t *testing.T) {
	w := newWorld(t)
	w.hear("<presence type='subscribe' from='carol@far.example/x' to='alice@example.org'><status>hi</status></presence>")
	w.hear("<presence type='subscribe' from='carol@far.example/x' to='alice@example.org'/>")
	if w.contacts.saves != 1 {
		t.Errorf("two equal requests are saved %d times", w.contacts.saves)
	}
	alice := w.login("alice@example.org/a")
	alice.say("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
	w.got(alice, "iq:result alice@example.org>alice@example.org/a roster[]")
	alice.say("<presence/>")
	w.got(alice,
		"presence alice@example.org/a>alice@example.org",
		"presence:subscribe carol@far.example>alice@example.org")
	alice.say("<presence type='unsubscribed' to='carol@far.example'/>")
	w.got(w.far, "presence:unsubscribed alice@example.org>carol@far.example")
	if _, ok := w.contacts.Get("alice@example.org", "carol@far.example"); ok {
		t.Error("a request that was denied is kept")
	}
}

func TestEndingASubscription(t *testing.T) {
	for _, tt := range []struct{ name, say, alice, bob string }{
		{"by who sees", "<presence type='unsubscribe' to='bob@example.org'/>", "from", "to"},
		{"by who is seen", "<presence type='unsubscribed' to='bob@example.org'/>", "to", "from"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.know("alice@example.org", "bob@example.org", "both")
			w.know("bob@example.org", "alice@example.org", "both")
			alice, bob := w.online("alice@example.org/a"), w.online("bob@example.org/b")
			w.quiet()
			alice.say("%s", tt.say)
			a, _ := w.contacts.Get("alice@example.org", "bob@example.org")
			b, _ := w.contacts.Get("bob@example.org", "alice@example.org")
			if a.Subscription != tt.alice || b.Subscription != tt.bob {
				t.Errorf("alice has %q, bob has %q", a.Subscription, b.Subscription)
			}
			if tt.alice == "from" {
				w.got(alice, "iq:set alice@example.org>alice@example.org/a roster[bob@example.org/from]",
					"presence:unavailable bob@example.org/b>alice@example.org")
				w.got(bob, "presence:unsubscribe alice@example.org>bob@example.org",
					"iq:set bob@example.org>bob@example.org/b roster[alice@example.org/to]")
				return
			}
			w.got(alice, "iq:set alice@example.org>alice@example.org/a roster[bob@example.org/to]")
			w.got(bob, "presence:unsubscribed alice@example.org>bob@example.org",
				"iq:set bob@example.org>bob@example.org/b roster[alice@example.org/from]",
				"presence:unavailable alice@example.org/a>bob@example.org")
		})
	}
}

func TestDirectedPresenceIsTakenBack(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.online("alice@example.org/a"), w.online("bob@example.org/b")
	alice.say("<presence to='bob@example.org/b'/>")
	alice.say("<presence to='room@far.example/alice'/>")
	alice.say("<presence to='other@far.example'/>")
	alice.say("<presence to='other@far.example' type='unavailable'/>")
	w.quiet()
	w.router.Unbind(alice)
	w.got(bob, "presence:unavailable alice@example.org/a>bob@example.org/b")
	w.got(w.far, "presence:unavailable alice@example.org/a>room@far.example/alice")
}

func TestDirectedPresenceIsBounded(t *testing.T) {
	w := newWorld(t)
	alice := w.online("alice@example.org/a")
	for i := range maxDirected + 1 {
		alice.say("<presence to='room%d@far.example'/>", i)
	}
	w.got(alice, "presence:error room500@far.example>alice@example.org/a wait/resource-constraint")
}

// ellen's owner lives elsewhere, update is the bot, and the domain is the
// domain: they are always there.
func TestThoseWhoAreAlwaysThere(t *testing.T) {
	for address, from := range map[string]string{
		"ellen@example.org":  "ellen@example.org/bridge",
		"update@example.org": "update@example.org/bridge",
		"example.org":        "example.org",
	} {
		t.Run(address, func(t *testing.T) {
			w := newWorld(t)
			w.hear("<presence type='subscribe' from='carol@far.example/x' to='%s'/>", address)
			w.inOrder(w.far,
				"presence:subscribed "+address+">carol@far.example",
				"presence "+from+">carol@far.example caps caps",
				"presence:subscribe "+address+">carol@far.example")
			w.hear("<presence type='subscribed' from='carol@far.example' to='%s'/>", address)
			w.hear("<presence type='subscribed' from='carol@far.example' to='%s'/>", address)
			w.got(w.far)
			w.hear("<presence type='subscribe' from='carol@far.example' to='%s'/>", address)
			w.inOrder(w.far, "presence:subscribed "+address+">carol@far.example")
			w.hear("<presence type='probe' from='carol@far.example/x' to='%s'/>", address)
			w.inOrder(w.far, "presence "+from+">carol@far.example/x caps caps")
			w.hear("<presence type='probe' from='stranger@far.example' to='%s'/>", address)
			w.inOrder(w.far, "presence:unsubscribed "+address+">stranger@far.example")

			w.hear("<presence type='unsubscribe' from='carol@far.example' to='%s'/>", address)
			w.inOrder(w.far,
				"presence:unsubscribed "+address+">carol@far.example",
				"presence:unavailable "+from+">carol@far.example",
				"presence:unsubscribe "+address+">carol@far.example")
			for _, typ := range []string{"unsubscribe", "unsubscribed", "unavailable", "error"} {
				w.hear("<presence type='%s' from='carol@far.example' to='%s'/>", typ, address)
			}
			w.got(w.far)
			if got := w.contacts.List(bridge.JID(address)); len(got) != 0 {
				t.Errorf("still known: %+v", got)
			}
		})
	}
}

func TestSubscribingToWhoIsAlwaysThere(t *testing.T) {
	w := newWorld(t)
	alice := w.online("alice@example.org/a")
	alice.say("<presence type='subscribe' to='ellen@example.org'/>")
	w.inOrder(alice,
		"iq:set alice@example.org>alice@example.org/a roster[ellen@example.org/none/subscribe]",
		"presence:subscribed ellen@example.org>alice@example.org",
		"iq:set alice@example.org>alice@example.org/a roster[ellen@example.org/to]",
		"presence ellen@example.org/bridge>alice@example.org caps caps")
	again := w.login("alice@example.org/b")
	again.say("<presence/>")
	w.got(again,
		"presence alice@example.org/a>alice@example.org/b",
		"presence alice@example.org/b>alice@example.org",
		"presence ellen@example.org/bridge>alice@example.org/b caps caps")
}

func TestTwoWhoAreAlwaysThereEndTheirTalk(t *testing.T) {
	w := newWorld(t)
	// far.example is such a one too: it answers as we do. It must come to an end.
	w.hear("<presence type='subscribe' from='bot@far.example' to='ellen@example.org'/>")
	for round := 0; ; round++ {
		if round == 5 {
			t.Fatal("they do not stop")
		}
		said := w.far.all()
		answered := false
		for _, s := range said {
			if s == "presence:subscribe ellen@example.org>bot@far.example" {
				w.hear("<presence type='subscribed' from='bot@far.example' to='ellen@example.org'/>")
				w.hear("<presence from='bot@far.example/bridge' to='ellen@example.org'/>")
				answered = true
			}
		}
		if !answered {
			break
		}
	}
}

func TestNobodyToSubscribeTo(t *testing.T) {
	w := newWorld(t)
	w.hear("<presence type='subscribe' from='carol@far.example' to='nobody@example.org'/>")
	w.got(w.far, "presence:unsubscribed nobody@example.org>carol@far.example")
	w.hear("<presence type='probe' from='carol@far.example' to='nobody@example.org'/>")
	w.got(w.far, "presence:unsubscribed nobody@example.org>carol@far.example")
	alice := w.online("alice@example.org/a")
	alice.say("<presence type='subscribe' to='nobody@example.org'/>")
	c, _ := w.contacts.Get("alice@example.org", "nobody@example.org")
	if c.Ask || c.Subscription != "none" {
		t.Errorf("alice still waits: %+v", c)
	}
}

func TestSaveFailsNothingChanges(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.online("alice@example.org/a"), w.online("bob@example.org/b")
	w.contacts.fail = bridge.Refuse(bridge.ResourceConstraint, "the disk is full")
	alice.say("<presence type='subscribe' to='bob@example.org' id='s'/>")
	w.got(alice, "presence:error bob@example.org>alice@example.org/a wait/resource-constraint")
	w.got(bob)
	w.hear("<presence type='subscribe' from='carol@far.example' to='ellen@example.org'/>")
	w.got(w.far)
}

func TestPresenceThatMakesNoSense(t *testing.T) {
	w := newWorld(t)
	alice := w.online("alice@example.org/a")
	for in, want := range map[string]string{
		"<presence type='here'/>":                                                        "presence:error alice@example.org>alice@example.org/a modify/bad-request",
		"<presence type='subscribe'/>":                                                   "presence:error alice@example.org>alice@example.org/a modify/bad-request",
		"<presence><priority>200</priority></presence>":                                  "presence:error alice@example.org>alice@example.org/a modify/bad-request",
		"<presence><status>" + strings.Repeat("x", maxPresence) + "</status></presence>": "presence:error alice@example.org>alice@example.org/a modify/policy-violation",
		"<presence to='a@@b'/>":                                                          "presence:error alice@example.org>alice@example.org/a modify/jid-malformed",
	} {
		alice.say("%s", in)
		w.got(alice, want)
	}
	for _, ignored := range []string{"<presence type='error'/>", "<presence type='error' to='a@@b'/>", "<presence type='probe' to='bob@example.org'/>",
		"<presence type='subscribe' to='alice@example.org'/>"} {
		alice.say("%s", ignored)
		w.got(alice)
	}
}

func TestSameResourceTakesThePlace(t *testing.T) {
	w := newWorld(t)
	w.know("alice@example.org", "carol@far.example", "from")
	old := w.online("alice@example.org/a")
	now := w.login("alice@example.org/a")
	if old.closed != "conflict" {
		t.Errorf("the old session is closed with %q", old.closed)
	}
	w.got(w.far, "presence:unavailable alice@example.org/a>carol@far.example")
	w.router.Unbind(old)
	now.say("<presence/>")
	w.got(now, "presence alice@example.org/a>alice@example.org")
	if err := w.router.Send("alice@example.org/a", Event, []byte("<message/>")); err != nil {
		t.Error(err)
	}
	w.got(now, "message >")
	w.got(old)
}

func TestTooManySessions(t *testing.T) {
	w := newWorld(t)
	for i := range maxSessions {
		w.login(bridge.JID("alice@example.org/" + string(rune('a'+i%26)) + string(rune('a'+i/26))))
	}
	err := w.router.Bind(&client{w: w, jid: "alice@example.org/more"})
	if !bridge.Is(err, bridge.ResourceConstraint) {
		t.Errorf("one more is answered with %v", err)
	}
	w.router.CloseAccount("alice@example.org", "not-authorized")
	if got := w.router.sessions.of("alice@example.org"); len(got) != 0 {
		t.Errorf("%d sessions are left", len(got))
	}
}

func TestLinkUpAndDown(t *testing.T) {
	w := newWorld(t)
	w.know("alice@example.org", "carol@far.example", "both")
	w.know("bob@example.org", "carol@far.example", "both")
	w.know("ellen@example.org", "carol@far.example", "both")
	w.know("ellen@example.org", "alice@example.org", "from")
	w.contacts.by[[2]bridge.JID{"update@example.org", "carol@far.example"}] =
		bridge.Contact{Account: "update@example.org", JID: "carol@far.example", Subscription: "from", Ask: true, InRoster: true}
	alice := w.online("alice@example.org/a")
	w.hear("<presence from='carol@far.example/c' to='alice@example.org'/>")
	w.quiet()

	w.router.LinkDown(w.far)
	w.got(alice, "presence:unavailable carol@far.example/c>alice@example.org")
	w.got(w.far)
	w.router.LinkDown(w.far)
	w.got(alice)

	w.router.LinkUp(context.Background(), w.far)
	w.got(w.far,
		"presence alice@example.org/a>carol@far.example",
		"presence:probe alice@example.org>carol@far.example",
		"presence ellen@example.org/bridge>carol@far.example caps caps",
		"presence:probe ellen@example.org>carol@far.example",
		"presence update@example.org/bridge>carol@far.example caps caps",
		"presence:subscribe update@example.org>carol@far.example")

	w.router.Farewell(context.Background(), w.far)
	w.got(w.far,
		"presence:unavailable ellen@example.org/bridge>carol@far.example",
		"presence:unavailable update@example.org/bridge>carol@far.example")
}

//go:build integration

package servertest

import (
	"fmt"
	"testing"
)

// The drivers and servers are proven against each other first, with the servers'
// own pubsub, which none of us wrote.

func TestIntegrationEveryClientWithEveryServer(t *testing.T) {
	servers := map[string]func(testing.TB, Options) *Server{"prosody": StartProsody, "ejabberd": StartEjabberd}
	clients := map[string]func(testing.TB) *Client{"slixmpp": StartSlixmpp, "strophe": StartStrophe}
	for server, startServer := range servers {
		t.Run(server, func(t *testing.T) {
			s := startServer(t, Options{Multicast: true})
			for client, startClient := range clients {
				t.Run(client, func(t *testing.T) { conversation(t, s, client, startClient) })
			}
		})
	}
}

func conversation(t *testing.T, s *Server, name string, client func(testing.TB) *Client) {
	alice, bob := client(t), client(t)
	aliceJID, bobJID := "alice-"+name+"@"+s.Domain, "bob-"+name+"@"+s.Domain

	if c := alice.ConnectRefused(s.Place(), aliceJID, "nobody"); c != "not-authorized" {
		t.Errorf("an unknown account is refused with %q", c)
	}
	alice.Register(s.Place(), aliceJID, "päss<&'\"")
	if c := bob.RegisterRefused(s.Place(), aliceJID, "other"); c != "conflict" {
		t.Errorf("a second account of the same name is refused with %q", c)
	}
	bob.Register(s.Place(), bobJID, "builder")
	alice.Connect(s.Place(), aliceJID, "päss<&'\"")
	bob.Connect(s.Place(), bobJID, "builder")

	// Presence subscription, both ways.
	alice.Available()
	bob.Available("urn:xmpp:microblog:0+notify")
	befriend(t, bob, alice, bobJID, aliceJID)
	befriend(t, alice, bob, aliceJID, bobJID)
	alice.Expect("bob's presence with capabilities", func(e *Element) bool {
		return e.Name() == "presence" && e.Attr("from") == bob.JID() && e.Find("c").Attr("ver") != ""
	})
	info := alice.Request(`<iq type='get' to='%s'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`, bob.JID())
	found := false
	for _, f := range info.All("query/feature") {
		found = found || f.Attr("var") == "urn:xmpp:microblog:0+notify"
	}
	if !found {
		t.Errorf("bob's client does not name the feature it advertised: %s", info)
	}

	// PEP: bob is notified through his capabilities.
	for i := range 3 {
		alice.Request(`<iq type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:microblog:0'>
			<item id='%d'><entry xmlns='http://www.w3.org/2005/Atom'><title>post %d &amp; more</title></entry></item></publish></pubsub></iq>`, i, i)
	}
	for i := range 3 {
		m := bob.Expect(fmt.Sprintf("notification of item %d", i), func(e *Element) bool {
			return e.Find("event/items/item") != nil && e.Find("event/items/item").Attr("id") == fmt.Sprint(i)
		})
		if got, want := m.Find("event/items/item/entry/title").Text, fmt.Sprintf("post %d & more", i); got != want {
			t.Errorf("title %q, want %q", got, want)
		}
	}
	items := bob.Request(`<iq type='get' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:microblog:0'/></pubsub></iq>`, aliceJID)
	if len(items.All("pubsub/items/item")) == 0 {
		t.Errorf("no history: %s", items)
	}
	if r := bob.Ask(`<iq type='get' to='%s'><query xmlns='urn:example:unknown'/></iq>`, s.Domain); r.Condition() != "service-unavailable" {
		t.Errorf("an unknown request is answered with %s", r)
	}
	bob.Disconnect()
	alice.Expect("bob's leaving", func(e *Element) bool {
		return e.Name() == "presence" && e.Attr("type") == "unavailable" && e.Attr("from") == bob.JID()
	})
	alice.Disconnect()
}

// befriend lets follower see followed's presence.
func befriend(t *testing.T, follower, followed *Client, followerJID, followedJID string) {
	t.Helper()
	follower.Send(`<presence type='subscribe' to='%s'/>`, followedJID)
	followed.Expect("subscription request", func(e *Element) bool {
		return e.Name() == "presence" && e.Attr("type") == "subscribe" && e.Attr("from") == followerJID
	})
	followed.Send(`<presence type='subscribed' to='%s'/>`, followerJID)
	follower.Expect("approval", func(e *Element) bool {
		return e.Name() == "presence" && e.Attr("type") == "subscribed" && e.Attr("from") == followedJID
	})
}

func TestIntegrationRestart(t *testing.T) {
	for name, startServer := range map[string]func(testing.TB, Options) *Server{"prosody": StartProsody, "ejabberd": StartEjabberd} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, Options{})
			c := StartSlixmpp(t)
			c.Register(s.Place(), "carol@localhost", "secret")
			s.Restart()
			c.Connect(s.Place(), "carol@localhost", "secret")
		})
	}
}

//go:build integration

package main

import (
	"fmt"
	"strings"
	"testing"

	"peewit/bridge/xmpp/component/servertest"
)

// world is one way to run Peewit with people around it.
type world struct {
	domain string // Peewit's
	// jid is the address that somebody logs in with.
	jid map[string]string
	// connect logs somebody in with a fresh client.
	connect func(t *testing.T, who string) *servertest.Client
	// answers: alice's client has to answer presence subscriptions herself.
	answers bool
}

func (w world) account(nick string) string { return nick + "@" + w.domain }

const nodeMicroblog = "urn:xmpp:microblog:0"

func entry(id, title string) string {
	return fmt.Sprintf(`<item id='%s'><entry xmlns='http://www.w3.org/2005/Atom'><title type='text'>%s</title>`+
		`<id>tag:example.org,2026:%s</id><published>2026-11-22T10:00:00Z</published><updated>2026-11-22T10:00:00Z</updated></entry></item>`, id, title, id)
}

func publish(c *servertest.Client, to, node, items string) *servertest.Element {
	return c.Ask(`<iq type='set' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='%s'>%s</publish></pubsub></iq>`, to, node, items)
}

// isEvent matches the notification of an item.
func isEvent(from, item string) func(*servertest.Element) bool {
	return func(e *servertest.Element) bool {
		return e.Name() == "message" && e.Attr("from") == from && e.Find("event/items/item").Attr("id") == item
	}
}

func itemIDs(page *servertest.Element) string {
	var ids []string
	for _, item := range page.All("pubsub/items/item") {
		ids = append(ids, item.Attr("id"))
	}
	return strings.Join(ids, " ")
}

// converse is what people do with microblogs, told once for every client and
// every server: publish, subscribe, be notified, read the history, be refused.
func converse(t *testing.T, w world) {
	alice, bob, carol := w.connect(t, "alice"), w.connect(t, "bob"), w.connect(t, "carol")
	blog := w.account("alice")
	alice.Available()
	bob.Available()

	// alice publishes; the answer names the item.
	result := publish(alice, blog, nodeMicroblog, entry("first", "hello, world"))
	if id := result.Find("pubsub/publish/item").Attr("id"); result.Attr("type") != "result" || id != "first" {
		t.Fatalf("publish answered %s", result)
	}

	// bob subscribes, then is told at once.
	result = bob.Ask(`<iq type='set' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='%s' jid='%s'/></pubsub></iq>`, blog, nodeMicroblog, w.jid["bob"])
	if state := result.Find("pubsub/subscription").Attr("subscription"); state != "subscribed" {
		t.Fatalf("subscribe answered %s", result)
	}
	publish(alice, blog, nodeMicroblog, entry("second", "told at once"))
	event := bob.Expect("the second post", isEvent(blog, "second"))
	if title := event.Find("event/items/item/entry/title"); title == nil || title.Text != "told at once" {
		t.Errorf("the event has no entry: %s", event)
	}
	if publisher := event.Find("event/items/item").Attr("publisher"); publisher != w.jid["alice"] {
		t.Errorf("publisher %q, want %q", publisher, w.jid["alice"])
	}

	// A repeat is answered and told nobody; the marker behind it proves it.
	if again := publish(alice, blog, nodeMicroblog, entry("second", "told at once")); again.Attr("type") != "result" {
		t.Errorf("a repeat answered %s", again)
	}
	publish(alice, blog, nodeMicroblog, entry("marker", "behind the repeat"))
	bob.Expect("the marker", isEvent(blog, "marker"))
	for _, e := range bob.Received() {
		if isEvent(blog, "second")(e) {
			t.Errorf("a repeat was told again: %s", e)
		}
	}

	// carol follows by presence and capabilities.
	carol.Available(nodeMicroblog + "+notify")
	carol.Send(`<presence to='%s' type='subscribe'/>`, blog)
	if w.answers {
		alice.Expect("carol's request", func(e *servertest.Element) bool {
			return e.Name() == "presence" && e.Attr("type") == "subscribe" && e.Attr("from") == w.jid["carol"]
		})
		alice.Send(`<presence to='%s' type='subscribed'/>`, w.jid["carol"])
	}
	carol.Expect("alice's presence", func(e *servertest.Element) bool {
		return e.Name() == "presence" && e.Attr("type") == "" && strings.HasPrefix(e.Attr("from"), blog+"/")
	})
	if !w.answers {
		// An account with nobody behind it asks back: only who shows presence to it
		// can be known to care (XEP-0163 §4.3).
		carol.Expect("the account's request", func(e *servertest.Element) bool {
			return e.Name() == "presence" && e.Attr("type") == "subscribe" && e.Attr("from") == blog
		})
		carol.Send(`<presence to='%s' type='subscribed'/>`, blog)
	}
	carol.Expect("the last post, unasked", isEvent(blog, "marker"))
	publish(alice, blog, nodeMicroblog, entry("third", "for those who care"))
	carol.Expect("the third post", isEvent(blog, "third"))
	bob.Expect("the third post", isEvent(blog, "third"))

	// The history, in pages.
	page := carol.Request(`<iq type='get' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='%s'/><set xmlns='http://jabber.org/protocol/rsm'><max>3</max></set></pubsub></iq>`, blog, nodeMicroblog)
	if got := itemIDs(page); got != "first second marker" {
		t.Errorf("first page %q", got)
	}
	last := page.Find("pubsub/set/last")
	if last == nil {
		t.Fatalf("no last in %s", page)
	}
	page = carol.Request(`<iq type='get' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='%s'/><set xmlns='http://jabber.org/protocol/rsm'><max>3</max><after>%s</after></set></pubsub></iq>`, blog, nodeMicroblog, last.Text)
	if got := itemIDs(page); got != "third" {
		t.Errorf("second page %q", got)
	}
	if count := page.Find("pubsub/set/count"); count == nil || count.Text != "4" {
		t.Errorf("count in %s", page)
	}

	// What is not allowed is refused in the protocol's own words.
	refused := publish(bob, blog, nodeMicroblog, entry("forged", "not mine"))
	if refused.Condition() != "forbidden" {
		t.Errorf("bob publishing to alice got %s", refused)
	}
	refused = bob.Ask(`<iq type='set' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='%s' jid='%s'/></pubsub></iq>`, blog, nodeMicroblog, w.jid["carol"])
	if refused.Condition() != "bad-request" || refused.Find("error/invalid-jid") == nil {
		t.Errorf("bob subscribing carol got %s", refused)
	}

	// A node of its own on the domain.
	alice.Request(`<iq type='set' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><create node='club'/></pubsub></iq>`, w.domain)
	bob.Request(`<iq type='set' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='club' jid='%s'/></pubsub></iq>`, w.domain, w.jid["bob"])
	publish(alice, w.domain, "club", entry("meeting", "at eight"))
	bob.Expect("the club's post", isEvent(w.domain, "meeting"))

	// Taken back: subscribers are told, and the history is without it.
	alice.Request(`<iq type='set' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><retract node='%s' notify='true'><item id='second'/></retract></pubsub></iq>`, blog, nodeMicroblog)
	bob.Expect("the retraction", func(e *servertest.Element) bool {
		return e.Attr("from") == blog && e.Find("event/items/retract").Attr("id") == "second"
	})
	page = bob.Request(`<iq type='get' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='%s'/></pubsub></iq>`, blog, nodeMicroblog)
	if got := itemIDs(page); strings.Contains(got, "second") {
		t.Errorf("history after the retraction: %q", got)
	}

	// Unsubscribed: no more events. The marker goes to carol.
	bob.Request(`<iq type='set' to='%s'><pubsub xmlns='http://jabber.org/protocol/pubsub'><unsubscribe node='%s' jid='%s'/></pubsub></iq>`, blog, nodeMicroblog, w.jid["bob"])
	publish(alice, blog, nodeMicroblog, entry("fourth", "without bob"))
	carol.Expect("the fourth post", isEvent(blog, "fourth"))
	bob.Request(`<iq type='get' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>`, w.domain)
	for _, e := range bob.Received() {
		if isEvent(blog, "fourth")(e) {
			t.Errorf("bob was told after unsubscribing: %s", e)
		}
	}
}

package pubsub

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"peewit/bridge"
)

// TestEachRecipientOnce: whatever way somebody is to be told of a post, bare,
// full, +notify or several of them, each full address gets one event.
func TestEachRecipientOnce(t *testing.T) {
	h := newHouse(t)
	laptop := h.router.login("bob@micro.example/laptop")
	nobody := h.router.login("dave@micro.example/web") // a visitor
	h.router.interest[string(testAccount)+" "+bridge.NodeMicroblog] = []bridge.JID{
		bob, "bob@micro.example/laptop", carol, alice, "eve@far.example/phone", "fay@far.example/phone",
	}
	for from, jids := range map[bridge.JID][]string{
		bob:                      {"bob@micro.example", "bob@micro.example/phone"},
		carol:                    {"carol@micro.example/phone"},
		"eve@far.example/r":      {"eve@far.example"},
		"gus@far.example/r":      {"gus@far.example/r", "gus@far.example/s"},
		"alice@home.example/d":   {"alice@home.example", "alice@micro.example"},
		"dave@micro.example/web": {"dave@micro.example/web"},
	} {
		for _, jid := range jids {
			h.must(t, from, ps("set", testAccount, "<subscribe node='urn:xmpp:microblog:0' jid='"+jid+"'/>"))
		}
	}
	h.must(t, alice, ps("set", "", "<publish node='urn:xmpp:microblog:0'><item id='a'><x xmlns='urn:x'/></item></publish>"))
	for _, s := range []*session{h.router.sessions[alice], h.router.sessions[bob], laptop, h.router.sessions[carol], nobody} {
		if in := s.take(); len(in) != 1 || !strings.Contains(in[0], "<item id='a' publisher='alice@micro.example'>") {
			t.Errorf("%s got %d events: %s", s.jid, len(in), in)
		}
	}

	rec := h.record(t, "a")
	events := h.h.Events(rec)
	want := []bridge.JID{"alice@home.example", "eve@far.example", "fay@far.example/phone", "gus@far.example/r", "gus@far.example/s"}
	if got := slices.Collect(h.h.Remote(&events[0], "")); !slices.Equal(got, want) {
		t.Errorf("elsewhere: got %v, want %v", got, want)
	}
	for i, again := range h.h.Events(rec) { // a lane asks again after a broken link
		if string(again.Stanza(nil, "eve@far.example")) != string(events[i].Stanza(nil, "eve@far.example")) {
			t.Errorf("event %d is another one when it is made again", i)
		}
	}
	for i, after := range want { // resuming behind each
		if got := slices.Collect(h.h.Remote(&events[0], after)); !slices.Equal(got, want[i+1:]) {
			t.Errorf("behind %s: got %v, want %v", after, got, want[i+1:])
		}
	}
}

// record is the log's record of the publish of an item in alice's microblog.
func (h *house) record(t *testing.T, id string) *bridge.Record {
	t.Helper()
	node, _ := h.svc.Registry().Node(bridge.Addr{Service: testAccount, Name: bridge.NodeMicroblog})
	item, ok, err := h.svc.Archive().Item(node.ID, id)
	if err != nil || !ok {
		t.Fatalf("no item %s: %v", id, err)
	}
	return &bridge.Record{Seq: item.Last, Time: item.Modified, Publish: &bridge.Publish{
		NodeID: node.ID, Addr: node.Addr, Item: id, Publisher: item.Publisher, Payload: string(item.Payload),
	}}
}

// TestAccessIsCheckedAtDelivery: who was shut out since subscribing gets nothing.
func TestAccessIsCheckedAtDelivery(t *testing.T) {
	h := newHouse(t)
	h.must(t, alice, ps("set", testDomain, "<create node='news'/>"))
	h.must(t, bob, ps("set", testDomain, "<subscribe node='news' jid='bob@micro.example'/>"))
	h.must(t, carol, ps("set", testDomain, "<subscribe node='news' jid='carol@micro.example'/>"))
	node, _ := h.svc.Registry().Node(bridge.Addr{Service: testDomain, Name: "news"})
	h.svc.Registry().Apply(&bridge.Record{Seq: 1 << 40, Affiliation: &bridge.Affiliation{
		NodeID: node.ID, Addr: node.Addr, JID: "bob@micro.example", Role: bridge.RoleOutcast,
	}})
	h.must(t, alice, ps("set", testDomain, "<publish node='news'><item id='a'><x xmlns='urn:x'/></item></publish>"))
	if in := h.router.sessions[bob].take(); len(in) != 0 {
		t.Errorf("the outcast got %s", in)
	}
	if in := h.router.sessions[carol].take(); len(in) != 1 {
		t.Errorf("the other subscriber got %s", in)
	}
	whitelist := node.Config
	whitelist.AccessModel = bridge.AccessWhitelist
	if err := h.svc.Nodes.Configure(t.Context(), testAccount, node.Addr, whitelist); err != nil {
		t.Fatal(err)
	}
	h.must(t, alice, ps("set", testDomain, "<publish node='news'><item id='b'><x xmlns='urn:x'/></item></publish>"))
	if in := h.router.sessions[carol].take(); len(in) != 0 {
		t.Errorf("a subscriber of a node that was closed got %s", in)
	}
}

// TestEveryEndIsTold: of nodes that go with their account or planet, too, here
// and by the lanes, which come later.
func TestEveryEndIsTold(t *testing.T) {
	h := newHouse(t)
	if _, err := h.svc.Planets.Add(t.Context(), "planet-go", "", []string{"http://example.org/feed"}); err != nil {
		t.Fatal(err)
	}
	for addr, remove := range map[bridge.Addr]func() error{
		{Service: testAccount, Name: bridge.NodeMicroblog}: func() error { return h.svc.Accounts.Remove(t.Context(), "alice") },
		{Service: testDomain, Name: "planet-go"}:           func() error { return h.svc.Planets.Remove(t.Context(), "planet-go") },
	} {
		for _, jid := range []bridge.JID{carol.Bare(), "dave@far.example"} {
			if _, err := h.svc.Follows.Subscribe(t.Context(), jid, addr, jid); err != nil {
				t.Fatal(err)
			}
		}
		h.router.sessions[carol].take()
		node, _ := h.svc.Registry().Node(addr)
		if err := remove(); err != nil {
			t.Fatal(err)
		}
		if in := h.router.sessions[carol].take(); len(in) != 1 || !strings.Contains(in[0], "<delete node=") {
			t.Errorf("%s: a subscriber here got %s", addr, in)
		}
		node.Removed = true
		var elsewhere []bridge.JID
		for _, e := range h.h.Events(&bridge.Record{Node: &node}) {
			elsewhere = slices.AppendSeq(elsewhere, h.h.Remote(&e, ""))
		}
		if !slices.Equal(elsewhere, []bridge.JID{"dave@far.example"}) {
			t.Errorf("%s: the lanes tell %v", addr, elsewhere)
		}
	}
}

// TestVisitorsEndWithTheirSession: at its end, or when nobody hears an event.
func TestVisitorsEndWithTheirSession(t *testing.T) {
	h := newHouse(t)
	const visitor = bridge.JID("q7x2@micro.example/web")
	h.must(t, alice, ps("set", testDomain, "<create node='news'/>"))
	for _, quietly := range []bool{false, true} {
		h.router.login(visitor)
		h.must(t, visitor, ps("set", testDomain, "<subscribe node='news' jid='q7x2@micro.example'/>"))
		if n := len(h.svc.Registry().SubscriptionsOf(visitor.Bare())); n != 0 {
			t.Errorf("a visitor has %d records in the log", n)
		}
		h.router.logout(visitor, quietly)
		if quietly {
			h.must(t, alice, ps("set", testDomain, "<publish node='news'><item id='a'><x xmlns='urn:x'/></item></publish>"))
		}
		if left := h.h.visitors.of(visitor); len(left) != 0 || h.h.visitors.count != 0 {
			t.Errorf("still there, quietly %t: %v", quietly, left)
		}
	}
}

func TestVisitorsAreBounded(t *testing.T) {
	var v visitors
	for i := range maxVisits {
		if err := v.add("v@micro.example/r", bridge.Subscription{NodeID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.add("v@micro.example/r", bridge.Subscription{NodeID: "one more"}); !bridge.Is(err, bridge.PolicyViolation) {
		t.Errorf("got %v", err)
	}
}

// TestTrackNodesAreTheirOwners: nobody else learns that there is one.
func TestTrackNodesAreTheirOwners(t *testing.T) {
	h := newHouse(t)
	track, err := h.svc.Tracks.Add(t.Context(), "alice", "xmpp")
	if err != nil {
		t.Fatal(err)
	}
	name := bridge.TrackNode(track.ID)
	if got := h.must(t, alice, ps("get", testDomain, "<items node='"+name+"'/>")); !strings.Contains(got, "<item id='bob:match'") || !strings.Contains(got, "<first index='0'>7</first>") {
		t.Errorf("its owner reads %s", got)
	}
	for _, stanza := range []string{
		ps("get", testDomain, "<items node='"+name+"'/>"),
		ps("set", testDomain, "<subscribe node='"+name+"' jid='bob@micro.example'/>"),
		ps("set", testDomain, "<publish node='"+name+"'><item><x xmlns='urn:x'/></item></publish>"),
		own("get", testDomain, "<configure node='"+name+"'/>"),
		iq("get", testDomain, "<query xmlns='"+nsInfo+"' node='"+name+"'/>"),
		iq("get", testDomain, "<query xmlns='"+nsItems+"' node='"+name+"'/>"),
	} {
		if condition, _ := refusal(t, h.say(t, bob, stanza)); condition != bridge.ItemNotFound {
			t.Errorf("%s\nis refused with %s", stanza, condition)
		}
	}
	if got := h.must(t, bob, iq("get", testDomain, "<query xmlns='"+nsItems+"'/>")); strings.Contains(got, name) {
		t.Errorf("it is listed to others: %s", got)
	}
	item := bridge.Item{Addr: bridge.Addr{Service: "bob@micro.example", Name: bridge.NodeMicroblog}, ID: "m1", Publisher: "bob@micro.example", Payload: []byte("<x xmlns='urn:x'/>")}
	h.h.PushView(name, item, []bridge.JID{testAccount})
	if in := h.router.sessions[alice].take(); len(in) != 1 || !strings.Contains(in[0], "node='"+name+"'><item id='bob:m1'") {
		t.Errorf("the owner got %s", in)
	}
}

// TestLastItemOnPresence: a newcomer is sent what it asked for and may read.
func TestLastItemOnPresence(t *testing.T) {
	h := newHouse(t)
	h.must(t, alice, ps("set", "", "<publish node='urn:xmpp:microblog:0'><item id='a'><x xmlns='urn:x'/></item></publish>"))
	h.must(t, alice, ps("set", "", "<publish node='urn:example:mood'><item id='m'><x xmlns='urn:x'/></item></publish>"))
	h.router.greet(t.Context(), testAccount, bob, []string{"urn:example:mood", "urn:none", bridge.NodeMicroblog})
	in := h.router.sessions[bob].take()
	if len(in) != 1 || !strings.Contains(in[0], "<item id='a'") || !strings.Contains(in[0], "<delay xmlns='urn:xmpp:delay'") {
		t.Errorf("bob got %s", in)
	}
	h.router.greet(t.Context(), testAccount, alice, []string{"urn:example:mood"})
	if in := h.router.sessions[alice].take(); len(in) != 1 {
		t.Errorf("the owner got %s", in)
	}
}

// BenchmarkFanOut is the work of this package for one post to 1,000 sessions.
func BenchmarkFanOut(b *testing.B) {
	h := newHouse(b)
	node, _ := h.svc.Registry().Node(bridge.Addr{Service: testAccount, Name: bridge.NodeMicroblog})
	r := &counting{router: h.router, by: map[bridge.JID]*counter{}}
	const recipients = 1000
	for i := range recipients {
		jid := bridge.JID(fmt.Sprintf("user%d@micro.example", i))
		r.by[jid] = new(counter)
		h.svc.Registry().Apply(&bridge.Record{Seq: 1<<40 + uint64(i), Subscription: &bridge.Subscription{
			NodeID: node.ID, Addr: node.Addr, JID: jid, SubID: "s",
		}})
	}
	h.h.router = r
	payload := "<entry xmlns='http://www.w3.org/2005/Atom'><title>" + strings.Repeat("x", 400) + "</title></entry>"
	rec := &bridge.Record{Seq: 1 << 41, Publish: &bridge.Publish{
		NodeID: node.ID, Addr: node.Addr, Item: "a", Publisher: testAccount, Payload: payload,
	}}
	b.ReportAllocs()
	for b.Loop() {
		h.h.Observe(rec)
	}
	b.ReportMetric(float64(b.N*recipients)/b.Elapsed().Seconds(), "events/s")
	total := 0
	for _, c := range r.by {
		total += c.n
	}
	if total != b.N*recipients {
		b.Fatalf("%d events for %d posts", total, b.N)
	}
}

package pubsub

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

func testNode() bridge.Node {
	return bridge.Node{
		ID: "0123456789abcdef", Owner: testAccount, Config: bridge.MicroblogConfig(),
		Addr: bridge.Addr{Service: testAccount, Name: bridge.NodeMicroblog},
	}
}

func testItem() *bridge.Item {
	return &bridge.Item{
		ID: "tag:x,2026:a/b?c=d&e", Publisher: testAccount,
		Payload: []byte("<entry xmlns='http://www.w3.org/2005/Atom'><title>hello</title></entry>"),
	}
}

func TestEventStanzas(t *testing.T) {
	then := time.Date(2026, 8, 1, 12, 0, 0, 5e8, time.FixedZone("", 7200))
	normal := testNode()
	normal.Config.NotificationType = "normal"
	bare := testNode()
	bare.Config.DeliverPayloads = false
	for name, e := range map[string]Event{
		"event-item.xml":    itemEvent(testNode(), 42, testItem(), time.Time{}),
		"event-last.xml":    itemEvent(testNode(), 42, testItem(), then),
		"event-bare.xml":    itemEvent(bare, 42, testItem(), time.Time{}),
		"event-normal.xml":  itemEvent(normal, 42, testItem(), time.Time{}),
		"event-retract.xml": retractEvent(testNode(), 42, "a<b"),
		"event-purge.xml":   nodeEvent(testNode(), 42, "purge"),
		"event-delete.xml":  nodeEvent(testNode(), 42, "delete"),
	} {
		golden(t, name, pretty(t, e.Stanza(nil, "bob@other.example/it's <me>")))
	}
}

// TestMessageIDs: an id is the same for the same record and recipient, and for
// nothing else.
func TestMessageIDs(t *testing.T) {
	other := testNode()
	other.ID = "fedcba9876543210"
	events := []Event{
		itemEvent(testNode(), 42, testItem(), time.Time{}),
		itemEvent(testNode(), 43, testItem(), time.Time{}),
		itemEvent(other, 42, testItem(), time.Time{}),
		retractEvent(testNode(), 42, "a"),
		retractEvent(testNode(), 42, "b"),
	}
	seen := map[string]bool{}
	for _, e := range events {
		for _, to := range []bridge.JID{"bob@x.example", "bob@x.example/a", "bob@x.example/b"} {
			id := e.MessageID(to)
			if seen[id] {
				t.Errorf("the id %s comes twice", id)
			}
			seen[id] = true
			if e.MessageID(to) != id || !strings.Contains(string(e.Stanza(nil, to)), " id='"+id+"'") {
				t.Errorf("the id of the event to %s is not %s again", to, id)
			}
		}
	}
	const want = "16-"
	if id := events[0].MessageID("bob@x.example"); !strings.HasPrefix(id, want) {
		t.Errorf("the id %s does not begin with the sequence, %s", id, want)
	}
}

func TestBigEventHasNoPayload(t *testing.T) {
	item := testItem()
	item.Payload = []byte("<x xmlns='urn:x'>" + strings.Repeat("y", maxEvent) + "</x>")
	e := itemEvent(testNode(), 42, item, time.Time{})
	stanza := string(e.Stanza(nil, "bob@x.example"))
	if len(stanza) > maxEvent || strings.Contains(stanza, "yyy") || !strings.Contains(stanza, "publisher='alice@micro.example'/>") {
		t.Errorf("got %d bytes: %.300s", len(stanza), stanza)
	}
}

func TestStanzaAllocatesNothing(t *testing.T) {
	e := itemEvent(testNode(), 42, testItem(), time.Time{})
	buf := e.Stanza(nil, "bob@x.example/phone")
	if n := testing.AllocsPerRun(100, func() { buf = e.Stanza(buf[:0], "bob@x.example/phone") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestMerged: the merge is the sorted union of both lists, behind after.
func TestMerged(t *testing.T) {
	address := rapid.StringMatching(`[a-d]@[xy](/[rs])?`)
	rapid.Check(t, func(t *rapid.T) {
		var subs []bridge.Subscription
		var union, jids []bridge.JID
		for _, s := range rapid.SliceOf(address).Draw(t, "subs") {
			subs = append(subs, bridge.Subscription{JID: bridge.JID(s)})
			union = append(union, bridge.JID(s))
		}
		for _, s := range rapid.SliceOf(address).Draw(t, "jids") {
			jids = append(jids, bridge.JID(s))
			union = append(union, bridge.JID(s))
		}
		after := bridge.JID(rapid.OneOf(address, rapid.Just("")).Draw(t, "after"))
		slices.SortFunc(subs, func(a, b bridge.Subscription) int { return strings.Compare(string(a.JID), string(b.JID)) })
		slices.Sort(jids)
		slices.Sort(union)
		want := slices.DeleteFunc(slices.Compact(union), func(j bridge.JID) bool { return j <= after })
		if got := slices.Collect(merged(subs, jids, after)); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// FuzzEvent: whatever ids, names and addresses hold, an event is one well-formed
// message.
func FuzzEvent(f *testing.F) {
	f.Add("node", "item", "bob@x.example/r")
	f.Add("'><x/>", "a\x00b", "x/'&<")
	f.Fuzz(func(t *testing.T, name, id, to string) {
		node, item := testNode(), testItem()
		node.Addr.Name, item.ID = name, id
		e := itemEvent(node, 1, item, time.Time{})
		m, err := xmpp.Parse(e.Stanza(nil, bridge.JID(to)), xmpp.NSClient)
		if err != nil {
			t.Fatal(err)
		}
		items := m.Child(nsEvent, "event").Child(nsEvent, "items")
		if len(items.Children) != 1 || len(items.Children[0].Children) != 1 {
			t.Fatalf("%s", m.Raw())
		}
	})
}

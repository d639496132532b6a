package archive_test

import (
	"testing"
	"time"

	"peewit/bridge"
	"peewit/bridge/archive"
)

func TestAnItemAndItsVersions(t *testing.T) {
	h := newHouse(t)
	h.append(microblog("n", alice))
	h.append(publish("n", "a", "one"), publish("n", "b", "other"), publish("n", "a", "two"))
	item, ok := h.item("n", "a")
	if !ok {
		t.Fatal("the item is missing")
	}
	same(t, "the item", item, bridge.Item{
		Addr: bridge.Addr{Service: alice, Name: bridge.NodeMicroblog}, NodeID: "n", ID: "a", Publisher: alice,
		First: 2, Last: 4, Created: time.Unix(1e9+2, 123456789).UTC(), Modified: time.Unix(1e9+4, 123456789).UTC(),
		Sent: "hash of two", Origin: bridge.Origin{Door: "xmpp"}, Payload: []byte("two"),
	})
	bySeq, ok, err := h.archive.ItemBySeq(2)
	if err != nil || !ok {
		t.Fatalf("ItemBySeq(2): %t, %v", ok, err)
	}
	same(t, "the item by its number", bySeq, item)
	if _, ok, err := h.archive.ItemBySeq(4); ok || err != nil {
		t.Errorf("an edit's sequence is a notice id: %v", err)
	}
	versions, err := h.archive.Versions("n", "a")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "versions", versions, []uint64{2, 4})
	same(t, "order", h.all("n"), "b a")
	same(t, "count", h.archive.Count("n"), 2)
	seq, ok, err := h.archive.Lookup("key of n a one")
	if err != nil || !ok || seq != 2 {
		t.Errorf("Lookup of the first version is %d, %t, %v", seq, ok, err)
	}
	if _, ok := h.item("n", "c"); ok {
		t.Error("an item that was never published is there")
	}
	if _, ok := h.item("other", "a"); ok {
		t.Error("an item is in a node that never was")
	}
}

func TestARetractedItemIsAStone(t *testing.T) {
	h := newHouse(t)
	h.append(microblog("n", alice), publish("n", "a", "one"), publish("n", "a", "two"), retract("n", "a", "unknown"))
	item, ok := h.item("n", "a")
	if !ok || !item.Retracted || item.First != 2 || item.Last != 4 || len(item.Payload) > 0 {
		t.Errorf("the stone is %+v, %t", item, ok)
	}
	same(t, "items", h.all("n"), "")
	same(t, "count", h.archive.Count("n"), 0)
	same(t, "to erase", h.dead(), []uint64{2, 3})
	if _, ok := h.item("n", "unknown"); ok {
		t.Error("an unknown id became an item by being retracted")
	}
	stone, ok, err := h.archive.ItemBySeq(2)
	if err != nil || !ok || !stone.Retracted {
		t.Errorf("by its number it is %+v, %t, %v", stone, ok, err)
	}

	h.append(publish("n", "a", "three"))
	item, ok = h.item("n", "a")
	if !ok || item.Retracted || item.First != 5 || item.Last != 5 {
		t.Errorf("published again it is %+v, %t, want a new item", item, ok)
	}
	if _, ok, err := h.archive.ItemBySeq(2); ok || err != nil {
		t.Errorf("the old number leads to the new item: %v", err)
	}
}

func TestAPurgeLeavesNothing(t *testing.T) {
	h := newHouse(t)
	h.append(microblog("n", alice), publish("n", "a", "1"), publish("n", "a", "2"), publish("n", "b", "3"), retract("n", "b"), purge("n"))
	same(t, "items", h.all("n"), "")
	item, ok := h.item("n", "a")
	if ok || item.Last != 6 {
		t.Errorf("a purged item is %+v, %t; want none, replaced version 6", item, ok)
	}
	same(t, "to erase", h.dead(), []uint64{2, 3, 4})
	same(t, "timeline", h.timeline(archive.TimelinePublic, archive.Query{}).Total, 0)
	h.append(publish("n", "a", "4"))
	same(t, "items", h.all("n"), "a")
}

func TestANodeEndsWithEverythingInIt(t *testing.T) {
	for name, end := range map[string]bridge.Record{
		"removed":   removed(microblog("n", alice)),
		"made anew": microblog("m", alice),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.append(microblog("n", alice), publish("n", "a", "1"), publish("n", "b", "2"), end, publish("n", "c", "too late"))
			same(t, "items", h.all("n"), "")
			if _, ok := h.item("n", "a"); ok {
				t.Error("an item outlived its node")
			}
			same(t, "to erase", h.dead(), []uint64{2, 3, 5})
			same(t, "timeline", ids(h.timeline(archive.TimelineAll, archive.Query{Max: 9})), "")
		})
	}
}

func TestMaxItems(t *testing.T) {
	h := newHouse(t)
	h.append(node("n", "n", keeping(2)), publish("n", "a", "1"), publish("n", "b", "2"), publish("n", "a", "3"))
	same(t, "after an edit", h.all("n"), "b a")
	h.append(publish("n", "c", "4"))
	same(t, "the oldest is pushed out", h.all("n"), "c b")
	if item, ok := h.item("n", "a"); !ok || !item.Retracted {
		t.Errorf("what was pushed out is %+v, %t, want a stone", item, ok)
	}
	same(t, "to erase", h.dead(), []uint64(nil))
	h.append(node("n", "n", keeping(1)))
	same(t, "after a lower bound", h.all("n"), "c")
	h.append(node("n", "n"), publish("n", "d", "5"), publish("n", "e", "6"))
	same(t, "without a bound", h.all("n"), "e d c")
	h.append(node("n", "n", keepingNothing), publish("n", "f", "7"))
	same(t, "when nothing is kept", h.all("n"), "")
	item, ok := h.item("n", "f")
	if ok || item.Last != 11 {
		t.Errorf("an item that is not kept is %+v, %t; want none, replaced version 11", item, ok)
	}
	same(t, "count", h.archive.Count("n"), 0)
}

// Without the rule that a retraction gives up what was pushed out, the rebuild
// would show the first item again: nothing in the log pushes it out any more.
func TestErasingNeverBringsBackWhatWasPushedOut(t *testing.T) {
	h := newHouse(t)
	h.append(node("n", "geoloc", keeping(1)), publish("n", "a", "at home"), publish("n", "b", "at work"), retract("n", "b"))
	same(t, "to erase", h.dead(), []uint64{2, 3})
	h.erase()
	same(t, "after erasing", h.all("n"), "")
	same(t, "after rebuilding", h.rebuilt().all("n"), "")
}

func TestTimelines(t *testing.T) {
	h := newHouse(t)
	h.append(
		microblog("alice", alice),
		microblog("bob", `bob\40remote.example@micro.example`),
		node("feed", "feed-1"),
		node("planet", "planet"),
		bridge.Record{Node: &bridge.Node{ID: "moods", Addr: bridge.Addr{Service: alice, Name: "moods"}, Config: bridge.MicroblogConfig()}},
	)
	h.append(publish("alice", "a", "local"), publish("bob", "b", "shadow"), publish("feed", "c", "feed"), publish("moods", "d", "mood"), publish("planet", "e", "own"))
	h.append(refer("planet", "feed", "c", 8))
	h.append(publish("alice", "a", "local, edited"))
	page := h.timeline(archive.TimelineAll, archive.Query{Max: 9})
	same(t, "all", ids(page), "c b a")
	same(t, "the edit shows", payloads(page), "feed shadow local, edited")
	same(t, "anchors", []string{page.First, page.Last}, []string{"8", "6"})
	same(t, "public", ids(h.timeline(archive.TimelinePublic, archive.Query{Max: 9})), "a")
	same(t, "below the feed's", ids(h.timeline(archive.TimelineAll, archive.Query{Max: 9, After: "8"})), "b a")
	same(t, "since a number that was never a post", ids(h.timeline(archive.TimelineAll, archive.Query{Max: 9, Before: "1", HasBefore: true})), "c b a")
	same(t, "by number", ids(h.timeline(archive.TimelineAll, archive.Query{IDs: []string{"6", "x", "9", "8"}})), "a c")

	hidden := microblog("alice", alice)
	hidden.Node.Config.AccessModel = bridge.AccessPresence
	h.append(hidden)
	for _, name := range []string{archive.TimelineAll, archive.TimelinePublic} {
		if page := h.timeline(name, archive.Query{Max: 9}); len(page.Items) != page.Total {
			t.Errorf("%s counts %d and shows %d", name, page.Total, len(page.Items))
		}
	}
	same(t, "after alice hid hers", ids(h.timeline(archive.TimelineAll, archive.Query{Max: 9})), "c b")
	same(t, "in public", ids(h.timeline(archive.TimelinePublic, archive.Query{Max: 9})), "")
	h.append(microblog("alice", alice), retract("feed", "c"))
	same(t, "after she opened it again", ids(h.timeline(archive.TimelineAll, archive.Query{Max: 9})), "b a")

	if _, err := h.archive.Timeline("nonsense", archive.Query{}); !bridge.Is(err, bridge.ItemNotFound) {
		t.Errorf("an unknown timeline: %v", err)
	}
}

func TestReferences(t *testing.T) {
	h := newHouse(t)
	h.append(node("f", "feed-1"), node("g", "feed-2"), node("p", "planet"))
	h.append(publish("f", "a", "one"), publish("f", "b", "two")) // 4, 5
	h.append(refer("p", "f", "a", 4), refer("p", "f", "b", 5))   // 6, 7
	item, _ := h.item("p", "a")
	same(t, "what the planet shows", item, bridge.Item{
		Addr: bridge.Addr{Service: domain, Name: "planet"}, NodeID: "p", ID: "a", Publisher: alice, First: 6, Last: 6, Of: 4,
		Created: time.Unix(1e9+6, 123456789).UTC(), Modified: time.Unix(1e9+6, 123456789).UTC(),
		Sent: "hash of one", Origin: bridge.Origin{Door: "xmpp"}, Payload: []byte("one"),
	})

	h.append(publish("f", "a", "one, edited"), refer("p", "f", "a", 8))
	item, _ = h.item("p", "a")
	if item.First != 6 || item.Last != 9 || string(item.Payload) != "one, edited" {
		t.Errorf("after an edit it is %+v, want it modified by 9 and still created by 6", item)
	}
	same(t, "its place", h.all("p"), "b a")

	h.append(refer("p", "f", "a", 8), refer("p", "f", "a", 4))
	item, _ = h.item("p", "a")
	same(t, "after references that bring nothing new", item.Last, uint64(9))

	other := refer("p", "f", "a", 8)
	other.Reference.Item = "another-id"
	h.append(other)
	same(t, "a post enters once", h.all("p"), "b a")

	h.append(publish("g", "b", "another's b"), refer("p", "g", "b", 13))
	same(t, "an id that is taken", payloads(h.items("p", archive.Query{Max: 9})), "two one, edited")

	h.append(retract("f", "b"))
	same(t, "a post that ended", h.all("p"), "a")
	if item, ok := h.item("p", "b"); !ok || !item.Retracted || item.First != 7 {
		t.Errorf("its stone is %+v, %t", item, ok)
	}

	h.append(retract("p", "a"), publish("f", "a", "one, edited again"))
	h.append(refer("p", "f", "a", 17))
	same(t, "what the planet's owner took out stays out", h.all("p"), "")
	same(t, "and stays in its feed", h.all("f"), "a")

	h.append(retract("f", "a"), publish("f", "a", "a new post"), refer("p", "f", "a", 20))
	same(t, "a new post under the id is not the old one", payloads(h.items("p", archive.Query{Max: 9})), "a new post")

	h.append(removed(node("f", "feed-1")))
	same(t, "a feed that ended", h.all("p"), "")
	same(t, "count", h.archive.Count("p"), 0)
}

package archive_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"peewit/bridge"
	"peewit/bridge/archive"
)

// alphabet is a node with the items a to f, published in this order.
func alphabet(t *testing.T) *house {
	h := newHouse(t)
	h.append(node("n", "n"))
	for _, id := range strings.Split("a b c d e f", " ") {
		h.append(publish("n", id, "<"+id+"/>"))
	}
	return h
}

func TestPages(t *testing.T) {
	h := alphabet(t)
	h.append(publish("n", "c", "<edited/>"), retract("n", "d")) // an edit moves nothing; d is a stone
	for _, c := range []struct {
		name  string
		query archive.Query
		want  string
		index int
		more  bool
	}{
		{"newest", archive.Query{Max: 2}, "f e", 0, true},
		{"older", archive.Query{Max: 2, After: "e"}, "c b", -1, true},
		{"oldest of all", archive.Query{Max: 2, After: "b"}, "a", 4, false},
		{"below the last", archive.Query{Max: 2, After: "a"}, "", -1, false},
		{"last page", archive.Query{Max: 2, HasBefore: true}, "b a", 3, true},
		{"above it", archive.Query{Max: 2, Before: "b", HasBefore: true}, "e c", -1, true},
		{"above that", archive.Query{Max: 2, Before: "e", HasBefore: true}, "f", 0, false},
		{"above the first", archive.Query{Max: 2, Before: "f", HasBefore: true}, "", -1, false},
		{"an id without HasBefore", archive.Query{Max: 2, Before: "b"}, "e c", -1, true},
		{"after a retracted one", archive.Query{Max: 9, After: "d"}, "c b a", 2, false},
		{"before a retracted one", archive.Query{Max: 9, Before: "d", HasBefore: true}, "f e", 0, false},
		{"between two", archive.Query{Max: 9, After: "f", Before: "a", HasBefore: true}, "e c b", -1, false},
		{"between two, the end", archive.Query{Max: 1, After: "f", Before: "a", HasBefore: true}, "b", -1, true},
		{"between two, the wrong way round", archive.Query{Max: 9, After: "a", Before: "f"}, "", -1, false},
		{"nothing but the count", archive.Query{}, "", -1, false},

		{"oldest first", archive.Query{Max: 2, Oldest: true}, "a b", 0, true},
		{"newer", archive.Query{Max: 2, Oldest: true, After: "b"}, "c e", -1, true},
		{"newest of all", archive.Query{Max: 2, Oldest: true, After: "e"}, "f", 4, false},
		{"last page of oldest first", archive.Query{Max: 2, Oldest: true, HasBefore: true}, "e f", 3, true},
		{"above that", archive.Query{Max: 2, Oldest: true, Before: "e", HasBefore: true}, "b c", -1, true},
		{"after a retracted one, oldest first", archive.Query{Max: 9, Oldest: true, After: "d"}, "e f", 3, false},

		{"two items' worth of bytes", archive.Query{Max: 9, MaxBytes: 8}, "f e", 0, true},
		{"the same from the other end", archive.Query{Max: 9, MaxBytes: 8, HasBefore: true}, "b a", 3, true},
		{"one item in any case", archive.Query{Max: 9, MaxBytes: 1, After: "d"}, "c", -1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			page := h.items("n", c.query)
			want := archive.Page{Total: 5, Index: c.index, More: c.more}
			if c.want != "" {
				all := strings.Fields(c.want)
				want.First, want.Last = all[0], all[len(all)-1]
			}
			same(t, "items", ids(page), c.want)
			page.Items = nil
			same(t, "page", page, want)
		})
	}
}

func TestAnAnchorThatNeverWas(t *testing.T) {
	h := alphabet(t)
	for _, q := range []archive.Query{{Max: 1, After: "x"}, {Max: 1, Before: "x", HasBefore: true}, {After: "x"}} {
		if _, err := h.archive.Items("n", q); !bridge.Is(err, bridge.ItemNotFound) {
			t.Errorf("%+v: %v, want item-not-found", q, err)
		}
	}
	h.append(purge("n"))
	if _, err := h.archive.Items("n", archive.Query{Max: 1, After: "a"}); !bridge.Is(err, bridge.ItemNotFound) {
		t.Errorf("a purged anchor: %v, want item-not-found", err)
	}
}

func TestItemsByID(t *testing.T) {
	h := alphabet(t)
	h.append(retract("n", "b"))
	page := h.items("n", archive.Query{IDs: []string{"c", "b", "nonsense", "a"}})
	same(t, "items", ids(page), "c a")
	same(t, "total", page.Total, 5)
	page = h.items("n", archive.Query{IDs: []string{"c", "a"}, MaxBytes: 5})
	same(t, "items in few bytes", ids(page), "c")
	same(t, "more", page.More, true)
	same(t, "no ids at all", ids(h.items("n", archive.Query{IDs: []string{}})), "")
	same(t, "an unknown node", h.items("nonsense", archive.Query{Max: 9}), archive.Page{Index: -1})
}

// Whoever pages through a list that changes gets each item that stays, once.
func TestPagingThroughAChangingList(t *testing.T) {
	h := newHouse(t)
	h.append(node("n", "n"))
	for i := range 50 {
		h.append(publish("n", fmt.Sprint(i), ""))
	}
	seen := map[string]int{}
	q := archive.Query{Max: 7}
	for step := 0; ; step++ {
		page := h.items("n", q)
		if len(page.Items) == 0 {
			break
		}
		for _, item := range page.Items {
			seen[item.ID]++
		}
		q.After = page.Last
		h.append(retract("n", page.Last), publish("n", fmt.Sprint("new", step), ""), publish("n", fmt.Sprint(49-step), "edited"))
	}
	for i := range 50 {
		if seen[fmt.Sprint(i)] != 1 {
			t.Errorf("item %d was seen %d times", i, seen[fmt.Sprint(i)])
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d items were seen: what is new is not further down", len(seen))
	}
}

// A page is of one moment, whatever is applied meanwhile.
func TestAPageIsOfOneMoment(t *testing.T) {
	h := newHouse(t)
	h.append(node("n", "n"), node("m", "m"), node("p", "p"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 300 { // one batch puts one into each and takes the one before out
			id, before := fmt.Sprint(i), fmt.Sprint(i-1)
			h.append(publish("m", id, id), refer("p", "m", id, h.log[len(h.log)-1].Seq+1), publish("n", id, id), retract("n", before), retract("m", before))
		}
	}()
	for {
		for _, nodeID := range []string{"n", "m", "p"} {
			page, err := h.archive.Items(nodeID, archive.Query{Max: 9})
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Items) > 1 || len(page.Items) != page.Total {
				t.Fatalf("%s shows %s and counts %d", nodeID, ids(page), page.Total)
			}
			if len(page.Items) == 1 && string(page.Items[0].Payload) != page.Items[0].ID {
				t.Fatalf("%s shows %s of %s", nodeID, page.Items[0].Payload, page.Items[0].ID)
			}
		}
		select {
		case <-done:
			if page := h.items("p", archive.Query{Max: 9}); ids(page) != "299" {
				t.Errorf("at the end the planet shows %s", ids(page))
			}
			return
		default:
		}
	}
}

func TestAPageHasBounds(t *testing.T) {
	h := newHouse(t)
	h.append(node("n", "n"))
	var recs []bridge.Record
	for i := range 1100 {
		recs = append(recs, publish("n", fmt.Sprint(i), ""))
	}
	h.append(recs...)
	page := h.items("n", archive.Query{Max: 1 << 30})
	if len(page.Items) != 1000 || !page.More {
		t.Errorf("a page has %d items, more: %t", len(page.Items), page.More)
	}
	var all []string
	for _, item := range page.Items {
		all = append(all, item.ID)
	}
	page = h.items("n", archive.Query{IDs: slices.Concat(all, all)})
	if len(page.Items) != 1000 {
		t.Errorf("a page by id has %d items", len(page.Items))
	}
}

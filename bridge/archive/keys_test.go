package archive_test

import (
	"strings"
	"testing"

	"peewit/bridge/archive"
)

// odd is ids that strangers have sent, or will.
var odd = []string{
	"", "a", "a\x00", "\x00a", "a\x00b", "ab", "A", "á", "a\u0301", "\u202eabc", "\xff\xfe", "\U0001F426",
	strings.Repeat("ä", 1535) + "@" + "example.org", strings.Repeat("x", 3071), strings.Repeat("x", 3070) + "y",
	"../../etc/passwd", "*", ">", "p.00.n", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
}

func TestOddIDsAreKeptApart(t *testing.T) {
	h := newHouse(t)
	for _, id := range odd {
		h.append(node("node "+id, "name "+id), publish("node "+id, "item", "in "+id))
	}
	h.append(node("n", "n"))
	for _, id := range odd {
		h.append(publish("n", id, "payload of "+id))
	}
	for i, id := range odd {
		item, ok := h.item("n", id)
		if !ok || item.ID != id || string(item.Payload) != "payload of "+id {
			t.Errorf("item %d (%.40q) is %.60q, %t", i, id, item.Payload, ok)
		}
		item, ok = h.item("node "+id, "item")
		if !ok || item.NodeID != "node "+id || string(item.Payload) != "in "+id {
			t.Errorf("the item of node %d is %.60q, %t", i, item.Payload, ok)
		}
		if id == "" {
			continue // no anchor
		}
		page := h.items("n", archive.Query{Max: 1, After: id, Oldest: true})
		if i+1 < len(odd) && page.First != odd[i+1] || i+1 == len(odd) && page.First != "" {
			t.Errorf("after %.40q comes %.40q", id, page.First)
		}
	}
	h.append(retract("n", odd[3]))
	if _, ok, err := h.archive.Lookup("key of n " + odd[4] + " payload of " + odd[4]); !ok || err != nil {
		t.Errorf("retracting an id took another's key: %v", err)
	}
	same(t, "count", h.archive.Count("n"), len(odd)-1)
	same(t, "rebuilt", h.rebuilt().dump() == h.dump(), true)
}

// Two ids, however chosen, in two nodes, however named, are four items unless
// they are the same.
func FuzzKeys(f *testing.F) {
	for i, id := range odd {
		f.Add(id, odd[(i+1)%len(odd)], "node", "node2")
		f.Add("item", "item", id, odd[(i+1)%len(odd)])
	}
	f.Fuzz(func(t *testing.T, item1, item2, node1, node2 string) {
		if node1 == node2 {
			node2 += "'"
		}
		h := newHouse(t)
		h.append(node(node1, "one"), node(node2, "two"))
		h.append(publish(node1, item1, "1"), publish(node2, item1, "2"), publish(node2, item2, "3"))
		want := map[[2]string]string{{node1, item1}: "1", {node2, item1}: "2"}
		want[[2]string{node2, item2}] = "3"
		for at, payload := range want {
			if item, ok := h.item(at[0], at[1]); !ok || string(item.Payload) != payload {
				t.Errorf("%q in %q is %q, %t, want %s", at[1], at[0], item.Payload, ok, payload)
			}
		}
		if _, ok := h.item(node1, item2); ok != (item1 == item2) {
			t.Errorf("%q is in %q: %t", item2, node1, ok)
		}
		h.append(removed(node(node2, "two")))
		if _, ok := h.item(node1, item1); !ok {
			t.Errorf("removing %q took %q of %q along", node2, item1, node1)
		}
		h.close(h.archive)
	})
}

// Whatever stands in a row, reading it ends in a value or an error.
func FuzzRows(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 'a', 5})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, value []byte) { archive.ParseRows(value) })
}

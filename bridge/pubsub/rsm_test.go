package pubsub

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/xmpp"
)

func TestUIDReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[~=a]{0,4}[a-z]{0,4}`).Draw(t, "id")
		marked := rapid.Bool().Draw(t, "marked")
		got, gotMarked := readUID(uid(id, marked))
		if got != id || gotMarked != marked {
			t.Fatalf("uid(%q, %v) reads back as %q, %v", id, marked, got, gotMarked)
		}
	})
}

func TestOrdinaryUIDIsTheItemID(t *testing.T) {
	for _, id := range []string{"a", "tag:x,2026:a/b?c=d", "0", "ünï"} {
		if got := uid(id, false); got != id {
			t.Errorf("uid(%q) = %q", id, got)
		}
	}
}

// TestReadWanted is the order rule, request by request.
func TestReadWanted(t *testing.T) {
	asc := archive.Query{Max: maxPage, MaxBytes: maxPageBytes, Oldest: true}
	with := func(q archive.Query, change func(*archive.Query)) archive.Query {
		change(&q)
		return q
	}
	set := func(inner string) string { return "<set xmlns='" + nsRSM + "'>" + inner + "</set>" }
	order := func(attrs string) string { return "<order xmlns='" + nsOrder + "' " + attrs + "/>" }
	for _, test := range []struct {
		name, items, beside string
		want                wanted
	}{
		{"all, ascending", "", "", wanted{query: asc}},
		{"by id", "<item id='a'/><item id='b'/>", "", wanted{query: with(asc, func(q *archive.Query) { q.IDs = []string{"a", "b"} })}},
		{"max_items alone is newest first", "max_items='12'", "",
			wanted{marked: true, query: with(asc, func(q *archive.Query) { q.Max, q.Oldest = 12, false })}},
		{"older than the last of such a page", "", set("<max>12</max><before>~x</before>"),
			wanted{marked: true, query: with(asc, func(q *archive.Query) { q.Max, q.Oldest, q.After = 12, false, "x" })}},
		{"newer than its first", "", set("<max>12</max><after>~x</after>"),
			wanted{marked: true, query: with(asc, func(q *archive.Query) { q.Max, q.After = 12, "x" })}},
		{"first page", "", set("<max>3</max>"), wanted{query: with(asc, func(q *archive.Query) { q.Max = 3 })}},
		{"next page", "", set("<max>3</max><after>x</after>"),
			wanted{query: with(asc, func(q *archive.Query) { q.Max, q.After = 3, "x" })}},
		{"page before", "", set("<max>3</max><before>x</before>"),
			wanted{query: with(asc, func(q *archive.Query) { q.Max, q.Before, q.HasBefore = 3, "x", true })}},
		{"last page", "", set("<max>3</max><before/>"),
			wanted{query: with(asc, func(q *archive.Query) { q.Max, q.HasBefore = 3, true })}},
		{"count only", "", set("<max>0</max>"), wanted{query: with(asc, func(q *archive.Query) { q.Max = 0 })}},
		{"an id that looks marked", "", set("<after>=~x</after>"), wanted{query: with(asc, func(q *archive.Query) { q.After = "~x" })}},
		{"max_items with a set is strict", "max_items='5'", set("<max>9</max>"), wanted{query: with(asc, func(q *archive.Query) { q.Max = 5 })}},
		{"descending creation", "", order("by='creation' desc='true'") + set("<max>2</max><after>C</after>"),
			wanted{query: with(asc, func(q *archive.Query) { q.Max, q.Oldest, q.After = 2, false, "C" })}},
		{"newest three, descending", "max_items='3'", order("by='creation' desc='1'"),
			wanted{query: with(asc, func(q *archive.Query) { q.Max, q.Oldest = 3, false })}},
		{"newest three, ascending", "max_items='3'", order("by='creation'"),
			wanted{query: with(asc, func(q *archive.Query) { q.Max, q.HasBefore = 3, true })}},
		{"a big page is cut", "", set("<max>100000</max>"), wanted{query: asc}},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := readBody(t, test.items, test.beside)
			got, err := readWanted(body, body.Children[0])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(wanted{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadWantedRefuses(t *testing.T) {
	set := func(inner string) string { return "<set xmlns='" + nsRSM + "'>" + inner + "</set>" }
	for _, test := range []struct {
		name, items, beside string
		want                bridge.Condition
	}{
		{"max is no number", "", set("<max>many</max>"), bridge.BadRequest},
		{"max is negative", "", set("<max>-1</max>"), bridge.BadRequest},
		{"index", "", set("<index>5</index>"), bridge.FeatureNotPresent},
		{"both directions", "", set("<after>a</after><before>b</before>"), bridge.BadRequest},
		{"max_items is no number", "max_items='all'", "", bridge.BadRequest},
		{"max_items is nothing", "max_items='0'", "", bridge.BadRequest},
		{"unknown order", "", "<order xmlns='" + nsOrder + "' by='weight'/>", bridge.FeatureNotPresent},
		{"desc is no boolean", "", "<order xmlns='" + nsOrder + "' by='creation' desc='yes'/>", bridge.BadRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := readBody(t, test.items, test.beside)
			if _, err := readWanted(body, body.Children[0]); !bridge.Is(err, test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// readBody is a <pubsub/> that asks for items; items is attributes, or children,
// of <items/>.
func readBody(t *testing.T, items, beside string) *xmpp.Element {
	t.Helper()
	attributes, children := items, ""
	if strings.HasPrefix(items, "<") {
		attributes, children = "", items
	}
	e, err := xmpp.Parse([]byte("<pubsub xmlns='"+nsPubsub+"'><items node='n' "+attributes+">"+children+"</items>"+beside+"</pubsub>"), xmpp.NSClient)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestSet(t *testing.T) {
	page := func(total, index int, ids ...string) archive.Page {
		p := archive.Page{Total: total, Index: index}
		for _, id := range ids {
			p.Items = append(p.Items, bridge.Item{ID: id})
		}
		if len(ids) > 0 {
			p.First, p.Last = ids[0], ids[len(ids)-1]
		}
		return p
	}
	for _, test := range []struct {
		name   string
		wanted wanted
		page   archive.Page
		want   string
	}{
		{"empty", wanted{}, page(0, -1), "<count>0</count>"},
		{"first page", wanted{}, page(9, 0, "a", "b"), "<first index='0'>a</first><last>b</last><count>9</count>"},
		{"one in the middle", wanted{}, page(9, -1, "c"), "<first>c</first><last>c</last><count>9</count>"},
		{"newest first", wanted{marked: true}, page(9, 0, "i", "h"), "<first index='0'>~i</first><last>~h</last><count>9</count>"},
		{"by id", wanted{query: archive.Query{IDs: []string{"a", "x"}}}, page(9, -1, "a"), "<first index='0'>a</first><last>a</last><count>1</count>"},
		{"none of the ids", wanted{query: archive.Query{IDs: []string{"x"}}}, page(9, -1), "<count>0</count>"},
		{"an id with markup", wanted{}, page(1, -1, "~<"), "<first>=~&lt;</first><last>=~&lt;</last><count>1</count>"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := new(writer)
			writeSet(w, test.wanted.set(test.page))
			want := "<set xmlns='" + nsRSM + "'>" + test.want + "</set>"
			if diff := cmp.Diff(want, string(w.b)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestWindow: paging a list forward or backward gives all of it, in order.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfDistinct(rapid.StringMatching(`[~=a-c]{1,3}`), rapid.ID[string]).Draw(t, "all")
		slices.Sort(all)
		size := rapid.IntRange(1, 4).Draw(t, "size")
		key := func(s *string) string { return *s }
		var forward, backward []string
		for p := (paging{asked: true, max: size}); ; {
			page, s, _ := window(all, p, key)
			if len(page) == 0 {
				break
			}
			if s.index != len(forward) || s.count != len(all) {
				t.Fatalf("index %d of %d, want %d of %d", s.index, s.count, len(forward), len(all))
			}
			forward = append(forward, page...)
			p.hasAfter = true
			p.after, _ = readUID(s.last)
		}
		for p := (paging{asked: true, max: size, hasBefore: true}); ; {
			page, s, _ := window(all, p, key)
			if len(page) == 0 {
				break
			}
			backward = append(slices.Clone(page), backward...)
			if p.before, _ = readUID(s.first); s.index == 0 {
				break
			}
		}
		if !slices.Equal(forward, all) || !slices.Equal(backward, all) {
			t.Fatalf("forward %v, backward %v, want %v", forward, backward, all)
		}
	})
}

func TestWindowIsCutByBytes(t *testing.T) {
	var all []string
	for i := range 400 {
		all = append(all, fmt.Sprintf("%04d%s", i, strings.Repeat("x", 1000)))
	}
	page, s, whole := window(all, paging{max: -1}, func(s *string) string { return *s })
	if whole || len(page) == 0 || len(page)*1000 > maxPageBytes || s.count != len(all) {
		t.Errorf("%d entries, whole %v, %+v", len(page), whole, s.count)
	}
}

package track_test

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"peewit/index/query"
	"peewit/index/query/querytest"
	"peewit/index/track"

	"pgregory.net/rapid"
)

func parse(t testing.TB, text string) *query.Query {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func document(text string, marks ...string) *query.Document {
	d := new(query.Document)
	d.Words, d.Marks = query.Tokens(text)
	d.Marks = append(d.Marks, marks...)
	return d
}

// matches returns the sorted handles that match.
func matches(m *track.Matcher, d *query.Document) []uint32 {
	found := m.AppendMatches(nil, d)
	slices.Sort(found)
	return found
}

// none is a matcher's queries when it begins with none.
func none(func(uint32, *query.Query) bool) {}

func TestMatcher(t *testing.T) {
	m := track.NewMatcher(none)
	for handle, text := range []string{
		0: "hello", 1: "Hello", 2: "hello -spam", 3: `"hello world"`, 4: "#hello", 5: "hel*",
		6: "a | b", 7: "from:alice hello", 8: "planet:go", 9: "(x | hello) (y | world)", 10: "hello -(spam world)",
	} {
		m.Add(uint32(handle), parse(t, text))
	}
	check := func(when string) {
		t.Helper()
		for _, tt := range []struct {
			doc  *query.Document
			want []uint32
		}{
			{document("hello world"), []uint32{0, 1, 2, 3, 5, 9, 10}},
			{document("hello spam"), []uint32{0, 1, 5, 10}},
			{document("hello spam world"), []uint32{0, 1, 5, 9}},
			{document("world #hello", "from:alice"), []uint32{0, 1, 2, 4, 5, 7, 9, 10}},
			{document("a b"), []uint32{6}},
			{document("help"), []uint32{5}},
			{document("x y", "planet:go"), []uint32{8, 9}},
			{document(""), nil},
		} {
			if got := matches(m, tt.doc); !slices.Equal(got, tt.want) {
				t.Errorf("%s: %v matches %v, want %v", when, tt.doc, got, tt.want)
			}
		}
	}
	check("in the small layer")
	m.Compact()
	check("in the large layer")
	m.Add(11, parse(t, "hello"))
	m.Add(12, parse(t, "b"))
	m.Remove(0)
	m.Remove(12)
	m.Remove(99)
	want := []uint32{1, 2, 3, 5, 9, 10, 11}
	if got := matches(m, document("hello world")); !slices.Equal(got, want) {
		t.Errorf("after changes: %v, want %v", got, want)
	}
	m.Compact()
	if got := matches(m, document("hello world")); !slices.Equal(got, want) {
		t.Errorf("after compacting: %v, want %v", got, want)
	}
	if got := m.Groups(); got != 10 {
		t.Errorf("there are %d groups, want 10: equal queries are one", got)
	}
}

// TestMatcherAgrees: on random queries and posts, added, removed and compacted in
// any order, the matcher finds what the queries mean.
func TestMatcherAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		held := make(map[uint32]*query.Query)
		next := uint32(0)
		draw := func() { held[next] = querytest.Query(t, true); next++ }
		for range rapid.IntRange(0, 20).Draw(t, "loaded") {
			draw()
		}
		m := track.NewMatcher(maps.All(held))
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				draw()
				m.Add(next-1, held[next-1])
			case 2:
				if len(held) > 0 {
					h := rapid.SampledFrom(slices.Sorted(maps.Keys(held))).Draw(t, "removed")
					delete(held, h)
					m.Remove(h)
				}
			case 3:
				m.Compact()
			default:
				d := querytest.Document(t)
				var want []uint32
				for h, q := range held {
					if q.Match(d) {
						want = append(want, h)
					}
				}
				slices.Sort(want)
				if got := matches(m, d); !slices.Equal(got, want) {
					t.Fatalf("%+v matches %v, want %v of %v", d, got, want, held)
				}
			}
		}
	})
}

// TestMatcherConcurrently: a query that is there all the time is found all the
// time, while others come and go and the layers are merged.
func TestMatcherConcurrently(t *testing.T) {
	m := track.NewMatcher(none)
	m.Add(0, parse(t, "always here"))
	d := document("always here now")
	var changing, matching sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		matching.Go(func() {
			var found []uint32
			for {
				select {
				case <-stop:
					return
				default:
				}
				if found = m.AppendMatches(found[:0], d); !slices.Contains(found, 0) {
					t.Error("the query was not found")
					return
				}
			}
		})
	}
	for k := range 2 {
		changing.Go(func() {
			for i := range 200 {
				h := uint32(1 + k*200 + i)
				m.Add(h, parse(t, fmt.Sprintf("always | word%d", i%50)))
				if i%3 == 0 {
					m.Remove(h)
				}
				if i%40 == 0 {
					m.Compact()
				}
			}
		})
	}
	changing.Wait()
	close(stop)
	matching.Wait()
	if got, want := len(matches(m, d)), 1+2*(200-67); got != want {
		t.Errorf("%d queries match in the end, want %d", got, want)
	}
}

func TestDue(t *testing.T) {
	m := track.NewMatcher(none)
	for h := range uint32(1024) {
		if m.Due() {
			t.Fatalf("due after %d changes", h)
		}
		m.Add(h, parse(t, "word"))
	}
	if !m.Due() {
		t.Error("not due after 1024 changes")
	}
	m.Compact()
	if m.Due() {
		t.Error("due after compacting")
	}
	for range 4096 {
		m.AppendMatches(nil, document("word"))
	}
	if !m.Due() {
		t.Error("not due after 4096 posts")
	}
	m.Compact()
	if m.Due() {
		t.Error("due after compacting again")
	}
}

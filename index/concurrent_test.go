package index_test

import (
	"fmt"
	"sync"
	"testing"

	"peewit/index"
	"peewit/index/query"
)

// TestConcurrently: several goroutines publish, retract and search; each finds
// what it published before it asked.
func TestConcurrently(t *testing.T) {
	w := newWorld()
	x, _ := w.start(t, t.TempDir())
	w.microblog("alice")
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			for i := range 10 {
				id := fmt.Sprintf("%d-%d", g, i)
				w.post("alice", id, fmt.Sprintf("word%dx%d and common", g, i))
				q, err := query.Parse(fmt.Sprintf("word%dx%d", g, i))
				if err != nil {
					t.Error(err)
					return
				}
				res, err := x.Search(t.Context(), q, index.Page{})
				if err != nil || res.Complete && (len(res.Hits) != 1 || res.Hits[0].Item.ID != id) {
					t.Errorf("%s: %+v, %v", q, res, err)
				}
				if i%2 == 0 {
					w.retract("alice", id)
				}
				if i == 5 {
					if err := x.Scrub(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wait.Wait()
	if got := search(t, x, "common"); len(got) != 20 {
		t.Errorf("%d posts are left, want 20", len(got))
	}
}

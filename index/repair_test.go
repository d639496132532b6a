package index_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"peewit/index"
	"peewit/index/query"
)

// TestBreaks: the files vanish under a running index; it is built anew, and
// searches are answered meanwhile and say that they are incomplete.
func TestBreaks(t *testing.T) {
	w := newWorld()
	dir := t.TempDir()
	x, _ := w.start(t, dir)
	w.microblog("alice")
	for i := range 10 {
		w.post("alice", fmt.Sprint(i), "a post")
	}
	want := answers(t, x)
	if err := os.Rename(filepath.Join(dir, "posts"), filepath.Join(t.TempDir(), "posts")); err != nil {
		t.Fatal(err)
	}
	w.post("alice", "new", "other news")
	q, _ := query.Parse("news")
	if res, err := x.Search(t.Context(), q, index.Page{}); err != nil || res.Complete && len(res.Hits) == 0 {
		t.Errorf("a search while it breaks: %+v, %v", res, err)
	}
	expect(t, x, want)
	expect(t, x, map[string][]string{"news": {"alice/new"}})
	if got := x.Status(); got.Docs != 11 || got.Rebuilding {
		t.Errorf("%+v, want 11 documents", got)
	}
}

// TestRepair: what broke once is opened again where it was, what broke twice at
// the same place is built anew and moved aside.
func TestRepair(t *testing.T) {
	w := newWorld()
	dir := t.TempDir()
	x, stop := w.start(t, dir)
	w.microblog("alice")
	w.post("alice", "1", "a post")
	expect(t, x, map[string][]string{"post": {"alice/1"}})
	stop()
	x, err := index.Open(t.Context(), w.options(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := x.Repair(1); err != nil || x.Status().Docs != 1 || x.Status().Rebuilding {
		t.Errorf("opened again: %+v, %v", x.Status(), err)
	}
	if err := x.Repair(2); err != nil || x.Status().Docs != 0 || !x.Status().Rebuilding {
		t.Errorf("built anew: %+v, %v", x.Status(), err)
	}
	if aside, err := filepath.Glob(filepath.Join(dir, "aside-*", "posts")); err != nil || len(aside) != 1 {
		t.Errorf("aside are %v (%v)", aside, err)
	}
}

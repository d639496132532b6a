package index_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"peewit/bridge"
	"peewit/index"
)

// scrub scrubs an index and checks that a word is not in its files. Words
// are there as automata: looking for their bytes would prove nothing.
func scrub(t *testing.T, x *index.Index, word string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := x.Scrub(ctx); err != nil {
		t.Fatal(err)
	}
	if has, err := x.HasWord(word); err != nil || has {
		t.Errorf("the erased word %s is still in the files (%v)", word, err)
	}
}

func TestScrub(t *testing.T) {
	for _, tt := range []struct {
		name  string
		erase func(w *world)
	}{
		{"retracted", func(w *world) { w.retract("alice", "7") }},
		{"edited", func(w *world) { w.post("alice", "7", "nothing to see") }},
		{"account removed", func(w *world) {
			w.append(bridge.Record{Account: &bridge.Account{Nick: "alice", Removed: true}})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			dir := t.TempDir()
			x, _ := w.start(t, dir)
			w.microblog("alice")
			w.microblog("bob")
			for i := range 20 {
				w.post("bob", fmt.Sprint(i), "this stays")
				w.post("alice", fmt.Sprint(i), "a post")
				expect(t, x, map[string][]string{"zzz": {}}) // a segment each
			}
			w.post("alice", "7", "the password is xyzzy")
			expect(t, x, map[string][]string{"xyzzy": {"alice/7"}})
			tt.erase(w)
			expect(t, x, map[string][]string{"xyzzy": {}})
			scrub(t, x, "xyzzy")
			if got := search(t, x, "stays"); len(got) != 20 {
				t.Errorf("%d of 20 posts are left: %v", len(got), got)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := x.Scrub(ctx); err != nil {
				t.Errorf("scrub again: %v", err)
			}
		})
	}
}

// TestScrubLoneSegment: Bleve does not merge a segment with itself.
func TestScrubLoneSegment(t *testing.T) {
	w := newWorld()
	dir := t.TempDir()
	w.microblog("alice")
	w.post("alice", "1", "the password is xyzzy")
	w.post("alice", "2", "this stays")
	x, _ := w.start(t, dir)
	expect(t, x, map[string][]string{"xyzzy": {"alice/1"}})
	w.retract("alice", "1")
	expect(t, x, map[string][]string{"xyzzy": {}})
	if had, err := x.HasWord("xyzzy"); err != nil || !had {
		t.Fatalf("the word is not in the files at all (%v)", err)
	}
	scrub(t, x, "xyzzy")
	expect(t, x, map[string][]string{"stays": {"alice/2"}})
	if n := x.Status().Docs; n != 1 {
		t.Errorf("there are %d posts, want 1", n)
	}
	// What is clean is left alone, as soon as Bleve has merged what it wants to.
	for range 10 {
		before, err := x.Files()
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Scrub(t.Context()); err != nil {
			t.Fatal(err)
		}
		after, err := x.Files()
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(before, after) {
			return
		}
	}
	t.Error("each scrub of what is clean writes files anew")
}

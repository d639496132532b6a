package service

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
)

// burstOf submits contents under one id, or under its own each, as a session does
// whose client does not wait for answers.
func burstOf(t *testing.T, s *Service, actor bridge.JID, id func(i int) string, contents ...string) []bridge.Item {
	t.Helper()
	logged := make([]bridge.Item, len(contents))
	var group sync.WaitGroup
	for i, content := range contents {
		wait, err := s.Posts.Submit(t.Context(), Publish{
			Actor: actor, Addr: blog(actor), Items: []NewItem{{ID: id(i), Payload: entry(content)}}, Origin: bridge.Origin{Door: "xmpp"},
		})
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			items, err := wait(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			logged[i] = items[0]
		})
	}
	group.Wait()
	return logged
}

// TestVersionsInOneBurst: going back to an earlier content is a version of its
// own, although nobody waited for the one between.
func TestVersionsInOneBurst(t *testing.T) {
	s, _ := open(t, t.TempDir())
	alice := account(t, s, "alice")
	versions := burstOf(t, s, alice, func(int) string { return "same" }, "a", "b", "b", "a", "b")
	for i, repeats := range []bool{false, false, true, false, false} {
		if i == 0 {
			continue
		}
		if before, now := versions[i-1], versions[i]; (now.Last == before.Last) != repeats || now.Last < before.Last || now.First != versions[0].First {
			t.Errorf("version %d has sequences %d and %d after %d and %d", i, now.First, now.Last, before.First, before.Last)
		}
	}
	item, ok, err := s.Archive().Item(versions[0].NodeID, "same")
	if err != nil || !ok || item.Last != versions[4].Last {
		t.Errorf("the archive has version %d (%v, %v), want %d", item.Last, ok, err, versions[4].Last)
	}
}

func TestBurstKeepsItsOrder(t *testing.T) {
	s, _ := open(t, t.TempDir())
	alice := account(t, s, "alice")
	publish(t, s, alice, blog(alice), "first", entry("first"))
	var contents, want []string
	for i := range 60 {
		contents = append(contents, fmt.Sprint("post ", i))
		want = append([]string{fmt.Sprint("i", i)}, want...)
	}
	burstOf(t, s, alice, func(i int) string { return fmt.Sprint("i", i) }, contents...)
	if diff := cmp.Diff(append(want, "first"), ids(t, s, alice, blog(alice))); diff != "" {
		t.Errorf("items, newest first (-want +got):\n%s", diff)
	}
}

// TestReadersSeeWhatIsUnderWay: whoever asks behind a publish sees it, answered
// or not.
func TestReadersSeeWhatIsUnderWay(t *testing.T) {
	s, _ := open(t, t.TempDir())
	alice := account(t, s, "alice")
	publish(t, s, alice, blog(alice), "first", entry("first"))
	for i := range 20 {
		id := fmt.Sprint("i", i)
		wait, err := s.Posts.Submit(t.Context(), Publish{Actor: alice, Addr: blog(alice), Items: []NewItem{{ID: id, Payload: entry(id)}}})
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := wait(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if got := ids(t, s, alice, blog(alice)); got[0] != id {
			t.Errorf("the newest item is %s, want %s", got[0], id)
		}
		if err := s.Posts.Retract(t.Context(), alice, blog(alice), []string{id}, false); err != nil {
			t.Error(err)
		}
		group.Wait()
	}
}

package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/eventlog"
)

const atomNS = "http://www.w3.org/2005/Atom"

func entry(title string) []byte {
	return []byte("<entry xmlns='" + atomNS + "'><title>" + title + "</title><updated>2026-11-22T10:00:00Z</updated></entry>")
}

// open starts a service on a log in dir; the function returned ends it.
func open(t testing.TB, dir string) (*Service, func()) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: filepath.Join(dir, "log"), Sync: "interval", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{
		Domain: "localhost", BaseURL: "http://localhost:8080/", Bot: "update", Registration: "open",
		ArchiveDir: filepath.Join(dir, "archive"), Log: log, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := errors.Join(s.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

func account(t testing.TB, s *Service, nick string) bridge.JID {
	t.Helper()
	if _, err := s.Accounts.Create(t.Context(), nick, AccountOptions{Password: "secret"}); err != nil {
		t.Fatal(err)
	}
	return s.Accounts.JID(nick)
}

func blog(jid bridge.JID) bridge.Addr { return bridge.Addr{Service: jid, Name: bridge.NodeMicroblog} }

func publish(t testing.TB, s *Service, actor bridge.JID, addr bridge.Addr, id string, payload []byte) bridge.Item {
	t.Helper()
	items, err := s.Posts.Publish(t.Context(), Publish{
		Actor: actor, Addr: addr, Items: []NewItem{{ID: id, Payload: payload}}, Origin: bridge.Origin{Door: "xmpp"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return items[0]
}

func ids(t testing.TB, s *Service, actor bridge.JID, addr bridge.Addr) []string {
	t.Helper()
	page, err := s.Posts.Items(t.Context(), actor, addr, archive.Query{Max: 100})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, item := range page.Items {
		all = append(all, item.ID)
	}
	return all
}

// applied waits for all that is logged, also where a use case gave up waiting.
func applied(t testing.TB, s *Service) {
	t.Helper()
	last, err := s.log.Last(t.Context())
	if err == nil {
		err = s.arc.WaitFor(t.Context(), last.Seq)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// refused fails unless err is a refusal with this condition.
func refused(t testing.TB, err error, want bridge.Condition) {
	t.Helper()
	if !bridge.Is(err, want) {
		t.Errorf("got %v, want the refusal %s", err, want)
	}
}

func TestPublishAndRead(t *testing.T) {
	s, _ := open(t, t.TempDir())
	alice, bob := account(t, s, "alice"), account(t, s, "bob")

	first := publish(t, s, alice, blog(alice), "one", entry("hello #Planet @bob"))
	if first.First == 0 || first.First != first.Last {
		t.Errorf("sequences of a new item: %d and %d", first.First, first.Last)
	}
	again := publish(t, s, alice, blog(alice), "one", entry("hello #Planet @bob"))
	if again.First != first.First || again.Last != first.Last {
		t.Errorf("a repeat has sequences %d and %d, want %d", again.First, again.Last, first.Last)
	}
	edit := publish(t, s, alice, blog(alice), "one", entry("hello again"))
	if edit.First != first.First || edit.Last <= first.Last {
		t.Errorf("an edit has sequences %d and %d", edit.First, edit.Last)
	}
	publish(t, s, alice, blog(alice), "two", entry("second"))
	if diff := cmp.Diff([]string{"two", "one"}, ids(t, s, "", blog(alice))); diff != "" {
		t.Error(diff)
	}

	_, err := s.Posts.Publish(t.Context(), Publish{Actor: bob, Addr: blog(alice), Items: []NewItem{{ID: "three", Payload: entry("not mine")}}})
	refused(t, err, bridge.Forbidden)
	_, err = s.Posts.Publish(t.Context(), Publish{Actor: alice, Addr: blog(alice), Items: []NewItem{{Payload: []byte("<entry xmlns='" + atomNS + "'><title>")}}})
	refused(t, err, bridge.BadRequest)
	refused(t, s.Posts.Retract(t.Context(), bob, blog(alice), []string{"one"}, true), bridge.Forbidden)
	refused(t, s.Posts.Retract(t.Context(), alice, blog(alice), []string{"nowhere"}, true), bridge.ItemNotFound)
	if err := s.Posts.Retract(t.Context(), alice, blog(alice), []string{"one"}, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"two"}, ids(t, s, bob, blog(alice))); diff != "" {
		t.Error(diff)
	}
}

func TestPublishFillsTheEntry(t *testing.T) {
	s, _ := open(t, t.TempDir())
	alice := account(t, s, "alice")
	account(t, s, "bob")
	item := publish(t, s, alice, blog(alice), "one", entry("hello #planet @bob @nobody"))
	for _, want := range []string{"<title>hello #planet @bob @nobody</title>", "term=\"planet\"", "xmpp:alice@localhost", "xmpp:bob@localhost"} {
		if !strings.Contains(string(item.Payload), want) && !strings.Contains(string(item.Payload), strings.ReplaceAll(want, `"`, `'`)) {
			t.Errorf("payload lacks %s: %s", want, item.Payload)
		}
	}
	if strings.Contains(string(item.Payload), "nobody@") {
		t.Errorf("somebody who does not exist is mentioned: %s", item.Payload)
	}
	other := bridge.Addr{Service: alice, Name: "urn:example:settings"}
	raw := []byte("<settings xmlns='urn:example'> <a/> </settings>")
	if got := publish(t, s, alice, other, "current", raw); string(got.Payload) != string(raw) {
		t.Errorf("another payload was changed: %s", got.Payload)
	}
	node, err := s.Nodes.Get(other)
	if err != nil || node.Config.AccessModel != bridge.AccessPresence {
		t.Errorf("a node made by a publish has %+v (%v)", node.Config, err)
	}
}

func TestFollow(t *testing.T) {
	s, _ := open(t, t.TempDir())
	alice, bob := account(t, s, "alice"), account(t, s, "bob")
	sub, err := s.Follows.Subscribe(t.Context(), bob, blog(alice), bob)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Follows.Subscribe(t.Context(), bob+"/phone", blog(alice), bob)
	if err != nil || again.SubID != sub.SubID {
		t.Errorf("a second subscription: %+v, %v", again, err)
	}
	_, err = s.Follows.Subscribe(t.Context(), bob, blog(alice), alice)
	refused(t, err, bridge.BadRequest)
	_, err = s.Follows.Subscribe(t.Context(), bob, bridge.Addr{Service: alice, Name: "nowhere"}, bob)
	refused(t, err, bridge.ItemNotFound)
	refused(t, s.Follows.Unsubscribe(t.Context(), bob, blog(alice), bob, "other"), bridge.NotAcceptable)
	if err := s.Follows.Unsubscribe(t.Context(), bob, blog(alice), bob, sub.SubID); err != nil {
		t.Fatal(err)
	}
	refused(t, s.Follows.Unsubscribe(t.Context(), bob, blog(alice), bob, ""), bridge.UnexpectedRequest)

	presence := bridge.Addr{Service: alice, Name: "urn:example:mood"}
	publish(t, s, alice, presence, "one", []byte("<mood xmlns='urn:example'/>"))
	_, err = s.Follows.Subscribe(t.Context(), bob, presence, bob)
	refused(t, err, bridge.NotAuthorized)
	err = s.Contacts.Save(t.Context(), bridge.Contact{Account: alice, JID: bob, Subscription: "from"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Follows.Subscribe(t.Context(), bob, presence, bob); err != nil {
		t.Errorf("a contact subscribes: %v", err)
	}
}

// Subscribed, then published: nobody misses the post, whatever else is written.
func TestSubscriberMissesNothing(t *testing.T) { missNothing(t, 500) }

func missNothing(t *testing.T, rounds int) {
	s, _ := open(t, t.TempDir())
	alice := account(t, s, "alice")
	node, err := s.Nodes.Get(blog(alice))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	got := map[string]bool{} // post → its subscriber was told
	s.Observe(func(rec *bridge.Record) {
		if rec.Publish == nil || rec.Publish.NodeID != node.ID {
			return
		}
		for _, sub := range s.Follows.On(node.ID) {
			if string(sub.JID.Local()) == rec.Publish.Item {
				mu.Lock()
				got[rec.Publish.Item] = true
				mu.Unlock()
			}
		}
	})
	noise, stopNoise := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; noise.Err() == nil; i++ {
				c := bridge.Contact{Account: alice, JID: bridge.JID(fmt.Sprintf("noise%d-%d@example.org", w, i%100)), Subscription: "to"}
				if err := s.Contacts.Save(context.WithoutCancel(noise), c); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	const callers = 8
	for c := range callers {
		writers.Go(func() {
			for i := c; i < rounds; i += callers {
				name := fmt.Sprintf("reader%d", i)
				jid := bridge.JID(name + "@example.org")
				if _, err := s.Follows.Subscribe(t.Context(), jid, blog(alice), jid); err != nil {
					t.Error(err)
					return
				}
				publish(t, s, alice, blog(alice), name, entry(name))
				if err := s.Follows.Unsubscribe(t.Context(), jid, blog(alice), jid, ""); err != nil {
					t.Error(err)
					return
				}
			}
			if c == 0 {
				stopNoise()
			}
		})
	}
	writers.Wait()
	stopNoise()
	for i := range rounds {
		if name := fmt.Sprintf("reader%d", i); !got[name] {
			t.Errorf("%s missed its post", name)
		}
	}
}

func TestRebuild(t *testing.T) {
	dir := t.TempDir()
	s, stop := open(t, dir)
	alice, bob := account(t, s, "alice"), account(t, s, "bob")
	for i := range 50 {
		publish(t, s, alice, blog(alice), fmt.Sprint(i%40), entry(fmt.Sprint("post ", i)))
	}
	if err := s.Posts.Retract(t.Context(), alice, blog(alice), []string{"3", "4"}, true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Follows.Subscribe(t.Context(), bob, blog(alice), bob); err != nil {
		t.Fatal(err)
	}
	planet, err := s.Planets.Add(t.Context(), "planet-go", "Planet Go", []string{"http://example.org/feed"})
	if err != nil {
		t.Fatal(err)
	}
	feed := bridge.Addr{Service: "localhost", Name: bridge.FeedNode(planet.Sources[0])}
	for i := range 5 {
		item := publish(t, s, "localhost", feed, fmt.Sprint("e", i), entry(fmt.Sprint("entry ", i)))
		if err := s.Posts.Refer(t.Context(), bridge.Addr{Service: "localhost", Name: "planet-go"}, item); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Accounts.SetPassword(t.Context(), "bob", "new"); err != nil {
		t.Fatal(err)
	}
	before := dump(t, s)
	stop()

	if err := archive.Remove(filepath.Join(dir, "archive")); err != nil {
		t.Fatal(err)
	}
	s, _ = open(t, dir)
	if diff := cmp.Diff(before, dump(t, s)); diff != "" {
		t.Errorf("rebuilt archive differs: %s", diff)
	}
	if !s.Accounts.Verify("bob", "new") || len(s.Follows.Of(bob)) != 1 {
		t.Error("state is not back")
	}
	if diff := cmp.Diff([]string{"e4", "e3", "e2", "e1", "e0"}, ids(t, s, "", bridge.Addr{Service: "localhost", Name: "planet-go"})); diff != "" {
		t.Error(diff)
	}
}

func dump(t *testing.T, s *Service) string {
	t.Helper()
	var b strings.Builder
	if err := s.arc.Dump(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPlanetNames(t *testing.T) {
	s, _ := open(t, t.TempDir())
	for _, name := range []string{"", ".", "..", "a/b", "a b", "50%", "x?y", "public", "feed-1", "tag-x", "x.atom", "x.opml"} {
		_, err := s.Planets.Add(t.Context(), name, "", []string{"http://example.org/feed"})
		refused(t, err, bridge.NotAcceptable)
	}
	for _, url := range []string{"ftp://example.org/", "example.org", "http://", "javascript:alert(1)"} {
		_, err := s.Planets.Add(t.Context(), "planet", "", []string{url})
		refused(t, err, bridge.NotAcceptable)
	}
}

func TestTracksAndViews(t *testing.T) {
	s, _ := open(t, t.TempDir())
	if err := s.Nodes.EnsureViews(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice, bob := account(t, s, "alice"), account(t, s, "bob")
	track, err := s.Tracks.Add(t.Context(), "alice", "xmpp -spam")
	if err != nil {
		t.Fatal(err)
	}
	same, err := s.Tracks.Add(t.Context(), "alice", "xmpp -spam")
	if err != nil || same.ID != track.ID {
		t.Errorf("the same query again: %+v, %v", same, err)
	}
	_, err = s.Tracks.Add(t.Context(), "alice", "-spam")
	refused(t, err, bridge.NotAcceptable)
	_, err = s.Tracks.Add(t.Context(), "nobody", "xmpp")
	refused(t, err, bridge.ItemNotFound)
	node := bridge.Addr{Service: "localhost", Name: bridge.TrackNode(track.ID)}
	if _, err := s.Follows.Subscribe(t.Context(), alice, node, alice); err != nil {
		t.Errorf("the owner subscribes: %v", err)
	}
	_, err = s.Follows.Subscribe(t.Context(), bob, node, bob)
	refused(t, err, bridge.NotAllowed)
	for _, name := range []string{node.Name, ViewPublic, ViewAll} {
		_, err = s.Posts.Publish(t.Context(), Publish{Actor: alice, Addr: bridge.Addr{Service: "localhost", Name: name}, Items: []NewItem{{Payload: entry("x")}}})
		refused(t, err, bridge.NotAllowed)
	}
	publish(t, s, alice, blog(alice), "one", entry("hello"))
	if diff := cmp.Diff([]string{"one"}, ids(t, s, "", bridge.Addr{Service: "localhost", Name: ViewPublic})); diff != "" {
		t.Error(diff)
	}
	if err := s.Tracks.Remove(t.Context(), track.ID); err != nil {
		t.Fatal(err)
	}
	if len(s.Tracks.List("alice")) != 0 {
		t.Error("the track is still there")
	}
}

func TestErase(t *testing.T) {
	dir := t.TempDir()
	s, stop := open(t, dir)
	alice := account(t, s, "alice")
	secret := "words-that-must-vanish"
	publish(t, s, alice, blog(alice), "one", entry(secret))
	publish(t, s, alice, blog(alice), "one", entry(secret+" edited"))
	publish(t, s, alice, blog(alice), "two", entry("these stay"))
	if err := s.Posts.Retract(t.Context(), alice, blog(alice), []string{"one"}, true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	scrubbed := make(chan struct{}, 10)
	go s.Erase(ctx, func(context.Context) error { scrubbed <- struct{}{}; return nil })
	for {
		dead, err := s.arc.Dead(-1)
		if err != nil {
			t.Fatal(err)
		}
		if len(dead) == 0 {
			break
		}
		select {
		case <-scrubbed:
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("not erased in time")
		}
	}
	cancel()
	stop()
	if files := grep(t, dir, secret); len(files) > 0 {
		t.Errorf("erased words are still in %v", files)
	}
	if files := grep(t, dir, "these stay"); len(files) == 0 {
		t.Error("what was not retracted is gone, or the search finds nothing at all")
	}
}

func TestPlanetsOfManySources(t *testing.T) {
	s, _ := open(t, t.TempDir())
	var urls []string
	for i := range maxSources {
		urls = append(urls, fmt.Sprintf("http://feeds.example/%d", i))
	}
	if _, err := s.Planets.Add(t.Context(), "planet-all", "", urls); err != nil {
		t.Fatal(err)
	}
	applied(t, s)
	_, err := s.Planets.Add(t.Context(), "planet-all", "", []string{"http://feeds.example/more"})
	refused(t, err, bridge.NotAcceptable)
	if err := s.Planets.Remove(t.Context(), "planet-all"); err != nil {
		t.Fatal(err)
	}
	applied(t, s)
	if sources := s.reg.Sources(); len(sources) > 0 {
		t.Errorf("%d sources are left", len(sources))
	}
}

package index_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"peewit/bridge"
	"peewit/index"
	"peewit/index/query"
)

func TestSearch(t *testing.T) {
	w := newWorld()
	x, _ := w.start(t, t.TempDir())
	w.microblog("alice")
	w.microblog("bob")
	w.post("alice", "1", "Hello #world, this is XMPP")
	w.post("bob", "1", "xmpp pubsub for @alice https://example.org/docs")
	w.post("alice", "2", "café au lait")
	w.append(bridge.Record{Publish: &bridge.Publish{NodeID: "alice", Addr: home("alice"), Item: "3", Payload: "<avatar xmlns='urn:x'>hello</avatar>"}})
	expect(t, x, map[string][]string{
		"xmpp":             {"bob/1", "alice/1"},
		"hello":            {"alice/1"},
		"#world":           {"alice/1"},
		"alice":            {"bob/1"},
		"@alice":           {"bob/1"},
		"from:alice":       {"alice/2", "alice/1"},
		"from:alice -xmpp": {"alice/2"},
		"cafe | pubsub":    {"alice/2", "bob/1"},
		`"this is xmpp"`:   {"alice/1"},
		"example.org":      {"bob/1"},
		"pub*":             {"bob/1"},
		"nothing":          {},
	})
}

func TestEdit(t *testing.T) {
	w := newWorld()
	x, _ := w.start(t, t.TempDir())
	w.microblog("alice")
	first := w.post("alice", "1", "the frist version")
	w.post("alice", "2", "another version")
	w.post("alice", "1", "the first version")
	expect(t, x, map[string][]string{"frist": {}, "first": {"alice/1"}, "version": {"alice/2", "alice/1"}})
	q, _ := query.Parse("first")
	res, err := x.Search(t.Context(), q, index.Page{})
	if err != nil || len(res.Hits) != 1 || res.Hits[0].Seq != first {
		t.Errorf("an edited post has sequence %v, want %d (%v)", res.Hits, first, err)
	}
	if n := x.Status().Docs; n != 2 {
		t.Errorf("there are %d documents, want 2", n)
	}
}

func TestRetract(t *testing.T) {
	w := newWorld()
	x, _ := w.start(t, t.TempDir())
	w.microblog("alice")
	w.microblog("bob")
	for _, nick := range []string{"alice", "bob"} {
		for i := range 3 {
			w.post(nick, fmt.Sprint(i), "a post")
		}
	}
	w.retract("alice", "0", "2")
	expect(t, x, map[string][]string{"post": {"bob/2", "bob/1", "bob/0", "alice/1"}})
	w.post("alice", "0", "a post again") // a new post under an old id
	expect(t, x, map[string][]string{"post": {"alice/0", "bob/2", "bob/1", "bob/0", "alice/1"}})
	w.append(bridge.Record{Purge: &bridge.Purge{NodeID: "alice", Addr: home("alice")}})
	expect(t, x, map[string][]string{"post": {"bob/2", "bob/1", "bob/0"}})
	w.post("alice", "3", "a post after")
	w.append(bridge.Record{Account: &bridge.Account{Nick: "bob", Removed: true}})
	expect(t, x, map[string][]string{"post": {"alice/3"}})
	w.append(bridge.Record{Node: &bridge.Node{ID: "alice", Addr: home("alice"), Removed: true}})
	expect(t, x, map[string][]string{"post": {}})
	if n := x.Status().Docs; n != 0 {
		t.Errorf("%d documents are left", n)
	}
}

// TestRetractUnseen: the archive is ahead of the index, which learns of a post
// when it has been retracted already.
func TestRetractUnseen(t *testing.T) {
	w := newWorld()
	w.microblog("alice")
	w.post("alice", "1", "one")
	w.post("alice", "2", "two")
	w.retract("alice", "1")
	w.post("alice", "1", "one again")
	x, _ := w.start(t, t.TempDir())
	expect(t, x, map[string][]string{"one": {"alice/1"}, "two": {"alice/2"}})
	if n := x.Status().Docs; n != 2 {
		t.Errorf("there are %d documents, want 2", n)
	}
}

// TestPushedOut: a node that is full loses its oldest post without a record.
func TestPushedOut(t *testing.T) {
	w := newWorld()
	x, _ := w.start(t, t.TempDir())
	w.microblog("alice")
	w.post("alice", "1", "one")
	w.post("alice", "2", "one")
	expect(t, x, map[string][]string{"one": {"alice/2", "alice/1"}})
	w.lose("alice", "1")
	expect(t, x, map[string][]string{"one": {"alice/2"}})
	w.post("alice", "3", "three")
	expect(t, x, map[string][]string{"one": {"alice/2"}, "three": {"alice/3"}})
	if n := x.Status().Docs; n != 2 {
		t.Errorf("there are %d documents, want 2", n)
	}
}

func TestPlanets(t *testing.T) {
	w := newWorld()
	dir := t.TempDir()
	x, stop := w.start(t, dir)
	w.microblog("alice")
	one := w.post("alice", "1", "one")
	two := w.post("alice", "2", "two")
	w.refer("planet-a", "alice", "1", one)
	expect(t, x, map[string][]string{"planet:planet-a": {"alice/1"}, "one": {"alice/1"}})
	w.refer("planet-a", "alice", "2", two)
	w.refer("planet-b", "alice", "1", one)
	expect(t, x, map[string][]string{"planet:planet-a": {"alice/2", "alice/1"}, "planet:planet-b": {"alice/1"}})
	stop()
	x, _ = w.start(t, dir)
	w.post("alice", "1", "one, edited") // stays in its planets
	expect(t, x, map[string][]string{"planet:planet-a edited": {"alice/1"}, "planet:planet-b": {"alice/1"}})
	w.append(bridge.Record{Retract: &bridge.Retract{NodeID: "planet-a", Addr: planet("planet-a"), Items: []string{"1"}}})
	expect(t, x, map[string][]string{"planet:planet-a": {"alice/2"}, "planet:planet-b": {"alice/1"}})
	w.append(bridge.Record{Node: &bridge.Node{ID: "planet-b", Addr: planet("planet-b"), Removed: true}})
	expect(t, x, map[string][]string{"planet:planet-b": {}, "one": {"alice/1"}})
	if n := x.Status().Docs; n != 2 {
		t.Errorf("there are %d documents, want 2: a post in a planet is one post", n)
	}
}

func TestAccess(t *testing.T) {
	w := newWorld()
	x, _ := w.start(t, t.TempDir())
	w.microblog("alice")
	w.configure("bob", bridge.AccessWhitelist)
	w.post("alice", "1", "a secret")
	w.post("bob", "1", "a secret")
	expect(t, x, map[string][]string{"secret": {"alice/1"}})
	w.configure("bob", bridge.AccessOpen)
	expect(t, x, map[string][]string{"secret": {"bob/1", "alice/1"}})
	w.configure("alice", bridge.AccessPresence)
	expect(t, x, map[string][]string{"secret": {"bob/1"}})
	w.hold(true) // what the registry knows counts before the index does
	w.configure("bob", bridge.AccessWhitelist)
	q, _ := query.Parse("secret")
	if res, err := x.Search(t.Context(), q, index.Page{}); err != nil || len(res.Hits) > 0 || res.Complete {
		t.Errorf("a search behind the log: %+v, %v", res, err)
	}
}

func TestPaging(t *testing.T) {
	w := newWorld()
	x, _ := w.start(t, t.TempDir())
	w.microblog("alice")
	w.configure("bob", bridge.AccessOpen)
	const n = 57
	for i := range n {
		w.post("alice", fmt.Sprint(i), "page me")
		w.post("bob", fmt.Sprint(i), "page me")
	}
	expect(t, x, map[string][]string{"-page zzz": {}}) // settled
	w.close("bob")                                     // hits that may not be shown
	q, _ := query.Parse("page")
	var got []string
	cursor := ""
	for range n {
		res, err := x.Search(t.Context(), q, index.Page{Limit: 10, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range res.Hits {
			got = append(got, h.Item.NodeID+"/"+h.Item.ID)
		}
		if cursor = res.Cursor; cursor == "" {
			break
		}
		if len(res.Hits) != 10 {
			t.Errorf("a page in the middle has %d hits", len(res.Hits))
		}
	}
	if len(got) != n || got[0] != fmt.Sprintf("alice/%d", n-1) || got[n-1] != "alice/0" {
		t.Errorf("the pages have %d hits: %v", len(got), got)
	}
	for _, bad := range []string{"x", "zzzzzzzzzzzzzzzz", "00000000000000001"} {
		if _, err := x.Search(t.Context(), q, index.Page{Cursor: bad}); !bridge.Is(err, bridge.BadRequest) {
			t.Errorf("cursor %q: %v", bad, err)
		}
	}
}

// fill makes a world with posts of every kind of history.
func fill(w *world) {
	for _, nick := range []string{"alice", "bob", "carol"} {
		w.microblog(nick)
		for i := range 40 {
			seq := w.post(nick, fmt.Sprint(i), fmt.Sprintf("post number%d of %s", i%7, nick))
			if i%3 == 0 {
				w.refer("planet-x", nick, fmt.Sprint(i), seq)
			}
			if i%5 == 0 {
				w.post(nick, fmt.Sprint(i), "post edited")
			}
			if i%11 == 0 {
				w.retract(nick, fmt.Sprint(i))
			}
		}
	}
	w.configure("carol", bridge.AccessWhitelist)
}

var probes = []string{"post", "number3", "edited", "alice -edited", "planet:planet-x", "planet:planet-x edited", "from:bob", "numb*", "carol"}

func answers(t *testing.T, x *index.Index) map[string][]string {
	m := make(map[string][]string)
	for _, p := range probes {
		m[p] = search(t, x, p)
	}
	return m
}

func TestRebuild(t *testing.T) {
	w := newWorld()
	dir := t.TempDir()
	x, stop := w.start(t, dir)
	fill(w)
	want := answers(t, x)
	if len(want["post"]) == 0 || len(want["planet:planet-x edited"]) == 0 {
		t.Fatalf("the probes find too little: %v", want)
	}
	docs := x.Status().Docs
	stop()

	check := func(name string, damage func()) {
		damage()
		x, stop := w.start(t, dir)
		defer stop()
		expect(t, x, want)
		if got := x.Status(); got.Docs != docs || got.Rebuilding {
			t.Errorf("%s: %+v, want %d documents", name, got, docs)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check("nothing", func() {})
	check("directory deleted", func() { must(os.RemoveAll(dir)) })
	check("files deleted", func() { must(os.RemoveAll(filepath.Join(dir, "posts"))) })
	check("position deleted", func() { must(os.Remove(filepath.Join(dir, "position.json"))) })
	check("position torn", func() { must(os.WriteFile(filepath.Join(dir, "position.json"), []byte(`{"ep`), 0o600)) })
	check("position of the past", func() {
		must(os.WriteFile(filepath.Join(dir, "position.json"), []byte(`{"format":1,"epoch":"one","seq":20,"time":"2026-01-01T00:20:00Z"}`), 0o600))
	})
	check("another format", func() {
		must(os.WriteFile(filepath.Join(dir, "position.json"), []byte(`{"format":0,"epoch":"one","seq":20,"time":"2026-01-01T00:20:00Z"}`), 0o600))
	})
	check("position of another log", func() {
		must(os.WriteFile(filepath.Join(dir, "position.json"), []byte(`{"format":1,"epoch":"two","seq":20,"time":"2026-01-01T00:20:00Z"}`), 0o600))
	})
	check("position of another time", func() {
		must(os.WriteFile(filepath.Join(dir, "position.json"), []byte(`{"format":1,"epoch":"one","seq":20,"time":"2026-01-01T00:21:00Z"}`), 0o600))
	})
	check("position beyond the log", func() {
		must(os.WriteFile(filepath.Join(dir, "position.json"), []byte(`{"format":1,"epoch":"one","seq":99999,"time":"2026-01-01T00:21:00Z"}`), 0o600))
	})
	check("files corrupt", func() {
		must(os.WriteFile(filepath.Join(dir, "posts", "store", "root.bolt"), []byte("nonsense"), 0o600))
	})
	check("meta empty", func() { must(os.WriteFile(filepath.Join(dir, "posts", "index_meta.json"), nil, 0o600)) })

	entries, err := os.ReadDir(dir)
	must(err)
	if len(entries) != 2 {
		t.Errorf("something is left over: %v", entries)
	}
}

// TestErasedEnd: the newest records are erased; a search does not wait for them.
func TestErasedEnd(t *testing.T) {
	w := newWorld()
	w.microblog("alice")
	w.post("alice", "1", "one")
	w.post("alice", "2", "two")
	w.erase(w.post("alice", "3", "three"), w.post("alice", "4", "four"))
	x, _ := w.start(t, t.TempDir())
	expect(t, x, map[string][]string{"one | two": {"alice/2", "alice/1"}})
}

package track_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"peewit/bridge"
	"peewit/index/track"

	"github.com/google/go-cmp/cmp"
)

// world is a log, an archive and a registry in memory. The archive and the
// registry are what the log adds up to, at once.
type world struct {
	mu     sync.Mutex
	epoch  string
	recs   []*bridge.Record
	grown  chan struct{}
	work   map[string][]byte
	items  map[string]*bridge.Item
	seqs   map[string][]uint64
	nodes  map[string]bridge.Node
	tracks map[string]bridge.Track

	perMinute int
	pushed    []string // "track node/item@version"
	limited   []string // "owner: n"
}

func newWorld() *world {
	return &world{
		epoch: "one", grown: make(chan struct{}), work: make(map[string][]byte), items: make(map[string]*bridge.Item),
		seqs: make(map[string][]uint64), nodes: make(map[string]bridge.Node), tracks: make(map[string]bridge.Track),
		perMinute: 1000,
	}
}

func (w *world) append(rec bridge.Record) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	rec.Seq, rec.Time = uint64(len(w.recs)+1), time.Now()
	w.recs = append(w.recs, &rec)
	switch {
	case rec.Track != nil && rec.Track.Removed:
		delete(w.tracks, rec.Track.ID)
	case rec.Track != nil:
		w.tracks[rec.Track.ID] = *rec.Track
	case rec.Node != nil:
		w.nodes[rec.Node.ID] = *rec.Node
	case rec.Publish != nil:
		p := rec.Publish
		key := p.NodeID + "/" + p.Item
		next := bridge.Item{First: rec.Seq, Created: rec.Time}
		if old := w.items[key]; old != nil && !old.Retracted {
			next = *old
		} else {
			w.seqs[key] = nil
		}
		next.Addr, next.NodeID, next.ID, next.Publisher = p.Addr, p.NodeID, p.Item, p.Publisher
		next.Last, next.Payload = rec.Seq, []byte(p.Payload)
		w.items[key] = &next
		w.seqs[key] = append(w.seqs[key], rec.Seq)
	case rec.Retract != nil:
		for _, id := range rec.Retract.Items {
			key := rec.Retract.NodeID + "/" + id
			w.items[key] = &bridge.Item{First: w.items[key].First, Retracted: true}
		}
	}
	close(w.grown)
	w.grown = make(chan struct{})
	return rec.Seq
}

func (w *world) Epoch() string { return w.epoch }

func (w *world) Last(context.Context) (bridge.Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bridge.Position{Epoch: w.epoch, Seq: uint64(len(w.recs))}, nil
}

func (w *world) Follow(ctx context.Context, after uint64, fn func(*bridge.Record, uint64) error) error {
	for {
		w.mu.Lock()
		grown, n := w.grown, uint64(len(w.recs))
		var rec *bridge.Record
		if after < n {
			rec = w.recs[after]
		}
		w.mu.Unlock()
		if rec != nil {
			if err := fn(rec, n-after-1); err != nil {
				return err
			}
			after++
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *world) Put(ctx context.Context, key string, value []byte, _ time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.work[key] = slices.Clone(value)
	return ctx.Err()
}

func (w *world) Get(_ context.Context, key string) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.work[key], nil
}

func (w *world) Item(nodeID, id string) (bridge.Item, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if it := w.items[nodeID+"/"+id]; it != nil {
		return *it, true, nil
	}
	return bridge.Item{}, false, nil
}

func (w *world) Versions(nodeID, id string) ([]uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seqs[nodeID+"/"+id], nil
}

func (w *world) WaitFor(context.Context, uint64) error { return nil }

func (w *world) Tracks() []bridge.Track {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []bridge.Track
	for _, t := range w.tracks {
		all = append(all, t)
	}
	return all
}

func (w *world) NodeByID(id string) (bridge.Node, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, ok := w.nodes[id]
	return n, ok
}

func (w *world) node(id string, access bridge.AccessModel) {
	w.append(bridge.Record{Node: &bridge.Node{ID: id, Config: bridge.NodeConfig{AccessModel: access}}})
}

func addr(nick string) bridge.Addr {
	return bridge.Addr{Service: bridge.JID(nick) + "@example.net", Name: bridge.NodeMicroblog}
}

func (w *world) post(nick, item, text string) uint64 {
	return w.append(bridge.Record{Publish: &bridge.Publish{
		NodeID: nick, Addr: addr(nick), Item: item, Publisher: addr(nick).Service,
		Payload: `<entry xmlns="http://www.w3.org/2005/Atom"><title>` + text + `</title></entry>`,
	}})
}

func (w *world) refer(planet, nick, item string, of uint64) {
	w.append(bridge.Record{Reference: &bridge.Reference{
		NodeID: planet, Addr: bridge.Addr{Service: "example.net", Name: planet}, Item: item,
		OfNodeID: nick, OfItem: item, OfSeq: of,
	}})
}

func (w *world) track(id, owner, text string) {
	w.append(bridge.Record{Track: &bridge.Track{ID: id, Owner: owner, Query: text}})
}

// start runs a tracker in a synctest bubble until stop is called.
func (w *world) start(t *testing.T) (tr *track.Tracker, stop func()) {
	tr = track.New(track.Options{
		Log: w, Archive: w, Registry: w, Cursor: "track", PerMinute: w.perMinute,
		Push: func(track bridge.Track, it bridge.Item) {
			w.pushed = append(w.pushed, fmt.Sprintf("%s %s/%s@%d", track.ID, it.NodeID, it.ID, it.Last))
		},
		Limited: func(owner string, n int) { w.limited = append(w.limited, fmt.Sprintf("%s: %d", owner, n)) },
		Logger:  slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- tr.Run(ctx) }()
	synctest.Wait()
	return tr, sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// expect checks what was pushed since the last time.
func (w *world) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, w.pushed); diff != "" {
		t.Errorf("pushed (-want +got):\n%s", diff)
	}
	w.pushed = nil
}

// pass lets time pass.
func pass(d time.Duration) {
	<-time.NewTimer(d).C
	synctest.Wait()
}

func TestPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.node("bob", bridge.AccessOpen)
		w.node("eve", bridge.AccessPresence)
		w.post("bob", "0", "xmpp before anybody tracked")
		w.track("t1", "alice", "xmpp -spam")
		_, stop := w.start(t)
		defer stop()
		w.track("t2", "carol", "#pubsub | from:bob")
		w.post("bob", "1", "XMPP is here")
		w.expect(t, "t1 bob/1@6", "t2 bob/1@6")
		w.post("bob", "2", "xmpp spam")
		w.expect(t, "t2 bob/2@7")
		w.post("eve", "3", "xmpp in secret")
		w.append(bridge.Record{Publish: &bridge.Publish{NodeID: "bob", Addr: addr("bob"), Item: "4", Payload: "<xmpp/>"}})
		w.expect(t)
	})
}

func TestRetractedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.node("bob", bridge.AccessOpen)
		w.track("t1", "alice", "xmpp")
		_, stop := w.start(t)
		stop()
		w.post("bob", "1", "xmpp")
		w.append(bridge.Record{Retract: &bridge.Retract{NodeID: "bob", Items: []string{"1"}}})
		w.post("bob", "2", "xmpp")
		_, stop = w.start(t)
		defer stop()
		w.expect(t, "t1 bob/2@5")
	})
}

func TestEdited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.node("bob", bridge.AccessOpen)
		w.track("t1", "alice", "xmpp")
		w.track("t2", "alice", "jabber")
		_, stop := w.start(t)
		defer stop()
		w.post("bob", "1", "something")
		w.expect(t)
		w.post("bob", "1", "something on xmpp")
		w.expect(t, "t1 bob/1@5")
		w.post("bob", "1", "something on xmpp and jabber")
		w.expect(t, "t2 bob/1@6")
		w.post("bob", "1", "nothing")
		w.post("bob", "1", "xmpp and jabber again")
		w.expect(t)
	})
}

func TestPlanet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for _, id := range []string{"feed", "planet-a", "planet-b"} {
			w.node(id, bridge.AccessOpen)
		}
		w.node("planet-c", bridge.AccessWhitelist)
		w.track("any", "alice", "go")
		w.track("one", "alice", "planet:planet-a go")
		w.track("two", "alice", "go (planet:planet-a | planet:planet-b)")
		w.track("not", "alice", "go -planet:planet-a")
		w.track("sec", "alice", "planet:planet-c")
		_, stop := w.start(t)
		defer stop()
		first := w.post("feed", "1", "about go")
		w.expect(t, "any feed/1@10", "not feed/1@10")
		w.refer("planet-a", "feed", "1", first)
		w.expect(t, "one feed/1@10", "two feed/1@10")
		w.refer("planet-b", "feed", "1", first)
		w.refer("planet-c", "feed", "1", first)
		w.expect(t)
		second := w.post("feed", "1", "about go, edited")
		w.refer("planet-a", "feed", "1", second)
		w.refer("planet-b", "feed", "1", second)
		w.expect(t)
		stop()
		_, stop = w.start(t) // which planets show it is forgotten
		defer stop()
		third := w.post("feed", "1", "about go, edited again")
		w.refer("planet-a", "feed", "1", third)
		w.expect(t)
	})
}

func TestTracksChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.node("bob", bridge.AccessOpen)
		tr, stop := w.start(t)
		defer stop()
		w.track("t1", "alice", "one")
		w.track("t2", "alice", "one since:2026-01-01") // cannot be used
		w.post("bob", "1", "one")
		w.expect(t, "t1 bob/1@4")
		w.track("t1", "alice", "two")
		w.post("bob", "2", "one two")
		w.post("bob", "3", "one")
		w.expect(t, "t1 bob/2@6")
		w.track("t1", "alice", "two") // said again
		w.post("bob", "4", "two")
		w.expect(t, "t1 bob/4@9")
		if got := tr.Status(); got != (track.Status{Seq: 9, Queries: 1}) {
			t.Errorf("status %+v", got)
		}
		w.append(bridge.Record{Track: &bridge.Track{ID: "t1", Owner: "alice", Query: "two", Removed: true}})
		w.post("bob", "5", "two")
		w.expect(t)
	})
}

func TestCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.node("bob", bridge.AccessOpen)
		w.track("t1", "alice", "xmpp")
		_, stop := w.start(t)
		w.post("bob", "1", "xmpp")
		w.expect(t, "t1 bob/1@3")
		stop()
		w.post("bob", "2", "xmpp while nobody looked")
		_, stop = w.start(t)
		w.expect(t, "t1 bob/2@4")

		pass(time.Second)
		w.post("bob", "3", "xmpp")
		pass(100 * time.Millisecond)
		w.expect(t, "t1 bob/3@5")
		crashed := slices.Clone(w.work["track"])
		stop()
		w.work["track"] = crashed
		_, stop = w.start(t)
		w.expect(t) // the cursor was written within 100 ms
		stop()

		w.epoch = "two" // restored from a backup
		_, stop = w.start(t)
		w.expect(t)
		w.post("bob", "4", "xmpp")
		w.expect(t, "t1 bob/4@6")
		stop()
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.perMinute = 2
		w.node("bob", bridge.AccessOpen)
		w.track("t1", "alice", "xmpp")
		w.track("t2", "carol", "xmpp 4")
		_, stop := w.start(t)
		defer stop()
		for i := range 5 {
			w.post("bob", fmt.Sprint(i), fmt.Sprintf("xmpp %d", i))
		}
		w.expect(t, "t1 bob/0@4", "t1 bob/1@5", "t2 bob/4@8")
		pass(61 * time.Second)
		if want := []string{"alice: 3"}; !slices.Equal(w.limited, want) {
			t.Errorf("limited %v, want %v", w.limited, want)
		}
		w.post("bob", "9", "xmpp")
		w.expect(t, "t1 bob/9@9")
		pass(61 * time.Second)
		if len(w.limited) != 1 {
			t.Errorf("limited %v", w.limited)
		}
	})
}

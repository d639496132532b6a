package index_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"peewit/bridge"
	"peewit/index"
	"peewit/index/query"
)

const domain = bridge.JID("example.net")

// world is a log, an archive and a registry in memory. The archive is what the
// log adds up to, at once.
type world struct {
	mu    sync.Mutex
	epoch string
	recs  []*bridge.Record // by sequence - 1; nil when erased
	grown chan struct{}
	items map[string]*bridge.Item // by node id and item id
	nodes map[string]bridge.Node
	stuck bool // followers are held up

	erased map[uint64]bool
	keys   map[uint64]string // of items by first sequence
}

func newWorld() *world {
	return &world{epoch: "one", grown: make(chan struct{}), items: make(map[string]*bridge.Item), nodes: make(map[string]bridge.Node),
		erased: make(map[uint64]bool), keys: make(map[uint64]string)}
}

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (w *world) append(rec bridge.Record) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	seq := uint64(len(w.recs) + 1)
	rec.Seq, rec.Time = seq, began.Add(time.Duration(seq)*time.Minute)
	w.recs = append(w.recs, &rec)
	w.apply(&rec)
	close(w.grown)
	w.grown = make(chan struct{})
	return seq
}

func (w *world) apply(rec *bridge.Record) {
	switch {
	case rec.Node != nil:
		if rec.Node.Removed {
			delete(w.nodes, rec.Node.ID)
			w.drop(func(it *bridge.Item) bool { return it.NodeID == rec.Node.ID })
			return
		}
		w.nodes[rec.Node.ID] = *rec.Node
	case rec.Publish != nil:
		p := rec.Publish
		it := w.items[p.NodeID+"/"+p.Item]
		if it == nil || it.Retracted {
			it = &bridge.Item{First: rec.Seq, Created: rec.Time}
			w.keys[rec.Seq] = p.NodeID + "/" + p.Item
		}
		next := *it
		next.Addr, next.NodeID, next.ID, next.Publisher, next.Origin = p.Addr, p.NodeID, p.Item, p.Publisher, p.Origin
		next.Last, next.Modified, next.Payload = rec.Seq, rec.Time, []byte(p.Payload)
		w.items[p.NodeID+"/"+p.Item] = &next
	case rec.Retract != nil:
		for _, id := range rec.Retract.Items {
			if it := w.items[rec.Retract.NodeID+"/"+id]; it != nil {
				w.items[rec.Retract.NodeID+"/"+id] = &bridge.Item{NodeID: it.NodeID, ID: it.ID, First: it.First, Retracted: true}
			}
		}
	case rec.Purge != nil:
		w.drop(func(it *bridge.Item) bool { return it.NodeID == rec.Purge.NodeID })
	case rec.Account != nil && rec.Account.Removed:
		jid := bridge.JID(rec.Account.Nick) + "@" + domain
		w.drop(func(it *bridge.Item) bool { return it.Addr.Service == jid })
	}
}

func (w *world) drop(which func(*bridge.Item) bool) {
	for key, it := range w.items {
		if which(it) {
			delete(w.items, key)
		}
	}
}

func (w *world) Epoch() string { return w.epoch }

func (w *world) Last(context.Context) (bridge.Position, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pos := bridge.Position{Epoch: w.epoch, Seq: uint64(len(w.recs))}
	if pos.Seq > 0 {
		pos.Time = began.Add(time.Duration(pos.Seq) * time.Minute)
	}
	return pos, nil
}

func (w *world) At(_ context.Context, seq uint64) (time.Time, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if seq == 0 || seq > uint64(len(w.recs)) || w.recs[seq-1] == nil {
		return time.Time{}, false, nil
	}
	return w.recs[seq-1].Time, true, nil
}

func (w *world) Follow(ctx context.Context, after uint64, fn func(*bridge.Record, uint64) error) error {
	for {
		w.mu.Lock()
		grown := w.grown
		var rec *bridge.Record
		pending := uint64(0)
		if !w.stuck && after < uint64(len(w.recs)) {
			after++
			rec = w.recs[after-1]
			pending = uint64(len(w.recs)) - after
			for seq := range w.erased {
				if seq > after {
					pending--
				}
			}
			w.mu.Unlock()
			if rec != nil {
				if err := fn(rec, pending); err != nil {
					return err
				}
			}
			continue
		}
		w.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *world) erase(seqs ...uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, seq := range seqs {
		w.recs[seq-1] = nil
		w.erased[seq] = true
	}
}

func (w *world) hold(stuck bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = stuck
	close(w.grown)
	w.grown = make(chan struct{})
}

func (w *world) Item(nodeID, id string) (bridge.Item, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if it := w.items[nodeID+"/"+id]; it != nil {
		return *it, true, nil
	}
	return bridge.Item{}, false, nil
}

func (w *world) ItemBySeq(first uint64) (bridge.Item, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if it := w.items[w.keys[first]]; it != nil && it.First == first {
		return *it, true, nil
	}
	return bridge.Item{}, false, nil
}

func (w *world) WaitFor(context.Context, uint64) error { return nil }

func (w *world) NodeByID(id string) (bridge.Node, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, ok := w.nodes[id]
	return n, ok
}

// microblog makes the microblog of an account; its node id is the nickname.
func (w *world) microblog(nick string) {
	w.configure(nick, bridge.AccessOpen)
}

func (w *world) configure(nick string, access bridge.AccessModel) uint64 {
	cfg := bridge.MicroblogConfig()
	cfg.AccessModel = access
	return w.append(bridge.Record{Node: &bridge.Node{ID: nick, Addr: home(nick), Owner: home(nick).Service, Config: cfg}})
}

// close makes the registry say that a node is closed, before the log says so to
// the index.
func (w *world) close(nick string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.nodes[nick]
	n.Config.AccessModel = bridge.AccessWhitelist
	w.nodes[nick] = n
}

// lose makes the archive lose a post.
func (w *world) lose(nick, item string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	it := w.items[nick+"/"+item]
	w.items[nick+"/"+item] = &bridge.Item{NodeID: it.NodeID, ID: it.ID, First: it.First, Retracted: true}
}

func home(nick string) bridge.Addr {
	return bridge.Addr{Service: bridge.JID(nick) + "@" + domain, Name: bridge.NodeMicroblog}
}

func entry(text string) string {
	return `<entry xmlns="http://www.w3.org/2005/Atom"><title>` + text + `</title></entry>`
}

// post publishes a text to an account's microblog.
func (w *world) post(nick, item, text string) uint64 {
	return w.append(bridge.Record{Publish: &bridge.Publish{
		NodeID: nick, Addr: home(nick), Item: item, Publisher: home(nick).Service,
		Origin: bridge.Origin{Door: "xmpp"}, Payload: entry(text),
	}})
}

func (w *world) retract(nick string, items ...string) uint64 {
	return w.append(bridge.Record{Retract: &bridge.Retract{NodeID: nick, Addr: home(nick), Items: items}})
}

func planet(name string) bridge.Addr { return bridge.Addr{Service: domain, Name: name} }

// refer shows a post in a planet; the planet's node id is its name.
func (w *world) refer(name, nick, item string, of uint64) uint64 {
	return w.append(bridge.Record{Reference: &bridge.Reference{
		NodeID: name, Addr: planet(name), Item: item, OfNodeID: nick, OfItem: item, OfSeq: of,
	}})
}

// options are of an index of the world.
func (w *world) options(t testing.TB, dir string) index.Options {
	return index.Options{Dir: dir, Domain: domain, Log: w, Archive: w, Nodes: w, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// start runs an index until stop is called or the test ends.
func (w *world) start(t testing.TB, dir string) (x *index.Index, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	x, err := index.Open(ctx, w.options(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			t.Errorf("Run: %v", err)
		}
		if err := x.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Cleanup(stop)
	return x, stop
}

// search returns the items that a query finds as "node/id", the newest first.
func search(t testing.TB, x *index.Index, text string) []string {
	t.Helper()
	q, err := query.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var res index.Result
	for range 30 { // on a busy machine the index may take more than the second it is given
		if res, err = x.Search(t.Context(), q, index.Page{Limit: 100}); err != nil {
			t.Fatal(err)
		}
		if res.Complete {
			break
		}
	}
	if !res.Complete {
		t.Errorf("the search for %s is incomplete", text)
	}
	if !slices.IsSortedFunc(res.Hits, func(a, b index.Hit) int { return cmp.Compare(b.Seq, a.Seq) }) {
		t.Errorf("the hits for %s are not sorted by age: %v", text, res.Hits)
	}
	names := []string{}
	for _, h := range res.Hits {
		names = append(names, fmt.Sprintf("%s/%s", h.Item.NodeID, h.Item.ID))
	}
	return names
}

// expect checks what queries find: pairs of a query and its hits.
func expect(t testing.TB, x *index.Index, queries map[string][]string) {
	t.Helper()
	for text, want := range queries {
		if got := search(t, x, text); !slices.Equal(got, want) {
			t.Errorf("%s finds %v, want %v", text, got, want)
		}
	}
}

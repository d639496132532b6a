package aggregate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/fetch"
	"peewit/bridge/service"
)

// house is a log with its read models in memory, as far as this room sees it:
// what is published is applied at once.
type house struct {
	mu      sync.Mutex
	records []*bridge.Record
	grown   chan struct{} // closed and made anew when records come
	sources map[string]bridge.Source
	planets map[string]bridge.Planet
	nodes   map[bridge.Addr]bridge.Node
	items   map[string][]bridge.Item // by node id, oldest first
	work    map[string][]byte
	keys    map[string]bool // of references
	refuse  func(service.NewItem) error
	refer   error // what Refer answers instead
	refers  int   // calls of Refer
	away    error // what Get answers instead
}

func newHouse() *house {
	return &house{
		grown: make(chan struct{}), sources: map[string]bridge.Source{}, planets: map[string]bridge.Planet{},
		nodes: map[bridge.Addr]bridge.Node{}, items: map[string][]bridge.Item{}, work: map[string][]byte{}, keys: map[string]bool{},
	}
}

// append applies a record; h.mu is held.
func (h *house) append(rec bridge.Record) *bridge.Record {
	rec.Seq, rec.Time = uint64(len(h.records)+1), time.Now()
	h.records = append(h.records, &rec)
	close(h.grown)
	h.grown = make(chan struct{})
	return &rec
}

// plan adds sources to a planet, with all that is needed.
func (h *house) plan(name string, urls ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	planet := h.planets[name]
	planet.Name = name
	h.node(name)
	for _, u := range urls {
		if _, known := h.sources[u]; !known {
			h.sources[u] = bridge.Source{ID: u, URL: "http://" + u + "/feed", Created: time.Now()}
			h.node(bridge.FeedNode(u))
			source := h.sources[u]
			h.append(bridge.Record{Source: &source})
		}
		planet.Sources = append(slices.Clone(planet.Sources), u)
	}
	h.planets[name] = planet
	h.append(bridge.Record{Planet: &planet})
}

// remove takes a source away, with its node.
func (h *house) remove(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	source := h.sources[id]
	source.Removed = true
	delete(h.sources, id)
	delete(h.items, "node "+bridge.FeedNode(id))
	h.append(bridge.Record{Source: &source})
}

func (h *house) node(name string) {
	addr := bridge.Addr{Service: "d.example", Name: name}
	h.nodes[addr] = bridge.Node{ID: "node " + name, Addr: addr}
}

// ids are the ids of a node's items in order.
func (h *house) ids(node string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, item := range h.items["node "+node] {
		out = append(out, item.ID)
	}
	return out
}

// payloads are what a node's items say.
func (h *house) payloads(node string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, item := range h.items["node "+node] {
		out = append(out, string(item.Payload))
	}
	return out
}

func (h *house) Source(id string) (bridge.Source, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.sources[id]
	return s, ok
}

func (h *house) Sources() []bridge.Source {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []bridge.Source
	for _, s := range h.sources {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b bridge.Source) int { return len(a.ID) - len(b.ID) })
	return all
}

func (h *house) Planets() []bridge.Planet {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []bridge.Planet
	for _, p := range h.planets {
		all = append(all, p)
	}
	return all
}

func (h *house) Node(a bridge.Addr) (bridge.Node, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, ok := h.nodes[a]
	return n, ok
}

func (h *house) SetSourceTitle(_ context.Context, id, title string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sources[id]
	s.Title = title
	h.sources[id] = s
	h.append(bridge.Record{Source: &s})
	return nil
}

func (h *house) find(nodeID, id string) *bridge.Item {
	for i := range h.items[nodeID] {
		if h.items[nodeID][i].ID == id {
			return &h.items[nodeID][i]
		}
	}
	return nil
}

func (h *house) Publish(_ context.Context, req service.Publish) ([]bridge.Item, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, item := range req.Items {
		if h.refuse != nil {
			if err := h.refuse(item); err != nil {
				return nil, err
			}
		}
	}
	var out []bridge.Item
	for _, in := range req.Items {
		node := h.nodes[req.Addr]
		rec := h.append(bridge.Record{Publish: &bridge.Publish{NodeID: node.ID, Addr: req.Addr, Item: in.ID, Origin: req.Origin, Payload: string(in.Payload)}})
		item := h.find(node.ID, in.ID)
		if item == nil {
			h.items[node.ID] = append(h.items[node.ID], bridge.Item{Addr: req.Addr, NodeID: node.ID, ID: in.ID, First: rec.Seq, Origin: req.Origin})
			item = h.find(node.ID, in.ID)
		}
		item.Last, item.Payload = rec.Seq, in.Payload
		out = append(out, *item)
	}
	return out, nil
}

func (h *house) Refer(_ context.Context, planet bridge.Addr, item bridge.Item) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refers++
	if h.refer != nil {
		return h.refer
	}
	node := h.nodes[planet]
	key := fmt.Sprint(node.ID, item.NodeID, item.ID, item.Last)
	if h.keys[key] {
		return nil
	}
	h.keys[key] = true
	rec := h.append(bridge.Record{Reference: &bridge.Reference{NodeID: node.ID, Addr: planet, Item: item.ID, OfNodeID: item.NodeID, OfItem: item.ID, OfSeq: item.Last}})
	shown := h.find(node.ID, item.ID)
	if shown == nil {
		h.items[node.ID] = append(h.items[node.ID], bridge.Item{Addr: planet, NodeID: node.ID, ID: item.ID, First: rec.Seq, Of: item.First})
		shown = h.find(node.ID, item.ID)
	}
	shown.Last, shown.Payload = rec.Seq, item.Payload
	return nil
}

func (h *house) Item(nodeID, id string) (bridge.Item, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if item := h.find(nodeID, id); item != nil {
		return *item, true, nil
	}
	return bridge.Item{}, false, nil
}

func (h *house) Items(nodeID string, q archive.Query) (archive.Page, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	items := h.items[nodeID]
	if q.After != "" {
		items = items[slices.IndexFunc(items, func(i bridge.Item) bool { return i.ID == q.After })+1:]
	}
	return archive.Page{Items: slices.Clone(items[:min(len(items), q.Max)])}, nil
}

func (h *house) WaitFor(context.Context, uint64) error { return nil }

func (h *house) Epoch() string { return "epoch" }

func (h *house) Confirms(_ context.Context, pos bridge.Position) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return pos.Epoch == "epoch" && pos.Seq <= uint64(len(h.records)), nil
}

func (h *house) Follow(ctx context.Context, after uint64, fn func(*bridge.Record, uint64) error) error {
	for {
		h.mu.Lock()
		grown, end := h.grown, uint64(len(h.records))
		var rec *bridge.Record
		if after < end {
			rec = h.records[after]
		}
		h.mu.Unlock()
		if rec == nil {
			select {
			case <-grown:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		after++
		if err := fn(rec, end-after); err != nil {
			return err
		}
	}
}

func (h *house) Put(_ context.Context, key string, value []byte, _ time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.work[key] = value
	return nil
}

func (h *house) Get(_ context.Context, key string) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.work[key], h.away
}

func (h *house) setAway(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = err
}

func (h *house) Hold(ctx context.Context, name string, fn func(context.Context) error) error {
	if name != "feeds" {
		return errors.New("another lease")
	}
	return fn(ctx)
}

// web answers for all hosts.
type web struct {
	mu     sync.Mutex
	answer func(fetch.Request) (*fetch.Response, error)
	asked  []asked
}

type asked struct {
	at time.Time
	fetch.Request
}

func (w *web) Get(ctx context.Context, r fetch.Request) (*fetch.Response, error) {
	if err := r.Begin(ctx); err != nil {
		return nil, err
	}
	r.Begin = nil
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, asked{time.Now(), r})
	return w.answer(r)
}

// set changes the answers.
func (w *web) set(answer func(fetch.Request) (*fetch.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

// serve answers every request with a document.
func (w *web) serve(body string) {
	w.set(func(r fetch.Request) (*fetch.Response, error) {
		return &fetch.Response{Status: 200, URL: r.URL, Header: http.Header{}, Body: []byte(body)}, nil
	})
}

// times are when was asked, since a moment.
func (w *web) times(since time.Time) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []time.Duration
	for _, a := range w.asked {
		out = append(out, a.at.Sub(since))
	}
	return out
}

// run starts an aggregator on the house; the function returned ends it.
func (h *house) run(t *testing.T, w Getter) (a *Aggregator, stop func()) {
	t.Helper()
	a, err := New(Options{
		Domain: "d.example", Client: w, Log: h, Registry: h, Archive: h, Posts: h, Titles: h,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return a, func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
	}
}

// getter is a function as a Getter.
type getter func(context.Context, fetch.Request) (*fetch.Response, error)

func (g getter) Get(ctx context.Context, r fetch.Request) (*fetch.Response, error) { return g(ctx, r) }

package track

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"peewit/index/query"
)

// Matcher holds standing queries under handles of the caller's choice and finds
// those that match a post. Any number of goroutines may call its methods.
type Matcher struct {
	mu    sync.Mutex // held while state is replaced
	state atomic.Pointer[state]

	compacting sync.Mutex // one at a time
	posts      atomic.Uint64
	anchoredAt atomic.Uint64 // how many posts had been matched when anchors were last chosen
}

// state is what the matcher holds at one moment. Nothing in it changes.
type state struct {
	base, delta *layer
	added       []entry             // what delta is made of
	gone        map[uint32]struct{} // handles removed since base and delta were made
}

type entry struct {
	handle uint32
	query  query.Node
}

// NewMatcher returns a matcher that holds the queries given. Loading them so is
// much faster than adding one by one.
func NewMatcher(queries iter.Seq2[uint32, *query.Query]) *Matcher {
	b := newBuilder(0)
	for handle, q := range queries {
		b.add(handle, q.Root)
	}
	m := new(Matcher)
	m.state.Store(&state{base: b.build(), delta: newBuilder(0).build()})
	return m
}

// Add adds a query under a handle that was never used before. It takes time in
// proportion to how many were added since the last Compact.
func (m *Matcher) Add(handle uint32, q *query.Query) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := *m.state.Load()
	next.added = append(slices.Clip(next.added), entry{handle, q.Root})
	next.delta = layerOf(next.added)
	m.state.Store(&next)
}

func layerOf(entries []entry) *layer {
	b := newBuilder(len(entries))
	for _, e := range entries {
		b.add(e.handle, e.query)
	}
	return b.build()
}

// Remove removes the query of a handle.
func (m *Matcher) Remove(handle uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := *m.state.Load()
	next.gone = maps.Clone(next.gone)
	if next.gone == nil {
		next.gone = make(map[uint32]struct{})
	}
	next.gone[handle] = struct{}{}
	m.state.Store(&next)
}

// AppendMatches appends to dst the handles of the queries that match a post, in
// no order, each once. since: and until: are not looked at.
func (m *Matcher) AppendMatches(dst []uint32, d *query.Document) []uint32 {
	m.posts.Add(1)
	s := m.state.Load()
	from := len(dst)
	dst = s.base.appendMatches(dst, d)
	dst = s.delta.appendMatches(dst, d)
	if len(s.gone) == 0 {
		return dst
	}
	alive := dst[:from]
	for _, h := range dst[from:] {
		if _, is := s.gone[h]; !is {
			alive = append(alive, h)
		}
	}
	return alive
}

// When to compact: after so many changes, or when so many posts and twice as
// many as last time tell better which terms are rare.
const (
	manyChanges = 1024
	manyPosts   = 4096
)

// Due reports whether Compact would be worth its while.
func (m *Matcher) Due() bool {
	s := m.state.Load()
	if len(s.added)+len(s.gone) >= manyChanges {
		return true
	}
	return m.posts.Load() >= max(manyPosts, 2*m.anchoredAt.Load()) && len(s.base.start) > 0
}

// Compact merges what was added and removed into the large layer and files every
// query anew under the term that is rarest by now. Others match, add and remove
// meanwhile. A million queries take seconds.
func (m *Matcher) Compact() {
	m.compacting.Lock()
	defer m.compacting.Unlock()
	posts := m.posts.Load()
	old := m.state.Load()
	b := newBuilder(len(old.base.start) + len(old.added))
	b.addLayer(old.base, old.gone)
	b.addLayer(old.delta, old.gone)
	base := b.build()

	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.state.Load()
	next := &state{base: base, added: slices.Clone(now.added[len(old.added):]), gone: maps.Clone(now.gone)}
	for h := range old.gone {
		delete(next.gone, h)
	}
	next.delta = layerOf(next.added)
	m.state.Store(next)
	m.anchoredAt.Store(posts)
}

// Groups is how many different queries there are in the large layer.
func (m *Matcher) Groups() int { return len(m.state.Load().base.start) }

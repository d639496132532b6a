package xmpp

import (
	"sync"

	"peewit/bridge"
)

// Limits on one account's sessions.
const (
	maxSessions = 64  // bound at a time
	maxDirected = 500 // addresses that one session sent directed presence to
)

// bound is a session with what it said about itself.
type bound struct {
	session   Session
	jid       bridge.JID
	anonymous bool

	turn sync.Mutex // held while its presence is told to others: one change at a time

	mu         sync.Mutex
	presence   []byte // body of its last available presence; nil = unavailable
	priority   int
	ended      bool
	interested bool                    // it asked for its roster (RFC 6121 §2.2)
	directed   map[bridge.JID]struct{} // who else was told that it is available
}

// takes reports whether the session is one of those that a stanza to the bare
// JID is for.
func (b *bound) takes(p Priority) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.presence != nil && (p == Presence || b.priority >= 0)
}

// body is the body of its presence, or nil when it is not available.
func (b *bound) body() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.presence
}

// arrive makes the session available; first is true when it was not before. It
// fails when the session has ended.
func (b *bound) arrive(body []byte, priority int) (first, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false, false
	}
	first = b.presence == nil
	b.presence, b.priority = body, priority
	return first, true
}

// depart makes the session unavailable and returns to whom else it had sent
// its presence.
func (b *bound) depart() (was bool, directed []bridge.JID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was = b.presence != nil
	for to := range b.directed {
		directed = append(directed, to)
	}
	b.presence, b.directed = nil, nil
	return was, directed
}

// end keeps the session from becoming available again.
func (b *bound) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

// direct notes that an address was sent presence; false when there are too many.
func (b *bound) direct(to bridge.JID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.directed[to]; !known && (len(b.directed) >= maxDirected || b.ended) {
		return false
	}
	if b.directed == nil {
		b.directed = make(map[bridge.JID]struct{}, 1)
	}
	b.directed[to] = struct{}{}
	return true
}

func (b *bound) undirect(to bridge.JID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.directed, to)
}

// sessions is the bound sessions by account and resource.
type sessions struct {
	mu sync.RWMutex
	by map[bridge.JID]map[string]*bound
}

func newSessions() *sessions { return &sessions{by: make(map[bridge.JID]map[string]*bound)} }

// add binds s and returns the session it takes the place of, if any.
func (t *sessions) add(s Session) (old *bound, err error) {
	full := s.JID()
	bare, resource := full.Bare(), full.Resource()
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.by[bare]
	if of == nil {
		of = make(map[string]*bound, 1)
		t.by[bare] = of
	}
	old = of[resource]
	if old == nil && len(of) >= maxSessions {
		return nil, bridge.Refuse(bridge.ResourceConstraint, "too many sessions of this account")
	}
	of[resource] = &bound{session: s, jid: full, anonymous: s.Anonymous()}
	return old, nil
}

// remove unbinds s and returns it, or nil when it is not bound any more.
func (t *sessions) remove(s Session) *bound {
	full := s.JID()
	bare, resource := full.Bare(), full.Resource()
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.by[bare][resource]
	if b == nil || b.session != s {
		return nil
	}
	delete(t.by[bare], resource)
	if len(t.by[bare]) == 0 {
		delete(t.by, bare)
	}
	return b
}

// get is the session with this full JID, or nil.
func (t *sessions) get(full bridge.JID) *bound {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.by[full.Bare()][full.Resource()]
}

// of is all sessions of an account.
func (t *sessions) of(bare bridge.JID) []*bound {
	t.mu.RLock()
	defer t.mu.RUnlock()
	of := t.by[bare]
	if len(of) == 0 {
		return nil
	}
	out := make([]*bound, 0, len(of))
	for _, b := range of {
		out = append(out, b)
	}
	return out
}

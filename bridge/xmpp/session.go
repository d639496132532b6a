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

	mu         sync.Mutex
	presence   []byte // content of its last available presence; nil = unavailable
	lang       string
	priority   int
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

func (b *bound) available() bool { return b.takes(Presence) }

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

// all is every bound session.
func (t *sessions) all() []*bound {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []*bound
	for _, of := range t.by {
		for _, b := range of {
			out = append(out, b)
		}
	}
	return out
}

// Package registry is the state of the house in memory: accounts, contacts,
// nodes, affiliations, subscriptions, sources, planets, tracks and listeners,
// as the log's state records add up to.
//
// One goroutine calls [Registry.Apply] with each record in log order; anybody
// may ask at any time. What is handed out is a copy, or a snapshot that nobody
// changes, so an asker can neither alter the registry nor see it change under
// its hands.
//
// A state record is whole: the newest record of a state key is the state.
// [Registry.Apply] remembers the sequence of the newest record of each key and
// passes over older ones, so applying records twice changes nothing, and so it
// is enough to load the newest record of each key (archive.States) instead of
// all records there ever were. Loading has one rule: accounts and nodes come
// before what hangs on them.
//
// Three things end others with them. A node that is removed or made anew (it
// has another ID then) takes its affiliations and subscriptions along: records
// that name an ID which is not a living node's mean nothing. An account that is
// removed takes its owners, credential, contacts, tracks and listeners along.
// And what is removed keeps its sequence, so that a compare-and-set on the same
// key still knows what to expect.
//
// A subscription costs about 210 bytes; a node keeps them in sorted blocks, so
// that one change in a hundred thousand touches a few hundred entries at most.
package registry

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"
	"sync"

	"peewit/bridge"
)

// Registry is the state as of the newest applied record.
type Registry struct {
	domain bridge.JID

	mu   sync.RWMutex
	seq  uint64             // of the newest state record
	seqs map[stateID]uint64 // newest sequence of each key but those of affiliations and subscriptions

	accounts    map[string]bridge.Account
	owners      map[bridge.JID][]string // nicknames of the accounts a JID elsewhere owns, sorted
	credentials map[string]bridge.Credential
	invites     map[string]bridge.Invite
	contacts    map[bridge.JID]map[bridge.JID]bridge.Contact

	nodes    map[string]*node                // by ID
	services map[bridge.JID]map[string]*node // by address
	roles    map[bridge.JID]map[string]*node // nodes, by ID, on which a JID has or had a recorded role
	owned    map[bridge.JID]map[string]*node // nodes, by ID, that somebody owns on another's service
	follows  map[bridge.JID][]*node          // one entry a subscription of the bare JID

	sources   map[string]bridge.Source
	planets   map[string]bridge.Planet
	tracks    map[string]bridge.Track
	listeners map[string]map[string]bridge.Listener       // by nickname and URI
	secrets   map[string]map[string]bridge.ListenerSecret // by nickname and URI
}

// stateID stands for a state key, which is unbounded text of strangers.
type stateID [16]byte

func identify(stateKey string) stateID {
	sum := sha256.Sum256([]byte(stateKey))
	return stateID(sum[:16])
}

// New is the empty registry of a domain.
func New(domain bridge.JID) *Registry {
	return &Registry{
		domain:      domain,
		seqs:        map[stateID]uint64{},
		accounts:    map[string]bridge.Account{},
		owners:      map[bridge.JID][]string{},
		credentials: map[string]bridge.Credential{},
		invites:     map[string]bridge.Invite{},
		contacts:    map[bridge.JID]map[bridge.JID]bridge.Contact{},
		nodes:       map[string]*node{},
		services:    map[bridge.JID]map[string]*node{},
		roles:       map[bridge.JID]map[string]*node{},
		owned:       map[bridge.JID]map[string]*node{},
		follows:     map[bridge.JID][]*node{},
		sources:     map[string]bridge.Source{},
		planets:     map[string]bridge.Planet{},
		tracks:      map[string]bridge.Track{},
		listeners:   map[string]map[string]bridge.Listener{},
		secrets:     map[string]map[string]bridge.ListenerSecret{},
	}
}

// Apply takes a record in. Posts change nothing; nor does a state record that
// is not newer than what is known of its key. It keeps nothing of rec that the
// caller could change later.
func (r *Registry) Apply(rec *bridge.Record) {
	key := rec.StateKey()
	if key == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq = max(r.seq, rec.Seq)
	switch {
	case rec.Affiliation != nil:
		r.applyAffiliation(rec.Affiliation, rec.Seq)
		return
	case rec.Subscription != nil:
		r.applySubscription(rec.Subscription, rec.Seq)
		return
	}
	id := identify(key)
	if newest, known := r.seqs[id]; known && newest >= rec.Seq {
		return
	}
	r.seqs[id] = rec.Seq
	switch {
	case rec.Node != nil:
		r.applyNode(rec.Node)
	case rec.Account != nil:
		r.applyAccount(rec.Account)
	case rec.Credential != nil:
		put(r.credentials, rec.Credential.Nick, copyCredential(*rec.Credential), rec.Removed())
	case rec.Invite != nil:
		put(r.invites, rec.Invite.Token, *rec.Invite, rec.Removed())
	case rec.Contact != nil:
		c := *rec.Contact
		c.Groups = slices.Clone(c.Groups)
		putUnder(r.contacts, c.Account, c.JID, c, c.Removed)
	case rec.Source != nil:
		put(r.sources, rec.Source.ID, *rec.Source, rec.Removed())
	case rec.Planet != nil:
		p := *rec.Planet
		p.Sources = slices.Clone(p.Sources)
		put(r.planets, p.Name, p, p.Removed)
	case rec.Track != nil:
		put(r.tracks, rec.Track.ID, *rec.Track, rec.Removed())
	case rec.Listener != nil:
		putUnder(r.listeners, rec.Listener.Listenee, rec.Listener.URI, *rec.Listener, rec.Removed())
	case rec.ListenerSecret != nil:
		putUnder(r.secrets, rec.ListenerSecret.Listenee, rec.ListenerSecret.URI, *rec.ListenerSecret, rec.Removed())
	}
}

// Seq is the sequence of the newest state record applied.
func (r *Registry) Seq() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.seq
}

// StateSeq is the sequence of the newest record of rec's state key, removed
// ones included: what a compare-and-set expects. It is 0 when there is none, and
// for an affiliation or subscription of a node that is no more.
func (r *Registry) StateSeq(rec *bridge.Record) uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case rec.Affiliation != nil:
		if n := r.nodes[rec.Affiliation.NodeID]; n != nil {
			return n.affiliations[rec.Affiliation.JID].seq
		}
		return 0
	case rec.Subscription != nil:
		if n := r.nodes[rec.Subscription.NodeID]; n != nil {
			return n.subscribers.seq(rec.Subscription.JID, rec.Subscription.SubID)
		}
		return 0
	}
	return r.seqs[identify(rec.StateKey())]
}

// put sets or, when it is removed, deletes the value of a key.
func put[K comparable, V any](m map[K]V, key K, value V, removed bool) {
	if removed {
		delete(m, key)
	} else {
		m[key] = value
	}
}

// putUnder is put in a map of maps without empty ones.
func putUnder[K, L comparable, V any](m map[K]map[L]V, above K, key L, value V, removed bool) {
	if removed {
		delete(m[above], key)
		if len(m[above]) == 0 {
			delete(m, above)
		}
		return
	}
	if m[above] == nil {
		m[above] = map[L]V{}
	}
	m[above][key] = value
}

// sorted is the values of m in the order of their keys.
func sorted[K cmp.Ordered, V any](m map[K]V) []V {
	values := make([]V, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		values = append(values, m[key])
	}
	return values
}

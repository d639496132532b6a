package pubsub

import (
	"slices"
	"sync"

	"peewit/bridge"
)

// The bounds of what visitors can make us remember.
const (
	maxVisits    = 50     // subscriptions of one session
	maxAllVisits = 100000 // of all of them
)

// visitors are the subscriptions of sessions that logged in anonymously, which
// is how a web page hears of new posts. They end with the session, so they are
// no records of the log: they are kept here, and forgotten with the session, or,
// when a subscription came after its end, when an event finds nobody there.
type visitors struct {
	mu    sync.Mutex
	nodes map[string][]bridge.JID // full addresses by node id, sorted
	visit map[bridge.JID][]bridge.Subscription
	count int
}

// add notes that a session wants the events of a node.
func (v *visitors) add(session bridge.JID, sub bridge.Subscription) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	mine := v.visit[session]
	if slices.ContainsFunc(mine, func(s bridge.Subscription) bool { return s.NodeID == sub.NodeID }) {
		return nil // XEP-0060 §6.1.6
	}
	if len(mine) >= maxVisits || v.count >= maxAllVisits {
		return bridge.RefuseFor(bridge.PolicyViolation, "too-many-subscriptions", "a visitor has at most %d subscriptions", maxVisits) // §6.1.3.9
	}
	if v.nodes == nil {
		v.nodes, v.visit = map[string][]bridge.JID{}, map[bridge.JID][]bridge.Subscription{}
	}
	at := v.nodes[sub.NodeID]
	i, _ := slices.BinarySearch(at, session)
	v.nodes[sub.NodeID] = slices.Insert(slices.Clone(at), i, session) // on may be reading the old one
	v.visit[session] = append(mine, sub)
	v.count++
	return nil
}

// remove ends one subscription and reports whether there was one.
func (v *visitors) remove(session bridge.JID, nodeID string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	mine := v.visit[session]
	i := slices.IndexFunc(mine, func(s bridge.Subscription) bool { return s.NodeID == nodeID })
	if i < 0 {
		return false
	}
	v.leave(session, nodeID)
	if v.visit[session] = slices.Delete(mine, i, i+1); len(v.visit[session]) == 0 {
		delete(v.visit, session)
	}
	return true
}

// forget ends all subscriptions of a session.
func (v *visitors) forget(session bridge.JID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.visit[session] {
		v.leave(session, s.NodeID)
	}
	delete(v.visit, session)
}

func (v *visitors) leave(session bridge.JID, nodeID string) {
	at := v.nodes[nodeID]
	if i, found := slices.BinarySearch(at, session); found {
		v.nodes[nodeID] = slices.Delete(slices.Clone(at), i, i+1)
		v.count--
	}
	if len(v.nodes[nodeID]) == 0 {
		delete(v.nodes, nodeID)
	}
}

// on is the sessions that want the events of a node, sorted; it never changes.
func (v *visitors) on(nodeID string) []bridge.JID {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.nodes[nodeID]
}

// of is the subscriptions of a session.
func (v *visitors) of(session bridge.JID) []bridge.Subscription {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.visit[session])
}

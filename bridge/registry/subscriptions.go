package registry

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"weak"

	"peewit/bridge"
)

// blockSize is how many rows a block of subscribers holds before it is split.
const blockSize = 512

// subscribers is the subscriptions to one node, sorted by JID and then by
// subscription id, in blocks of at most blockSize rows and never an empty one.
type subscribers struct {
	blocks [][]row
	count  int
	gone   map[subscriber]uint64 // sequences of removals, for StateSeq

	// snapshot is what Subscriptions handed out last, until something changes
	// or the garbage is collected: making it anew costs far less than sending a
	// post to everybody on it, and most nodes are silent most of the time.
	snapshot atomic.Pointer[weak.Pointer[[]bridge.Subscription]]
}

// row is a subscription without what its node knows.
type row struct {
	subscriber
	created int64 // nanoseconds since 1970; 0 = unknown
	seq     uint64
}

// subscriber is what a subscription is known by within its node.
type subscriber struct {
	jid   bridge.JID
	subID string
}

func (s subscriber) compare(t subscriber) int {
	return cmp.Or(cmp.Compare(s.jid, t.jid), cmp.Compare(s.subID, t.subID))
}

// find is the place of a subscriber: the block it belongs to, the index within,
// and whether it is there.
func (s *subscribers) find(who subscriber) (block, at int, found bool) {
	block, found = slices.BinarySearchFunc(s.blocks, who, func(b []row, who subscriber) int { return b[0].compare(who) })
	if found {
		return block, 0, true
	}
	if block == 0 {
		return 0, 0, false
	}
	block-- // the last block that begins before it
	at, found = slices.BinarySearchFunc(s.blocks[block], who, func(r row, who subscriber) int { return r.compare(who) })
	return block, at, found
}

// set adds or replaces a row and reports whether it is new.
func (s *subscribers) set(r row) bool {
	s.snapshot.Store(nil)
	delete(s.gone, r.subscriber)
	block, at, found := s.find(r.subscriber)
	if found {
		s.blocks[block][at] = r
		return false
	}
	s.count++
	if len(s.blocks) == 0 {
		s.blocks = [][]row{{r}}
		return true
	}
	rows := slices.Insert(s.blocks[block], at, r)
	s.blocks[block] = rows
	if len(rows) > blockSize {
		half := slices.Clone(rows[blockSize/2:])
		clear(rows[blockSize/2:])
		s.blocks[block] = rows[:blockSize/2]
		s.blocks = slices.Insert(s.blocks, block+1, half)
	}
	return true
}

// remove takes a row out, keeps the sequence of its removal and reports whether
// it was there.
func (s *subscribers) remove(who subscriber, seq uint64) bool {
	if s.gone == nil {
		s.gone = map[subscriber]uint64{}
	}
	s.gone[who] = seq
	block, at, found := s.find(who)
	if !found {
		return false
	}
	s.snapshot.Store(nil)
	s.count--
	s.blocks[block] = slices.Delete(s.blocks[block], at, at+1)
	if len(s.blocks[block]) == 0 {
		s.blocks = slices.Delete(s.blocks, block, block+1)
	}
	return true
}

// seq is the sequence of the newest record about a subscriber, 0 = none.
func (s *subscribers) seq(jid bridge.JID, subID string) uint64 {
	who := subscriber{jid, subID}
	if block, at, found := s.find(who); found {
		return s.blocks[block][at].seq
	}
	return s.gone[who]
}

// from is the rows from a subscriber on, in order.
func (s *subscribers) from(who subscriber) iter.Seq[row] {
	return func(yield func(row) bool) {
		first, at, _ := s.find(who)
		for block := first; block < len(s.blocks); block++ {
			for _, r := range s.blocks[block][at:] {
				if !yield(r) {
					return
				}
			}
			at = 0
		}
	}
}

// all is every row, in order.
func (s *subscribers) all() iter.Seq[row] { return s.from(subscriber{}) }

// of is the rows of a bare JID and of its full ones.
func (s *subscribers) of(bare bridge.JID) iter.Seq[row] {
	return func(yield func(row) bool) {
		for r := range s.from(subscriber{jid: bare}) {
			if r.jid != bare {
				break
			}
			if !yield(r) {
				return
			}
		}
		full := bare + "/" // other addresses sort between the two
		for r := range s.from(subscriber{jid: full}) {
			if !strings.HasPrefix(string(r.jid), string(full)) || !yield(r) {
				return
			}
		}
	}
}

func (r *Registry) applySubscription(s *bridge.Subscription, seq uint64) {
	n := r.nodes[s.NodeID]
	if n == nil {
		return
	}
	if newest := n.subscribers.seq(s.JID, s.SubID); newest != 0 && newest >= seq {
		return
	}
	who := subscriber{s.JID, s.SubID}
	if s.Removed {
		if n.subscribers.remove(who, seq) {
			r.unfollow(s.JID.Bare(), n)
		}
		return
	}
	at := row{subscriber: who, seq: seq}
	if !s.Created.IsZero() {
		at.created = s.Created.UnixNano()
	}
	if n.subscribers.set(at) {
		bare := s.JID.Bare()
		r.follows[bare] = append(r.follows[bare], n)
	}
}

// unfollow takes one entry for n out of what a bare JID follows.
func (r *Registry) unfollow(bare bridge.JID, n *node) {
	nodes := r.follows[bare]
	if i := slices.Index(nodes, n); i >= 0 {
		last := len(nodes) - 1
		nodes[i], nodes[last] = nodes[last], nil
		put(r.follows, bare, nodes[:last], last == 0)
	}
}

// Subscriptions is everybody subscribed to a node, sorted by JID and then by
// SubID. The slice is shared by all who ask: it never changes and must not be
// changed. Asking again is cheap until a subscription changes.
func (r *Registry) Subscriptions(nodeID string) []bridge.Subscription {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.nodes[nodeID]
	if n == nil {
		return nil
	}
	s := &n.subscribers
	if cached := s.snapshot.Load(); cached != nil {
		if list := cached.Value(); list != nil {
			return *list
		}
	}
	// Two readers may make the same snapshot at once; a change cannot come
	// between, it waits for the lock.
	list := make([]bridge.Subscription, 0, s.count)
	for row := range s.all() {
		list = append(list, n.subscription(row))
	}
	made := weak.Make(&list)
	s.snapshot.Store(&made)
	return list
}

// SubscriptionsOf is the subscriptions of a bare JID and of its full ones, by
// address of the node, then JID and SubID.
func (r *Registry) SubscriptionsOf(jid bridge.JID) []bridge.Subscription {
	r.mu.RLock()
	defer r.mu.RUnlock()
	nodes := slices.Clone(r.follows[jid])
	slices.SortFunc(nodes, func(a, b *node) int { return compareAddr(a.Addr, b.Addr) })
	var all []bridge.Subscription
	for _, n := range slices.Compact(nodes) {
		for row := range n.subscribers.of(jid) {
			all = append(all, n.subscription(row))
		}
	}
	return all
}

// subscription is a row as others know it.
func (n *node) subscription(at row) bridge.Subscription {
	s := bridge.Subscription{NodeID: n.ID, Addr: n.Addr, JID: at.jid, SubID: at.subID}
	if at.created != 0 {
		s.Created = time.Unix(0, at.created).UTC()
	}
	return s
}

func compareAddr(a, b bridge.Addr) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name))
}

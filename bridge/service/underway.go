package service

import (
	"context"
	"slices"
	"sync"
)

// underway is the publishes that have begun here and are not applied yet, by
// node. Two of one item follow one another, so that the second sees what it
// replaces; all others do not wait for each other.
type underway struct {
	mu sync.Mutex
	by map[string][]*passage
}

// passage is one publish under way.
type passage struct {
	items []NewItem
	done  chan struct{}
}

// begin waits until no earlier publish of these items is under way, or ctx ends.
// over must be called.
func (u *underway) begin(ctx context.Context, nodeID string, items []NewItem) (over func(), err error) {
	p := &passage{items, make(chan struct{})}
	for {
		earlier := u.enter(nodeID, p)
		if earlier == nil {
			return func() { u.leave(nodeID, p) }, nil
		}
		select {
		case <-earlier.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// enter adds a passage unless another one is in its way.
func (u *underway) enter(nodeID string, p *passage) (earlier *passage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, other := range u.by[nodeID] {
		if other.shares(p) {
			return other
		}
	}
	if u.by == nil {
		u.by = make(map[string][]*passage)
	}
	u.by[nodeID] = append(u.by[nodeID], p)
	return nil
}

func (p *passage) shares(q *passage) bool {
	return slices.ContainsFunc(p.items, func(a NewItem) bool {
		return slices.ContainsFunc(q.items, func(b NewItem) bool { return a.ID == b.ID })
	})
}

func (u *underway) leave(nodeID string, p *passage) {
	defer close(p.done)
	u.mu.Lock()
	defer u.mu.Unlock()
	rest := slices.DeleteFunc(u.by[nodeID], func(q *passage) bool { return q == p })
	if u.by[nodeID] = rest; len(rest) == 0 {
		delete(u.by, nodeID)
	}
}

// settle waits until what is under way to a node now is applied, at most
// applyWait: whoever sent a publish and then asks for the items sees it.
func (u *underway) settle(ctx context.Context, nodeID string) {
	u.mu.Lock()
	now := slices.Clone(u.by[nodeID])
	u.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, applyWait)
	defer cancel()
	for _, p := range now {
		select {
		case <-p.done:
		case <-ctx.Done():
			return
		}
	}
}

package xmpp

import (
	"context"
	"slices"
	"sync"

	"peewit/bridge"
)

// InterestHandler is told that a contact (a full JID) has become interested in
// nodes of an account.
type InterestHandler func(ctx context.Context, account, contact bridge.JID, nodes []string)

// interests is who wants which events of an account without having subscribed
// to its nodes. It is read for each post, so it is kept by account and node.
type interests struct {
	mu sync.RWMutex
	by map[bridge.JID]map[string]map[bridge.JID]struct{} // account, node, contact
	of map[bridge.JID]map[bridge.JID][]string            // contact, account: nodes
}

func newInterests() *interests {
	return &interests{
		by: make(map[bridge.JID]map[string]map[bridge.JID]struct{}),
		of: make(map[bridge.JID]map[bridge.JID][]string),
	}
}

// list is the contacts interested in a node.
func (t *interests) list(account bridge.JID, node string) []bridge.JID {
	t.mu.RLock()
	defer t.mu.RUnlock()
	contacts := t.by[account][node]
	if len(contacts) == 0 {
		return nil
	}
	out := make([]bridge.JID, 0, len(contacts))
	for c := range contacts {
		out = append(out, c)
	}
	return out
}

// set replaces what a contact wants of an account and returns what is new of it.
func (t *interests) set(account, contact bridge.JID, nodes []string) (added []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.of[contact][account]
	for _, n := range before {
		if !slices.Contains(nodes, n) {
			t.take(account, n, contact)
		}
	}
	for _, n := range nodes {
		if !slices.Contains(before, n) {
			t.put(account, n, contact)
			added = append(added, n)
		}
	}
	if len(nodes) == 0 {
		delete(t.of[contact], account)
		if len(t.of[contact]) == 0 {
			delete(t.of, contact)
		}
		return nil
	}
	if t.of[contact] == nil {
		t.of[contact] = make(map[bridge.JID][]string, 1)
	}
	t.of[contact][account] = nodes
	return added
}

func (t *interests) put(account bridge.JID, node string, contact bridge.JID) {
	nodes := t.by[account]
	if nodes == nil {
		nodes = make(map[string]map[bridge.JID]struct{}, 1)
		t.by[account] = nodes
	}
	if nodes[node] == nil {
		nodes[node] = make(map[bridge.JID]struct{}, 1)
	}
	nodes[node][contact] = struct{}{}
}

func (t *interests) take(account bridge.JID, node string, contact bridge.JID) {
	nodes := t.by[account]
	delete(nodes[node], contact)
	if len(nodes[node]) == 0 {
		delete(nodes, node)
	}
	if len(nodes) == 0 {
		delete(t.by, account)
	}
}

// accounts is the accounts a contact is interested in.
func (t *interests) accounts(contact bridge.JID) []bridge.JID {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []bridge.JID
	for a := range t.of[contact] {
		out = append(out, a)
	}
	return out
}

// Interested is the full JIDs that see the account's presence and want the
// node's events without having subscribed: those whose verified caps have the
// feature node+notify (XEP-0163 §4). The account's own sessions are among them.
// The order means nothing.
func (r *Router) Interested(account bridge.JID, node string) []bridge.JID {
	return r.interests.list(account, node)
}

// OnInterest registers who is told when a contact has become interested in
// nodes of an account: it is the time to send their last items. It is told once
// for a node while the contact stays available, in the goroutine that brought
// the news.
func (r *Router) OnInterest(fn InterestHandler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onInterest = append(r.onInterest, fn)
}

// judge finds out anew what a contact may and wants to be told of an account.
func (r *Router) judge(ctx context.Context, account, contact bridge.JID) {
	r.judging.Lock()
	var nodes []string
	if r.sees(account, contact) {
		nodes = r.caps.wants(contact)
	}
	added := r.interests.set(account, contact, nodes)
	r.judging.Unlock()
	if len(added) == 0 {
		return
	}
	r.mu.RLock()
	handlers := r.onInterest
	r.mu.RUnlock()
	for _, h := range handlers {
		h(ctx, account, contact, added)
	}
}

// sees reports whether a full JID is available and sees the account's presence.
func (r *Router) sees(account, contact bridge.JID) bool {
	own := contact.Bare() == account
	if !own {
		c, _ := r.contacts.Get(account, contact.Bare())
		if !c.SeenByContact() {
			return false
		}
	}
	if !r.ours(contact) {
		return r.remotes.has(contact, account)
	}
	return r.available(contact)
}

// judgeAll judges a contact for every account it may have to do with.
func (r *Router) judgeAll(ctx context.Context, contact bridge.JID) {
	if !r.ours(contact) {
		for _, account := range r.remotes.accounts(contact) {
			r.judge(ctx, account, contact)
		}
		return
	}
	own := contact.Bare()
	r.judge(ctx, own, contact)
	for _, c := range r.contacts.List(own) {
		if c.SeesContact() && r.ours(c.JID) {
			r.judge(ctx, c.JID, contact)
		}
	}
}

// refresh judges all resources of a contact for one account.
func (r *Router) refresh(ctx context.Context, account, bare bridge.JID) {
	for _, b := range r.sessions.of(bare) {
		r.judge(ctx, account, b.jid)
	}
	for _, full := range r.remotes.of(bare) {
		r.judge(ctx, account, full)
	}
}

// forget drops what is known of a full JID that is not available any more.
func (r *Router) forget(contact bridge.JID) {
	r.caps.forget(contact)
	r.judging.Lock()
	defer r.judging.Unlock()
	for _, account := range r.interests.accounts(contact) {
		r.interests.set(account, contact, nil)
	}
}

// remoteGone notes that a contact elsewhere is not available to an account any
// more.
func (r *Router) remoteGone(contact, account bridge.JID) {
	resources := r.remotes.of(contact.Bare())
	for _, full := range r.remotes.remove(contact, account) {
		r.caps.forget(full)
	}
	r.judging.Lock()
	defer r.judging.Unlock()
	for _, full := range resources {
		if !r.remotes.has(full, account) {
			r.interests.set(account, full, nil)
		}
	}
}

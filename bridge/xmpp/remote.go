package xmpp

import (
	"sync"

	"peewit/bridge"
)

// Limits on what is remembered of contacts elsewhere.
const (
	maxRemotes   = 100_000 // full JIDs in all
	maxResources = 16      // of one contact
)

// remotes is which contacts elsewhere are available, and to which of our
// accounts they said so.
type remotes struct {
	mu    sync.Mutex
	by    map[bridge.JID]map[bridge.JID]map[bridge.JID]struct{} // bare contact, full contact, account
	count int                                                   // of full contacts
}

func newRemotes() *remotes {
	return &remotes{by: make(map[bridge.JID]map[bridge.JID]map[bridge.JID]struct{})}
}

// add notes that a contact is available to an account, unless it is nobody the
// account has to do with, and reports whether it is remembered.
func (t *remotes) add(full, account bridge.JID, related bool) bool {
	if !related {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	resources := t.by[full.Bare()]
	accounts := resources[full]
	if accounts == nil {
		if t.count >= maxRemotes || len(resources) >= maxResources {
			return false
		}
		if resources == nil {
			resources = make(map[bridge.JID]map[bridge.JID]struct{}, 1)
			t.by[full.Bare()] = resources
		}
		accounts = make(map[bridge.JID]struct{}, 1)
		resources[full] = accounts
		t.count++
	}
	accounts[account] = struct{}{}
	return true
}

// remove forgets that a contact is available to an account. A bare contact
// stands for all its resources. It returns those that are now forgotten
// altogether.
func (t *remotes) remove(contact, account bridge.JID) (gone []bridge.JID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	resources := t.by[contact.Bare()]
	for full, accounts := range resources {
		if full != contact && !contact.IsBare() {
			continue
		}
		delete(accounts, account)
		if len(accounts) == 0 {
			delete(resources, full)
			t.count--
			gone = append(gone, full)
		}
	}
	if len(resources) == 0 {
		delete(t.by, contact.Bare())
	}
	return gone
}

// accounts is to which accounts a contact is available.
func (t *remotes) accounts(full bridge.JID) []bridge.JID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []bridge.JID
	for account := range t.by[full.Bare()][full] {
		out = append(out, account)
	}
	return out
}

// has reports whether a contact is available to an account.
func (t *remotes) has(full, account bridge.JID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.by[full.Bare()][full][account]
	return ok
}

// of is the resources of a contact.
func (t *remotes) of(bare bridge.JID) []bridge.JID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []bridge.JID
	for full := range t.by[bare] {
		out = append(out, full)
	}
	return out
}

// behind is every contact whose domain lies behind a link.
func (t *remotes) behind(isBehind func(host bridge.JID) bool) []bridge.JID {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []bridge.JID
	for bare, resources := range t.by {
		if isBehind(bare.Domain()) {
			for full := range resources {
				out = append(out, full)
			}
		}
	}
	return out
}

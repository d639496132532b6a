package registry

import (
	"maps"
	"slices"

	"peewit/bridge"
)

func (r *Registry) applyAccount(a *bridge.Account) {
	for _, owner := range r.accounts[a.Nick].Owners {
		nicks := slices.DeleteFunc(r.owners[owner], func(nick string) bool { return nick == a.Nick })
		put(r.owners, owner, nicks, len(nicks) == 0)
	}
	if a.Removed {
		delete(r.accounts, a.Nick)
		delete(r.credentials, a.Nick)
		delete(r.contacts, r.jid(a.Nick))
		delete(r.listeners, a.Nick)
		delete(r.secrets, a.Nick)
		maps.DeleteFunc(r.tracks, func(_ string, t bridge.Track) bool { return t.Owner == a.Nick })
		return
	}
	r.accounts[a.Nick] = copyAccount(*a)
	for _, owner := range a.Owners {
		if nicks := r.owners[owner]; !slices.Contains(nicks, a.Nick) {
			nicks = append(nicks, a.Nick)
			slices.Sort(nicks)
			r.owners[owner] = nicks
		}
	}
}

// jid is the address of a nickname.
func (r *Registry) jid(nick string) bridge.JID { return bridge.JID(nick) + "@" + r.domain }

// Account is the account with a nickname.
func (r *Registry) Account(nick string) (bridge.Account, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	a, ok := r.accounts[nick]
	return copyAccount(a), ok
}

// AccountOf is the account a JID (bare, or full) has every right of: the one of
// its nickname when it is on the domain, or the one that names it as an owner.
// Of several that do, it is the first by nickname.
func (r *Registry) AccountOf(jid bridge.JID) (bridge.Account, bool) {
	jid = jid.Bare()
	r.mu.RLock()
	defer r.mu.RUnlock()
	if jid.Domain() == r.domain {
		if a, ok := r.accounts[jid.Local()]; ok {
			return copyAccount(a), true
		}
	}
	for _, nick := range r.owners[jid] {
		return copyAccount(r.accounts[nick]), true
	}
	return bridge.Account{}, false
}

// Accounts is all accounts by nickname.
func (r *Registry) Accounts() []bridge.Account {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := sorted(r.accounts)
	for i := range all {
		all[i] = copyAccount(all[i])
	}
	return all
}

// Credential is what proves the password of a nickname.
func (r *Registry) Credential(nick string) (bridge.Credential, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c, ok := r.credentials[nick]
	return copyCredential(c), ok
}

// Invite is the unused invitation with a token. It may have expired.
func (r *Registry) Invite(token string) (bridge.Invite, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	i, ok := r.invites[token]
	return i, ok
}

// Contact is what an account's roster says of a JID. Both are bare.
func (r *Registry) Contact(account, jid bridge.JID) (bridge.Contact, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c, ok := r.contacts[account][jid]
	c.Groups = slices.Clone(c.Groups)
	return c, ok
}

// Contacts is an account's roster by JID, requests that wait included.
func (r *Registry) Contacts(account bridge.JID) []bridge.Contact {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := sorted(r.contacts[account])
	for i := range all {
		all[i].Groups = slices.Clone(all[i].Groups)
	}
	return all
}

// CountContacts is how many contacts an account's roster has.
func (r *Registry) CountContacts(account bridge.JID) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.contacts[account])
}

// Listeners is the people on OMB sites who subscribed to a nickname, by URI.
func (r *Registry) Listeners(nick string) []bridge.Listener {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return sorted(r.listeners[nick])
}

// ListenerSecret is the secret of the access token a listener gave us.
func (r *Registry) ListenerSecret(nick, uri string) (bridge.ListenerSecret, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, ok := r.secrets[nick][uri]
	return s, ok
}

func copyAccount(a bridge.Account) bridge.Account {
	a.Owners = slices.Clone(a.Owners)
	return a
}

func copyCredential(c bridge.Credential) bridge.Credential {
	for _, key := range []*bridge.SCRAMKey{&c.SHA1, &c.SHA256} {
		key.Salt = slices.Clone(key.Salt)
		key.StoredKey = slices.Clone(key.StoredKey)
		key.ServerKey = slices.Clone(key.ServerKey)
	}
	return c
}

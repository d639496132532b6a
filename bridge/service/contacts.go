package service

import (
	"context"

	"peewit/bridge"
)

// The bounds of a roster, requests of strangers included.
const (
	maxContacts  = 5000    // of somebody who logs in here
	maxFollowers = 100_000 // of an address that nobody logs in to: all its contacts came by themselves
)

// Contacts are the rosters of the accounts, with the state of both presence
// subscriptions of each contact.
type Contacts struct{ *core }

// Get is one contact of an account.
func (c *Contacts) Get(account, jid bridge.JID) (bridge.Contact, bool) {
	return c.reg.Contact(account, jid)
}

// List is all contacts of an account, requests included.
func (c *Contacts) List(account bridge.JID) []bridge.Contact { return c.reg.Contacts(account) }

// Save writes a contact; Removed deletes it. It returns when the record is
// applied. Whoever saves contacts of one account does so from one place at a
// time: the newest record wins.
func (c *Contacts) Save(ctx context.Context, contact bridge.Contact) error {
	if _, known := c.reg.Contact(contact.Account, contact.JID); !known {
		if contact.Removed {
			return nil
		}
		most := maxFollowers
		if _, login := c.reg.Credential(contact.Account.Local()); login {
			most = maxContacts
		}
		if c.reg.CountContacts(contact.Account) >= most {
			return bridge.Refuse(bridge.ResourceConstraint, "the roster of %s is full", contact.Account)
		}
	}
	_, err := c.commit(ctx, bridge.Draft{Record: bridge.Record{Contact: &contact}})
	return err
}

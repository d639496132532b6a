package xmpp

import (
	"context"

	"peewit/bridge"
)

func (r *Router) receiveIQ(ctx context.Context, st *Stanza)       {}
func (r *Router) receiveMessage(ctx context.Context, st *Stanza)  {}
func (r *Router) receivePresence(ctx context.Context, st *Stanza) {}
func (r *Router) admit(st *Stanza) error                          { return nil }
func (r *Router) leave(ctx context.Context, b *bound)             {}

// Interested is the full JIDs that see the account's presence and want the
// node's events without asking for them (XEP-0163 §4, XEP-0115): those whose
// verified caps have the feature node+notify.
func (r *Router) Interested(account bridge.JID, node string) []bridge.JID { return nil }

// OnInterest registers who is told when a contact (a full JID) has become
// interested in nodes of an account.
func (r *Router) OnInterest(fn func(ctx context.Context, account, contact bridge.JID, nodes []string)) {
}

// LinkUp tells that a link can carry stanzas again: contacts behind it are told
// which of ours are available, and are asked whether they are. It takes its
// time and returns when all is sent or ctx ends.
func (r *Router) LinkUp(ctx context.Context, l Link) {}

// LinkDown tells that a link is lost: nobody behind it counts as available any
// more.
func (r *Router) LinkDown(l Link) {}

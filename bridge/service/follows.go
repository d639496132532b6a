package service

import (
	"context"
	"time"

	"peewit/bridge"
)

// maxSubscriptions bounds the subscriptions of one bare JID.
const maxSubscriptions = 10000

// Follows are subscriptions to nodes. A follower of an account is a subscriber
// of its microblog; there is no other table.
type Follows struct{ *core }

// Subscribe subscribes jid, an address of actor, to a node. A second
// subscription of the same address is the first one (XEP-0060 §6.1.6).
func (f *Follows) Subscribe(ctx context.Context, actor bridge.JID, addr bridge.Addr, jid bridge.JID) (bridge.Subscription, error) {
	if jid.Bare() != actor.Bare() {
		return bridge.Subscription{}, bridge.RefuseFor(bridge.BadRequest, "invalid-jid", "subscribe an address of your own") // XEP-0060 §6.1.3.1
	}
	var sub bridge.Subscription
	err := f.change(ctx, func() ([]bridge.Draft, error) {
		node, ok := f.reg.Node(addr)
		if !ok {
			return nil, noNode(addr)
		}
		if err := bridge.Allow(f.Actor(actor, &node), bridge.SubscribeTo, &node); err != nil {
			return nil, err
		}
		mine := f.reg.SubscriptionsOf(jid.Bare())
		for _, s := range mine {
			if s.NodeID == node.ID && s.JID == jid {
				sub = s
				return nil, nil
			}
		}
		if len(mine) >= maxSubscriptions {
			return nil, bridge.RefuseFor(bridge.NotAllowed, "too-many-subscriptions", "one address has at most %d subscriptions here", maxSubscriptions) // XEP-0060 §6.1.3.10
		}
		sub = bridge.Subscription{
			NodeID: node.ID, Addr: addr, JID: jid, Created: time.Now().UTC(),
			SubID: bridge.Hash(node.ID, string(jid))[:16], // one subscription an address: its id can be computed
		}
		return []bridge.Draft{f.guarded(bridge.Record{Subscription: &sub})}, nil
	})
	return sub, err
}

// Unsubscribe ends the subscription of jid, an address of actor; subid may be
// empty.
func (f *Follows) Unsubscribe(ctx context.Context, actor bridge.JID, addr bridge.Addr, jid bridge.JID, subid string) error {
	if jid.Bare() != actor.Bare() {
		return bridge.Refuse(bridge.Forbidden, "unsubscribe an address of your own") // XEP-0060 §6.2.3.3
	}
	return f.change(ctx, func() ([]bridge.Draft, error) {
		node, ok := f.reg.Node(addr)
		if !ok {
			return nil, noNode(addr) // XEP-0060 §6.2.3.4
		}
		for _, sub := range f.reg.SubscriptionsOf(jid.Bare()) {
			if sub.NodeID != node.ID || sub.JID != jid {
				continue
			}
			if subid != "" && subid != sub.SubID {
				return nil, bridge.RefuseFor(bridge.NotAcceptable, "invalid-subid", "this subscription has another id") // XEP-0060 §6.2.3.5
			}
			sub.Removed = true
			return []bridge.Draft{f.guarded(bridge.Record{Subscription: &sub})}, nil
		}
		return nil, bridge.RefuseFor(bridge.UnexpectedRequest, "not-subscribed", "you are not subscribed") // XEP-0060 §6.2.3.2
	})
}

// Of is all subscriptions of a bare JID, those of its full JIDs included.
func (f *Follows) Of(jid bridge.JID) []bridge.Subscription { return f.reg.SubscriptionsOf(jid.Bare()) }

// On is all subscriptions to a node.
func (f *Follows) On(nodeID string) []bridge.Subscription { return f.reg.Subscriptions(nodeID) }

func (c *core) subscribed(nodeID string, bare bridge.JID) bool {
	for _, s := range c.reg.SubscriptionsOf(bare) {
		if s.NodeID == nodeID {
			return true
		}
	}
	return false
}

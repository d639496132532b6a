package service

import (
	"context"
	"fmt"

	"peewit/bridge"
	"peewit/bridge/archive"
)

// Posts are the contents of nodes.
type Posts struct{ *core }

// Retract takes items out of a node. Owners may retract everything, publishers
// what they published. An unknown id is item-not-found (XEP-0060 §7.2.3.3).
func (p *Posts) Retract(ctx context.Context, actor bridge.JID, addr bridge.Addr, ids []string, notify bool) error {
	node, ok := p.reg.Node(addr)
	if !ok {
		return noNode(addr)
	}
	if p.View(addr) {
		return bridge.Refuse(bridge.NotAllowed, "%s is computed from other nodes", addr.Name)
	}
	who := p.Actor(actor, &node)
	if err := bridge.Allow(who, bridge.RetractFrom, &node); err != nil {
		return err
	}
	p.underway.settle(ctx, node.ID)
	p.settle(ctx)
	first := make([]uint64, len(ids))
	for i, id := range ids {
		item, ok, err := p.arc.Item(node.ID, id)
		if err != nil {
			return fmt.Errorf("retract from %s: %w", addr, err)
		}
		if !ok || item.Retracted {
			return bridge.Refuse(bridge.ItemNotFound, "there is no item %q", id)
		}
		if who.Role != bridge.RoleOwner && !who.Admin && item.Publisher != who.JID {
			return bridge.Refuse(bridge.Forbidden, "item %q is somebody else's", id)
		}
		first[i] = item.First
	}
	_, err := p.commit(ctx, bridge.Draft{Record: bridge.Record{Retract: &bridge.Retract{
		NodeID: node.ID, Addr: addr, Items: ids, First: first, Actor: actor.Bare(), Notify: notify,
	}}})
	return err
}

// Purge takes every item out of a node (XEP-0060 §8.5).
func (p *Posts) Purge(ctx context.Context, actor bridge.JID, addr bridge.Addr) error {
	node, err := (&Nodes{p.core}).administered(actor, addr)
	if err != nil {
		return err
	}
	_, err = p.commit(ctx, bridge.Draft{Record: bridge.Record{Purge: &bridge.Purge{
		NodeID: node.ID, Addr: addr, Actor: actor.Bare(),
	}}})
	return err
}

// Items is a page of a node's items, as far as actor may read them. Posts that
// somebody has been notified of are on it.
func (p *Posts) Items(ctx context.Context, actor bridge.JID, addr bridge.Addr, q archive.Query) (archive.Page, error) {
	node, ok := p.reg.Node(addr)
	if !ok {
		return archive.Page{}, noNode(addr)
	}
	if err := bridge.Allow(p.Actor(actor, &node), bridge.Read, &node); err != nil {
		return archive.Page{}, err
	}
	p.underway.settle(ctx, node.ID)
	p.settle(ctx)
	if addr.Service == p.opts.Domain && (addr.Name == ViewPublic || addr.Name == ViewAll) {
		return p.arc.Timeline(addr.Name, q)
	}
	return p.arc.Items(node.ID, q)
}

// Refer shows an item of a source's node in a planet's node under the same id.
// A version that is shown there already is not logged again.
func (p *Posts) Refer(ctx context.Context, planet bridge.Addr, item bridge.Item) error {
	node, ok := p.reg.Node(planet)
	if !ok {
		return noNode(planet)
	}
	if err := p.caughtUp(); err != nil {
		return err
	}
	key := bridge.Hash(node.ID, "reference", item.NodeID, item.ID, fmt.Sprint(item.Last))
	if _, logged, err := p.arc.Lookup(key); err != nil || logged {
		return err
	}
	_, err := p.commit(ctx, bridge.Draft{Record: bridge.Record{Key: key, Reference: &bridge.Reference{
		NodeID: node.ID, Addr: planet, Item: item.ID,
		OfNodeID: item.NodeID, OfItem: item.ID, OfSeq: item.Last,
	}}})
	return err
}

// Resolve is the item that a Publish or Reference record shows, payload
// included, as notifications carry it. It is for observers and for those who
// follow the log behind the archive; false when the post is gone.
func (p *Posts) Resolve(rec *bridge.Record) (bridge.Item, bool) {
	if rec.Publish != nil {
		return shown(rec), true
	}
	ref := rec.Reference
	if ref == nil {
		return bridge.Item{}, false
	}
	var item bridge.Item
	if of := p.unarchived(ref.OfSeq); of != nil {
		item = shown(of)
	} else {
		stored, ok, err := p.arc.Item(ref.OfNodeID, ref.OfItem)
		if err != nil || !ok || stored.Retracted {
			return bridge.Item{}, false
		}
		item = stored
	}
	item.Addr, item.NodeID, item.ID = ref.Addr, ref.NodeID, ref.Item
	return item, true
}

// unarchived is the publish of a sequence that is applied but not yet archived.
func (c *core) unarchived(seq uint64) *bridge.Record {
	c.batchMu.Lock()
	defer c.batchMu.Unlock()
	for _, rec := range c.batch {
		if rec.Seq == seq && rec.Publish != nil {
			return rec
		}
	}
	return nil
}

func shown(rec *bridge.Record) bridge.Item {
	p := rec.Publish
	return bridge.Item{
		Addr: p.Addr, NodeID: p.NodeID, ID: p.Item, Publisher: p.Publisher,
		Last: rec.Seq, Modified: rec.Time, Sent: p.Sent, Origin: p.Origin, Payload: []byte(p.Payload),
	}
}

package service

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/atom"
	"peewit/bridge/microblog"
)

// The bounds of a publish.
const (
	maxItemID         = 3071 // bytes; item ids may be JIDs (XEP-0470)
	maxItemsInPublish = 500
)

// Posts are the contents of nodes.
type Posts struct{ *core }

// Publish is a request to put items into a node.
type Publish struct {
	Actor  bridge.JID
	Addr   bridge.Addr
	Items  []NewItem
	Origin bridge.Origin
	// Config is what an account's node is created with when the publish creates
	// it; nil means the defaults of XEP-0163.
	Config *bridge.NodeConfig
	// TTL lets the log forget what was taken in from elsewhere; 0 = never.
	TTL time.Duration
}

// NewItem is one item of a Publish. An empty ID asks for a new one. Payload is
// one XML element with every namespace it needs, or nothing.
type NewItem struct {
	ID      string
	Payload []byte
}

// Publish logs the items, all or none, and returns them with their ids in the
// order given. An item equal to what the same publisher sent for its current
// version is not logged again: it has that version's sequences.
func (p *Posts) Publish(ctx context.Context, req Publish) ([]bridge.Item, error) {
	logged, err := p.Submit(ctx, req)
	if err != nil {
		return nil, err
	}
	return logged(ctx)
}

// Submit is Publish in two steps: when it returns, the items have their place in
// the log, before those of every later Submit. logged, which must be called
// once, waits for the rest.
func (p *Posts) Submit(ctx context.Context, req Publish) (logged func(context.Context) ([]bridge.Item, error), err error) {
	if len(req.Items) == 0 || len(req.Items) > maxItemsInPublish {
		return nil, bridge.Refuse(bridge.NotAcceptable, "one publish has 1 to %d items", maxItemsInPublish)
	}
	node, err := p.nodeToPublish(ctx, req)
	if err != nil {
		return nil, err
	}
	actor := p.Actor(req.Actor, &node)
	if err := bridge.Allow(actor, bridge.PublishTo, &node); err != nil {
		return nil, err
	}
	if err := p.caughtUp(); err != nil {
		return nil, err
	}
	req.Items = named(req.Items)
	over, err := p.underway.begin(ctx, node.ID, req.Items)
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w", req.Addr, err)
	}
	b := &burst{items: make([]bridge.Item, len(req.Items))}
	if err := p.submit(ctx, req, &node, actor, b); err != nil {
		over()
		return nil, err
	}
	return func(ctx context.Context) ([]bridge.Item, error) {
		defer over()
		if err := p.finish(ctx, b); err != nil {
			return nil, fmt.Errorf("publish to %s: %w", req.Addr, err)
		}
		return b.items, nil
	}, nil
}

// burst is the items of one publish on their way.
type burst struct {
	items  []bridge.Item
	drafts []bridge.Draft
	fresh  []int // indexes of items with a draft, in the same order
	logged func(context.Context) ([]bridge.Ack, error)
}

// submit drafts the items and gives the log those that are no repeats.
func (p *Posts) submit(ctx context.Context, req Publish, node *bridge.Node, actor bridge.Actor, b *burst) error {
	p.settle(ctx)
	for i, in := range req.Items {
		draft, err := p.draft(req, node, actor, in, &b.items[i])
		if err != nil {
			return err
		}
		if draft != nil {
			b.drafts, b.fresh = append(b.drafts, *draft), append(b.fresh, i)
		}
	}
	var err error
	if b.logged, err = p.log.Submit(b.drafts...); err != nil {
		return fmt.Errorf("publish to %s: %w", req.Addr, err)
	}
	return nil
}

// finish waits until the log has the items and they are applied here.
func (p *Posts) finish(ctx context.Context, b *burst) error {
	acks, err := b.logged(ctx)
	if err != nil || len(acks) == 0 {
		return err
	}
	p.waitFor(ctx, acks[len(acks)-1].Seq)
	for k, i := range b.fresh {
		item := &b.items[i]
		item.Last = acks[k].Seq
		if item.First == 0 {
			item.First = acks[k].Seq
		}
	}
	return nil
}

// named is the items with an id for each.
func named(items []NewItem) []NewItem {
	items = slices.Clone(items)
	for i := range items {
		if items[i].ID == "" {
			items[i].ID = strings.ToLower(rand.Text())
		}
	}
	return items
}

// nodeToPublish is the node of a publish, made now when it is the account's own
// and new (XEP-0163 §3, auto-create).
func (p *Posts) nodeToPublish(ctx context.Context, req Publish) (bridge.Node, error) {
	if p.View(req.Addr) {
		return bridge.Node{}, bridge.Refuse(bridge.NotAllowed, "%s is computed from other nodes", req.Addr.Name)
	}
	if node, ok := p.reg.Node(req.Addr); ok {
		return node, nil
	}
	if req.Addr.Service == p.opts.Domain {
		return bridge.Node{}, noNode(req.Addr) // XEP-0060 §7.1.3.3
	}
	node, err := (&Nodes{p.core}).Create(ctx, req.Actor, req.Addr, req.Config)
	if bridge.Is(err, bridge.Conflict) { // somebody else's publish just made it
		if node, ok := p.reg.Node(req.Addr); ok {
			return node, nil
		}
	}
	if bridge.Is(err, bridge.Forbidden) {
		return bridge.Node{}, noNode(req.Addr)
	}
	return node, err
}

// draft prepares one item, and the record that publishes it unless it is a
// repeat.
func (p *Posts) draft(req Publish, node *bridge.Node, actor bridge.Actor, in NewItem, item *bridge.Item) (*bridge.Draft, error) {
	if len(in.ID) > maxItemID || !utf8.ValidString(in.ID) {
		return nil, bridge.Refuse(bridge.NotAcceptable, "an item id has at most %d bytes", maxItemID)
	}
	old, exists, err := p.arc.Item(node.ID, in.ID)
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w", req.Addr, err)
	}
	exists = exists && !old.Retracted
	sent := bridge.Hash(string(in.Payload))
	publisher := req.Actor.Bare()
	if exists && old.Publisher != publisher && actor.Role != bridge.RoleOwner && !actor.Admin {
		return nil, bridge.Refuse(bridge.Forbidden, "this item is somebody else's")
	}
	if exists && old.Sent == sent && old.Publisher == publisher {
		*item = old
		return nil, nil
	}
	*item = bridge.Item{
		Addr: req.Addr, NodeID: node.ID, ID: in.ID, Publisher: publisher,
		Sent: sent, Origin: req.Origin,
	}
	if exists {
		item.First = old.First
	}
	key := bridge.Hash(node.ID, in.ID, fmt.Sprint(old.Last), sent, string(publisher))
	if seq, logged, err := p.arc.Lookup(key); err != nil {
		return nil, fmt.Errorf("publish to %s: %w", req.Addr, err)
	} else if logged {
		item.Last = seq
		if item.First == 0 {
			item.First = seq
		}
		return nil, nil
	}
	item.Payload = in.Payload
	if isMicroblog(req.Addr) {
		if item.Payload, err = p.fill(item); err != nil {
			return nil, err
		}
	}
	return &bridge.Draft{TTL: req.TTL, Record: bridge.Record{Key: key, Publish: &bridge.Publish{
		NodeID: node.ID, Addr: req.Addr, Item: item.ID, Publisher: publisher,
		Sent: sent, Origin: req.Origin, Payload: string(item.Payload),
	}}}, nil
}

// isMicroblog reports whether posts of this node are filled in: an account's
// microblogs. What feeds and other services bring stays as it is.
func isMicroblog(addr bridge.Addr) bool {
	return addr.Service.Local() != "" && strings.HasPrefix(addr.Name, "urn:xmpp:microblog:")
}

// fill adds what a post needs and its publisher left out. It refuses an entry
// that no reader could show.
func (p *Posts) fill(item *bridge.Item) ([]byte, error) {
	if len(item.Payload) == 0 {
		return nil, nil
	}
	if err := microblog.Validate(item.Payload); err != nil {
		return nil, err
	}
	filled, err := microblog.Fill(item.Payload, microblog.FillInput{
		Addr: item.Addr, Item: item.ID, Now: time.Now().UTC(),
		Author: microblog.Person(item.Publisher.Local(), item.Publisher),
		Links:  append(microblog.Alternates(item.Addr, item.ID, ""), p.mentions(item.Payload)...),
	})
	if err != nil {
		return nil, bridge.RefuseFor(bridge.BadRequest, "invalid-payload", "the entry is not well-formed XML")
	}
	return filled, nil
}

// mentions are links to the people an entry names: accounts here, and addresses
// anywhere.
func (p *Posts) mentions(payload []byte) []bridge.Link {
	if !bytes.ContainsRune(payload, '@') {
		return nil
	}
	post, err := atom.Parse(payload)
	if err != nil {
		return nil
	}
	var links []bridge.Link
	for _, name := range microblog.Mentions(microblog.Plain(post)) {
		if !strings.Contains(name, "@") {
			if _, ok := p.reg.Account(name); !ok {
				continue
			}
			name += "@" + string(p.opts.Domain)
		}
		if jid, err := bridge.ParseJID(name); err == nil {
			links = append(links, microblog.Mention(jid))
		}
	}
	return links
}

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

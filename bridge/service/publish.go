package service

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"peewit/bridge"
	"peewit/bridge/microblog"
)

// The bounds of a publish.
const (
	maxItemID         = 3071 // bytes; item ids may be JIDs (XEP-0470)
	maxItemsInPublish = 500
)

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
	return microblog.Fill(item.Payload, microblog.FillInput{
		Addr: item.Addr, Item: item.ID, Now: time.Now().UTC(),
		Author: microblog.Person(item.Publisher.Local(), item.Publisher),
		Links:  microblog.Alternates(item.Addr, item.ID, ""),
		Who:    p.who,
	})
}

// who is the account here, or the address anywhere, that an entry means by a
// name.
func (p *Posts) who(name string) (bridge.JID, bool) {
	if !strings.Contains(name, "@") {
		_, ok := p.reg.Account(name)
		return (&Accounts{p.core}).JID(name), ok
	}
	jid, err := bridge.ParseJID(name)
	return jid, err == nil
}

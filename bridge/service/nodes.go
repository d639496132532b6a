package service

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"peewit/bridge"
)

// Views on the domain: nodes whose items are computed, not published to.
const (
	ViewPublic = "public" // every post of an account here
	ViewAll    = "all"    // public, and everything taken in
)

// The bounds of what a stranger can create.
const (
	maxNodeName        = 1024 // bytes
	maxNodesPerAccount = 1000 // on the domain
	maxPEPNodes        = 500  // at the account itself: it is removed with them in one batch
)

// Nodes are the pubsub nodes of the domain and of the accounts.
type Nodes struct{ *core }

func newNode(addr bridge.Addr, owner bridge.JID, cfg bridge.NodeConfig) bridge.Node {
	var id [8]byte
	rand.Read(id[:]) // never fails
	return bridge.Node{
		ID: hex.EncodeToString(id[:]), Addr: addr, Owner: owner,
		Created: time.Now().UTC(), Config: cfg,
	}
}

// reservedNode reports whether only the program itself makes nodes of this name
// on the domain.
func reservedNode(name string) bool {
	switch name {
	case ViewPublic, ViewAll, "home":
		return true
	}
	for _, prefix := range []string{"tag-", "feed-", "track-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// View reports whether the items of a node are computed from other nodes.
func (c *core) View(addr bridge.Addr) bool {
	if addr.Service != c.opts.Domain {
		return false
	}
	return addr.Name == ViewPublic || addr.Name == ViewAll || strings.HasPrefix(addr.Name, "track-")
}

// Create makes a node; cfg nil means the defaults of its service. Accounts (and
// their owners elsewhere) create on their own address and on the domain.
func (n *Nodes) Create(ctx context.Context, actor bridge.JID, addr bridge.Addr, cfg *bridge.NodeConfig) (bridge.Node, error) {
	owner, err := n.mayCreate(actor, addr)
	if err != nil {
		return bridge.Node{}, err
	}
	if cfg == nil {
		d := n.Defaults(addr.Service)
		cfg = &d
	}
	node := newNode(addr, owner, *cfg)
	err = n.change(ctx, func() ([]bridge.Draft, error) {
		if _, exists := n.reg.Node(addr); exists {
			return nil, bridge.Refuse(bridge.Conflict, "there is a node of this name already") // XEP-0060 §8.1.2
		}
		return []bridge.Draft{n.guarded(bridge.Record{Node: &node})}, nil
	})
	return node, err
}

// mayCreate is the owner that a node made by actor gets.
func (n *Nodes) mayCreate(actor bridge.JID, addr bridge.Addr) (bridge.JID, error) {
	if addr.Name == "" || len(addr.Name) > maxNodeName || !utf8.ValidString(addr.Name) {
		return "", bridge.Refuse(bridge.NotAcceptable, "a node name has 1 to %d bytes", maxNodeName)
	}
	account, ok := n.reg.AccountOf(actor.Bare())
	if !ok {
		return "", bridge.Refuse(bridge.Forbidden, "only accounts of %s create nodes here", n.opts.Domain) // XEP-0060 §8.1.1
	}
	owner := bridge.JID(account.Nick + "@" + string(n.opts.Domain))
	switch addr.Service {
	case owner:
	case n.opts.Domain:
		if reservedNode(addr.Name) {
			return "", bridge.Refuse(bridge.NotAllowed, "the node name %s is reserved", addr.Name)
		}
		if !account.Admin && n.owned(owner) >= maxNodesPerAccount {
			return "", bridge.RefuseFor(bridge.Conflict, "max-nodes-exceeded", "an account has at most %d nodes here", maxNodesPerAccount)
		}
		return owner, nil
	default:
		return "", bridge.Refuse(bridge.Forbidden, "only its owner creates nodes at %s", addr.Service)
	}
	if len(n.reg.Nodes(owner)) >= maxPEPNodes {
		return "", bridge.RefuseFor(bridge.Conflict, "max-nodes-exceeded", "an account has at most %d nodes", maxPEPNodes)
	}
	return owner, nil
}

func (n *Nodes) owned(owner bridge.JID) int {
	count := 0
	for _, node := range n.reg.Nodes(n.opts.Domain) {
		if node.Owner == owner {
			count++
		}
	}
	return count
}

// Configure replaces a node's configuration.
func (n *Nodes) Configure(ctx context.Context, actor bridge.JID, addr bridge.Addr, cfg bridge.NodeConfig) error {
	return n.change(ctx, func() ([]bridge.Draft, error) {
		node, err := n.administered(actor, addr)
		if err != nil {
			return nil, err
		}
		node.Config = cfg
		return []bridge.Draft{n.guarded(bridge.Record{Node: &node})}, nil
	})
}

// Delete takes a node away with its items and subscriptions. Nodes that the
// program keeps itself, and an account's microblog, cannot be deleted.
func (n *Nodes) Delete(ctx context.Context, actor bridge.JID, addr bridge.Addr) error {
	return n.change(ctx, func() ([]bridge.Draft, error) {
		node, err := n.administered(actor, addr)
		if err != nil {
			return nil, err
		}
		if addr.Name == bridge.NodeMicroblog && addr.Service != n.opts.Domain {
			return nil, bridge.Refuse(bridge.NotAllowed, "an account's microblog stays as long as the account")
		}
		node.Removed = true
		return []bridge.Draft{n.guarded(bridge.Record{Node: &node})}, nil
	})
}

func (n *Nodes) administered(actor bridge.JID, addr bridge.Addr) (bridge.Node, error) {
	node, ok := n.reg.Node(addr)
	if !ok {
		return bridge.Node{}, noNode(addr)
	}
	if err := bridge.Allow(n.Actor(actor, &node), bridge.Administer, &node); err != nil {
		return bridge.Node{}, err
	}
	if addr.Service == n.opts.Domain && (reservedNode(addr.Name) || n.isPlanet(addr)) {
		return bridge.Node{}, bridge.Refuse(bridge.NotAllowed, "%s is kept by the service itself", addr.Name)
	}
	return node, nil
}

func (c *core) isPlanet(addr bridge.Addr) bool {
	if addr.Service != c.opts.Domain {
		return false
	}
	_, ok := c.reg.Planet(addr.Name)
	return ok
}

// Get is the node at addr: item-not-found when there is none. Who may know of it
// is the caller's to ask.
func (n *Nodes) Get(addr bridge.Addr) (bridge.Node, error) {
	node, ok := n.reg.Node(addr)
	if !ok {
		return bridge.Node{}, noNode(addr)
	}
	return node, nil
}

// List is the nodes of a service, by name.
func (n *Nodes) List(service bridge.JID) []bridge.Node { return n.reg.Nodes(service) }

// Defaults is the configuration of a node that is made with none.
func (n *Nodes) Defaults(service bridge.JID) bridge.NodeConfig {
	if service == n.opts.Domain {
		return bridge.ServiceConfig()
	}
	return bridge.PEPConfig()
}

// Actor is jid as bridge.Allow wants to know it for a node.
func (c *core) Actor(jid bridge.JID, node *bridge.Node) bridge.Actor {
	bare := jid.Bare()
	actor := bridge.Actor{JID: bare, Role: c.reg.Role(node.ID, bare)}
	self := bare
	if account, ok := c.reg.AccountOf(bare); ok {
		self = bridge.JID(account.Nick + "@" + string(c.opts.Domain))
		actor.Admin = account.Admin
		if self != bare && actor.Role == bridge.RoleNone {
			actor.Role = c.reg.Role(node.ID, self)
		}
	}
	if self == node.Owner || bare == c.opts.Domain {
		actor.Role = bridge.RoleOwner
	}
	for _, j := range []bridge.JID{bare, self} {
		if contact, ok := c.reg.Contact(node.Addr.Service, j); ok && contact.SeenByContact() {
			actor.Contact = true
		}
		if node.Config.PublishModel == bridge.PublishSubscribers {
			actor.Subscribed = actor.Subscribed || c.subscribed(node.ID, j)
		}
	}
	return actor
}

func noNode(addr bridge.Addr) error {
	return bridge.Refuse(bridge.ItemNotFound, "there is no node %q at %s", addr.Name, addr.Service)
}

// EnsureViews makes the nodes of the views that everybody can subscribe to, once
// in the life of a log.
func (n *Nodes) EnsureViews(ctx context.Context) error {
	for name, title := range map[string]string{
		ViewPublic: "Every public post of " + string(n.opts.Domain),
		ViewAll:    "Every post that is known here",
	} {
		addr := bridge.Addr{Service: n.opts.Domain, Name: name}
		cfg := bridge.ServiceConfig()
		cfg.Title, cfg.Type = title, "http://www.w3.org/2005/Atom"
		node := newNode(addr, n.opts.Domain, cfg)
		err := n.change(ctx, func() ([]bridge.Draft, error) {
			if _, exists := n.reg.Node(addr); exists {
				return nil, nil
			}
			return []bridge.Draft{n.guarded(bridge.Record{Node: &node})}, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

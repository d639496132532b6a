package pubsub

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/microblog"
	"peewit/bridge/xmpp"
)

// What is advertised works; what does not work is not advertised
// (XEP-0060 §10). The access models are those that a node here can have.
var (
	everywhere = []string{
		nsPubsub,
		nsPubsub + "#access-open",
		nsPubsub + "#access-whitelist",
		nsPubsub + "#config-node",
		nsPubsub + "#config-node-max",
		nsPubsub + "#create-and-configure",
		nsPubsub + "#create-nodes",
		nsPubsub + "#delete-items",
		nsPubsub + "#delete-nodes",
		nsPubsub + "#instant-nodes",
		nsPubsub + "#item-ids",
		nsPubsub + "#meta-data",
		nsPubsub + "#multi-items",
		nsPubsub + "#persistent-items",
		nsPubsub + "#publish",
		nsPubsub + "#publish-options",
		nsPubsub + "#purge-nodes",
		nsPubsub + "#retract-items",
		nsPubsub + "#retrieve-affiliations",
		nsPubsub + "#retrieve-default",
		nsPubsub + "#retrieve-items",
		nsPubsub + "#retrieve-subscriptions",
		nsPubsub + "#rsm",
		nsPubsub + "#subscribe",
		nsRSM,
		nsSocialFeed, // XEP-0472 §3
	}
	onAccount = []string{
		nsPubsub + "#access-presence",
		nsPubsub + "#auto-create",
		nsPubsub + "#auto-subscribe",
		nsPubsub + "#filtered-notifications",
		nsPubsub + "#last-published",
		nsPubsub + "#presence-notifications",
		nsPubsub + "#presence-subscribe",
		nsPubsub + "#pubsub-on-a-jid",
	}
)

// advertise says what the domain and the accounts can do.
func (h *Handler) advertise() {
	h.router.Advertise(xmpp.OnDomain, xmpp.Info{
		Identities: []xmpp.Identity{{Category: "pubsub", Type: "service", Name: "Peewit"}},
		Features:   everywhere,
	})
	h.router.Advertise(xmpp.OnAccount, xmpp.Info{
		Identities: []xmpp.Identity{{Category: "pubsub", Type: "pep"}}, // XEP-0163 §6.1
		Features:   slices.Concat(everywhere, onAccount),
	})
	h.router.HandleNode(h.describe)
	h.router.HandleItems(h.list)
}

// describe answers disco#info of a node (XEP-0060 §5.3, §5.4).
func (h *Handler) describe(_ context.Context, q xmpp.Query) (*xmpp.Info, error) {
	c := call{from: q.From, service: q.To.Bare()}
	node, err := h.node(c, q.Node)
	if bridge.Is(err, bridge.ItemNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	leaf := xmpp.Identity{Category: "pubsub", Type: "leaf"}
	access := xmpp.Field{Var: "pubsub#access_model", Kind: "list-single", Label: "Who may subscribe and read", Values: []string{string(node.Config.AccessModel)}}
	fields := []xmpp.Field{access}
	if h.allow(c.from, bridge.Read, &node) == nil { // others learn that it is closed, and no more
		leaf.Name = node.Config.Title
		fields = append(fields, h.metaData(&node)...)
	}
	return &xmpp.Info{
		Identities: []xmpp.Identity{leaf},
		Features:   []string{nsPubsub, nsInfo},
		Forms:      []xmpp.Form{{Type: formMetaData, Fields: fields}},
	}, nil
}

// metaData is what readers of a node may know about it (XEP-0060 §5.4).
func (h *Handler) metaData(node *bridge.Node) []xmpp.Field {
	cfg := &node.Config
	var owners, publishers []string
	for _, a := range h.svc.Registry().Affiliations(node.ID) {
		switch a.Role {
		case bridge.RoleOwner:
			owners = append(owners, string(a.JID))
		case bridge.RolePublisher, bridge.RolePublishOnly:
			publishers = append(publishers, string(a.JID))
		}
	}
	one := func(name, kind, label, value string) xmpp.Field {
		return xmpp.Field{Var: name, Kind: kind, Label: label, Values: []string{value}}
	}
	fields := []xmpp.Field{
		one("pubsub#title", "text-single", "The name of the node", cfg.Title),
		one("pubsub#description", "text-single", "A description of the node", cfg.Description),
		one("pubsub#type", "text-single", "The semantic type of the items", cfg.Type),
		one("pubsub#language", "list-single", "The default language of the node", cfg.Language),
		one("pubsub#creator", "jid-single", "Who made the node", string(node.Owner)),
		one("pubsub#creation_date", "text-single", "When the node was made", stamp(node.Created)),
		one("pubsub#publish_model", "list-single", "Who may publish", string(cfg.PublishModel)),
		one("pubsub#max_items", "text-single", "How many items are kept", maxItems(cfg)),
		one("pubsub#num_subscribers", "text-single", "How many subscribe", strconv.Itoa(len(h.svc.Registry().Subscriptions(node.ID)))),
		{Var: "pubsub#owner", Kind: "jid-multi", Label: "The owners", Values: owners},
		{Var: "pubsub#publisher", Kind: "jid-multi", Label: "The publishers", Values: publishers},
	}
	return slices.DeleteFunc(fields, func(f xmpp.Field) bool {
		return len(f.Values) == 0 || f.Values[0] == ""
	})
}

// maxListed bounds the payloads that are read for a list of ids.
const maxListed = 4 << 20

// list answers disco#items: the nodes of a service (XEP-0060 §5.2), or the items
// of a node by their ids (§5.5).
func (h *Handler) list(ctx context.Context, q xmpp.Query) ([]xmpp.DiscoItem, []byte, bool, error) {
	c := call{from: q.From, service: q.To.Bare()}
	if h.serves(c.service) != nil {
		return nil, nil, false, nil
	}
	p, err := readPaging(q.Element)
	if err != nil {
		return nil, nil, true, err
	}
	if q.Node == "" {
		items, set := h.listNodes(c, p)
		return items, set, true, nil
	}
	node, err := h.node(c, q.Node)
	if bridge.Is(err, bridge.ItemNotFound) {
		return nil, nil, false, nil
	}
	if err != nil {
		return nil, nil, true, err
	}
	items, set, err := h.listItems(ctx, c, &node, p)
	return items, set, true, err
}

// listNodes is a page of the nodes that the sender may read (XEP-0163 §6.2). The
// nodes of comments go with their posts and are in no list.
func (h *Handler) listNodes(c call, p paging) ([]xmpp.DiscoItem, []byte) {
	var all []xmpp.DiscoItem
	for _, node := range h.svc.Nodes.List(c.service) {
		if strings.HasPrefix(node.Addr.Name, microblog.CommentsNode("")) || h.allow(c.from, bridge.Read, &node) != nil {
			continue
		}
		all = append(all, xmpp.DiscoItem{JID: c.service, Node: node.Addr.Name, Name: node.Config.Title})
	}
	page, set, whole := window(all, p, func(i *xmpp.DiscoItem) string { return i.Node })
	if whole && !p.asked {
		return page, nil
	}
	w := new(writer)
	writeSet(w, set)
	return page, w.b
}

// listItems is a page of a node's items by name: no attribute node, they are
// none (XEP-0060 §5.5).
func (h *Handler) listItems(ctx context.Context, c call, node *bridge.Node, p paging) ([]xmpp.DiscoItem, []byte, error) {
	wanted := wanted{query: archive.Query{Max: maxPage, MaxBytes: maxListed, Oldest: true}}
	if p.max >= 0 {
		wanted.query.Max = min(maxPage, p.max)
	}
	wanted.strict(p)
	page, err := h.page(ctx, c.from, node, wanted.query)
	if err != nil {
		return nil, nil, err
	}
	items := make([]xmpp.DiscoItem, len(page.Items))
	for i := range page.Items {
		items[i] = xmpp.DiscoItem{JID: c.service, Name: page.Items[i].ID}
	}
	if !p.asked && page.Total <= len(items) {
		return items, nil, nil
	}
	w := new(writer)
	writeSet(w, wanted.set(page))
	return items, w.b, nil
}

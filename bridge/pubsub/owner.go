package pubsub

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// create makes a node, under a name of ours when the request has none
// (XEP-0060 §8.1).
func (h *Handler) create(ctx context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	name := verb.Attribute("node")
	if name == "" {
		name = strings.ToLower(rand.Text()) // an instant node
	}
	if kind := verb.Attribute("type"); kind != "" && kind != "leaf" {
		return nil, unsupported("collections") // XEP-0248 §6
	}
	cfg := h.svc.Nodes.Defaults(c.service)
	if conf := c.body.Child(nsPubsub, "configure"); conf != nil {
		if conf.Has("node") {
			return nil, bridge.Refuse(bridge.BadRequest, "<create/> names the node, not <configure/>") // §8.1.3
		}
		form, err := readForm(conf, formNodeConfig, false)
		if err != nil {
			return nil, err
		}
		if err := configure(c.service, h.domain, &cfg, form); err != nil {
			return nil, err
		}
	}
	if _, err := h.svc.Nodes.Create(ctx, c.from.Bare(), bridge.Addr{Service: c.service, Name: name}, &cfg); err != nil {
		return nil, err
	}
	return answering(nsPubsub, func(w *writer) {
		w.raw("<create").attr("node", name).raw("/>")
	}), nil
}

// administered is the node that an owner's request names.
func (h *Handler) administered(c call, verb *xmpp.Element) (bridge.Node, error) {
	node, err := h.named(c, verb)
	if err != nil {
		return node, err
	}
	return node, h.allow(c.from, bridge.Administer, &node)
}

// configuration is the form as it is filled in now (§8.2.2).
func (h *Handler) configuration(_ context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	node, err := h.administered(c, verb)
	if err != nil {
		return nil, err
	}
	return answering(nsOwner, func(w *writer) {
		w.raw("<configure").attr("node", node.Addr.Name).raw(">")
		writeForm(w, "form", formNodeConfig, "Node configuration", configFields(c.service, h.domain, &node.Config))
		w.raw("</configure>")
	}), nil
}

// defaults is the form as it stands when nobody filled it in (§8.3).
func (h *Handler) defaults(_ context.Context, c call, _ *xmpp.Element) ([]byte, error) {
	cfg := h.svc.Nodes.Defaults(c.service)
	return answering(nsOwner, func(w *writer) {
		w.raw("<default>")
		writeForm(w, "form", formNodeConfig, "Node configuration", configFields(c.service, h.domain, &cfg))
		w.raw("</default>")
	}), nil
}

// configure takes the form filled in, or cancelled, which changes nothing
// (§8.2.4).
func (h *Handler) configure(ctx context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	node, err := h.administered(c, verb)
	if err != nil {
		return nil, err
	}
	form, err := readForm(verb, formNodeConfig, false)
	if err != nil || form.cancelled {
		return nil, err
	}
	if form.names == nil {
		return nil, bridge.Refuse(bridge.BadRequest, "the request has no form with a field")
	}
	cfg := node.Config
	if err := configure(c.service, h.domain, &cfg, form); err != nil {
		return nil, err
	}
	return nil, h.svc.Nodes.Configure(ctx, c.from.Bare(), node.Addr, cfg)
}

// delete takes the node away (§8.4).
func (h *Handler) delete(ctx context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	node, err := h.administered(c, verb)
	if err != nil {
		return nil, err
	}
	return nil, h.svc.Nodes.Delete(ctx, c.from.Bare(), node.Addr)
}

// purge takes all items away (§8.5).
func (h *Handler) purge(ctx context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	node, err := h.administered(c, verb)
	if err != nil {
		return nil, err
	}
	if !node.Config.PersistItems {
		return nil, unsupported("persistent-items") // §8.5.3.3
	}
	return nil, h.svc.Posts.Purge(ctx, c.from.Bare(), node.Addr)
}

// subscribers is the list of subscriptions that an owner sees (§8.8.1), in pages
// when there are many.
func (h *Handler) subscribers(_ context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	node, err := h.administered(c, verb)
	if err != nil {
		return nil, err
	}
	p, err := readPaging(c.body)
	if err != nil {
		return nil, err
	}
	key := func(s *bridge.Subscription) string { return string(s.JID) }
	return listing(nsOwner, "subscriptions", node.Addr.Name, h.svc.Registry().Subscriptions(node.ID), p, key, func(w *writer, s *bridge.Subscription) {
		w.raw("<subscription").attr("jid", string(s.JID)).attr("subid", s.SubID).raw(" subscription='subscribed'/>")
	}), nil
}

// affiliates is the list of affiliations that an owner sees (§8.9.1), in pages
// when there are many.
func (h *Handler) affiliates(_ context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	node, err := h.administered(c, verb)
	if err != nil {
		return nil, err
	}
	p, err := readPaging(c.body)
	if err != nil {
		return nil, err
	}
	key := func(a *bridge.Affiliation) string { return string(a.JID) }
	return listing(nsOwner, "affiliations", node.Addr.Name, h.svc.Registry().Affiliations(node.ID), p, key, func(w *writer, a *bridge.Affiliation) {
		w.raw("<affiliation").attr("jid", string(a.JID)).attr("affiliation", string(a.Role)).raw("/>")
	}), nil
}

// affiliations is the sender's own affiliations with the nodes of the service,
// or with one of them (§5.7). What its account may here, it may.
func (h *Handler) affiliations(_ context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	only := verb.Attribute("node")
	if only != "" {
		if _, err := h.node(c, only); err != nil {
			return nil, err
		}
	}
	p, err := readPaging(c.body)
	if err != nil {
		return nil, err
	}
	reg := h.svc.Registry()
	mine := reg.AffiliationsOf(c.from.Bare())
	if self := h.self(c.from); self != c.from.Bare() {
		mine = append(mine, reg.AffiliationsOf(self)...)
	}
	mine = slices.DeleteFunc(mine, func(a bridge.Affiliation) bool {
		return a.Addr.Service != c.service || only != "" && only != a.Addr.Name
	})
	name := func(a *bridge.Affiliation) string { return a.Addr.Name }
	slices.SortStableFunc(mine, func(a, b bridge.Affiliation) int { return strings.Compare(name(&a), name(&b)) })
	return listing(nsPubsub, "affiliations", only, mine, p, name, func(w *writer, a *bridge.Affiliation) {
		w.raw("<affiliation").attr("node", a.Addr.Name).attr("affiliation", string(a.Role)).raw("/>")
	}), nil
}

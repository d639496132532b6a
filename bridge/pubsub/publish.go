package pubsub

import (
	"context"
	"strings"

	"peewit/bridge"
	"peewit/bridge/service"
	"peewit/bridge/xmpp"
)

// maxPayload is the most bytes of one item's payload.
const maxPayload = 256 << 10

// publish puts items into a node, all or none (XEP-0060 §7.1). Several items in
// one request are more than the XEP asks; other services lose all but the first.
func (h *Handler) publish(ctx context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	name := verb.Attribute("node")
	if name == "" {
		return nil, bridge.RefuseFor(bridge.BadRequest, "nodeid-required", "the request names no node")
	}
	cfg, exists, err := h.publishTo(c, name)
	if err != nil {
		return nil, err
	}
	items, err := readItems(verb, cfg)
	if err != nil {
		return nil, err
	}
	req := service.Publish{
		Actor: c.from.Bare(), Addr: bridge.Addr{Service: c.service, Name: name},
		Items: items, Origin: bridge.Origin{Door: "xmpp"},
	}
	if !exists {
		req.Config = &cfg
	}
	logged, err := h.svc.Posts.Submit(ctx, req)
	if err != nil {
		return nil, err
	}
	xmpp.Next(ctx) // what the sender says next stands behind this in the log
	published, err := logged(ctx)
	if err != nil {
		return nil, err
	}
	return answering(nsPubsub, func(w *writer) {
		w.raw("<publish").attr("node", name).raw(">")
		for _, item := range published {
			w.raw("<item").attr("id", item.ID).raw("/>")
		}
		w.raw("</publish>")
	}), nil
}

// publishTo is the configuration of the node of a publish: of the one that
// exists, after its preconditions, or of the one that the publish will make
// (§7.1.4, §7.1.5).
func (h *Handler) publishTo(c call, name string) (bridge.NodeConfig, bool, error) {
	form := submission{}
	if options := c.body.Child(nsPubsub, "publish-options"); options != nil {
		var err error
		if form, err = readForm(options, formPublishOptions, true); err != nil {
			return bridge.NodeConfig{}, false, err
		}
	}
	node, err := h.node(c, name)
	if err == nil {
		if err := h.allow(c.from, bridge.PublishTo, &node); err != nil {
			return node.Config, true, err // before the preconditions: they tell about the node
		}
		return node.Config, true, meets(c.service, h.domain, &node.Config, form)
	}
	if !bridge.Is(err, bridge.ItemNotFound) || c.service != h.self(c.from) {
		return bridge.NodeConfig{}, false, err // §7.1.3.3
	}
	cfg := h.svc.Nodes.Defaults(c.service)
	if err := configure(c.service, h.domain, &cfg, form); err != nil {
		return cfg, false, err
	}
	return cfg, false, meets(c.service, h.domain, &cfg, form) // what it cannot be made to meet
}

// readItems reads the items of a publish and refuses those that the node cannot
// take (§7.1.3.5 to §7.1.3.6). What pubsub#type says about payloads is not
// enforced: the common values of today name an application, not a namespace.
func readItems(verb *xmpp.Element, cfg bridge.NodeConfig) ([]service.NewItem, error) {
	var items []service.NewItem
	for _, e := range verb.Children {
		if e.Name.Space != nsPubsub || e.Name.Local != "item" {
			return nil, bridge.Refuse(bridge.BadRequest, "a publish holds items only")
		}
		item := service.NewItem{ID: e.Attribute("id")}
		switch len(e.Children) {
		case 0:
			if strings.TrimSpace(e.Text) != "" {
				return nil, invalidPayload()
			}
			if cfg.DeliverPayloads {
				return nil, bridge.RefuseFor(bridge.BadRequest, "payload-required", "an item of this node has a payload")
			}
		case 1:
			item.Payload = e.Children[0].Standalone()
		default:
			return nil, invalidPayload()
		}
		if len(item.Payload) > maxPayload {
			return nil, bridge.RefuseFor(bridge.NotAcceptable, "payload-too-big", "a payload has at most %d bytes", maxPayload)
		}
		items = append(items, item)
	}
	if len(items) == 0 {
		return nil, bridge.RefuseFor(bridge.BadRequest, "item-required", "the request has no item")
	}
	return items, nil
}

func invalidPayload() error {
	return bridge.RefuseFor(bridge.BadRequest, "invalid-payload", "an item has one payload element") // §7.1.3.5
}

// retract takes items out of a node (§7.2).
func (h *Handler) retract(ctx context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	node, err := h.named(c, verb)
	if err != nil {
		return nil, err
	}
	if !node.Config.PersistItems {
		return nil, unsupported("persistent-items") // §7.2.3.5
	}
	var ids []string
	for _, e := range verb.Children {
		id := e.Attribute("id")
		if e.Name.Space != nsPubsub || e.Name.Local != "item" || id == "" {
			return nil, itemRequired()
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, itemRequired()
	}
	notify := false
	if value := verb.Attribute("notify"); value != "" {
		if notify, err = parseBool(value); err != nil {
			return nil, bridge.Refuse(bridge.BadRequest, "notify is true or false")
		}
	}
	return nil, h.svc.Posts.Retract(ctx, c.from.Bare(), node.Addr, ids, notify)
}

func itemRequired() error {
	return bridge.RefuseFor(bridge.BadRequest, "item-required", "the request names no item") // §7.2.3.4
}

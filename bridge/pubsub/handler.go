package pubsub

import (
	"context"
	"log/slog"
	"slices"

	"peewit/bridge"
	"peewit/bridge/service"
	"peewit/bridge/xmpp"
)

// Router is what the handler asks of stanza routing; *xmpp.Router is one.
type Router interface {
	HandleIQ(typ, space, local string, h xmpp.IQHandler)
	HandleNode(h xmpp.NodeHandler)
	HandleItems(h xmpp.ItemsHandler)
	Advertise(p xmpp.Place, info xmpp.Info)
	Send(to bridge.JID, p xmpp.Priority, stanza []byte) error
	Sessions(bare bridge.JID) []xmpp.Session
	Interested(account bridge.JID, node string) []bridge.JID
	OnInterest(fn xmpp.InterestHandler)
	OnEnd(fn func(full bridge.JID))
}

// Options are what a Handler is made of.
type Options struct {
	Service *service.Service
	Router  Router
	Logger  *slog.Logger
	Views   []View // of nodes that neither the archive nor its timelines hold
}

// Handler speaks the protocol over the service.
type Handler struct {
	svc    *service.Service
	domain bridge.JID
	router Router
	logger *slog.Logger
	views  []View

	visitors visitors
	mourners mourners
}

// New makes the handler and registers it with the router and the service. It
// belongs before service.Run and before the first stanza.
func New(o Options) *Handler {
	h := &Handler{
		svc: o.Service, domain: o.Service.Domain(), router: o.Router,
		logger: o.Logger, views: append([]View{timelines{o.Service}}, o.Views...),
	}
	for _, typ := range []string{"get", "set"} {
		o.Router.HandleIQ(typ, nsPubsub, "pubsub", h.pubsub)
		o.Router.HandleIQ(typ, nsOwner, "pubsub", h.pubsub)
	}
	h.advertise()
	o.Router.OnInterest(h.greet)
	o.Router.OnEnd(h.visitors.forget)
	o.Service.Observe(h.Observe)
	return h
}

// call is one request: who asks whom for what.
type call struct {
	from    bridge.JID // full
	service bridge.JID // the domain, or an account (XEP-0163 §2.1)
	body    *xmpp.Element
}

// pubsub answers every <pubsub/> of both namespaces.
func (h *Handler) pubsub(ctx context.Context, st *xmpp.Stanza) ([]byte, error) {
	c, err := h.call(st)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(c.body.Children, func(e *xmpp.Element) bool { return e.Name.Space == c.body.Name.Space })
	if i < 0 { // a <set/> or <order/> may stand before, but not alone
		return nil, bridge.Refuse(bridge.BadRequest, "the request is empty")
	}
	verb := c.body.Children[i]
	answer, err := h.verb(st.Type, verb)
	if err != nil {
		return nil, err
	}
	return answer(ctx, c, verb)
}

// call finds out whom a request is for.
func (h *Handler) call(st *xmpp.Stanza) (call, error) {
	c := call{from: st.From, service: st.To, body: st.Payload()}
	if c.service == "" {
		c.service = st.From.Bare() // RFC 6120 §10.3.3: one's own account
	}
	if !c.service.IsBare() {
		return c, bridge.Refuse(bridge.ServiceUnavailable, "ask the bare address")
	}
	if c.body == nil {
		return c, bridge.Refuse(bridge.BadRequest, "the request is empty")
	}
	return c, h.serves(c.service)
}

// serves refuses addresses that hold no nodes here.
func (h *Handler) serves(service bridge.JID) error {
	if service == h.domain {
		return nil
	}
	if service.Domain() == h.domain {
		if _, ok := h.svc.Registry().Account(service.Local()); ok {
			return nil
		}
	}
	return bridge.Refuse(bridge.ServiceUnavailable, "there is no account %s", service)
}

type answer func(ctx context.Context, c call, verb *xmpp.Element) ([]byte, error)

// verb is what answers a request. What the XEP names and we do not do is
// refused with the name of the feature (XEP-0060 §12.22).
func (h *Handler) verb(typ string, verb *xmpp.Element) (answer, error) {
	switch [3]string{typ, verb.Name.Space, verb.Name.Local} {
	case [3]string{"set", nsPubsub, "create"}:
		return h.create, nil
	case [3]string{"set", nsPubsub, "publish"}:
		return h.publish, nil
	case [3]string{"set", nsPubsub, "retract"}:
		return h.retract, nil
	case [3]string{"set", nsPubsub, "subscribe"}:
		return h.subscribe, nil
	case [3]string{"set", nsPubsub, "unsubscribe"}:
		return h.unsubscribe, nil
	case [3]string{"get", nsPubsub, "items"}:
		return h.items, nil
	case [3]string{"get", nsPubsub, "subscriptions"}:
		return h.subscriptions, nil
	case [3]string{"get", nsPubsub, "affiliations"}:
		return h.affiliations, nil
	case [3]string{"get", nsOwner, "default"}:
		return h.defaults, nil
	case [3]string{"get", nsOwner, "configure"}:
		return h.configuration, nil
	case [3]string{"set", nsOwner, "configure"}:
		return h.configure, nil
	case [3]string{"set", nsOwner, "delete"}:
		return h.delete, nil
	case [3]string{"set", nsOwner, "purge"}:
		return h.purge, nil
	case [3]string{"get", nsOwner, "subscriptions"}:
		return h.subscribers, nil
	case [3]string{"get", nsOwner, "affiliations"}:
		return h.affiliates, nil

	case [3]string{"set", nsPubsub, "configure"}:
		return nil, bridge.Refuse(bridge.BadRequest, "<configure/> follows <create/>") // §8.1.3
	case [3]string{"set", nsOwner, "subscriptions"}:
		return nil, unsupported("manage-subscriptions") // §8.8.2.3
	case [3]string{"set", nsOwner, "affiliations"}:
		return nil, unsupported("modify-affiliations") // §8.9.2.3
	case [3]string{"get", nsPubsub, "options"}, [3]string{"set", nsPubsub, "options"}:
		return nil, unsupported("subscription-options") // §6.3.4.6
	case [3]string{"get", nsPubsub, "default"}:
		return nil, unsupported("retrieve-default-sub") // §6.4.3.2
	}
	return nil, bridge.Refuse(bridge.FeatureNotPresent, "this request is not known here")
}

func unsupported(feature string) error {
	return &bridge.Error{
		Condition: bridge.FeatureNotPresent, Reason: "unsupported", Feature: feature,
		Text: "this service does not do that",
	}
}

// node is the node that a request names, as far as the sender may know of it.
// The node of a track is there for its owner only.
func (h *Handler) node(c call, name string) (bridge.Node, error) {
	addr := bridge.Addr{Service: c.service, Name: name}
	node, err := h.svc.Nodes.Get(addr)
	if err != nil {
		return node, err
	}
	if _, track := h.svc.TrackOf(addr); track && h.allow(c.from, bridge.Read, &node) != nil {
		return bridge.Node{}, bridge.Refuse(bridge.ItemNotFound, "there is no node %q at %s", name, c.service)
	}
	return node, nil
}

// named is node for requests that must name one.
func (h *Handler) named(c call, verb *xmpp.Element) (bridge.Node, error) {
	name := verb.Attribute("node")
	if name == "" {
		return bridge.Node{}, bridge.RefuseFor(bridge.BadRequest, "nodeid-required", "the request names no node")
	}
	return h.node(c, name)
}

func (h *Handler) allow(jid bridge.JID, act bridge.Action, node *bridge.Node) error {
	return bridge.Allow(h.svc.Actor(jid, node), act, node)
}

// self is the account that jid belongs to or speaks for, or jid itself, bare.
func (h *Handler) self(jid bridge.JID) bridge.JID {
	if account, ok := h.svc.Registry().AccountOf(jid.Bare()); ok {
		return bridge.JID(account.Nick + "@" + string(h.domain))
	}
	return jid.Bare()
}

// answering wraps an answer in <pubsub/>.
func answering(ns string, body func(*writer)) []byte {
	w := new(writer)
	w.raw("<pubsub").attr("xmlns", ns).raw(">")
	body(w)
	w.raw("</pubsub>")
	return w.b
}

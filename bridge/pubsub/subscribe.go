package pubsub

import (
	"context"
	"slices"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// subscribe subscribes an address of the sender, who is sent the newest item at
// once if the node is so configured (XEP-0060 §6.1).
func (h *Handler) subscribe(ctx context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	jid, err := subscriber(verb)
	if err != nil {
		return nil, err
	}
	if !h.owns(c.from, jid) {
		return nil, bridge.RefuseFor(bridge.BadRequest, "invalid-jid", "subscribe an address of your own") // §6.1.3.1
	}
	node, err := h.named(c, verb)
	if err != nil {
		return nil, err
	}
	sub, err := h.follow(ctx, c, &node, jid)
	if err != nil {
		return nil, err
	}
	if node.Config.SendLast != bridge.SendLastNever {
		to := jid
		if h.visits(c.from) {
			to = c.from
		}
		h.sendLast(ctx, &node, to, sub.Created)
	}
	return answering(nsPubsub, func(w *writer) {
		writeSubscription(w, sub, "subscribed")
	}), nil
}

func (h *Handler) follow(ctx context.Context, c call, node *bridge.Node, jid bridge.JID) (bridge.Subscription, error) {
	if !h.visits(c.from) {
		return h.svc.Follows.Subscribe(ctx, jid.Bare(), node.Addr, jid)
	}
	sub := bridge.Subscription{NodeID: node.ID, Addr: node.Addr, JID: jid, Created: time.Now().UTC()}
	if err := h.allow(c.from, bridge.SubscribeTo, node); err != nil {
		return sub, err
	}
	return sub, h.visitors.add(c.from, sub)
}

// unsubscribe ends the subscription of an address of the sender (§6.2).
func (h *Handler) unsubscribe(ctx context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	jid, err := subscriber(verb)
	if err != nil {
		return nil, err
	}
	node, err := h.named(c, verb)
	if err != nil {
		return nil, err
	}
	if !h.owns(c.from, jid) {
		return nil, bridge.Refuse(bridge.Forbidden, "unsubscribe an address of your own") // §6.2.3.3
	}
	subid := verb.Attribute("subid")
	if h.visits(c.from) {
		if !h.visitors.remove(c.from, node.ID) {
			return nil, bridge.RefuseFor(bridge.UnexpectedRequest, "not-subscribed", "you are not subscribed") // §6.2.3.2
		}
	} else if err := h.svc.Follows.Unsubscribe(ctx, jid.Bare(), node.Addr, jid, subid); err != nil {
		return nil, err
	}
	return answering(nsPubsub, func(w *writer) {
		writeSubscription(w, bridge.Subscription{Addr: node.Addr, JID: jid, SubID: subid}, "none")
	}), nil
}

// subscriptions is the sender's own subscriptions at the service, or to one of
// its nodes (§5.6), in pages when there are many.
func (h *Handler) subscriptions(_ context.Context, c call, verb *xmpp.Element) ([]byte, error) {
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
	mine := h.visitors.of(c.from)
	if !h.visits(c.from) {
		mine = h.svc.Follows.Of(c.from)
	}
	mine = slices.DeleteFunc(mine, func(s bridge.Subscription) bool {
		return s.Addr.Service != c.service || only != "" && only != s.Addr.Name
	})
	key := func(s *bridge.Subscription) string { return s.Addr.Name + " " + string(s.JID) }
	slices.SortFunc(mine, func(a, b bridge.Subscription) int { return strings.Compare(key(&a), key(&b)) })
	return listing(nsPubsub, "subscriptions", only, mine, p, key, func(w *writer, s *bridge.Subscription) {
		writeSubscription(w, *s, "subscribed")
	}), nil
}

func writeSubscription(w *writer, s bridge.Subscription, state string) {
	w.raw("<subscription").attr("node", s.Addr.Name).attr("jid", string(s.JID)).
		optional("subid", s.SubID).attr("subscription", state).raw("/>")
}

// subscriber is the address in a request.
func subscriber(verb *xmpp.Element) (bridge.JID, error) {
	jid, err := bridge.ParseJID(verb.Attribute("jid"))
	if err != nil {
		return "", bridge.RefuseFor(bridge.BadRequest, "invalid-jid", "the request names no address that can be subscribed")
	}
	return jid, nil
}

// owns reports whether jid is an address of the sender: its own bare one, a full
// one of it, or one of the account it speaks for.
func (h *Handler) owns(from, jid bridge.JID) bool {
	return jid.Bare() == from.Bare() || jid.Bare() == h.self(from)
}

// visits reports whether the sender logged in here without an account
// (XEP-0175).
func (h *Handler) visits(from bridge.JID) bool {
	if from.Domain() != h.domain || from.Local() == "" {
		return false
	}
	_, known := h.svc.Registry().Account(from.Local())
	return !known
}

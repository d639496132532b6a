package pubsub

import (
	"context"
	"log/slog"
	"time"

	"peewit/bridge"
	"peewit/bridge/archive"
)

// maxGreetings bounds the items that one newcomer is sent unasked.
const maxGreetings = 20

// sendLast sends the newest item of a node to one address, with the time when it
// was new (XEP-0060 §6.1.7). What became known after the moment before has been
// pushed by itself already; a zero before sets no limit.
func (h *Handler) sendLast(ctx context.Context, node *bridge.Node, to bridge.JID, before time.Time) bool {
	page, err := h.page(ctx, to, node, archive.Query{Max: 1})
	if err != nil {
		h.logger.Warn("the last item cannot be sent", slog.String("node", node.Addr.String()),
			slog.String("to", string(to)), slog.Any("err", err))
		return false
	}
	if len(page.Items) == 0 {
		return false
	}
	item := &page.Items[0]
	if !before.IsZero() && item.Modified.After(before) {
		return false
	}
	e := itemEvent(*node, item.Last, item, item.Modified)
	h.deliver(to, e.Stanza(nil, to))
	return true
}

// greet sends a newcomer the newest item of each node of the account that it
// asks for and may read (XEP-0163 §4.3.4).
func (h *Handler) greet(ctx context.Context, account, contact bridge.JID, nodes []string) {
	sent := 0
	for _, name := range nodes {
		node, err := h.svc.Nodes.Get(bridge.Addr{Service: account, Name: name})
		if err != nil || node.Config.SendLast != bridge.SendLastOnSubAndPresence {
			continue
		}
		if h.allow(contact, bridge.Read, &node) != nil {
			continue // §9.1.2: and no error either
		}
		if h.sendLast(ctx, &node, contact, time.Time{}) {
			if sent++; sent == maxGreetings {
				return
			}
		}
	}
}

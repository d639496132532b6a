package pubsub

import (
	"context"
	"strconv"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/xmpp"
)

// items is a page of a node's items (XEP-0060 §6.5).
func (h *Handler) items(ctx context.Context, c call, verb *xmpp.Element) ([]byte, error) {
	node, err := h.named(c, verb)
	if err != nil {
		return nil, err
	}
	if !node.Config.PersistItems {
		return nil, unsupported("persistent-items") // §6.5.9.4
	}
	if err := h.checkSubID(c, &node, verb.Attribute("subid")); err != nil {
		return nil, err
	}
	wanted, err := readWanted(c.body, verb)
	if err != nil {
		return nil, err
	}
	page, err := h.page(ctx, c.from, &node, wanted.query)
	if err != nil {
		return nil, err
	}
	return answering(nsPubsub, func(w *writer) {
		w.raw("<items").attr("node", node.Addr.Name).raw(">")
		for i := range page.Items {
			writeItem(w, &page.Items[i], true)
		}
		w.raw("</items>")
		writeSet(w, wanted.set(page))
	}), nil
}

// page is a page of a node's items as far as reader may read them, from the view
// that answers for the node or from the archive.
func (h *Handler) page(ctx context.Context, reader bridge.JID, node *bridge.Node, q archive.Query) (archive.Page, error) {
	if v := h.view(node); v != nil {
		return h.viewed(ctx, reader, v, node, q)
	}
	return h.svc.Posts.Items(ctx, reader.Bare(), node.Addr, q)
}

// checkSubID refuses a subscription id that is not one of the sender's
// (§6.5.9.2).
func (h *Handler) checkSubID(c call, node *bridge.Node, subid string) error {
	if subid == "" {
		return nil
	}
	for _, s := range h.svc.Follows.Of(c.from) {
		if s.NodeID == node.ID && s.SubID == subid {
			return nil
		}
	}
	return bridge.RefuseFor(bridge.NotAcceptable, "invalid-subid", "you have no subscription of this id")
}

// wanted is which items a request asks for, and how its answer is marked.
type wanted struct {
	query  archive.Query
	marked bool // the UIDs say that the page is newest first, or goes on from one
}

// readWanted reads <items/> with what stands beside it: <set/> and <order/>.
func readWanted(body, verb *xmpp.Element) (wanted, error) {
	w := wanted{query: archive.Query{Max: maxPage, MaxBytes: maxPageBytes, Oldest: true}}
	for _, e := range verb.Children {
		if id := e.Attribute("id"); e.Name.Local == "item" && id != "" {
			w.query.IDs = append(w.query.IDs, id)
		}
	}
	if len(w.query.IDs) > 0 {
		w.query.IDs = w.query.IDs[:min(len(w.query.IDs), maxPage)]
		return w, nil
	}
	p, err := readPaging(body)
	if err != nil {
		return w, err
	}
	maxItems, err := readMaxItems(verb)
	if err != nil {
		return w, err
	}
	ordered, descending, err := readOrder(body)
	if err != nil {
		return w, err
	}
	if p.max >= 0 {
		w.query.Max = min(w.query.Max, p.max)
	}
	if maxItems > 0 {
		w.query.Max = min(w.query.Max, maxItems)
	}
	switch {
	case ordered:
		w.query.Oldest = !descending
		w.strict(p)
		if maxItems > 0 && !descending && !p.asked {
			w.query.HasBefore = true // the newest, in the order asked for (XEP-0060 §6.5.7)
		}
	case p.newestFirst: // older than the last of a newest-first page
		w.marked, w.query.Oldest, w.query.After = true, false, p.before
	case p.oldestFirst: // newer than its first
		w.marked, w.query.After = true, p.after
	case maxItems > 0 && !p.asked:
		w.marked, w.query.Oldest = true, false
	default:
		w.strict(p)
	}
	return w, nil
}

// strict asks for the page as XEP-0059 §2 has it, in the order of the list.
func (w *wanted) strict(p paging) {
	w.query.After, w.query.Before, w.query.HasBefore = p.after, p.before, p.hasBefore
}

// set is what the answer says about its page.
func (w *wanted) set(page archive.Page) set {
	n := len(page.Items)
	switch {
	case w.query.IDs == nil && n == 0:
		return set{count: page.Total}
	case w.query.IDs == nil:
		return set{uid(page.First, w.marked), uid(page.Last, w.marked), page.Index, page.Total}
	case n == 0:
		return set{}
	}
	return set{uid(page.Items[0].ID, false), uid(page.Items[n-1].ID, false), 0, n}
}

// readMaxItems reads the attribute max_items; 0 means there is none.
func readMaxItems(verb *xmpp.Element) (int, error) {
	value := verb.Attribute("max_items")
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil || n == 0 {
		return 0, bridge.Refuse(bridge.BadRequest, "max_items is a number from 1")
	}
	return int(n), nil
}

// readOrder reads the first <order/> (XEP-0413). Creation is a total order here,
// so that further ones never decide.
func readOrder(body *xmpp.Element) (asked, descending bool, err error) {
	order := body.Child(nsOrder, "order")
	if order == nil {
		return false, false, nil
	}
	if desc := order.Attribute("desc"); desc != "" {
		if descending, err = parseBool(desc); err != nil {
			return true, false, bridge.Refuse(bridge.BadRequest, "desc is true or false")
		}
	}
	if order.Attribute("by") != "creation" {
		return true, false, bridge.Refuse(bridge.FeatureNotPresent, "items are ordered by creation")
	}
	return true, descending, nil
}

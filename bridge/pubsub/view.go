package pubsub

import (
	"context"
	"slices"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/service"
)

// View answers for nodes whose items are found elsewhere than in the archive.
// The nodes themselves are known to the service, which decides who may read.
type View interface {
	// Shows reports whether the view answers for this node.
	Shows(node bridge.Addr) bool
	// Items is a page of posts, each with the address of the node it was published
	// to. Its anchors are notice ids, as those of archive.Timeline are; IDs are
	// never asked for.
	Items(ctx context.Context, node bridge.Node, q archive.Query) (archive.Page, error)
}

// timelines is the view that the archive keeps: everything public, and all.
type timelines struct{ svc *service.Service }

func (v timelines) Shows(node bridge.Addr) bool {
	return node.Service == v.svc.Domain() && (node.Name == service.ViewPublic || node.Name == service.ViewAll)
}

func (v timelines) Items(ctx context.Context, node bridge.Node, q archive.Query) (archive.Page, error) {
	return v.svc.Posts.Items(ctx, v.svc.Domain(), node.Addr, q)
}

// view is the view that answers for a node, or nil.
func (h *Handler) view(node *bridge.Node) View {
	for _, v := range h.views {
		if v.Shows(node.Addr) {
			return v
		}
	}
	return nil
}

// viewID is the id of a post in a view: two nodes may use the same id. The part
// before the colon is the account, or the node on the domain; neither has one.
func viewID(addr bridge.Addr, id string) string {
	if local := addr.Service.Local(); local != "" {
		return local + ":" + id
	}
	return addr.Name + ":" + id
}

// ofViewID is where the post of a view's id was published.
func (h *Handler) ofViewID(viewID string) (addr bridge.Addr, id string, ok bool) {
	where, id, ok := strings.Cut(viewID, ":")
	if !ok {
		return addr, "", false
	}
	account := bridge.Addr{Service: bridge.JID(where + "@" + string(h.domain)), Name: bridge.NodeMicroblog}
	if _, exists := h.svc.Registry().Node(account); exists {
		return account, id, true
	}
	return bridge.Addr{Service: h.domain, Name: where}, id, true
}

// viewed is a page of a view: by ids through the nodes that hold the posts, else
// as the view has it.
func (h *Handler) viewed(ctx context.Context, reader bridge.JID, v View, node *bridge.Node, q archive.Query) (archive.Page, error) {
	if err := h.allow(reader, bridge.Read, node); err != nil {
		return archive.Page{}, err
	}
	page, err := archive.Page{}, error(nil)
	if q.IDs == nil {
		page, err = v.Items(ctx, *node, q)
	} else {
		page, err = h.byViewID(ctx, reader, node, q.IDs)
	}
	for i := range page.Items {
		item := &page.Items[i]
		item.ID = viewID(item.Addr, item.ID)
	}
	return page, err
}

func (h *Handler) byViewID(ctx context.Context, reader bridge.JID, node *bridge.Node, ids []string) (archive.Page, error) {
	var page archive.Page
	size := 0
	for _, viewID := range ids {
		addr, id, ok := h.ofViewID(viewID)
		if !ok || !h.mayShow(node, addr) {
			continue
		}
		one, err := h.svc.Posts.Items(ctx, reader.Bare(), addr, archive.Query{IDs: []string{id}})
		if err != nil {
			return page, err
		}
		for _, item := range one.Items {
			if size += len(item.Payload); size > maxPageBytes && len(page.Items) > 0 {
				return page, nil
			}
			page.Items = append(page.Items, item)
		}
	}
	return page, nil
}

// mayShow reports whether a view can hold posts of a node: public those of the
// accounts, the others everything that is in all.
func (h *Handler) mayShow(view *bridge.Node, addr bridge.Addr) bool {
	node, ok := h.svc.Registry().Node(addr)
	if !ok {
		return false
	}
	in := timelinesOf(&node)
	if view.Addr.Name == service.ViewPublic {
		return slices.Contains(in, service.ViewPublic)
	}
	return len(in) > 0
}

// timelinesOf is the timelines that show what is published to a node, by the
// rule of archive.Timeline: what anybody may read of microblogs and sources.
func timelinesOf(node *bridge.Node) []string {
	local := node.Addr.Service.Local()
	switch {
	case node.Config.AccessModel != bridge.AccessOpen || !node.Config.PersistItems:
		return nil
	case local == "" && strings.HasPrefix(node.Addr.Name, bridge.FeedNode("")):
		return []string{service.ViewAll}
	case local == "" || node.Addr.Name != bridge.NodeMicroblog:
		return nil
	case strings.Contains(local, `\`): // a shadow of somebody elsewhere (XEP-0106)
		return []string{service.ViewAll}
	}
	return []string{service.ViewAll, service.ViewPublic}
}

// shownIn is the nodes of the timelines that show what is published to a node.
func (h *Handler) shownIn(node *bridge.Node) []bridge.Node {
	var nodes []bridge.Node
	for _, name := range timelinesOf(node) {
		if view, ok := h.svc.Registry().Node(bridge.Addr{Service: h.domain, Name: name}); ok {
			nodes = append(nodes, view)
		}
	}
	return nodes
}

// PushView tells these addresses that a view shows an item: a track has matched.
// Whoever calls it sees to it that it happens once in a cluster.
func (h *Handler) PushView(node string, item bridge.Item, to []bridge.JID) {
	shown, err := h.svc.Nodes.Get(bridge.Addr{Service: h.domain, Name: node})
	if err != nil {
		return // the track has ended meanwhile
	}
	item.ID = viewID(item.Addr, item.ID)
	e := itemEvent(shown, item.Last, &item, time.Time{})
	for _, jid := range to {
		h.deliver(jid, e.Stanza(nil, jid))
	}
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/pubsub"
	"peewit/bridge/service"
	"peewit/index"
	"peewit/index/query"
	"peewit/index/track"
)

func (h *house) openTrack(context.Context) error {
	h.track = track.New(track.Options{
		Log: h.log, Archive: h.svc.Archive(), Registry: h.svc.Registry(),
		Cursor: "track",
		Push:   h.pushTrack,
		Limited: func(owner string, notShown int) {
			h.logger.Warn("tracks of an account match too often", slog.String("account", owner), slog.Int("not shown", notShown))
		},
		Logger: h.logger,
	})
	return nil
}

// pushTrack tells the owner of a track, wherever they are, and who of their
// addresses subscribed to its node.
func (h *house) pushTrack(t bridge.Track, item bridge.Item) {
	to := []bridge.JID{h.svc.Accounts.JID(t.Owner)}
	if account, ok := h.svc.Registry().Account(t.Owner); ok {
		to = append(to, account.Owners...)
	}
	name := bridge.TrackNode(t.ID)
	if node, err := h.svc.Nodes.Get(bridge.Addr{Service: h.svc.Domain(), Name: name}); err == nil {
		for _, sub := range h.svc.Follows.On(node.ID) {
			if !slices.Contains(to, sub.JID.Bare()) { // those are told already
				to = append(to, sub.JID)
			}
		}
	}
	h.pubsub.PushView(name, item, to)
}

func (h *house) views() []pubsub.View { return []pubsub.View{trackView{h.svc, h.index}} }

// trackView answers for the nodes of tracks: their history is what the index
// finds.
type trackView struct {
	svc   *service.Service
	index *index.Index
}

// trackHistory is how many matches of the past a track's node shows.
const trackHistory = 500

// Shows implements pubsub.View.
func (v trackView) Shows(node bridge.Addr) bool {
	_, ok := v.svc.TrackOf(node)
	return ok
}

// Items implements pubsub.View. The newest matches are found and then paged
// here: a bounded list, so that its pages have an index and a total.
func (v trackView) Items(ctx context.Context, node bridge.Node, q archive.Query) (archive.Page, error) {
	t, ok := v.svc.TrackOf(node.Addr)
	if !ok {
		return archive.Page{}, bridge.Refuse(bridge.ItemNotFound, "this track has ended")
	}
	found, err := v.matches(ctx, t.Query)
	if err != nil {
		return archive.Page{}, err
	}
	if q.Oldest {
		slices.Reverse(found)
	}
	from, to, err := window(found, q)
	if err != nil {
		return archive.Page{}, err
	}
	page := archive.Page{Items: found[from:to], Total: len(found), Index: from}
	page.More = to < len(found)
	if q.HasBefore {
		page.More = from > 0
	}
	if len(page.Items) > 0 {
		page.First, page.Last = noticeID(page.Items[0]), noticeID(page.Items[len(page.Items)-1])
	}
	return page, nil
}

// matches are the newest posts that match, newest first.
func (v trackView) matches(ctx context.Context, text string) ([]bridge.Item, error) {
	q, err := query.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read track: %w", err)
	}
	var items []bridge.Item
	for cursor := ""; ; {
		result, err := v.index.Search(ctx, q, index.Page{Limit: 100, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, hit := range result.Hits {
			items = append(items, hit.Item)
		}
		if cursor = result.Cursor; cursor == "" || len(items) >= trackHistory {
			return items, nil
		}
	}
}

func noticeID(item bridge.Item) string { return strconv.FormatUint(item.First, 10) }

// window is the part of a list that a query asks for (XEP-0059 §2).
func window(items []bridge.Item, q archive.Query) (from, to int, err error) {
	to = len(items)
	if q.After != "" {
		i, err := place(items, q.After)
		if err != nil {
			return 0, 0, err
		}
		from = i + 1
	}
	if q.Before != "" {
		if to, err = place(items, q.Before); err != nil {
			return 0, 0, err
		}
	}
	from = min(from, to)
	if q.HasBefore {
		from = max(from, to-q.Max)
	}
	to = min(to, from+q.Max)
	for from+1 < to && q.MaxBytes > 0 && bytesOf(items[from:to]) > q.MaxBytes {
		if q.HasBefore { // the far end from the anchor gives way
			from++
		} else {
			to--
		}
	}
	return from, to, nil
}

func bytesOf(items []bridge.Item) int {
	n := 0
	for _, item := range items {
		n += len(item.Payload)
	}
	return n
}

func place(items []bridge.Item, id string) (int, error) {
	i := slices.IndexFunc(items, func(item bridge.Item) bool { return noticeID(item) == id })
	if i < 0 {
		return 0, bridge.Refuse(bridge.ItemNotFound, "there is no item %q here", id) // XEP-0059 §2.4
	}
	return i, nil
}

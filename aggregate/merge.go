package aggregate

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/bridge/archive"
)

const (
	mergedKey = "planets" // of the work state that says how far the log was merged
	// keepPlace is after how many records without interest the place is kept.
	keepPlace = 1000
	// backfillPage is how many posts are read at once when a planet gains a source.
	backfillPage = 100
	// The waits between attempts to refer to a post.
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// merger follows the log for the planets. One goroutine has it.
type merger struct {
	*Aggregator
	planets map[string][]string // id of a source -> names of the planets that show it
	unkept  int                 // records since the place was kept
}

// mergeOn merges until ctx ends. Whatever breaks it off, a log that is away for a
// while most likely, it begins again at the place that was kept: merging twice is
// merging once.
func (a *Aggregator) mergeOn(ctx context.Context) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := a.merge(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.Logger.Warn("planets are not merged", slog.Duration("retry", wait), slog.Any("err", err))
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// merge follows the log and refers to posts until ctx ends.
func (a *Aggregator) merge(ctx context.Context) error {
	m := merger{Aggregator: a}
	m.look()
	place, err := m.place(ctx)
	if err != nil {
		return fmt.Errorf("read place of the planets: %w", err)
	}
	return a.Log.Follow(ctx, place.Seq, func(rec *bridge.Record, pending uint64) error {
		matters, err := m.apply(ctx, rec)
		if err != nil {
			return fmt.Errorf("merge record %d: %w", rec.Seq, err)
		}
		if m.unkept++; matters && pending == 0 || m.unkept >= keepPlace {
			m.keep(ctx, rec)
		}
		return nil
	})
}

// place is how far the log was merged: the beginning, when what was kept belongs
// to another log.
func (m *merger) place(ctx context.Context) (bridge.Position, error) {
	raw, err := m.Log.Get(ctx, mergedKey)
	if err != nil || len(raw) == 0 {
		return bridge.Position{}, err
	}
	var p bridge.Position
	if err := json.Unmarshal(raw, &p); err != nil {
		return bridge.Position{}, nil // merging twice is merging once
	}
	if ok, err := m.Log.Confirms(ctx, p); err != nil || !ok {
		return bridge.Position{}, err
	}
	return p, nil
}

func (m *merger) keep(ctx context.Context, rec *bridge.Record) {
	raw, err := json.Marshal(bridge.Position{Epoch: m.Log.Epoch(), Seq: rec.Seq, Time: rec.Time})
	if err == nil {
		err = m.Log.Put(ctx, mergedKey, raw, 0)
	}
	if err != nil {
		m.Logger.Warn("place of the planets cannot be kept", slog.Uint64("seq", rec.Seq), slog.Any("err", err))
		return
	}
	m.unkept = 0
}

// apply deals with one record; matters means that it was about sources or
// planets. The registry and the archive are made to have it first.
func (m *merger) apply(ctx context.Context, rec *bridge.Record) (matters bool, err error) {
	source, isPost := m.sourceOf(rec)
	if !isPost && rec.Source == nil && rec.Planet == nil {
		return false, nil
	}
	if err := m.Archive.WaitFor(ctx, rec.Seq); err != nil {
		return true, err
	}
	switch {
	case rec.Source != nil:
		m.notice()
	case rec.Planet != nil:
		m.look()
		if !rec.Planet.Removed {
			return true, m.join(ctx, *rec.Planet)
		}
	default:
		for _, name := range m.planets[source] {
			if err := m.refer(ctx, name, rec.Publish.NodeID, rec.Publish.Item); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

// sourceOf is the source to whose node a record publishes.
func (m *merger) sourceOf(rec *bridge.Record) (id string, ok bool) {
	if rec.Publish == nil || rec.Publish.Addr.Service != m.Domain {
		return "", false
	}
	return strings.CutPrefix(rec.Publish.Addr.Name, bridge.FeedNode(""))
}

// look notes which planets show which sources now. Later changes come with
// their records.
func (m *merger) look() {
	m.planets = make(map[string][]string)
	for _, p := range m.Registry.Planets() {
		for _, id := range p.Sources {
			m.planets[id] = append(m.planets[id], p.Name)
		}
	}
}

// join refers a planet to the posts that its new sources have already. Which
// sources it had is work state, under the id of its node.
func (m *merger) join(ctx context.Context, planet bridge.Planet) error {
	node, ok := m.Registry.Node(bridge.Addr{Service: m.Domain, Name: planet.Name})
	if !ok {
		return nil // removed meanwhile
	}
	key := "joined/" + node.ID
	raw, err := m.Log.Get(ctx, key)
	if err != nil {
		return err
	}
	var joined []string
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &joined); err != nil {
			joined = nil // joining twice is joining once
		}
	}
	if slices.Equal(joined, planet.Sources) {
		return nil
	}
	for _, id := range planet.Sources {
		if !slices.Contains(joined, id) {
			if err := m.backfill(ctx, planet.Name, id); err != nil {
				return err
			}
		}
	}
	if raw, err = json.Marshal(planet.Sources); err != nil {
		return err
	}
	return m.Log.Put(ctx, key, raw, 0)
}

// backfill refers a planet to all posts of a source, oldest first.
func (m *merger) backfill(ctx context.Context, planet, source string) error {
	node, ok := m.Registry.Node(m.feedAddr(source))
	if !ok {
		return nil
	}
	for q := (archive.Query{Max: backfillPage, Oldest: true}); ; {
		page, err := m.Archive.Items(node.ID, q)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := m.refer(ctx, planet, node.ID, item.ID); err != nil {
				return err
			}
		}
		if len(page.Items) < backfillPage {
			return nil
		}
		q.After = page.Items[len(page.Items)-1].ID
	}
}

// refer shows the current version of a post on a planet, unless the planet has
// it, has the same entry from another source, or took it out. It tries until it
// succeeds or is told that it never will; the only errors are the archive's and
// the end of ctx.
func (m *merger) refer(ctx context.Context, planet, nodeID, itemID string) error {
	addr := bridge.Addr{Service: m.Domain, Name: planet}
	item, ok, err := m.Archive.Item(nodeID, itemID)
	if err != nil || !ok || item.Retracted {
		return err
	}
	node, ok := m.Registry.Node(addr)
	if !ok {
		return nil
	}
	shown, ok, err := m.Archive.Item(node.ID, itemID)
	if err != nil || ok && (shown.Retracted || shown.Of != item.First) {
		return err
	}
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := m.Posts.Refer(ctx, addr, item)
		if err == nil || bridge.Is(err, bridge.ItemNotFound) || aboutContent(err) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		m.Logger.Warn("post cannot be merged yet", slog.String("planet", planet), slog.String("item", itemID), slog.Any("err", err))
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

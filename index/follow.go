package index

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"peewit/bridge"

	"github.com/blevesearch/bleve/v2"
	blevequery "github.com/blevesearch/bleve/v2/search/query"
)

// The bounds of a batch: so many changes, or changes so old, while more records
// wait. When none waits it is written as soon as the last batch is so old.
const (
	batchSize = 2000
	batchAge  = 100 * time.Millisecond
)

// checkEvery is how often flush looks for errors of Bleve's in the background.
const checkEvery = time.Second

// follower turns records into batches.
type follower struct {
	*Index
	store   *store
	at      bridge.Position         // of the last record taken in
	written uint64                  // the store has changes up to here
	checked time.Time               // when the store's errors were last looked for
	since   time.Time               // when the oldest change of the batch came
	flushed time.Time               // when the last batch was written
	changed map[itemKey]*itemChange // items to look up and index anew
	gone    map[string]bool         // ids of documents to delete
}

type itemKey struct{ nodeID, item string }

// itemChange is what happened to an item's references; what happened to the item
// itself, the archive knows.
type itemChange struct {
	shown  []showing
	hidden []showing // Planet is not set
}

// follow writes what the log says to the store until something breaks.
func (x *Index) follow(ctx context.Context) error {
	x.mu.RLock()
	current := x.store
	x.mu.RUnlock()
	if current == nil {
		return fmt.Errorf("%w: there is none", errBroken)
	}
	if last, err := x.opts.Log.Last(ctx); err == nil && x.saved.Seq >= last.Seq {
		x.caughtUp()
	}
	f := &follower{
		Index: x, store: current, at: x.saved, written: x.saved.Seq,
		changed: make(map[itemKey]*itemChange), gone: make(map[string]bool),
	}
	return x.opts.Log.Follow(ctx, x.saved.Seq, func(rec *bridge.Record, pending uint64) error {
		if err := f.take(ctx, rec); err != nil {
			return fmt.Errorf("index record %d: %w", rec.Seq, err)
		}
		f.at = bridge.Position{Epoch: x.opts.Log.Epoch(), Seq: rec.Seq, Time: rec.Time}
		if pending > 0 && !f.full() {
			return nil
		}
		if pending == 0 && len(f.changed)+len(f.gone) > 0 {
			if err := f.rest(ctx); err != nil {
				return err
			}
		}
		if err := f.flush(ctx); err != nil {
			return fmt.Errorf("index up to record %d: %w", rec.Seq, err)
		}
		x.reach(f.at)
		if pending == 0 {
			x.caughtUp()
		}
		if pending == 0 || time.Since(x.savedAt) > batchAge {
			// An older position costs work at the next start and nothing else: a full
			// disk must not end the search.
			if err := x.save(f.at); err != nil {
				x.opts.Logger.Warn("the index's position is not saved", slog.Any("err", err))
			}
		}
		return nil
	})
}

// rest waits until batchAge after the last batch: what comes meanwhile is one
// batch then, and Bleve has fewer files to merge.
func (f *follower) rest(ctx context.Context) error {
	timer := time.NewTimer(time.Until(f.flushed.Add(batchAge)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// caughtUp ends a rebuild: what was moved aside is no longer needed.
func (x *Index) caughtUp() {
	if !x.rebuilding.Swap(false) {
		return
	}
	if err := removeAside(x.opts.Dir); err != nil {
		x.opts.Logger.Warn("what is left of the old index cannot be removed", slog.Any("err", err))
	}
}

// save writes the position if it moved.
func (x *Index) save(pos bridge.Position) error {
	if pos == x.saved {
		return nil
	}
	if err := savePosition(x.opts.Dir, pos); err != nil {
		return fmt.Errorf("save the index's position: %w", err)
	}
	x.saved, x.savedAt = pos, time.Now()
	return nil
}

func (f *follower) full() bool {
	n := len(f.changed) + len(f.gone)
	return n >= batchSize || n > 0 && time.Since(f.since) > batchAge
}

// take notes what a record changes.
func (f *follower) take(ctx context.Context, rec *bridge.Record) error {
	if rec.Publish == nil && rec.Reference == nil && touches(rec) {
		// The documents to change are looked up now, in an archive that must know of it.
		if err := f.opts.Archive.WaitFor(ctx, rec.Seq); err != nil {
			return err
		}
	}
	switch {
	case rec.Publish != nil:
		f.change(itemKey{rec.Publish.NodeID, rec.Publish.Item})
	case rec.Reference != nil:
		r := rec.Reference
		c := f.change(itemKey{r.OfNodeID, r.OfItem})
		c.shown = append(c.shown, showing{Planet: r.Addr.Name, NodeID: r.NodeID, Item: r.Item})
	case rec.Retract != nil:
		for _, id := range rec.Retract.Items {
			if err := f.retract(ctx, rec.Retract.NodeID, id); err != nil {
				return err
			}
		}
	case rec.Purge != nil:
		return f.empty(ctx, rec.Purge.NodeID)
	case rec.Node != nil && rec.Node.Removed:
		return f.empty(ctx, rec.Node.ID)
	case rec.Node != nil:
		return f.reopen(ctx, rec.Node.ID)
	case rec.Account != nil && rec.Account.Removed:
		jid := bridge.JID(rec.Account.Nick) + "@" + f.opts.Domain
		return f.each(ctx, termQuery(fieldKey, keyOfService(jid)), f.drop)
	}
	return nil
}

// touches reports whether a record can change documents.
func touches(rec *bridge.Record) bool {
	return rec.NodeID() != "" || rec.Node != nil || rec.Account != nil && rec.Account.Removed
}

func (f *follower) change(key itemKey) *itemChange {
	f.begin()
	c := f.changed[key]
	if c == nil {
		c = new(itemChange)
		f.changed[key] = c
	}
	return c
}

func (f *follower) drop(id string) error {
	f.begin()
	f.gone[id] = true
	return nil
}

func (f *follower) begin() {
	if len(f.changed)+len(f.gone) == 0 {
		f.since = time.Now()
	}
}

// retract takes an item out of a node: the post itself, or a planet's reference
// to one.
func (f *follower) retract(ctx context.Context, nodeID, item string) error {
	f.change(itemKey{nodeID, item})
	if err := f.each(ctx, termQuery(fieldKey, keyOfItem(nodeID, item)), f.drop); err != nil {
		return err
	}
	f.forget(func(s showing) bool { return s.NodeID == nodeID && s.Item == item })
	return f.each(ctx, termQuery(fieldKey, keyOfShown(nodeID, item)), func(id string) error {
		return f.hide(id, showing{NodeID: nodeID, Item: item})
	})
}

// empty takes everything out of a node.
func (f *follower) empty(ctx context.Context, nodeID string) error {
	if err := f.each(ctx, termQuery(fieldKey, keyOfNode(nodeID)), f.drop); err != nil {
		return err
	}
	f.forget(func(s showing) bool { return s.NodeID == nodeID })
	return f.each(ctx, termQuery(fieldKey, keyOfPlanet(nodeID)), func(id string) error {
		return f.hide(id, showing{NodeID: nodeID})
	})
}

// forget drops references that this batch would have added.
func (f *follower) forget(which func(showing) bool) {
	for _, c := range f.changed {
		c.shown = slices.DeleteFunc(c.shown, which)
	}
}

// hide notes that a planet no longer shows a post; without an item id, under no
// id whatever.
func (f *follower) hide(id string, s showing) error {
	return f.touch(id, func(c *itemChange) { c.hidden = append(c.hidden, s) })
}

// reopen indexes the posts of a node anew whose mark of being closed is not what
// the node's access model says now.
func (f *follower) reopen(ctx context.Context, nodeID string) error {
	inNode := termQuery(fieldKey, keyOfNode(nodeID))
	closed := termQuery(fieldKey, keyClosed)
	wrong := bleve.NewBooleanQuery()
	wrong.AddMust(inNode)
	if f.open(nodeID) {
		wrong.AddMust(closed)
	} else {
		wrong.AddMustNot(closed)
	}
	return f.each(ctx, wrong, func(id string) error { return f.touch(id, func(*itemChange) {}) })
}

// touch notes a change of the post with a document.
func (f *follower) touch(id string, note func(*itemChange)) error {
	seq, err := seqOf(id)
	if err != nil {
		return f.drop(id)
	}
	it, ok, err := f.opts.Archive.ItemBySeq(seq)
	if err != nil {
		return err
	}
	if !ok || it.Retracted {
		return f.drop(id)
	}
	note(f.change(itemKey{it.NodeID, it.ID}))
	return nil
}

// each calls fn with the id of every document a query finds, and writes batches
// as they fill.
func (f *follower) each(ctx context.Context, q blevequery.Query, fn func(id string) error) error {
	after := ""
	for {
		ids, err := f.store.find(ctx, q, after)
		if err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		for _, id := range ids {
			if err := fn(id); err != nil {
				return err
			}
		}
		if len(ids) < pageSize {
			return nil
		}
		after = ids[len(ids)-1]
		if err := f.flush(ctx); err != nil {
			return err
		}
	}
}

// flush writes the changes as one batch.
func (f *follower) flush(ctx context.Context) error {
	if len(f.changed)+len(f.gone) == 0 {
		return nil
	}
	if err := f.opts.Archive.WaitFor(ctx, f.at.Seq); err != nil {
		return err
	}
	for _, id := range f.stale.take() {
		if err := f.touch(id, func(*itemChange) {}); err != nil {
			return err
		}
	}
	batch := f.store.NewBatch()
	for id := range f.gone {
		batch.Delete(id)
	}
	for key, c := range f.changed {
		if err := f.add(batch, key, c); err != nil {
			return err
		}
	}
	if err := f.store.write(ctx, batch); err != nil {
		return err
	}
	if now := time.Now(); now.Sub(f.checked) > checkEvery {
		f.checked = now
		if err := f.store.check(); err != nil {
			return err
		}
	}
	f.written, f.flushed = f.at.Seq, time.Now()
	clear(f.changed)
	clear(f.gone)
	return nil
}

// add puts an item as it is now into the batch.
func (f *follower) add(batch *bleve.Batch, key itemKey, c *itemChange) error {
	it, ok, err := f.opts.Archive.Item(key.nodeID, key.item)
	if err != nil || !ok {
		return err
	}
	id := docID(it.First)
	if it.Retracted {
		batch.Delete(id)
		return nil
	}
	shown, err := f.shown(id, &it, c)
	if err != nil {
		return err
	}
	doc, err := newDocument(&it, shown, f.open(it.NodeID))
	if err != nil {
		return err
	}
	if doc == nil { // edited into something that is no post
		batch.Delete(id)
		return nil
	}
	return batch.IndexAdvanced(doc)
}

// shown is which planets show a post after a change.
func (f *follower) shown(id string, it *bridge.Item, c *itemChange) ([]showing, error) {
	var shown []showing
	if it.First <= f.written || len(c.hidden) > 0 { // else all its references are still to come
		var err error
		if shown, err = f.store.shownBy(id); err != nil {
			return nil, fmt.Errorf("%w: %w", errBroken, err)
		}
	}
	shown = slices.DeleteFunc(shown, func(s showing) bool {
		return slices.ContainsFunc(c.hidden, func(h showing) bool {
			return h.NodeID == s.NodeID && (h.Item == "" || h.Item == s.Item)
		})
	})
	for _, s := range c.shown {
		if !slices.Contains(shown, s) {
			shown = append(shown, s)
		}
	}
	return shown, nil
}

// open reports whether everybody may read a node.
func (x *Index) open(nodeID string) bool {
	n, ok := x.opts.Nodes.NodeByID(nodeID)
	return ok && n.Config.AccessModel == bridge.AccessOpen
}

package track

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"peewit/bridge"
	"peewit/index/query"
)

// Log is what the tracker needs of the event log.
type Log interface {
	Epoch() string
	Last(ctx context.Context) (bridge.Position, error)
	Follow(ctx context.Context, after uint64, fn func(rec *bridge.Record, pending uint64) error) error
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Get(ctx context.Context, key string) ([]byte, error)
}

// Archive is what the tracker needs of the archive.
type Archive interface {
	Item(nodeID, id string) (bridge.Item, bool, error)
	Versions(nodeID, id string) ([]uint64, error)
	WaitFor(ctx context.Context, seq uint64) error
}

// Registry is what the tracker needs of the registry.
type Registry interface {
	Tracks() []bridge.Track
	NodeByID(id string) (bridge.Node, bool)
}

// Options are what a Tracker is made of.
type Options struct {
	Log      Log
	Archive  Archive
	Registry Registry
	// Cursor is the key under which the position is kept in the log's WORK store.
	Cursor string
	// Push is called for each match, in the order of the log. The item is the
	// version that matched, in the node where it was published.
	Push func(track bridge.Track, item bridge.Item)
	// Limited is called when an owner has not been shown that many matches because
	// there were more than PerMinute.
	Limited   func(owner string, notShown int)
	PerMinute int // matches pushed to one owner in a minute; 0 = 300
	Logger    *slog.Logger
}

// cursorEvery is how often the cursor is written while it moves. What was pushed
// since is pushed again after a crash.
const cursorEvery = 100 * time.Millisecond

// Tracker follows the log and pushes matches.
type Tracker struct {
	opts    Options
	matcher *Matcher
	tracks  tracks
	limits  *limits
	shown   recent // planets' references seen

	at      atomic.Pointer[bridge.Position] // of the last record dealt with
	written bridge.Position                 // the cursor in WORK
	queries atomic.Int64
}

// New makes a tracker. Nothing is loaded or pushed before Run.
func New(o Options) *Tracker {
	t := &Tracker{opts: o, tracks: newTracks(), limits: newLimits(o.PerMinute), shown: newRecent(recentItems)}
	t.at.Store(new(bridge.Position))
	return t
}

// Status says how far the tracker has come.
type Status struct {
	Seq     uint64 // everything up to it has been matched
	Queries int
}

// Status is how far the tracker has come.
func (t *Tracker) Status() Status {
	return Status{Seq: t.at.Load().Seq, Queries: int(t.queries.Load())}
}

// Run follows the log until ctx ends. The first time it begins at the log's end:
// what was published before is not pushed.
func (t *Tracker) Run(ctx context.Context) error {
	if err := t.load(ctx); err != nil {
		return fmt.Errorf("run tracker: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var housekeeping sync.WaitGroup
	housekeeping.Go(func() { t.keepHouse(ctx) })
	err := t.opts.Log.Follow(ctx, t.at.Load().Seq, func(rec *bridge.Record, pending uint64) error {
		if err := t.take(ctx, rec); err != nil {
			return fmt.Errorf("track record %d: %w", rec.Seq, err)
		}
		t.at.Store(&bridge.Position{Epoch: t.opts.Log.Epoch(), Seq: rec.Seq, Time: rec.Time})
		return nil
	})
	stopped := ctx.Err() != nil
	cancel()
	housekeeping.Wait()
	last, release := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer release()
	t.save(last)
	if stopped {
		return nil
	}
	return err
}

// keepHouse writes the cursor, tells owners what they were not shown and
// compacts the matcher when it is due.
func (t *Tracker) keepHouse(ctx context.Context) {
	tick := time.NewTicker(cursorEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			t.save(ctx)
			for owner, n := range t.limits.expired(now) {
				t.opts.Limited(owner, n)
			}
			if t.matcher.Due() {
				t.compact(ctx)
			}
		case <-ctx.Done():
			return
		}
	}
}

// compact compacts the matcher and keeps the cursor moving meanwhile.
func (t *Tracker) compact(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.matcher.Compact()
	}()
	tick := time.NewTicker(cursorEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.save(ctx)
		case <-done:
			return
		}
	}
}

// load reads the cursor and the tracks as they are at it, or later: the log tells
// the rest. A cursor of another log, or beyond this one's end, is set to the end:
// a restored log does not push its past again.
func (t *Tracker) load(ctx context.Context) error {
	data, err := t.opts.Log.Get(ctx, t.opts.Cursor)
	if err != nil {
		return fmt.Errorf("read cursor: %w", err)
	}
	last, err := t.opts.Log.Last(ctx)
	if err != nil {
		return fmt.Errorf("read cursor: %w", err)
	}
	var at bridge.Position
	if data != nil {
		if err := json.Unmarshal(data, &at); err != nil {
			t.opts.Logger.Warn("the tracker's cursor cannot be read; going on from the log's end", slog.Any("err", err))
		}
	}
	if at.Epoch != t.opts.Log.Epoch() || at.Seq > last.Seq {
		at = bridge.Position{Epoch: t.opts.Log.Epoch(), Seq: last.Seq, Time: last.Time}
	}
	if err := t.opts.Archive.WaitFor(ctx, at.Seq); err != nil {
		return err
	}
	t.matcher = NewMatcher(func(yield func(uint32, *query.Query) bool) {
		for _, track := range t.opts.Registry.Tracks() {
			if q := t.parse(track); q != nil && !yield(t.tracks.put(track), q) {
				return
			}
		}
	})
	t.queries.Store(int64(t.tracks.count()))
	t.at.Store(&at)
	t.save(ctx)
	return nil
}

// parse reads a track's query. Those of the past were parsed before they were
// logged; one that an older program allowed and this one does not finds nothing.
func (t *Tracker) parse(track bridge.Track) *query.Query {
	q, err := query.Parse(track.Query)
	if err == nil {
		err = q.Standing()
	}
	if err != nil {
		t.opts.Logger.Warn("a track has a query that cannot be used", slog.String("track", track.ID), slog.Any("err", err))
		return nil
	}
	return q
}

// save writes the cursor if it moved. When it cannot be written, the log cannot,
// and it is tried again.
func (t *Tracker) save(ctx context.Context) {
	at := *t.at.Load()
	if at == t.written {
		return
	}
	data, err := json.Marshal(at)
	if err == nil {
		err = t.opts.Log.Put(ctx, t.opts.Cursor, data, 0)
	}
	if err != nil {
		t.opts.Logger.Warn("the tracker's cursor was not written", slog.Any("err", err))
		return
	}
	t.written = at
}

// take deals with a record.
func (t *Tracker) take(ctx context.Context, rec *bridge.Record) error {
	switch {
	case rec.Track != nil:
		t.change(*rec.Track)
	case rec.Publish != nil:
		return t.published(ctx, rec)
	case rec.Reference != nil:
		return t.referred(ctx, rec.Reference, rec.Seq)
	}
	return nil
}

// change adds, replaces or removes a track.
func (t *Tracker) change(track bridge.Track) {
	defer func() { t.queries.Store(int64(t.tracks.count())) }()
	if old, handle, ok := t.tracks.byID(track.ID); ok {
		if !track.Removed && old.Query == track.Query {
			t.tracks.update(handle, track)
			return
		}
		t.tracks.remove(track.ID)
		t.matcher.Remove(handle)
	}
	if track.Removed {
		return
	}
	if q := t.parse(track); q != nil {
		t.matcher.Add(t.tracks.put(track), q)
	}
}

// push pushes a version of a post to the tracks with these handles.
func (t *Tracker) push(handles []uint32, it bridge.Item) {
	for _, track := range t.tracks.sorted(handles) {
		if t.limits.allow(track.Owner, time.Now()) {
			t.opts.Push(track, it)
		}
	}
}

package index

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"peewit/bridge"
)

// Log is what the index needs of the event log.
type Log interface {
	Epoch() string
	Last(ctx context.Context) (bridge.Position, error)
	At(ctx context.Context, seq uint64) (t time.Time, ok bool, err error)
	Follow(ctx context.Context, after uint64, fn func(rec *bridge.Record, pending uint64) error) error
}

// Archive is what the index needs of the archive.
type Archive interface {
	Item(nodeID, id string) (bridge.Item, bool, error)
	ItemBySeq(first uint64) (bridge.Item, bool, error)
	WaitFor(ctx context.Context, seq uint64) error
}

// Nodes tells who may read what; the registry does.
type Nodes interface {
	NodeByID(id string) (bridge.Node, bool)
}

// Options are what an Index is made of.
type Options struct {
	Dir     string     // the index's own; may be deleted while the program is stopped
	Domain  bridge.JID // accounts are nick@Domain
	Log     Log
	Archive Archive
	Nodes   Nodes
	Logger  *slog.Logger
}

// Index is a search index that follows the log. Its methods may be called from
// several goroutines; Run is called once.
type Index struct {
	opts Options

	mu    sync.RWMutex // guards store; held for reading while it is searched
	store *store

	saved      bridge.Position // on disk; of Run's goroutine once it runs
	savedAt    time.Time
	seen       atomic.Pointer[bridge.Position] // searchable up to here
	moved      atomic.Pointer[chan struct{}]   // closed and replaced when seen moves
	rebuilding atomic.Bool

	scrubbing sync.Mutex // one at a time
	stale     staleDocs
}

// Open opens the index in a directory, or begins a new one where there is none
// or none that can be used. Nothing is indexed before Run.
func Open(ctx context.Context, o Options) (*Index, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open index %s: %w", o.Dir, err)
	}
	x := &Index{opts: o}
	wake := make(chan struct{})
	x.moved.Store(&wake)
	if err := removeAside(o.Dir); err != nil {
		return nil, fmt.Errorf("open index %s: %w", o.Dir, err)
	}
	pos, err := x.confirmed(ctx)
	if err != nil {
		return nil, fmt.Errorf("open index %s: %w", o.Dir, err)
	}
	if pos.Seq > 0 {
		x.store, err = openStore(o.Dir)
		if err != nil {
			o.Logger.Warn("the index cannot be used and is rebuilt", slog.String("dir", o.Dir), slog.Any("err", err))
		}
	}
	if x.store == nil {
		if err := x.begin(); err != nil {
			return nil, fmt.Errorf("open index %s: %w", o.Dir, err)
		}
		return x, nil
	}
	x.saved = pos
	x.seen.Store(&pos)
	return x, nil
}

// confirmed is the position on disk if it belongs to this log, else the
// beginning.
func (x *Index) confirmed(ctx context.Context) (bridge.Position, error) {
	pos, err := loadPosition(x.opts.Dir)
	if err != nil {
		x.opts.Logger.Warn("the index has no position that can be used and is rebuilt", slog.Any("err", err))
		return bridge.Position{}, nil
	}
	if pos.Seq == 0 {
		return bridge.Position{}, nil
	}
	last, err := x.opts.Log.Last(ctx)
	if err != nil {
		return bridge.Position{}, fmt.Errorf("check position: %w", err)
	}
	at, there, err := x.opts.Log.At(ctx, pos.Seq)
	if err != nil {
		return bridge.Position{}, fmt.Errorf("check position: %w", err)
	}
	if pos.Epoch != x.opts.Log.Epoch() || pos.Seq > last.Seq || there && !at.Equal(pos.Time) {
		x.opts.Logger.Warn("the index belongs to another log and is rebuilt", slog.Uint64("seq", pos.Seq))
		return bridge.Position{}, nil
	}
	return pos, nil
}

// begin moves what is there aside and starts an empty store.
func (x *Index) begin() error {
	start := bridge.Position{Epoch: x.opts.Log.Epoch()}
	if err := removePosition(x.opts.Dir); err != nil {
		return err
	}
	if err := moveAside(x.opts.Dir); err != nil {
		return err
	}
	fresh, err := newStore(x.opts.Dir)
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.store = fresh
	x.mu.Unlock()
	x.saved = start
	x.seen.Store(&start)
	x.rebuilding.Store(true)
	return nil
}

// Close closes the index. Run must have returned.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.store == nil {
		return nil
	}
	err := x.store.close()
	x.store = nil
	return err
}

// Status says how far the index has come.
type Status struct {
	Docs       uint64          // posts indexed
	Position   bridge.Position // everything up to it can be found; the log's last minus it is the lag
	Rebuilding bool            // it has not caught up since it was begun anew
}

// Status is how far the index has come.
func (x *Index) Status() Status {
	s := Status{Position: *x.seen.Load(), Rebuilding: x.rebuilding.Load()}
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.store != nil {
		s.Docs = x.store.count()
	}
	return s
}

// WaitFor waits until posts up to a sequence of the log can be found.
func (x *Index) WaitFor(ctx context.Context, seq uint64) error {
	for {
		moved := *x.moved.Load()
		if x.seen.Load().Seq >= seq {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("wait for the index to reach %d: %w", seq, ctx.Err())
		}
	}
}

// reach makes a position known to those who wait.
func (x *Index) reach(pos bridge.Position) {
	x.seen.Store(&pos)
	fresh := make(chan struct{})
	close(*x.moved.Swap(&fresh))
}

// Run follows the log until ctx ends. When the index breaks it is opened again,
// and when it breaks again without having come further it is built anew.
func (x *Index) Run(ctx context.Context) error {
	pause := pauseMin
	for {
		from := x.saved
		err := x.follow(ctx)
		if ctx.Err() != nil {
			return x.save(*x.seen.Load())
		}
		if !errors.Is(err, errBroken) {
			return err
		}
		x.opts.Logger.Error("the index broke and is opened again", slog.Any("err", err))
		if err := x.repair(from); err != nil {
			x.opts.Logger.Error("the index cannot be repaired; trying again", slog.Any("err", err))
		}
		wait := time.NewTimer(pause)
		pause = min(2*pause, pauseMax)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil
		}
	}
}

// How long Run waits before it tries a broken index again.
const (
	pauseMin = time.Second
	pauseMax = time.Minute
)

// repair opens the store again at its saved position, or begins a new one when
// that has been tried without getting further than from.
func (x *Index) repair(from bridge.Position) error {
	x.mu.Lock()
	broken := x.store
	x.store = nil
	x.mu.Unlock()
	if broken != nil {
		if err := broken.close(); err != nil {
			x.opts.Logger.Warn("the broken index was not closed", slog.Any("err", err))
		}
	}
	if x.saved.Seq > from.Seq {
		if again, err := openStore(x.opts.Dir); err == nil {
			x.mu.Lock()
			x.store = again
			x.mu.Unlock()
			x.reach(x.saved)
			return nil
		}
	}
	return x.begin()
}

// Package service holds the use cases that the doors share: make an account,
// publish a post, follow a node, merge a planet. One type a noun, one file a
// use case.
//
// Every change goes the same way. The use case looks at the registry and the
// archive, asks [bridge.Allow], appends records to the log and waits until this
// process has applied them, at most [applyWait]; only then does the door
// answer. State changes are compare-and-set: what was looked at must still be
// the newest record of its key, or the use case looks again.
//
// [Service.Run] is the one goroutine that applies the log, in order: registry
// first, then the observers (they push the post to sessions, from the record
// alone), then the archive. So a subscriber whose subscription stands before a
// post in the log gets the post, and no reader waits for a database. Only of an
// end the observers hear before the registry, which forgets whom to tell.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/eventlog"
	"peewit/bridge/registry"
)

// applyWait bounds how long an answer waits for its own record to be applied
// here. The record is in the log either way.
const applyWait = time.Second

// The archive gets records in one write while more of them wait: so many, or
// what came within so long. Somebody waits for the answer.
const (
	applyBatch = 256
	applyDelay = 10 * time.Millisecond
)

// Options are what a Service is made of.
type Options struct {
	Domain       bridge.JID
	BaseURL      string // of the HTTP side, with a trailing slash
	Bot          string // localpart of the chat bot
	Registration string // "open", "invite" or "closed"
	ArchiveDir   string
	Log          *eventlog.Log
	Logger       *slog.Logger
}

// Service is the use cases, by noun.
type Service struct {
	Accounts  *Accounts
	Contacts  *Contacts
	Nodes     *Nodes
	Posts     *Posts
	Follows   *Follows
	Planets   *Planets
	Tracks    *Tracks
	Listeners *Listeners

	*core
}

// core is what all nouns stand on.
type core struct {
	opts     Options
	log      *eventlog.Log
	reg      *registry.Registry
	arc      *archive.Archive
	logger   *slog.Logger
	observe  []func(*bridge.Record)
	batchMu  sync.Mutex       // guards batch against readers other than Run
	batch    []*bridge.Record // applied to the registry, not yet to the archive
	begun    time.Time        // when the first of the batch came; Run's
	observed atomic.Uint64    // the newest sequence whose observers were called
	behind   atomic.Int64     // time of the record being applied while more wait, in Unix seconds; 0 = none wait
	ready    chan struct{}
	underway underway
}

// Open opens the archive, drops it when it belongs to another log, and loads
// the registry from it. Nothing is applied before Run.
func Open(ctx context.Context, o Options) (*Service, error) {
	arc, err := openArchive(ctx, o)
	if err != nil {
		return nil, err
	}
	reg := registry.New(o.Domain)
	err = arc.States(func(rec *bridge.Record) error {
		reg.Apply(rec)
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("load registry: %w", err), arc.Close())
	}
	c := &core{
		opts: o, log: o.Log, reg: reg, arc: arc, logger: o.Logger,
		ready: make(chan struct{}),
	}
	c.observed.Store(arc.Position().Seq)
	return &Service{
		Accounts:  &Accounts{c},
		Contacts:  &Contacts{c},
		Nodes:     &Nodes{c},
		Posts:     &Posts{c},
		Follows:   &Follows{c},
		Planets:   &Planets{c},
		Tracks:    &Tracks{c},
		Listeners: &Listeners{c},
		core:      c,
	}, nil
}

// openArchive opens the archive at a position that the log confirms. An archive
// of another log, of a log that has become shorter, or one that cannot be read
// is dropped: the log has everything.
func openArchive(ctx context.Context, o Options) (*archive.Archive, error) {
	arc, err := archive.Open(o.ArchiveDir, o.Logger)
	if err == nil {
		fits, ferr := o.Log.Confirms(ctx, arc.Position())
		if ferr != nil {
			return nil, errors.Join(fmt.Errorf("check archive position: %w", ferr), arc.Close())
		}
		if fits {
			return arc, nil
		}
		o.Logger.Warn("the archive belongs to another log and is rebuilt", slog.String("dir", o.ArchiveDir))
		if err := arc.Close(); err != nil {
			return nil, err
		}
	} else if errors.Is(err, archive.ErrUnusable) {
		o.Logger.Warn("the archive cannot be used and is rebuilt", slog.String("dir", o.ArchiveDir), slog.Any("err", err))
	} else {
		return nil, err
	}
	if err := archive.Remove(o.ArchiveDir); err != nil {
		return nil, err
	}
	return archive.Open(o.ArchiveDir, o.Logger)
}

// Close closes the archive. Run must have returned.
func (s *Service) Close() error { return s.arc.Close() }

// Domain is the address of the whole service.
func (c *core) Domain() bridge.JID { return c.opts.Domain }

// BaseURL is the root of the HTTP side, with a trailing slash.
func (c *core) BaseURL() string { return c.opts.BaseURL }

// Registry is the state as of now, for reading.
func (c *core) Registry() *registry.Registry { return c.reg }

// Archive is the posts as of now, for reading.
func (c *core) Archive() *archive.Archive { return c.arc }

// Log is the event log.
func (c *core) Log() *eventlog.Log { return c.log }

// Observe registers fn to be called with each record as it is applied: in log
// order, after the registry (before it, if the record removes something) and
// before the archive, by one goroutine. fn must not block and must not call a use
// case that appends. Register before Run.
func (c *core) Observe(fn func(*bridge.Record)) { c.observe = append(c.observe, fn) }

// Ready is closed when the read models have reached the position that the log
// had when Run began.
func (c *core) Ready() <-chan struct{} { return c.ready }

// Run applies the log until ctx ends. Records that were in the log before Run
// began are applied without their observers: whoever was to be told then has
// been told, or follows the log with a cursor of its own.
func (s *Service) Run(ctx context.Context) error {
	end, err := s.log.Last(ctx)
	if err != nil {
		return fmt.Errorf("run service: %w", err)
	}
	from := s.arc.Position().Seq
	if from >= end.Seq {
		close(s.ready)
	}
	err = s.log.Follow(ctx, from, func(rec *bridge.Record, pending uint64) error {
		live := rec.Seq > end.Seq
		if err := s.apply(rec, pending, live); err != nil {
			return fmt.Errorf("apply record %d: %w", rec.Seq, err)
		}
		if !live && (rec.Seq == end.Seq || pending == 0) {
			select {
			case <-s.ready:
			default:
				close(s.ready)
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return s.flush()
	}
	return err
}

func (s *Service) apply(rec *bridge.Record, pending uint64, live bool) error {
	if s.behind.Store(0); pending > 0 {
		s.behind.Store(rec.Time.Unix())
	}
	if len(s.batch) == 0 {
		s.begun = time.Now()
	}
	s.batchMu.Lock()
	s.batch = append(s.batch, rec)
	s.batchMu.Unlock()
	end := rec.Removed()
	if live && end { // who is to be told of it hangs on what goes
		s.tell(rec)
	}
	s.reg.Apply(rec)
	if live && !end {
		s.tell(rec)
	}
	if pending > 0 && len(s.batch) < applyBatch && time.Since(s.begun) < applyDelay {
		return nil
	}
	return s.flush()
}

func (s *Service) tell(rec *bridge.Record) {
	s.observed.Store(rec.Seq)
	for _, fn := range s.observe {
		fn(rec)
	}
}

func (s *Service) flush() error {
	if len(s.batch) == 0 {
		return nil
	}
	if err := s.arc.Apply(s.batch, s.log.Epoch()); err != nil {
		return err
	}
	s.observed.Store(max(s.observed.Load(), s.batch[len(s.batch)-1].Seq))
	s.batchMu.Lock()
	s.batch = nil
	s.batchMu.Unlock()
	return nil
}

// commit appends the drafts, several as one atomic batch, and waits until they
// are applied here.
func (c *core) commit(ctx context.Context, drafts ...bridge.Draft) ([]bridge.Ack, error) {
	acks, err := c.log.Append(ctx, drafts...)
	if err != nil {
		return nil, err
	}
	c.waitFor(ctx, acks[len(acks)-1].Seq)
	return acks, nil
}

// waitFor waits until the archive has applied seq, at most applyWait. Coming
// too late is not an error: what was asked has been done.
func (c *core) waitFor(ctx context.Context, seq uint64) {
	ctx, cancel := context.WithTimeout(ctx, applyWait)
	defer cancel()
	if err := c.arc.WaitFor(ctx, seq); err != nil {
		c.logger.Warn("answering before the record is applied", slog.Uint64("seq", seq), slog.Any("err", err))
	}
}

// settle makes a read see all that anybody has been pushed.
func (c *core) settle(ctx context.Context) { c.waitFor(ctx, c.observed.Load()) }

// caughtUp refuses while this node lags so far behind the log that the archive
// might not know the key of a record any more that the log has forgotten too.
func (c *core) caughtUp() error {
	if at := c.behind.Load(); at != 0 && time.Since(time.Unix(at, 0)) > eventlog.Window/2 {
		return bridge.Refuse(bridge.ResourceConstraint, "this server is catching up; try again in a moment")
	}
	return nil
}

// guarded is a state record that must still follow what the registry shows. It
// belongs into the plan of a change, which sees to it that it has shown the same
// since the plan began to look.
func (c *core) guarded(rec bridge.Record) bridge.Draft {
	return bridge.Draft{Record: rec, Guard: true, Expected: c.reg.StateSeq(&rec)}
}

// change commits what plan returns; when somebody else was faster with the same
// key it waits for that record and plans again. A plan of no drafts is done.
func (c *core) change(ctx context.Context, plan func() ([]bridge.Draft, error)) error {
	const tries = 8
	var conflict error
	for range tries {
		seen := c.reg.Seq()
		drafts, err := plan()
		if err != nil || len(drafts) == 0 {
			return err
		}
		if slices.ContainsFunc(drafts, func(d bridge.Draft) bool { return d.Expected > seen }) {
			continue // applied after the plan may have looked: it would be overwritten unseen
		}
		if _, err = c.commit(ctx, drafts...); !bridge.Is(err, bridge.Conflict) {
			return err
		}
		conflict = err
		last, err := c.log.Last(ctx)
		if err != nil {
			return err
		}
		c.waitFor(ctx, last.Seq)
	}
	return &bridge.Error{Condition: bridge.ResourceConstraint, Text: "this is being changed by others; try again", Err: conflict}
}

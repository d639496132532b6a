// Package deliver is the outbox: what leaves for sites outside, in order,
// retried for days, and sent once.
//
// A door registers a [Sender] for its kind of delivery. The outbox follows the
// log, asks the senders which deliveries each record means, and keeps those that
// wait in a queue of its own:
//
//	q kind NUL lane NUL order NUL seq(8 bytes) target   → time of the record
//	p                                                   → position in the log
//
// A lane is one target site; what is in a lane for one order (a local account)
// goes out in the order of the log, and different orders side by side, at most
// [laneWidth] at a time. A site that fails is left alone for a while that doubles
// up to [maxPause], then tried with one delivery; nothing else waits for it.
//
// The queue can be dropped and derived from the log again. What has been sent is
// known by a cursor for each lane and order, kept by the cluster and written
// before the next delivery of that order begins: so a replay sends nothing, and
// a crash repeats at most the attempts it interrupted. One node of a cluster
// delivers at a time: the one that holds the lease.
package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"peewit/bridge"
)

// Delivery is one thing to be sent to one target because of one record.
type Delivery struct {
	Kind   string    // whose: the name its sender is registered under
	Lane   string    // the site, for instance its host and port
	Order  string    // what is sent in order: the local account
	Seq    uint64    // of the record
	Target string    // where in the site, for instance an endpoint URL
	Time   time.Time // of the record
}

// Sender knows one kind of delivery.
type Sender interface {
	// Deliveries are what a record asks to be sent, from the record and the
	// registry alone. Asked again after a rebuild it must not name targets that came
	// after the record.
	Deliveries(rec *bridge.Record) []Delivery
	// Send makes one attempt. nil means that the delivery is over: taken, or not to
	// be sent any more. A [Later] asks for another attempt; every other error ends
	// the delivery as well and is logged.
	Send(ctx context.Context, d Delivery) error
}

// Later says that the site cannot take the delivery now.
type Later struct {
	After time.Duration // what the site asked for; 0 = as the outbox sees fit
	Err   error
}

func (l *Later) Error() string { return l.Err.Error() }

func (l *Later) Unwrap() error { return l.Err }

// Log is what the outbox needs of the event log.
type Log interface {
	Follow(ctx context.Context, after uint64, fn func(rec *bridge.Record, pending uint64) error) error
	Epoch() string
	Began() uint64
	Confirms(ctx context.Context, pos bridge.Position) (bool, error)
	Get(ctx context.Context, key string) ([]byte, error)
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Hold(ctx context.Context, name string, fn func(ctx context.Context) error) error
}

// Outbox is the queue and its lanes.
type Outbox struct {
	db      *pebble.DB
	log     Log
	logger  *slog.Logger
	senders map[string]Sender
	seq     atomic.Uint64 // of the position

	mu    sync.Mutex // guards lanes
	lanes map[laneKey]*lane
}

type laneKey struct{ kind, name string }

// Open opens the queue in dir, empty if it belongs to another log or is damaged:
// it is derived from the log, and the cursors say what has been sent. senders
// are by kind.
func Open(ctx context.Context, dir string, log Log, senders map[string]Sender, logger *slog.Logger) (*Outbox, error) {
	db, err := openQueue(dir)
	if err != nil && damaged(err) {
		logger.Warn("the outbox cannot be used and is rebuilt", slog.String("dir", dir), slog.Any("err", err))
		if err := os.RemoveAll(dir); err != nil {
			return nil, fmt.Errorf("remove outbox: %w", err)
		}
		db, err = openQueue(dir)
	}
	if err != nil {
		return nil, err
	}
	o := &Outbox{db: db, log: log, logger: logger, senders: senders, lanes: map[laneKey]*lane{}}
	if err := o.checkPosition(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return o, nil
}

// checkPosition empties a queue whose position the log does not confirm.
func (o *Outbox) checkPosition(ctx context.Context) error {
	pos, err := o.position()
	if err != nil {
		return err
	}
	fits, err := o.log.Confirms(ctx, pos)
	if err != nil {
		return err
	}
	if fits {
		o.seq.Store(pos.Seq)
		return nil
	}
	o.logger.Warn("the outbox belongs to another log and is rebuilt")
	return o.db.DeleteRange([]byte{0}, []byte{0xff}, pebble.NoSync)
}

// Close closes the queue. Run must have returned.
func (o *Outbox) Close() error {
	if err := o.db.Flush(); err != nil {
		return errors.Join(fmt.Errorf("flush outbox: %w", err), o.db.Close())
	}
	return o.db.Close()
}

// Run delivers until ctx ends, whenever this node holds the lease.
func (o *Outbox) Run(ctx context.Context) error {
	return o.log.Hold(ctx, "deliver", o.run)
}

func (o *Outbox) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel(nil)
	start := func(l *lane) {
		running.Go(func() {
			if err := l.run(ctx); err != nil {
				cancel(err) // the queue cannot be kept
			}
		})
	}
	o.mu.Lock()
	o.lanes = map[laneKey]*lane{}
	o.mu.Unlock()
	if err := o.resume(ctx, start); err != nil {
		return err
	}
	pos, err := o.position()
	if err != nil {
		return err
	}
	var batch []*bridge.Record
	err = o.log.Follow(ctx, pos.Seq, func(rec *bridge.Record, pending uint64) error {
		batch = append(batch, rec)
		if pending > 0 && len(batch) < 256 {
			return nil
		}
		err := o.enqueue(ctx, batch, start)
		batch = batch[:0]
		return err
	})
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// enqueue queues what the records mean, with the new position, and wakes the
// lanes concerned.
func (o *Outbox) enqueue(ctx context.Context, recs []*bridge.Record, start func(*lane)) error {
	b := o.db.NewBatch()
	defer b.Close()
	touched := map[*lane]int{}
	for _, rec := range recs {
		for kind, sender := range o.senders {
			for _, d := range sender.Deliveries(rec) {
				d.Kind, d.Seq, d.Time = kind, rec.Seq, rec.Time
				l := o.lane(laneKey{kind, d.Lane}, start)
				done, err := l.delivered(ctx, d)
				if err != nil {
					return err
				}
				if done {
					continue
				}
				if err := putDelivery(b, d); err != nil {
					return err
				}
				touched[l]++
			}
		}
	}
	last := recs[len(recs)-1]
	if err := putPosition(b, bridge.Position{Epoch: o.log.Epoch(), Seq: last.Seq, Time: last.Time}); err != nil {
		return err
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("queue deliveries: %w", err)
	}
	o.seq.Store(last.Seq)
	for l, n := range touched {
		l.added(n)
	}
	return nil
}

// resume starts the lanes that have something waiting.
func (o *Outbox) resume(ctx context.Context, start func(*lane)) error {
	waiting, err := o.waiting()
	if err != nil {
		return err
	}
	for key, n := range waiting {
		o.lane(key, start).added(n)
	}
	return ctx.Err()
}

// lane is the lane of a key, running.
func (o *Outbox) lane(key laneKey, start func(*lane)) *lane {
	o.mu.Lock()
	defer o.mu.Unlock()
	l, ok := o.lanes[key]
	if !ok {
		l = newLane(o, key)
		o.lanes[key] = l
		start(l)
	}
	return l
}

// Seq is the record up to which deliveries have been queued.
func (o *Outbox) Seq() uint64 { return o.seq.Load() }

// Status is how a lane is.
type Status struct {
	Kind     string    `json:"kind"`
	Lane     string    `json:"lane"`
	Waiting  int       `json:"waiting"`            // deliveries
	Failures int       `json:"failures,omitempty"` // attempts in a row that failed
	Next     time.Time `json:"next,omitzero"`      // attempt; zero when it is not paused
	Problem  string    `json:"problem,omitempty"`  // of the last failure
}

// Status is how the lanes are that have something waiting, or a failure to tell.
func (o *Outbox) Status() []Status {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []Status
	for _, l := range o.lanes {
		if s := l.status(); s.Waiting > 0 || s.Failures > 0 {
			all = append(all, s)
		}
	}
	return sorted(all)
}

package deliver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	laneWidth   = 4                  // deliveries of one lane at the same time
	firstPause  = 30 * time.Second   // after the first failure
	maxPause    = 4 * time.Hour      // between two attempts
	lifetime    = 3 * 24 * time.Hour // of a delivery, from its record
	sendTimeout = time.Minute
)

// lane is the way to one site. One goroutine, run, decides; the sends are its
// children.
type lane struct {
	box  *Outbox
	key  laneKey
	wake chan struct{}

	mu       sync.Mutex // guards what follows
	count    int        // deliveries in the queue
	failures int
	until    time.Time // no attempt before
	problem  string
	cursors  map[string]cursor // by order, as far as they have been read
}

// cursor is the last delivery of an order that is over.
type cursor struct {
	Epoch  string `json:"epoch"` // of the log that Seq belongs to
	Seq    uint64 `json:"seq"`
	Target string `json:"target"`
}

func newLane(o *Outbox, key laneKey) *lane {
	return &lane{box: o, key: key, wake: make(chan struct{}, 1), cursors: map[string]cursor{}}
}

func (l *lane) added(n int) {
	l.mu.Lock()
	l.count += n
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Status{Kind: l.key.kind, Lane: l.key.name, Waiting: l.count, Failures: l.failures, Problem: l.problem}
	if l.until.After(time.Now()) {
		s.Next = l.until
	}
	return s
}

type result struct {
	d   Delivery
	err error
}

// run sends what the lane holds until ctx ends. Its error is fatal for the
// outbox: the queue cannot be kept.
func (l *lane) run(ctx context.Context) error {
	busy := map[string]bool{}
	results := make(chan result)
	var sends sync.WaitGroup
	defer sends.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // when it fails, nobody takes results any more
	for ctx.Err() == nil {
		pause, width := l.pace()
		timer := time.NewTimer(max(pause, 0))
		if pause <= 0 {
			timer.Stop()
			heads, err := l.next(ctx, width-len(busy), busy)
			if err != nil {
				return err
			}
			for _, d := range heads {
				busy[d.Order] = true
				sends.Go(func() {
					r := result{d, l.send(ctx, d)}
					select {
					case results <- r:
					case <-ctx.Done():
					}
				})
			}
		}
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-l.wake:
		case r := <-results:
			delete(busy, r.d.Order)
			if err := l.settle(ctx, r); err != nil {
				return err
			}
		}
		timer.Stop()
	}
	return nil
}

// next are up to n deliveries to send now, of orders that are not busy. What a
// crash left in the queue although its cursor is past it is taken out.
func (l *lane) next(ctx context.Context, n int, busy map[string]bool) ([]Delivery, error) {
	for n > 0 {
		heads, err := l.box.heads(l.key, n, busy)
		if err != nil {
			return nil, err
		}
		stale := false
		for _, d := range heads {
			done, err := l.delivered(ctx, d)
			if err != nil {
				return nil, err
			}
			if done {
				stale = true
				if err := l.remove(d); err != nil {
					return nil, err
				}
			}
		}
		if !stale {
			return heads, nil
		}
	}
	return nil, nil
}

func (l *lane) remove(d Delivery) error {
	if err := l.box.db.Delete(deliveryKey(d), pebble.NoSync); err != nil {
		return fmt.Errorf("take delivery out of the outbox: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count--
	return nil
}

// pace is how long to wait before the next attempt, and how many deliveries may
// be under way: one while it is not known that the site is well again.
func (l *lane) pace() (pause time.Duration, width int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures == 0 {
		return 0, laneWidth
	}
	return time.Until(l.until), 1
}

func (l *lane) send(ctx context.Context, d Delivery) error {
	if age := time.Since(d.Time); age > lifetime {
		return fmt.Errorf("given up after %s", age.Round(time.Hour))
	}
	sender, ok := l.box.senders[d.Kind]
	if !ok {
		return fmt.Errorf("nobody sends deliveries of kind %s any more", d.Kind)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return sender.Send(ctx, d)
}

// settle takes note of an attempt: the cursor first, then the queue.
func (l *lane) settle(ctx context.Context, r result) error {
	attrs := []any{
		slog.String("kind", r.d.Kind), slog.String("lane", r.d.Lane), slog.String("order", r.d.Order),
		slog.Uint64("seq", r.d.Seq), slog.String("target", r.d.Target), slog.Any("err", r.err),
	}
	var later *Later
	if errors.As(r.err, &later) {
		l.pauseFor(later)
		l.box.logger.Info("delivery postponed", attrs...)
		return nil
	}
	if r.err != nil && ctx.Err() != nil {
		return nil // the attempt was cut short by our own end
	}
	if r.err != nil {
		l.box.logger.Warn("delivery given up", attrs...)
	} else {
		l.box.logger.Info("delivered", attrs...)
	}
	if err := l.advance(ctx, r.d); err != nil {
		return err
	}
	if err := l.remove(r.d); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures, l.problem, l.until = 0, "", time.Time{}
	return nil
}

// pauseFor doubles the pause, with jitter so that lanes that failed together do
// not come back together. What the site asks for (Retry-After) counts when it is
// longer.
func (l *lane) pauseFor(later *Later) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.until) {
		return // one of several that were under way when the site failed
	}
	pause := min(maxPause, firstPause<<min(l.failures, 16))
	pause += time.Duration(rand.Int64N(int64(pause) / 5))
	l.failures++
	l.until = time.Now().Add(min(max(pause, later.After), lifetime))
	l.problem = later.Error()
}

// cursorKey is where the cluster keeps the cursor of an order.
func (l *lane) cursorKey(order string) string {
	return "deliver/" + l.key.kind + "/" + l.key.name + "/" + order
}

// delivered reports whether a delivery is over already.
func (l *lane) delivered(ctx context.Context, d Delivery) (bool, error) {
	l.mu.Lock()
	c, known := l.cursors[d.Order]
	l.mu.Unlock()
	if !known {
		var err error
		if c, err = l.readCursor(ctx, d.Order); err != nil {
			return false, err
		}
		l.mu.Lock()
		l.cursors[d.Order] = c
		l.mu.Unlock()
	}
	return d.Seq < c.Seq || d.Seq == c.Seq && d.Target <= c.Target, nil
}

// readCursor is the cluster's cursor of an order. One of another epoch counts up
// to where this one began: a restored log uses the sequences behind it anew.
func (l *lane) readCursor(ctx context.Context, order string) (cursor, error) {
	var c cursor
	var value []byte
	err := l.patiently(ctx, "read cursor", func() (err error) {
		value, err = l.box.log.Get(ctx, l.cursorKey(order))
		return err
	})
	if err != nil || value == nil {
		return c, err
	}
	if err := json.Unmarshal(value, &c); err != nil {
		return c, fmt.Errorf("read cursor of lane %s: %w", l.key.name, err)
	}
	if began := l.box.log.Began(); c.Epoch != l.box.log.Epoch() && c.Seq > began {
		return cursor{Seq: began + 1}, nil // all of began, nothing after it
	}
	return c, nil
}

// patiently asks the cluster until it answers, or ctx ends. While it is away
// nothing more is sent: what is known to be sent must not be sent again.
func (l *lane) patiently(ctx context.Context, what string, ask func() error) error {
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		err := ask()
		if err == nil {
			return nil
		}
		err = fmt.Errorf("%s of lane %s: %w", what, l.key.name, err)
		if ctx.Err() == nil {
			l.box.logger.Warn("the outbox waits for the log", slog.Duration("retry", pause), slog.Any("err", err))
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

func (l *lane) advance(ctx context.Context, d Delivery) error {
	c := cursor{Epoch: l.box.log.Epoch(), Seq: d.Seq, Target: d.Target}
	value, err := json.Marshal(c)
	if err != nil {
		return err
	}
	err = l.patiently(ctx, "keep cursor", func() error { return l.box.log.Put(ctx, l.cursorKey(d.Order), value, 0) })
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursors[d.Order] = c
	return nil
}

package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"peewit/bridge"
)

const (
	maxBatch   = 1000     // members of an atomic batch; JetStream's limit
	groupFrom  = 16       // a batch costs some ms, a single append an fsync
	groupBytes = 8 << 20  // of one group commit
	queueBytes = 64 << 20 // of all that waits
)

// writer puts messages into one stream, in the order in which they came. What
// waits while it works is committed together.
type writer struct {
	log   *Log
	group bool // independent messages may share a batch

	mu     sync.Mutex
	queue  []*request
	bytes  int
	closed bool
	wake   chan struct{}
}

// request is what one caller wants written: one message, or several as a batch.
type request struct {
	msgs  []*nats.Msg
	bytes int
	since time.Time
	acks  []bridge.Ack
	err   error
	done  chan struct{}
}

func newWriter(l *Log, group bool) *writer {
	return &writer{log: l, group: group, wake: make(chan struct{}, 1)}
}

// write writes the requests, which stay neighbours, and waits for all of them. A
// ctx that ends takes back what is not handed to the server yet.
func (w *writer) write(ctx context.Context, requests ...*request) error {
	if err := w.enqueue(requests); err != nil {
		return err
	}
	return w.await(ctx, requests)
}

func (w *writer) await(ctx context.Context, requests []*request) error {
	for _, r := range requests {
		select {
		case <-r.done:
		case <-ctx.Done():
			w.cancel(requests, ctx.Err())
			return unavailable(ctx.Err())
		}
	}
	for _, r := range requests {
		if r.err != nil {
			return r.err
		}
	}
	return nil
}

func newRequest(msgs ...*nats.Msg) *request {
	r := &request{msgs: msgs, since: time.Now(), done: make(chan struct{})}
	for _, m := range msgs {
		r.bytes += m.Size()
	}
	return r
}

func (w *writer) enqueue(requests []*request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return unavailable(errors.New("the log is closed"))
	}
	if w.bytes > queueBytes {
		return unavailable(fmt.Errorf("%d MiB wait for the log already", w.bytes>>20))
	}
	for _, r := range requests {
		w.bytes += r.bytes
	}
	w.queue = append(w.queue, requests...)
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

// cancel takes those requests out of the queue that are still in it.
func (w *writer) cancel(requests []*request, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	gone := make(map[*request]bool, len(requests))
	for _, r := range requests {
		gone[r] = true
	}
	kept := w.queue[:0]
	for _, r := range w.queue {
		if !gone[r] {
			kept = append(kept, r)
			continue
		}
		w.bytes -= r.bytes
		r.finish(nil, unavailable(cause))
	}
	clear(w.queue[len(kept):])
	w.queue = kept
}

func (r *request) finish(acks []bridge.Ack, err error) {
	r.acks, r.err = acks, err
	close(r.done)
}

// run writes until the log is closed; what waits then is refused.
func (w *writer) run() {
	for {
		select {
		case <-w.log.done:
			w.mu.Lock()
			w.closed = true
			rest := w.queue
			w.queue = nil
			w.mu.Unlock()
			for _, r := range rest {
				r.finish(nil, unavailable(errors.New("the log is closed")))
			}
			return
		case <-w.wake:
		}
		for next := w.take(); len(next) > 0; next = w.take() {
			w.commit(next)
		}
	}
}

// take is what is written next: one batch of a caller, or single messages of many.
func (w *writer) take() []*request {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.log.done:
		return nil // run refuses the rest
	default:
	}
	n, bytes := 0, 0
	for n < len(w.queue) && n < maxBatch && (n == 0 || bytes+w.queue[n].bytes <= groupBytes) {
		if len(w.queue[n].msgs) > 1 && n > 0 {
			break
		}
		bytes += w.queue[n].bytes
		n++
		if len(w.queue[n-1].msgs) > 1 {
			break
		}
	}
	next := w.queue[:n:n]
	w.queue = w.queue[n:]
	w.bytes -= bytes
	return next
}

func (w *writer) commit(next []*request) {
	if err := w.unable(next); err != nil {
		for _, r := range next {
			r.finish(nil, err)
		}
		return
	}
	if len(next[0].msgs) > 1 {
		acks, err := w.batch(next[0].msgs)
		next[0].finish(acks, err)
		return
	}
	if w.group && len(next) >= groupFrom {
		msgs := make([]*nats.Msg, len(next))
		for i, r := range next {
			msgs[i] = r.msgs[0]
		}
		acks, err := w.batch(msgs)
		if err == nil {
			for i, r := range next {
				r.finish(acks[i:i+1], nil)
			}
			return
		}
		if apiCode(err) == 0 { // nobody knows whether it was written
			for _, r := range next {
				r.finish(nil, err)
			}
			return
		}
	}
	w.singles(next)
}

// unable says why it makes no sense to try: the server cannot write, or the
// requests, even the youngest, waited longer than anybody does.
func (w *writer) unable(next []*request) error {
	if w.log.server != nil {
		if err := w.log.server.sick(); err != nil {
			return diskFull(err)
		}
	}
	if time.Since(next[len(next)-1].since) > w.log.patience {
		return unavailable(errors.New("the log was busy for too long"))
	}
	return nil
}

// singles publishes one message after the other without waiting in between; the
// order of one connection is the order in the stream.
func (w *writer) singles(next []*request) {
	futures := make([]jetstream.PubAckFuture, len(next))
	for i, r := range next {
		var err error
		futures[i], err = w.log.js.PublishMsgAsync(r.msgs[0], jetstream.WithRetryAttempts(0))
		if err != nil {
			r.finish(nil, refusal("append", err))
		}
	}
	for i, r := range next {
		if futures[i] == nil {
			continue
		}
		err := w.answer(func(doubt <-chan time.Time) (bool, error) {
			select {
			case ack := <-futures[i].Ok():
				r.acks = []bridge.Ack{{Seq: ack.Sequence, Duplicate: ack.Duplicate}}
				return true, nil
			case err := <-futures[i].Err():
				return true, err
			case <-doubt:
				return false, nil
			}
		})
		r.finish(r.acks, wrap(err))
	}
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return refusal("append", err)
}

// answer waits for an answer; wait returns whether it came. Each second without
// one the embedded server is asked how it is.
func (w *writer) answer(wait func(doubt <-chan time.Time) (bool, error)) error {
	doubt := time.NewTicker(time.Second)
	defer doubt.Stop()
	for {
		if came, err := wait(doubt.C); came {
			return err
		}
		if w.log.server == nil {
			continue
		}
		if err := w.log.server.suspect(); err != nil {
			return diskFull(err)
		}
	}
}

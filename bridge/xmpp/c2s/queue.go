package c2s

import (
	"errors"
	"sync"
	"time"

	"peewit/bridge/xmpp"
)

var (
	errEnding = errors.New("the session is ending")
	errSlow   = errors.New("the client reads too slowly")
)

// queue is what waits to be written to one client: results before presence
// before events, each in the order it was added. No goroutine belongs to it.
// Whoever adds to a queue that nobody is emptying has to empty it, or start a
// goroutine that does; what is added meanwhile goes with the next write.
type queue struct {
	mu      sync.Mutex
	limit   int
	waiting [int(xmpp.Event) + 1]*batch
	size    int

	final  []byte // the last thing to write, once ending
	ending bool
	busy   bool      // somebody is emptying the queue
	since  time.Time // busy with one write since; zero when not
}

// batch is stanzas of one priority, one behind the other.
type batch struct {
	bytes []byte
	ends  []int // where each stanza ends; what a transport writes in one message
}

// add copies a stanza into the queue. empty says that the caller has to see to
// it that the queue is emptied. A queue over its limit takes nothing more:
// errSlow. A single stanza is taken whatever its size.
func (q *queue) add(p xmpp.Priority, stanza []byte) (empty bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ending {
		return false, errEnding
	}
	if q.size > q.limit {
		return false, errSlow
	}
	b := q.waiting[p]
	if b == nil {
		b = batches.Get().(*batch)
		q.waiting[p] = b
	}
	b.bytes = append(b.bytes, stanza...)
	b.ends = append(b.ends, len(b.bytes))
	q.size += len(stanza)
	return q.claim(), nil
}

// end makes final the last thing that is written; drop says that what waits is
// not written. Only the first end counts.
func (q *queue) end(final []byte, drop bool) (empty, first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ending {
		return false, false
	}
	q.ending, q.final = true, final
	if drop {
		q.waiting, q.size = [len(q.waiting)]*batch{}, 0
	}
	return q.claim(), true
}

func (q *queue) claim() bool {
	if q.busy {
		return false
	}
	q.busy = true
	return true
}

// empty hands what waits to write until nothing does. write gets the batch's
// bytes for the time of the call only. last is called, with what is to be
// written at the very end, when the queue is ending and nothing waits. After an
// error nothing more is written.
func (q *queue) empty(write func(*batch) error, last func(final []byte)) {
	for {
		q.mu.Lock()
		work := q.waiting
		q.waiting = [len(q.waiting)]*batch{}
		idle := q.size == 0
		q.size = 0
		if idle && !q.ending {
			q.busy, q.since = false, time.Time{}
			q.mu.Unlock()
			return
		}
		final := q.final
		q.since = time.Now()
		q.mu.Unlock()
		if idle {
			last(final) // busy stays true: there is nothing to do any more
			return
		}
		for _, b := range work {
			if b == nil {
				continue
			}
			if err := write(b); err != nil {
				q.end(nil, true)
				last(nil)
				return
			}
			b.free()
		}
	}
}

// stuck reports whether one write has taken longer than most.
func (q *queue) stuck(now time.Time, most time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.since.IsZero() && now.Sub(q.since) > most
}

// batches are the buffers of queues that wait for nothing: an idle session
// holds none. What a burst made big is left to the collector.
var batches = sync.Pool{New: func() any { return new(batch) }}

const keptBatch = 64 << 10

func (b *batch) free() {
	if cap(b.bytes) <= keptBatch {
		b.bytes, b.ends = b.bytes[:0], b.ends[:0]
		batches.Put(b)
	}
}

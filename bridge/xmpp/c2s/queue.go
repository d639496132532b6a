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
	limit int
	pool  *sync.Pool // of *batch

	mu      sync.Mutex
	waiting lanes
	size    int

	ending  bool
	final   *batch        // the last words, once ending
	done    chan struct{} // once ending: closed when the last words are written, or cannot be
	busy    bool          // somebody is emptying the queue, or will
	resting bool          // nobody is, until the pause behind the last events is over
	since   time.Time     // busy with one write since; zero when not
	told    time.Time     // when events were last written
}

// eventPause is the least time between two writes of events to one client. In a
// burst the events of that time leave in one write, which costs what an event by
// itself costs; a lone event leaves at once.
const eventPause = 5 * time.Millisecond

// lanes are batches by priority.
type lanes [int(xmpp.Event) + 1]*batch

// batch is stanzas of one priority, one behind the other.
type batch struct {
	bytes []byte
	ends  []int // where each stanza ends: WebSocket sends each in a message of its own
}

func (b *batch) add(stanza []byte) {
	b.bytes = append(b.bytes, stanza...)
	b.ends = append(b.ends, len(b.bytes))
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
		b = q.pool.Get().(*batch)
		q.waiting[p] = b
	}
	b.add(stanza)
	q.size += len(stanza)
	return !(p == xmpp.Event && q.resting) && q.claim(), nil
}

// end makes final the last words: nothing is written after them. drop says that
// what waits is not written before them. Only the first end counts.
func (q *queue) end(final *batch, drop bool) (empty, first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ending {
		return false, false
	}
	q.ending, q.final, q.done = true, final, make(chan struct{})
	if drop {
		q.waiting, q.size = lanes{}, 0
	}
	return q.claim(), true
}

// hold keeps what is added from being written until the queue is emptied by the
// caller. It reports false when somebody is emptying it now.
func (q *queue) hold() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.claim()
}

func (q *queue) claim() bool {
	if q.busy && !q.resting {
		return false
	}
	q.busy, q.resting = true, false
	return true
}

// rest puts off emptying a claimed queue in which only events wait, for the time
// it returns: resume must be called then. 0 means that it cannot wait.
func (q *queue) rest(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.told.Add(eventPause).Sub(now)
	if left <= 0 || q.ending || q.waiting[xmpp.Result] != nil || q.waiting[xmpp.Presence] != nil {
		return 0
	}
	q.resting = true
	return left
}

// resume ends the rest, unless something urgent has. The caller has to empty the
// queue when it reports true.
func (q *queue) resume() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.resting && q.claim()
}

// empty writes what waits to w until nothing does, and the last words when the
// queue is ending. After an error nothing more is written.
func (q *queue) empty(w wire) {
	for {
		work, final, ok := q.take()
		if !ok {
			return
		}
		if final != nil {
			w.hangUp(final)
			close(q.done)
			return
		}
		for _, b := range work {
			if b == nil {
				continue
			}
			if err := w.write(b); err != nil {
				q.end(new(batch), true)
				w.kill()
				close(q.done)
				return
			}
			q.free(b)
		}
	}
}

// take is what to write next: what waits, or, when nothing does, the last
// words. Without either the queue is free again and ok is false.
func (q *queue) take() (work lanes, final *batch, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.size > 0:
		work, q.waiting, q.size = q.waiting, work, 0
	case q.ending:
		final = q.final
	default:
		q.busy, q.since = false, time.Time{}
		return work, nil, false
	}
	q.since = time.Now()
	if work[xmpp.Event] != nil {
		q.told = q.since
	}
	return work, final, true
}

// isEnding reports whether nothing more is taken.
func (q *queue) isEnding() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ending
}

// stuck reports whether one write has taken longer than most.
func (q *queue) stuck(now time.Time, most time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.since.IsZero() && now.Sub(q.since) > most
}

// keptBatch is the biggest buffer that is kept for another time.
const keptBatch = 64 << 10

// newPool makes the buffers that queues share: an empty queue holds none.
func newPool() *sync.Pool { return &sync.Pool{New: func() any { return new(batch) }} }

func (q *queue) free(b *batch) {
	if cap(b.bytes) <= keptBatch {
		b.bytes, b.ends = b.bytes[:0], b.ends[:0]
		q.pool.Put(b)
	}
}

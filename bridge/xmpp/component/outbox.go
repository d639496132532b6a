package component

import (
	"errors"
	"sync"

	"peewit/bridge/xmpp"
)

// classes are what waits to be written, the most urgent first: IQ results,
// presence, messages, and last the lane's events, which it bounds itself.
const (
	classes   = 4
	laneClass = 3

	waitingOut = 8 << 20  // bytes of each of the first three classes
	atOnce     = 32 << 10 // bytes of one write: how long a result waits for events
)

var errFull = errors.New("too much waits to be sent")

// outbox is what waits for the writer.
type outbox struct {
	mu     sync.Mutex
	queues [classes][][]byte
	bytes  [classes]int
	closed bool
	more   chan struct{} // holds one token when something came, or at the end
}

func newOutbox() *outbox { return &outbox{more: make(chan struct{}, 1)} }

func class(p xmpp.Priority) int {
	switch p {
	case xmpp.Result:
		return 0
	case xmpp.Presence:
		return 1
	}
	return 2
}

func (o *outbox) put(p xmpp.Priority, b []byte) error { return o.add(class(p), b) }

// putLane queues whole stanzas of the lane, in order.
func (o *outbox) putLane(b []byte) error { return o.add(laneClass, b) }

func (o *outbox) add(class int, b []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return ErrDown
	}
	if class != laneClass && o.bytes[class]+len(b) > waitingOut {
		return errFull
	}
	o.queues[class] = append(o.queues[class], b)
	o.bytes[class] += len(b)
	o.wake()
	return nil
}

// take appends what is to be written next to buf; nothing waits when it appends
// nothing, and nothing will any more when last is true.
func (o *outbox) take(buf []byte) (_ []byte, last bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for class := range o.queues {
		q := o.queues[class]
		for len(q) > 0 && len(buf) < atOnce {
			buf = append(buf, q[0]...)
			o.bytes[class] -= len(q[0])
			q[0] = nil
			q = q[1:]
		}
		o.queues[class] = q
	}
	return buf, o.closed && len(buf) == 0
}

// close lets the writer end when it has written what waits.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.wake()
}

func (o *outbox) wake() {
	select {
	case o.more <- struct{}{}:
	default:
	}
}

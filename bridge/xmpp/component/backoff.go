package component

import (
	"math/rand/v2"
	"sync"
	"time"
)

// The pauses between attempts to connect.
const (
	firstPause = time.Second
	mostPause  = time.Minute
	steady     = 10 * time.Second // a connection that lasted this long was a good one
	repeatAt   = 10 * time.Minute // how often the same trouble is logged
)

// backoff is the pause before the next attempt: it doubles from one second to a
// minute, and a random part of up to its half is taken off, so that links which
// broke together do not come back together.
type backoff struct{ pause time.Duration }

func (b *backoff) next() time.Duration {
	b.pause = min(max(2*b.pause, firstPause), mostPause)
	return b.pause - rand.N(b.pause/2)
}

func (b *backoff) reset() { b.pause = 0 }

// calmError says when an error is worth a line in the log: when it is another
// than the last one, or that one was long ago.
type calmError struct {
	last string
	at   time.Time
}

func (c *calmError) news(err error) bool {
	if err.Error() == c.last && time.Since(c.at) < repeatAt {
		return false
	}
	c.last, c.at = err.Error(), time.Now()
	return true
}

// calm thins out lines about something that strangers can cause at will: at most
// one a minute, which tells how many there were.
type calm struct {
	mu    sync.Mutex
	count int
	at    time.Time
}

// another counts one more, and returns how many a line has to tell of now: 0 for
// none yet.
func (c *calm) another() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	if time.Since(c.at) < time.Minute {
		return 0
	}
	n := c.count
	c.count, c.at = 0, time.Now()
	return n
}

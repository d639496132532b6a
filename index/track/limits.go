package track

import (
	"sync"
	"time"
)

const (
	defaultPerMinute = 300
	window           = time.Minute
)

// limits count what each owner is shown in a minute.
type limits struct {
	mu     sync.Mutex
	most   int
	owners map[string]*limit
}

type limit struct {
	began    time.Time
	shown    int
	notShown int
}

func newLimits(perMinute int) *limits {
	if perMinute <= 0 {
		perMinute = defaultPerMinute
	}
	return &limits{most: perMinute, owners: make(map[string]*limit)}
}

// allow reports whether the owner may be shown one more, and counts it.
func (l *limits) allow(owner string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.owners[owner]
	if c == nil {
		c = &limit{began: now}
		l.owners[owner] = c
	}
	if c.shown < l.most {
		c.shown++
		return true
	}
	c.notShown++
	return false
}

// expired ends the minutes that are over. It returns how many matches each owner
// was not shown in them, if any.
func (l *limits) expired(now time.Time) map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var over map[string]int
	for owner, c := range l.owners {
		if now.Sub(c.began) < window {
			continue
		}
		delete(l.owners, owner)
		if c.notShown > 0 {
			if over == nil {
				over = make(map[string]int)
			}
			over[owner] = c.notShown
		}
	}
	return over
}

package c2s

import "time"

// crew is goroutines that do what needs a deep stack: negotiate, parse, handle.
// A session's own goroutine waits for bytes with a small one: a stack that has
// grown shrinks late, and there are as many as sessions, but only as many deep
// ones as stanzas being handled.
type crew struct {
	jobs chan func()
	stop <-chan struct{} // closed: nobody waits for more
}

// rest is how long a member waits for more to do.
const rest = 5 * time.Second

// do has job done by a member who is free, or by a new one, and returns at once.
func (c crew) do(job func()) {
	select {
	case c.jobs <- job:
	default:
		go c.member(job)
	}
}

func (c crew) member(job func()) {
	resting := time.NewTimer(rest)
	defer resting.Stop()
	for {
		job()
		resting.Reset(rest)
		select {
		case job = <-c.jobs:
		case <-resting.C:
			return
		case <-c.stop:
			return
		}
	}
}

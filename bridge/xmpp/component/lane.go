package component

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"peewit/bridge"
)

const (
	stepEvents    = 50               // events between two pings
	flightEvents  = 200              // events in flight
	flightBytes   = 1 << 20          // bytes in flight
	confirmWithin = 30 * time.Second // what is in flight for longer will not be confirmed
)

// lane sends the events of the log over one connection. The goroutine in run
// sends; the session's reader confirms.
type lane struct {
	s *session

	// Of the goroutine in run.
	batch   []byte // stanzas not yet given to the outbox
	group   []bridge.JID
	grouped cursor // what will have been sent when the group is

	mu      sync.Mutex
	steps   []*step // in flight, the oldest first; the last may be open
	number  uint64  // of steps[0]
	events  int     // in flight
	bytes   int     // in flight
	service bridge.JID
	restart context.CancelCauseFunc
	freed   chan struct{} // holds one token when something was confirmed
}

// step is a stretch of the lane that is confirmed as a whole.
type step struct {
	at     cursor // what is confirmed with it
	open   bool   // more may come to it
	direct bool   // has events that a ping confirms
	ping   bool   // the ping is under way
	echoes int    // multicasts under way
	events int
	bytes  int
	since  time.Time
}

func (st *step) confirmed() bool { return !st.open && !st.ping && st.echoes == 0 }

// errRestart makes the lane begin again where the host has confirmed.
var errRestart = errors.New("the lane begins again")

func newLane(s *session) *lane { return &lane{s: s, freed: make(chan struct{}, 1)} }

// run sends until ctx ends or the host stops confirming.
func (n *lane) run(ctx context.Context) error {
	if n.s.l.o.Events == nil {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if err := n.watch(ctx); err != nil {
			cancel(err)
		}
	})
	wg.Go(func() { n.findMulticast(ctx) })
	for {
		err := n.follow(ctx)
		if errors.Is(err, errRestart) {
			continue
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
}

// follow sends from the confirmed position on.
func (n *lane) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	resume := n.s.l.position()
	n.mu.Lock()
	n.restart = cancel
	n.number += uint64(len(n.steps)) // echoes of what is forgotten are not counted
	n.steps, n.events, n.bytes = nil, 0, 0
	n.mu.Unlock()
	n.batch, n.group = nil, nil
	err := n.s.l.o.Log.Follow(ctx, resume.after(), func(rec *bridge.Record, pending uint64) error {
		if err := n.record(ctx, rec, resume); err != nil {
			return err
		}
		n.flush()
		if pending == 0 {
			n.close()
		}
		return nil
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// record sends the events of one record, behind the cursor resume.
func (n *lane) record(ctx context.Context, rec *bridge.Record, resume cursor) error {
	o := &n.s.l.o
	if o.Applied != nil {
		if err := o.Applied(ctx, rec.Seq); err != nil {
			return err
		}
	}
	for i, event := range o.Events(rec) {
		after := bridge.JID("")
		if rec.Seq == resume.Seq && resume.To != "" {
			if i < resume.Event {
				continue
			}
			if i == resume.Event {
				after = resume.To
			}
		}
		checked := false
		for to := range event.Recipients(after) {
			if !o.Serves(to.Domain()) {
				continue
			}
			if !checked {
				if err := check(event.Stanza(nil, to), o.Domain); err != nil {
					o.Logger.Error("event not fit to be sent", slog.Uint64("seq", rec.Seq), slog.Any("error", err))
					n.s.l.count(func(st *Status) { st.Refused++ })
					break
				}
				checked = true
			}
			if err := n.add(ctx, event, to, cursor{rec.Seq, i, to}); err != nil {
				return err
			}
		}
		if err := n.sendGroup(ctx, event); err != nil {
			return err
		}
	}
	n.reached(cursor{Seq: rec.Seq})
	return nil
}

// add sends an event to one recipient, at once or with its group.
func (n *lane) add(ctx context.Context, event Event, to bridge.JID, at cursor) error {
	if n.multicast() != "" && slices.Contains(n.s.l.o.Hosts, to.Domain()) {
		n.group = append(n.group, to)
		n.grouped = at
		if len(n.group) < groupSize {
			return nil
		}
		return n.sendGroup(ctx, event)
	}
	if err := n.sendGroup(ctx, event); err != nil { // the cursor goes in order
		return err
	}
	return n.direct(ctx, event, to, at)
}

func (n *lane) direct(ctx context.Context, event Event, to bridge.JID, at cursor) error {
	if ctx.Err() != nil { // multicast was abandoned: what it lost comes first
		return context.Cause(ctx)
	}
	before := len(n.batch)
	n.batch = event.Stanza(n.batch, to)
	size := len(n.batch) - before
	if !n.room(1, size) {
		stanza := bytes.Clone(n.batch[before:])
		n.batch = n.batch[:before]
		if err := n.wait(ctx, 1, size); err != nil {
			return err
		}
		n.batch = append(n.batch, stanza...)
	}
	n.mu.Lock()
	st := n.current()
	st.direct = true
	full := n.count(st, 1, size, at)
	n.mu.Unlock()
	if full {
		n.close()
	}
	return nil
}

// current is the open step; mu is held.
func (n *lane) current() *step {
	if len(n.steps) > 0 {
		if st := n.steps[len(n.steps)-1]; st.open {
			return st
		}
	}
	st := &step{open: true, since: time.Now()}
	n.steps = append(n.steps, st)
	return st
}

// count notes what was added to a step, and reports whether the step is full; mu
// is held.
func (n *lane) count(st *step, events, bytes int, at cursor) bool {
	st.events += events
	st.bytes += bytes
	st.at = at
	n.events += events
	n.bytes += bytes
	n.s.l.count(func(s *Status) { s.Sent += uint64(events) })
	return st.events >= stepEvents
}

// reached notes that a record is done with. It moves the last step on, or the
// confirmed position itself when nothing is in flight.
func (n *lane) reached(at cursor) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.steps) > 0 {
		n.steps[len(n.steps)-1].at = at
		return
	}
	n.s.l.setPosition(at)
}

// flush gives what was made to the writer.
func (n *lane) flush() {
	if len(n.batch) == 0 {
		return
	}
	_ = n.s.out.putLane(n.batch)            // fails only when the session is ending
	n.batch = make([]byte, 0, len(n.batch)) // the next is probably as big
}

// close ends the open step with a ping, if one is needed.
func (n *lane) close() {
	n.mu.Lock()
	last := len(n.steps) - 1
	if last < 0 || !n.steps[last].open {
		n.mu.Unlock()
		return
	}
	st := n.steps[last]
	st.open, st.since = false, time.Now()
	st.ping = st.direct
	number := n.number + uint64(last)
	if !st.ping {
		n.settle()
	}
	n.mu.Unlock()
	if st.ping {
		n.batch = append(n.batch, n.s.ping(strconv.FormatUint(number, 36))...)
	}
	n.flush()
}

// room reports whether so much more may be in flight.
func (n *lane) room(events, bytes int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.events == 0 || n.events+events <= flightEvents && n.bytes+bytes <= flightBytes
}

// wait waits until there is room.
func (n *lane) wait(ctx context.Context, events, bytes int) error {
	n.close() // so that what is in flight will be confirmed
	for !n.room(events, bytes) {
		select {
		case <-n.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// confirm notes that a ping ("iq") or the echo of a multicast ("message") of a
// step has come back.
func (n *lane) confirm(number uint64, kind string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := number - n.number
	if i >= uint64(len(n.steps)) {
		return // of a step that is forgotten
	}
	switch st := n.steps[i]; {
	case kind == "iq":
		st.ping = false
	case st.echoes > 0:
		st.echoes--
	}
	n.settle()
}

// settle takes the confirmed steps out of flight, in order; mu is held.
func (n *lane) settle() {
	for len(n.steps) > 0 && n.steps[0].confirmed() {
		st := n.steps[0]
		n.steps = n.steps[1:]
		n.number++
		n.events -= st.events
		n.bytes -= st.bytes
		n.s.l.setPosition(st.at)
	}
	select {
	case n.freed <- struct{}{}:
	default:
	}
}

func (n *lane) inFlight() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.events
}

// watch writes the cursor now and then and sees to it that what is in flight is
// confirmed at all.
func (n *lane) watch(ctx context.Context) error {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		n.s.l.saveCursor(ctx)
		n.mu.Lock()
		var late step
		if len(n.steps) > 0 && !n.steps[0].open && time.Since(n.steps[0].since) > confirmWithin {
			late = *n.steps[0]
		}
		n.mu.Unlock()
		switch {
		case late.ping:
			return fmt.Errorf("the host has not returned a ping for %s", confirmWithin)
		case late.echoes > 0:
			n.abandonMulticast(fmt.Sprintf("it has not returned our copy for %s", confirmWithin))
		}
	}
}

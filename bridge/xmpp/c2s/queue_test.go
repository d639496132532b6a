package c2s

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"peewit/bridge/xmpp"
)

// recorder is a wire that keeps what is written to it.
type recorder struct {
	wire
	written []string // a stanza each
	batches int
	last    string
	fail    error
	killed  bool
}

func (r *recorder) write(b *batch) error {
	if r.fail != nil {
		return r.fail
	}
	r.batches++
	at := 0
	for _, end := range b.ends {
		r.written = append(r.written, string(b.bytes[at:end]))
		at = end
	}
	return nil
}

func (r *recorder) hangUp(b *batch) { r.last = string(b.bytes) }
func (r *recorder) kill()           { r.killed = true }

func newQueue(limit int) *queue { return &queue{limit: limit, pool: newPool()} }

func last(s string) *batch {
	b := new(batch)
	b.add([]byte(s))
	return b
}

func TestQueueOrder(t *testing.T) {
	q := newQueue(1000)
	if !q.hold() {
		t.Fatal("a new queue is busy")
	}
	for _, s := range []struct {
		p xmpp.Priority
		s string
	}{{xmpp.Event, "e1"}, {xmpp.Result, "r1"}, {xmpp.Presence, "p1"}, {xmpp.Event, "e2"}, {xmpp.Result, "r2"}} {
		if empty, err := q.add(s.p, []byte(s.s)); empty || err != nil {
			t.Fatal(empty, err)
		}
	}
	var w recorder
	q.empty(&w)
	if got := strings.Join(w.written, " "); got != "r1 r2 p1 e1 e2" || w.batches != 3 {
		t.Errorf("%d batches: %s", w.batches, got)
	}
	if empty, err := q.add(xmpp.Event, []byte("e3")); !empty || err != nil {
		t.Errorf("an empty queue: %v, %v", empty, err)
	}
}

func TestQueueLimit(t *testing.T) {
	q := newQueue(10)
	q.hold()
	for range 2 { // the second finds 10 bytes waiting, which is the limit
		if _, err := q.add(xmpp.Event, []byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.add(xmpp.Result, []byte("x")); !errors.Is(err, errSlow) {
		t.Errorf("over the limit: %v", err)
	}
	var w recorder
	q.empty(&w)
	if _, err := q.add(xmpp.Event, []byte(strings.Repeat("x", 100))); err != nil {
		t.Errorf("one stanza above the limit: %v", err)
	}
}

func TestQueueEnd(t *testing.T) {
	for _, tt := range []struct {
		name string
		drop bool
		want string
	}{{"keep", false, "a"}, {"drop", true, ""}} {
		q := newQueue(1000)
		q.hold()
		q.add(xmpp.Event, []byte("a"))
		if empty, first := q.end(last("bye"), tt.drop); empty || !first {
			t.Errorf("%s: end: %v, %v", tt.name, empty, first)
		}
		if _, first := q.end(last("again"), true); first {
			t.Errorf("%s: ended twice", tt.name)
		}
		if _, err := q.add(xmpp.Event, []byte("late")); !errors.Is(err, errEnding) {
			t.Errorf("%s: add to an ended queue: %v", tt.name, err)
		}
		var w recorder
		q.empty(&w)
		if got := strings.Join(w.written, " "); got != tt.want || w.last != "bye" {
			t.Errorf("%s: written %q, last %q", tt.name, got, w.last)
		}
		<-q.done
	}
}

func TestQueueBroken(t *testing.T) {
	q := newQueue(1000)
	q.add(xmpp.Event, []byte("a"))
	w := recorder{fail: errors.New("gone")}
	q.empty(&w)
	if _, err := q.add(xmpp.Event, []byte("b")); !errors.Is(err, errEnding) || !w.killed {
		t.Errorf("after a failed write: %v, killed %v", err, w.killed)
	}
	<-q.done
}

func TestQueueStuck(t *testing.T) {
	q := newQueue(1000)
	if q.stuck(time.Now().Add(time.Hour), time.Minute) {
		t.Error("an idle queue is stuck")
	}
	q.add(xmpp.Event, []byte("a"))
	q.take()
	if q.stuck(time.Now().Add(50*time.Second), time.Minute) || !q.stuck(time.Now().Add(70*time.Second), time.Minute) {
		t.Error("a write of a minute")
	}
}

// Whatever is added by whom, each adder's stanzas of one priority arrive in
// order, none lost, none twice.
func TestQueueKeepsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.IntRange(0, 50), 1, 4).Draw(t, "counts")
		q := newQueue(1 << 20)
		w := new(recorder)
		var adders, writers sync.WaitGroup
		for who, n := range counts {
			adders.Go(func() {
				for i := range n {
					empty, err := q.add(xmpp.Priority(who%3), fmt.Appendf(nil, "%d:%d", who, i))
					if err != nil {
						panic(err)
					}
					if empty {
						writers.Go(func() { q.empty(w) })
					}
				}
			})
		}
		adders.Wait()
		writers.Wait()
		seen := make([]int, len(counts))
		for _, s := range w.written {
			var who, i int
			if _, err := fmt.Sscanf(s, "%d:%d", &who, &i); err != nil || seen[who] != i {
				t.Fatalf("%q after %d of its adder's", s, seen[who])
			}
			seen[who]++
		}
		for who, n := range counts {
			if seen[who] != n {
				t.Fatalf("%d of %d arrived", seen[who], n)
			}
		}
	})
}

// TestEventsRest: events right behind events wait for more of them, until
// something comes that somebody waits for.
func TestEventsRest(t *testing.T) {
	told := func(t *testing.T) (*queue, *recorder) {
		q, w := newQueue(1000), new(recorder)
		if empty, _ := q.add(xmpp.Event, []byte("e1")); !empty || q.rest(time.Now()) != 0 {
			t.Fatal("the first event has to wait")
		}
		q.empty(w)
		if empty, _ := q.add(xmpp.Event, []byte("e2")); !empty {
			t.Fatal("nobody is told to empty the queue")
		}
		if wait := q.rest(q.told.Add(time.Millisecond)); wait != eventPause-time.Millisecond {
			t.Fatalf("the rest is %v", wait)
		}
		if empty, _ := q.add(xmpp.Event, []byte("e3")); empty {
			t.Fatal("a resting queue is to be emptied")
		}
		return q, w
	}
	q, w := told(t)
	if !q.resume() || q.resume() {
		t.Error("a rest ends once")
	}
	q.empty(w)
	if got := strings.Join(w.written, " "); got != "e1 e2 e3" || w.batches != 2 {
		t.Errorf("%d batches: %s", w.batches, got)
	}

	q, w = told(t)
	if empty, _ := q.add(xmpp.Result, []byte("r")); !empty {
		t.Error("an answer waits")
	}
	if q.rest(q.told) != 0 {
		t.Error("a queue with an answer rests")
	}
	if q.resume() {
		t.Error("the rest is over")
	}
	q.empty(w)
	if got := strings.Join(w.written, " "); got != "e1 r e2 e3" {
		t.Errorf("written: %s", got)
	}

	q, w = told(t)
	if empty, _ := q.end(last("bye"), false); !empty {
		t.Error("the end waits")
	}
	q.empty(w)
	if got := strings.Join(w.written, " "); got != "e1 e2 e3" || w.last != "bye" {
		t.Errorf("written: %s, last %s", got, w.last)
	}
	if q.rest(q.told) != 0 || q.resume() {
		t.Error("an ended queue rests")
	}
}

// TestABurstLeavesInFewWrites: a lone event leaves at once, and those behind it
// together.
func TestABurstLeavesInFewWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		c := h.pipe(t).login("alice", "pencil").bind("desk")
		session := h.router.session("alice@" + domain + "/desk")
		begin := time.Now()
		for i := range 50 {
			if err := session.Send(xmpp.Event, fmt.Appendf(nil, "<message id='%d'/>", i)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if i == 0 {
				c.expect("<message id='0'/>")
				if time.Since(begin) != 0 {
					t.Error("the first event waited")
				}
			}
		}
		for i := 1; i < 50; i++ {
			c.expect(fmt.Sprintf("<message id='%d'/>", i))
		}
		if waited := time.Since(begin); waited != eventPause {
			t.Errorf("the others came after %v", waited)
		}
		h.quit(t)
	})
}

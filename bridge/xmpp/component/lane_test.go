package component

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// A stream that is cut in the middle of a fan-out of 500 events, again and
// again, at any place.
func TestCutInTheMiddle(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		lag := rapid.IntRange(0, 150).Draw(rt, "lag")
		cuts := rapid.SliceOfN(rapid.IntRange(0, 400), 1, 5).Draw(rt, "cuts")
		multicast := rapid.Bool().Draw(rt, "multicast")
		var err error
		synctest.Test(t, func(t *testing.T) { err = cutInTheMiddle(t, lag, cuts, multicast) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func cutInTheMiddle(t *testing.T, lag int, cuts []int, multicast bool) error {
	readers := people(125)
	log := newMemory(3) // history, which nobody is to get
	h := &host{lag: lag}
	connection := -1
	h.cut = func(dealt int) bool {
		h.mu.Lock()
		connection = len(h.conns) - 1
		h.mu.Unlock()
		return connection < len(cuts) && dealt >= cuts[connection]
	}
	o := Options{Events: events(readers...)}
	if multicast {
		o.Router = &router{answer: offering("example.org")}
	}
	l, stop := start(t, h, log, o)
	synctest.Wait() // connected, at the end of the log
	var want []string
	for i := range 4 {
		log.append()
		want = append(want, fmt.Sprint(4+i))
	}
	// The longest pauses between so many attempts, and some time to work.
	pass(time.Duration(len(cuts)+1) * 2 * mostPause)
	synctest.Wait()

	total := 0
	for _, r := range readers {
		got := h.delivered(r)
		total += len(got)
		var first []string
		for _, id := range got {
			if !slices.Contains(first, id) {
				first = append(first, id)
			}
		}
		if diff := cmp.Diff(want, first); diff != "" {
			return fmt.Errorf("%s got %v: %s", r, got, diff)
		}
	}
	if most := len(readers)*len(want) + len(cuts)*flightEvents; total > most {
		return fmt.Errorf("%d events delivered, want at most %d", total, most)
	}
	if st := l.Status(); st.Seq != 7 || st.InFlight != 0 {
		return fmt.Errorf("all is delivered, but the position is %d with %d in flight", st.Seq, st.InFlight)
	}
	stop()

	// Another process goes on where this one stopped, and sends nothing again.
	h.cut = nil
	before := h.count()
	_, stop = start(t, h, log, o)
	synctest.Wait()
	log.append()
	pass(time.Second)
	stop()
	if got := h.count() - before; got != len(readers) {
		return fmt.Errorf("after a restart and one more record %d events were sent, want %d", got, len(readers))
	}
	return nil
}

func offering(service bridge.JID) func(bridge.JID, string) string {
	return func(to bridge.JID, payload string) string {
		switch {
		case payload == "<query xmlns='"+nsDiscoItems+"'/>":
			return fmt.Sprintf("<iq type='result' from='%s' to='%s'><query xmlns='%s'><item jid='%s'/><item jid='multicast.example.org'/></query></iq>",
				to, domain, nsDiscoItems, domain)
		case to == service:
			return fmt.Sprintf("<iq type='result' from='%s' to='%s'><query xmlns='%s'><feature var='%s'/></query></iq>", to, domain, nsDiscoInfo, nsAddress)
		}
		return fmt.Sprintf("<iq type='error' from='%s' to='%s'/>", to, domain)
	}
}

// A lane goes on in the middle of a record, behind the recipient who was told
// last.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		log := newMemory(2)
		log.work["component cursor "+string(domain)+" at example.org"] = `{"seq":1,"event":1,"to":"reader0002@example.org"}`
		readers := people(5)
		_, stop := start(t, h, log, Options{Events: func(rec *bridge.Record) []Event {
			var all []Event
			for i := range 3 {
				part := *rec
				part.Publish = &bridge.Publish{Item: fmt.Sprintf("%d.%d", rec.Seq, i)}
				all = append(all, events(readers...)(&part)...)
			}
			return all
		}})
		synctest.Wait()
		stop()
		var got []string
		for _, m := range h.messages {
			got = append(got, m.ID+" "+m.To.Local())
		}
		want := []string{"1.1 reader0003", "1.1 reader0004"}
		for _, id := range []string{"1.2", "2.0", "2.1", "2.2"} {
			for _, r := range readers {
				want = append(want, id+" "+r.Local())
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// What is in flight is bounded, whatever the host does.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{silent: true}
		log := newMemory(0)
		l, stop := start(t, h, log, Options{Events: events(people(1000)...)})
		synctest.Wait()
		log.append()
		pass(time.Second)
		if got := h.count(); got != flightEvents {
			t.Errorf("%d events without a confirmation, want %d", got, flightEvents)
		}
		if st := l.Status(); st.InFlight != flightEvents || st.Seq != 0 {
			t.Errorf("status %+v", st)
		}
		// A host that never confirms is left.
		pass(confirmWithin + 2*firstPause)
		if len(h.dialed()) != 2 {
			t.Errorf("%d connections", len(h.dialed()))
		}
		stop()
	})
}

// A multicast service that swallows or refuses what it is given is not used any
// more, and what it was given is sent again without it.
func TestMulticastFails(t *testing.T) {
	for _, refuses := range []bool{true, false} {
		t.Run(fmt.Sprintf("refuses=%t", refuses), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{}
				h.swallow = func(w io.Writer, st *xmpp.Stanza) {
					if refuses {
						fmt.Fprintf(w, "<message type='error' id='%s' from='%s' to='%s'><error type='auth'><forbidden xmlns='%s'/></error></message>", st.ID, st.To, st.From, xmpp.NSStanzas)
					}
				}
				log := newMemory(0)
				readers := people(100)
				o := Options{Events: events(readers...), Router: &router{answer: offering("multicast.example.org")}}
				l, stop := start(t, h, log, o)
				synctest.Wait()
				if got := l.Status().Multicast; got != "multicast.example.org" {
					t.Fatalf("multicast service %q", got)
				}
				log.append()
				log.append()
				pass(2 * confirmWithin)
				for _, r := range readers {
					if diff := cmp.Diff([]string{"1", "2"}, h.delivered(r)); diff != "" {
						t.Fatalf("%s: %s", r, diff)
					}
				}
				if st := l.Status(); st.Multicast != "" || st.Seq != 2 || len(h.dialed()) != 1 {
					t.Errorf("status %+v, %d connections", st, len(h.dialed()))
				}
				stop()
			})
		})
	}
}

// One stanza carries the recipients on the host; others get their own.
func TestMulticast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		log := newMemory(0)
		readers := append(people(40), "zoe@elsewhere.org")
		made := make(chan *Link, 1)
		link := sync.OnceValue(func() xmpp.Link { return <-made })
		o := Options{Events: events(readers...), Router: &router{answer: offering("multicast.example.org"), through: link}}
		l, stop := start(t, h, log, o)
		made <- l
		synctest.Wait()
		log.append()
		synctest.Wait()
		stop()
		for _, r := range readers {
			if diff := cmp.Diff([]string{"1"}, h.delivered(r)); diff != "" {
				t.Errorf("%s: %s", r, diff)
			}
		}
		if h.multi != 3 { // 19 + 19 + 2
			t.Errorf("%d multicast stanzas, want 3", h.multi)
		}
	})
}

// The cursor is written at most ten times a second, and at the end.
func TestCursorWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		log := newMemory(0)
		_, stop := start(t, h, log, Options{Events: events(people(1)...)})
		synctest.Wait()
		for range 300 {
			log.append()
			pass(10 * time.Millisecond)
		}
		stop()
		if log.puts > 33 || log.puts < 25 {
			t.Errorf("%d writes in 3 s", log.puts)
		}
		if got, _ := log.Get(t.Context(), "component cursor "+string(domain)+" at example.org"); string(got) != `{"seq":300}` {
			t.Errorf("cursor %s", got)
		}
	})
}

// A record that tells nobody anything moves the position on all the same, and a
// cursor beyond the end of a restored log is set back.
func TestCursorMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		log := newMemory(0)
		log.work["component cursor "+string(domain)+" at example.org"] = `{"seq":99}`
		l, stop := start(t, h, log, Options{Events: func(rec *bridge.Record) []Event {
			if rec.Seq == 3 {
				return events(people(2)...)(rec)
			}
			return nil
		}})
		synctest.Wait()
		for want := range 6 {
			if got := l.Status().Seq; got != uint64(want) {
				t.Errorf("position %d, want %d", got, want)
			}
			log.append()
			synctest.Wait()
		}
		stop()
	})
}

// Events of a record that nobody may send do not hold up the others.
func TestUnfitEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		log := newMemory(0)
		readers := people(3)
		good := events(readers...)
		l, stop := start(t, h, log, Options{Events: func(rec *bridge.Record) []Event {
			all := good(rec)
			if rec.Seq == 1 {
				all[0].Stanza = func(dst []byte, to bridge.JID) []byte { return append(dst, "<message><broken></message>"...) }
			}
			return all
		}})
		synctest.Wait()
		log.append()
		log.append()
		synctest.Wait()
		stop()
		for _, r := range readers {
			if diff := cmp.Diff([]string{"2"}, h.delivered(r)); diff != "" {
				t.Errorf("%s: %s", r, diff)
			}
		}
		if st := l.Status(); st.Seq != 2 || st.Refused != 1 {
			t.Errorf("status %+v", st)
		}
	})
}

// A link that serves some domains only leaves the others alone.
func TestServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		log := newMemory(0)
		_, stop := start(t, h, log, Options{
			Events: events("a@example.org", "b@elsewhere.org"),
			Serves: func(d bridge.JID) bool { return d == "example.org" },
		})
		synctest.Wait()
		log.append()
		synctest.Wait()
		stop()
		if h.count() != 1 || h.messages[0].To != "a@example.org" {
			t.Errorf("delivered %v", h.messages)
		}
	})
}

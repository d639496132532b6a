package component

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
	"peewit/bridge/eventlog"
	"peewit/bridge/xmpp"
)

// The real parts fit.
var (
	_ Log       = (*eventlog.Log)(nil)
	_ Router    = (*xmpp.Router)(nil)
	_ xmpp.Link = (*Link)(nil)
)

// Two processes share a log: one holds the link, and when it ends the other
// takes over where it stopped.
func TestTakeover(t *testing.T) {
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: t.TempDir(), Sync: "interval", Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	publish := func(item string) {
		t.Helper()
		rec := bridge.Record{Publish: &bridge.Publish{NodeID: "0123456789abcdef", Addr: bridge.Addr{Service: domain, Name: "n"}, Item: item}}
		if _, err := log.Append(t.Context(), bridge.Draft{Record: rec}); err != nil {
			t.Fatal(err)
		}
	}
	publish("history")
	h := &host{}
	o := Options{Events: events(people(70)...)}
	first, stopFirst := start(t, h, log, o)
	until(t, "the first holds the link", func() bool { return first.Status().Connected })
	second, stopSecond := start(t, h, log, o)
	for i := range 20 {
		publish(fmt.Sprint(i))
	}
	until(t, "all is confirmed", func() bool { return first.Status().Seq == 21 })
	if second.Status().Connected || len(h.dialed()) != 1 {
		t.Error("two links at once")
	}
	stopFirst()
	until(t, "the second holds the link", func() bool { return second.Status().Connected })
	publish("20")
	until(t, "all is confirmed", func() bool { return second.Status().Seq == 22 })
	stopSecond()
	var want []string
	for i := range 21 {
		want = append(want, fmt.Sprint(i))
	}
	for _, r := range people(70) {
		if diff := cmp.Diff(want, h.delivered(r)); diff != "" {
			t.Fatalf("%s: %s", r, diff)
		}
	}
}

// until waits for something that takes real time.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

package eventlog

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"peewit/bridge"
)

// TestTwoNodesAppendTheSameKeyAtOnce: one record, and both get its sequence.
func TestTwoNodesAppendTheSameKeyAtOnce(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	nodes := []*Log{openLog(t, Options{URL: url}), openLog(t, Options{URL: url})}
	if nodes[0].Epoch() != nodes[1].Epoch() {
		t.Fatal("two epochs on one log")
	}
	const rounds = 100
	for i := range rounds {
		var wg sync.WaitGroup
		acks := make([]bridge.Ack, 2)
		begin := make(chan struct{})
		for n, l := range nodes {
			wg.Go(func() {
				<-begin
				drafts := []bridge.Draft{post(fmt.Sprint("k", i), "x")}
				if i%2 == 1 { // beside something of its own
					drafts = append(drafts, post(fmt.Sprint("k", i, "of", n), "x"))
				}
				got, err := l.Append(t.Context(), drafts...)
				if err != nil {
					t.Error(err)
					return
				}
				acks[n] = got[0]
			})
		}
		close(begin)
		wg.Wait()
		if acks[0].Seq != acks[1].Seq || acks[0].Duplicate == acks[1].Duplicate {
			t.Fatalf("round %d: %+v", i, acks)
		}
	}
	seen := make(map[string]int)
	for _, rec := range readAll(t, nodes[1], 0) {
		seen[rec.Key]++
	}
	if len(seen) != rounds+rounds { // rounds keys, and two more in every second round
		t.Errorf("%d keys", len(seen))
	}
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", key, n)
		}
	}
}

// TestTwoNodesMakeTheStreamsAtOnce: both open, with one epoch.
func TestTwoNodesMakeTheStreamsAtOnce(t *testing.T) {
	t.Parallel()
	for range 5 {
		url := startServer(t)
		epochs := make(chan string)
		for range 3 {
			go func() {
				l, err := Open(t.Context(), Options{URL: url, patience: patient})
				if err != nil {
					t.Error(err)
					epochs <- ""
					return
				}
				epochs <- l.Epoch()
				closeLog(t, l)
			}()
		}
		if a, b, c := <-epochs, <-epochs, <-epochs; a != b || b != c || a == "" {
			t.Errorf("epochs %s, %s, %s", a, b, c)
		}
	}
}

// TestServerElsewhereGoesAway: calls fail clearly while it is away.
func TestServerElsewhereGoesAway(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{URL: startServer(t), patience: time.Second})
	mustAppend(t, l, post("a", ""))
	l.nc.Close()
	wantCondition(t, l.Writable(), bridge.ServiceUnavailable)
	_, err := l.Append(t.Context(), post("b", ""))
	wantCondition(t, err, bridge.ServiceUnavailable)
	wantCondition(t, l.Put(t.Context(), "k", nil, 0), bridge.ServiceUnavailable)
	_, err = l.Get(t.Context(), "k")
	wantCondition(t, err, bridge.ServiceUnavailable)
	_, err = l.Last(t.Context())
	wantCondition(t, err, bridge.ServiceUnavailable)
}

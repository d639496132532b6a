package eventlog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"peewit/bridge"
)

// collect follows from a position until the record with sequence end, and checks
// that nothing is missing, doubled or out of order.
func collect(ctx context.Context, l *Log, after, end uint64) error {
	next := after + 1
	err := l.Follow(ctx, after, func(rec *bridge.Record, _ uint64) error {
		if rec.Seq != next || rec.Publish.Payload != fmt.Sprint(rec.Key) {
			return fmt.Errorf("got record %d (%s), want %d", rec.Seq, rec.Key, next)
		}
		next++
		if rec.Seq == end {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return fmt.Errorf("following after %d: %w", after, err)
}

func TestFollowFromAnyPositionWhileWriting(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		const total = 600
		var wg sync.WaitGroup
		for _, after := range []uint64{0, 1, 99, 100, 101, 350, total - 1} {
			wg.Go(func() {
				if err := collect(t.Context(), l, after, total); err != nil {
					t.Error(err)
				}
			})
		}
		for i := 0; i < total; {
			drafts := []bridge.Draft{post(fmt.Sprint("k", i), fmt.Sprint("k", i))}
			if i%10 == 3 {
				drafts = append(drafts, post(fmt.Sprint("k", i+1), fmt.Sprint("k", i+1)))
			}
			mustAppend(t, l, drafts...)
			i += len(drafts)
		}
		wg.Wait()
	})
}

func TestFollowTellsWhatIsPending(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		mustAppend(t, l, post("a", ""), post("b", ""), post("c", ""))
		want := uint64(2)
		err := l.Follow(t.Context(), 0, func(rec *bridge.Record, pending uint64) error {
			if pending != want {
				t.Errorf("record %d has %d pending, want %d", rec.Seq, pending, want)
			}
			if want == 0 {
				return errEnough
			}
			want--
			return nil
		})
		if err != errEnough {
			t.Fatal(err)
		}
	})
}

func TestFollowSurvivesTheServer(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{Dir: t.TempDir()})
	const total = 300
	for i := range total / 2 {
		k := fmt.Sprint("k", i)
		mustAppend(t, l, post(k, k))
	}
	done := make(chan error, 1)
	halfway := make(chan struct{})
	go func() {
		next := uint64(1)
		err := l.Follow(t.Context(), 0, func(rec *bridge.Record, _ uint64) error {
			if rec.Seq != next {
				return fmt.Errorf("got record %d, want %d", rec.Seq, next)
			}
			if next++; rec.Seq == total/2 {
				close(halfway)
			}
			if rec.Seq == total {
				return errEnough
			}
			return nil
		})
		done <- err
	}()
	<-halfway
	for range 2 {
		l.server.stop()
		if err := l.server.start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the connection after a restart in place", l.nc.IsConnected)
	for i := total / 2; i < total; i++ {
		k := fmt.Sprint("k", i)
		mustAppend(t, l, post(k, k))
	}
	if err := <-done; err != errEnough {
		t.Fatal(err)
	}
}

func TestFollowEnds(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		mustAppend(t, l, post("a", ""))
		ctx, cancel := context.WithCancel(t.Context())
		err := l.Follow(ctx, 0, func(*bridge.Record, uint64) error {
			cancel()
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("with its context: %v", err)
		}
		ended := make(chan error, 1)
		seen := make(chan struct{})
		go func() {
			ended <- l.Follow(t.Context(), 0, func(*bridge.Record, uint64) error {
				close(seen)
				return nil
			})
		}()
		<-seen
		closeLog(t, l)
		select {
		case err := <-ended:
			if err == nil {
				t.Error("with Close: no error")
			}
		case <-time.After(patient):
			t.Error("goes on after Close")
		}
	})
}

func TestUnreadableRecordStopsTheReaderLoudly(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		mustAppend(t, l, post("a", ""))
		for _, data := range []string{"{", `{"v":999}`} {
			if _, err := l.js.PublishMsg(t.Context(), &nats.Msg{Subject: "p.00.x", Data: []byte(data)}); err != nil {
				t.Fatal(err)
			}
		}
		mustAppend(t, l, post("b", ""))
		for after, want := range map[uint64]string{0: "record 2", 2: "record 3: version 999"} {
			err := l.Follow(t.Context(), after, func(rec *bridge.Record, _ uint64) error {
				if rec.Seq != 1 {
					t.Errorf("record %d was handed out", rec.Seq)
				}
				return nil
			})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("after %d: %v, want %q", after, err, want)
			}
		}
		if err := l.Follow(t.Context(), 3, func(rec *bridge.Record, _ uint64) error { return errEnough }); err != errEnough {
			t.Errorf("behind it: %v", err)
		}
	})
}

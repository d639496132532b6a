package eventlog

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"peewit/bridge"
)

// shortLease lets a test see a lease run out.
const shortLease = 1500 * time.Millisecond

func TestOneHoldsALease(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	a := openLog(t, Options{URL: url, leaseTTL: shortLease})
	b := openLog(t, Options{URL: url, leaseTTL: shortLease})
	var inside atomic.Int32
	turn := func(l *Log, hold time.Duration) error {
		return l.Hold(t.Context(), "link", func(ctx context.Context) error {
			if inside.Add(1) != 1 {
				return errors.New("two hold it")
			}
			defer inside.Add(-1)
			done := time.NewTimer(hold)
			defer done.Stop()
			select {
			case <-done.C:
				return nil
			case <-ctx.Done():
				return errors.New("lost")
			}
		})
	}
	results := make(chan error)
	for _, l := range []*Log{a, b} {
		go func() { results <- turn(l, shortLease*5/4) }() // renewed meanwhile
	}
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	// It was given back, so nobody waits for its TTL. Another name is another lease.
	start := time.Now()
	err := a.Hold(t.Context(), "link", func(ctx context.Context) error {
		return b.Hold(ctx, "other", func(context.Context) error { return errEnough })
	})
	if err != errEnough {
		t.Errorf("fn's error: %v", err)
	}
	if waited := time.Since(start); waited > shortLease*2/3 {
		t.Errorf("a lease given back was had after %v", waited)
	}
}

func TestDeadHolderLosesTheLease(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		l.leaseTTL = defaultLeaseTTL // as the bucket was made
		kv, err := l.leases(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if status, err := kv.Status(t.Context()); err != nil || status.TTL() != defaultLeaseTTL {
			t.Fatalf("leases live %v, %v", status.TTL(), err)
		}
	})
	t.Run("short", func(t *testing.T) {
		t.Parallel()
		l := openLog(t, Options{Dir: t.TempDir(), leaseTTL: shortLease})
		kv, err := l.leases(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Create(t.Context(), bridge.Hash("link"), []byte("the dead")); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err = l.Hold(t.Context(), "link", func(context.Context) error { return errEnough })
		if err != errEnough {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited < shortLease/2 {
			t.Errorf("taken after %v", waited)
		}
	})
}

func TestLostLeaseEndsTheHolderAndComesBack(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{Dir: t.TempDir(), leaseTTL: shortLease})
	turns := 0
	err := l.Hold(t.Context(), "link", func(ctx context.Context) error {
		if turns++; turns == 2 {
			return errEnough
		}
		kv, err := l.leases(ctx)
		if err != nil {
			return err
		}
		if _, err := kv.Put(ctx, bridge.Hash("link"), []byte("somebody else")); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if err != errEnough || turns != 2 {
		t.Errorf("%d turns, %v", turns, err)
	}
}

func TestHolderStopsBeforeAnotherMayBegin(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{Dir: t.TempDir(), leaseTTL: shortLease})
	ctx, cancel := context.WithCancel(t.Context())
	err := l.Hold(ctx, "link", func(held context.Context) error {
		start := time.Now()
		l.server.stop() // the server does not answer any more
		<-held.Done()
		if lasted := time.Since(start); lasted > shortLease {
			t.Errorf("told after %v", lasted)
		}
		cancel()
		return held.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("hold: %v", err)
	}
}

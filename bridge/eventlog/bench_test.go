package eventlog

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"peewit/bridge"
)

// BenchmarkAppend: one caller, and 64 that share commits.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 64} {
		for _, sync := range []string{"always", "interval"} {
			b.Run(fmt.Sprintf("%d callers, %s", callers, sync), func(b *testing.B) { benchAppend(b, callers, sync) })
		}
	}
}

func benchAppend(b *testing.B, callers int, mode string) {
	l := openLog(b, Options{Dir: b.TempDir(), Sync: mode})
	payload := strings.Repeat("x", 800)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if _, err := l.Append(b.Context(), post(fmt.Sprint("k", i), payload)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

// BenchmarkFollow reads a log from its beginning.
func BenchmarkFollow(b *testing.B) {
	l := openLog(b, Options{Dir: b.TempDir(), Sync: "interval"})
	payload := strings.Repeat("x", 800)
	for done := 0; done < b.N; {
		drafts := make([]bridge.Draft, min(1000, b.N-done))
		for i := range drafts {
			drafts[i] = post("", payload)
		}
		if _, err := l.Append(b.Context(), drafts...); err != nil {
			b.Fatal(err)
		}
		done += len(drafts)
	}
	b.ResetTimer()
	err := l.Follow(b.Context(), 0, func(rec *bridge.Record, _ uint64) error {
		if rec.Seq == uint64(b.N) {
			return errEnough
		}
		return nil
	})
	if err != errEnough {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkAppendToFollow is the time from the acknowledgement of a record until a
// follower has it.
func BenchmarkAppendToFollow(b *testing.B) {
	l := openLog(b, Options{Dir: b.TempDir()})
	seen := make(chan time.Time, 1)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go l.Follow(ctx, 0, func(*bridge.Record, uint64) error {
		seen <- time.Now()
		return nil
	})
	var total time.Duration
	for b.Loop() {
		if _, err := l.Append(b.Context(), post("", "x")); err != nil {
			b.Fatal(err)
		}
		acked := time.Now()
		total += (<-seen).Sub(acked)
	}
	b.ReportMetric(float64(total.Microseconds())/float64(b.N), "µs-behind")
}

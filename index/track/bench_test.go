package track_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"peewit/index/query"
	"peewit/index/query/querytest"
	"peewit/index/track"
)

// BenchmarkMatch: one op is one post of 280 bytes, analysed and matched.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("queries=%d", n), func(b *testing.B) {
			b.Run("terms=selective", func(b *testing.B) { benchmarkMatch(b, n, true) })
			b.Run("terms=common", func(b *testing.B) { benchmarkMatch(b, n, false) })
		})
	}
}

func benchmarkMatch(b *testing.B, n int, selective bool) {
	l := querytest.NewLanguage()
	texts := make([]string, n)
	for i := range texts {
		texts[i] = l.Query(selective)
	}
	posts := make([]string, 2000)
	for i := range posts {
		posts[i] = l.Post()
	}
	before := heap()
	began := time.Now()
	m := track.NewMatcher(func(yield func(uint32, *query.Query) bool) {
		for i, text := range texts {
			if q, err := query.Parse(text); err != nil || !yield(uint32(i), q) {
				b.Fatal(text, err)
			}
		}
	})
	loaded := time.Since(began)
	var found []uint32
	for _, text := range posts {
		found = m.AppendMatches(found[:0], document(text))
	}
	m.Compact() // with anchors for these posts
	size := heap() - before
	matched, i := 0, 0
	b.ResetTimer()
	for b.Loop() {
		found = m.AppendMatches(found[:0], document(posts[i%len(posts)]))
		matched += len(found)
		i++
	}
	b.ReportMetric(float64(matched)/float64(i), "matches/op")
	b.ReportMetric(float64(n)/loaded.Seconds(), "loaded/s")
	b.ReportMetric(float64(size)/float64(n), "B/query")
	runtime.KeepAlive(m)
	runtime.KeepAlive(texts)
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

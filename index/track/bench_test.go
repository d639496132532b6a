package track_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"peewit/index/query"
	"peewit/index/track"
)

// language makes posts and queries of synthetic words whose frequencies are
// those of a language: Zipf's law over a hundred thousand words.
type language struct {
	rng   *rand.Rand
	zipf  *rand.Zipf
	words []string
}

func newLanguage() *language {
	rng := rand.New(rand.NewPCG(1, 2))
	l := &language{rng: rng, zipf: rand.NewZipf(rng, 1.1, 1, 99_999)}
	const letters = "etaoinshrdlcumwfgypbvk"
	for rank := range 100_000 {
		word := []byte{}
		for n := rank + 23; n > 0; n /= len(letters) {
			word = append(word, letters[n%len(letters)])
		}
		l.words = append(l.words, string(word)+letters[rank%7:rank%7+rank%4])
	}
	return l
}

// post is a text of about 280 bytes.
func (l *language) post() string {
	var b strings.Builder
	for b.Len() < 275 {
		b.WriteString(l.words[l.zipf.Uint64()])
		b.WriteByte(' ')
	}
	return b.String()
}

// selective draws a word evenly from the ranks 100 to 50,000.
func (l *language) selective() string { return l.words[100+l.rng.IntN(49_900)] }

// common draws a word as often as posts have it, but for the first fifty.
func (l *language) common() string {
	for {
		if rank := l.zipf.Uint64(); rank >= 50 {
			return l.words[rank]
		}
	}
}

// query is one word (40 %), two (30 %) or three (10 %) required, a phrase (10 %),
// one without another (5 %) or either of two (5 %).
func (l *language) query(word func() string) string {
	switch n := l.rng.IntN(100); {
	case n < 40:
		return word()
	case n < 70:
		return word() + " " + word()
	case n < 80:
		return `"` + word() + " " + word() + `"`
	case n < 90:
		return word() + " " + word() + " " + word()
	case n < 95:
		return word() + " -" + word()
	default:
		return word() + " | " + word()
	}
}

// BenchmarkMatch: one op is one post of 280 bytes, analysed and matched.
func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("queries=%d", n), func(b *testing.B) {
			b.Run("terms=selective", func(b *testing.B) { benchmarkMatch(b, n, (*language).selective) })
			b.Run("terms=common", func(b *testing.B) { benchmarkMatch(b, n, (*language).common) })
		})
	}
}

func benchmarkMatch(b *testing.B, n int, word func(*language) string) {
	l := newLanguage()
	texts := make([]string, n)
	for i := range texts {
		texts[i] = l.query(func() string { return word(l) })
	}
	posts := make([]string, 2000)
	for i := range posts {
		posts[i] = l.post()
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

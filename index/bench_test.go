package index_test

import (
	"fmt"
	"testing"

	"peewit/index"
	"peewit/index/query"
	"peewit/index/query/querytest"
)

// BenchmarkIndex: one op is one post, from a log that is full to being found.
func BenchmarkIndex(b *testing.B) {
	w := newWorld()
	l := querytest.NewLanguage()
	w.microblog("alice")
	last := uint64(0)
	for i := range b.N {
		last = w.post("alice", fmt.Sprint(i), l.Post())
	}
	x, err := index.Open(b.Context(), w.options(b, b.TempDir()))
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	done := make(chan error, 1)
	go func() { done <- x.Run(b.Context()) }()
	if err := x.WaitFor(b.Context(), last); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
}

// BenchmarkSearch: one op is the newest twenty of 20,000 posts.
func BenchmarkSearch(b *testing.B) {
	w := newWorld()
	l := querytest.NewLanguage()
	w.microblog("alice")
	last := uint64(0)
	for i := range 20_000 {
		last = w.post("alice", fmt.Sprint(i), l.Post())
	}
	x, _ := w.start(b, b.TempDir())
	if err := x.WaitFor(b.Context(), last); err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct{ name, text string }{
		{"commonest", l.Word(0)}, {"common", l.Word(100)}, {"rare", l.Word(20_000)}, {"both", l.Word(0) + " " + l.Word(20_000)},
	} {
		q, err := query.Parse(tt.text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("word="+tt.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := x.Search(b.Context(), q, index.Page{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

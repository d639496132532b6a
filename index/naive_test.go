package index

import (
	"fmt"
	"testing"

	"peewit/index/query"
	"peewit/index/query/querytest"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
)

// BenchmarkNaive is how standing queries would be matched without the matcher:
// one op is an index of one post, asked every query.
func BenchmarkNaive(b *testing.B) {
	const n = 10_000
	b.Run(fmt.Sprintf("queries=%d", n), func(b *testing.B) {
		l := querytest.NewLanguage()
		queries := make([]*bleve.SearchRequest, n)
		for i := range queries {
			q, err := query.Parse(l.Query(true))
			if err != nil {
				b.Fatal(err)
			}
			queries[i] = bleve.NewSearchRequestOptions(compile(q.Root), 0, 0, false)
			queries[i].Score = "none"
		}
		posts := make([]string, 100)
		for i := range posts {
			posts[i] = l.Post()
		}
		i := 0
		for b.Loop() {
			one, err := bleve.NewMemOnly(bleve.NewIndexMapping())
			if err != nil {
				b.Fatal(err)
			}
			d := new(query.Document)
			d.Words, d.Marks = query.Tokens(posts[i%len(posts)])
			doc := document.NewDocument(docID(1))
			addWords(doc, d)
			batch := one.NewBatch()
			if err := batch.IndexAdvanced(doc); err != nil {
				b.Fatal(err)
			}
			if err := one.Batch(batch); err != nil {
				b.Fatal(err)
			}
			for _, req := range queries {
				if _, err := one.Search(req); err != nil {
					b.Fatal(err)
				}
			}
			if err := one.Close(); err != nil {
				b.Fatal(err)
			}
			i++
		}
	})
}

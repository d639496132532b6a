package index

import (
	"slices"
	"testing"

	"peewit/index/query"
	"peewit/index/query/querytest"
	"peewit/index/track"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/document"
	"pgregory.net/rapid"
)

// TestAllAgree: on random posts and queries, the meaning of a query, the matcher
// and Bleve find the same posts.
func TestAllAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, err := bleve.NewMemOnly(bleve.NewIndexMapping())
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		posts := rapid.SliceOfN(rapid.Custom(querytest.Document), 1, 12).Draw(t, "posts")
		batch := b.NewBatch()
		for i, d := range posts {
			doc := document.NewDocument(docID(uint64(i)))
			addWords(doc, d)
			if err := batch.IndexAdvanced(doc); err != nil {
				t.Fatal(err)
			}
			if i%5 == 0 { // several segments
				if err := b.Batch(batch); err != nil {
					t.Fatal(err)
				}
				batch.Reset()
			}
		}
		if err := b.Batch(batch); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			standing := rapid.Bool().Draw(t, "standing")
			q := querytest.Query(t, standing)
			var want []uint64
			for i, d := range posts {
				if q.Match(d) {
					want = append(want, uint64(i))
				}
			}
			if got := searched(t, b, q); !slices.Equal(got, want) {
				t.Fatalf("%s: Bleve finds %v, want %v of %+v", q, got, want, posts)
			}
			if !standing {
				continue
			}
			m := track.NewMatcher(func(yield func(uint32, *query.Query) bool) { yield(1, q) })
			var got []uint64
			for i, d := range posts {
				if len(m.AppendMatches(nil, d)) > 0 {
					got = append(got, uint64(i))
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%s: the matcher finds %v, want %v of %+v", q, got, want, posts)
			}
		}
	})
}

func searched(t *rapid.T, b bleve.Index, q *query.Query) []uint64 {
	req := bleve.NewSearchRequestOptions(compile(q.Root), 100, 0, false)
	req.SortBy([]string{"_id"})
	req.Score = "none"
	res, err := b.Search(req)
	if err != nil {
		t.Fatal(err)
	}
	var seqs []uint64
	for _, h := range res.Hits {
		seq, err := seqOf(h.ID)
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, seq)
	}
	if int(res.Total) != len(seqs) {
		t.Fatalf("%s: total %d for %d hits", q, res.Total, len(seqs))
	}
	return seqs
}

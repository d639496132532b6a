package index

import (
	"context"
	"fmt"
	"time"

	"peewit/bridge"
	"peewit/index/query"

	"github.com/blevesearch/bleve/v2"
	blevequery "github.com/blevesearch/bleve/v2/search/query"
)

// The bounds of a search.
const (
	maxLimit     = 100
	defaultLimit = 20
	settleWait   = time.Second      // for posts that were acknowledged before the search
	searchTime   = 10 * time.Second // for Bleve
	maxRounds    = 10               // pages read because hits may not be shown
)

// Page says which hits of a search are wanted.
type Page struct {
	Limit  int    // 0 = 20, at most 100
	Cursor string // of the result before, "" = the newest
}

// Hit is a post that was found.
type Hit struct {
	Seq  uint64 // the post's first sequence: its notice id
	Item bridge.Item
}

// Result is one page of hits, the newest first.
type Result struct {
	Hits   []Hit
	Total  int    // how many there are on all pages
	Cursor string // for the next page; "" when this is the last
	// Complete: every post acknowledged before the search was asked had been
	// indexed.
	Complete bool
	// Rebuilding: the index is being built anew and older posts may be missing.
	Rebuilding bool
}

// Search finds the posts that match a query. It waits for posts that were
// acknowledged before, at most a second, and says when it gave up.
func (x *Index) Search(ctx context.Context, q *query.Query, p Page) (Result, error) {
	limit := p.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	limit = min(limit, maxLimit)
	if p.Cursor != "" {
		if _, err := seqOf(p.Cursor); err != nil || len(p.Cursor) != len(docID(0)) {
			return Result{}, bridge.Refuse(bridge.BadRequest, "the cursor is not one of ours")
		}
	}
	res := Result{Complete: x.settle(ctx), Rebuilding: x.rebuilding.Load()}
	res.Complete = res.Complete && !res.Rebuilding
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.store == nil {
		res.Complete = false
		return res, nil
	}
	if err := x.search(ctx, q, limit, p.Cursor, &res); err != nil {
		return Result{}, fmt.Errorf("search for %s: %w", q, err)
	}
	return res, nil
}

// search fills res. Hits that may not be shown are passed over.
func (x *Index) search(ctx context.Context, q *query.Query, limit int, after string, res *Result) error {
	readable, err := x.store.readable(ctx, compile(q.Root))
	if err != nil {
		return err
	}
	for range maxRounds {
		size := limit - len(res.Hits) + 1 // one more tells whether there is a next page
		req := bleve.NewSearchRequestOptions(readable, size, 0, false)
		req.SortBy([]string{"-_id"})
		req.Score = "none"
		if after != "" {
			req.SetSearchAfter([]string{after})
		}
		found, err := x.store.SearchInContext(ctx, req)
		if err != nil {
			return err
		}
		res.Total = int(found.Total)
		for _, h := range found.Hits {
			if len(res.Hits) == limit {
				res.Cursor = after
				return nil
			}
			after = h.ID
			hit, ok, err := x.hit(h.ID)
			if err != nil {
				return err
			}
			if ok {
				res.Hits = append(res.Hits, hit)
			}
		}
		if len(found.Hits) < size {
			return nil
		}
	}
	res.Cursor = after
	return nil
}

// readable is a query without what not everybody may read. Most of the time
// there is nothing of the kind, and leaving out nothing would cost as much as
// searching.
func (s *store) readable(ctx context.Context, q blevequery.Query) (blevequery.Query, error) {
	closed := termQuery(fieldKey, keyClosed)
	res, err := s.SearchInContext(ctx, bleve.NewSearchRequestOptions(closed, 0, 0, false))
	if err != nil || res.Total == 0 {
		return q, err
	}
	both := bleve.NewBooleanQuery()
	both.AddMust(q)
	both.AddMustNot(closed)
	return both, nil
}

// hit is the post of a document, if there still is one and it may be read now.
func (x *Index) hit(id string) (Hit, bool, error) {
	seq, err := seqOf(id)
	if err != nil {
		return Hit{}, false, nil
	}
	it, ok, err := x.opts.Archive.ItemBySeq(seq)
	if err != nil {
		return Hit{}, false, err
	}
	if !ok || it.Retracted {
		x.stale.add(id)
		return Hit{}, false, nil
	}
	if !x.open(it.NodeID) {
		return Hit{}, false, nil
	}
	return Hit{Seq: seq, Item: it}, true, nil
}

// settle waits until everything in the log can be found and reports whether it
// can.
func (x *Index) settle(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	seq, err := x.newest(ctx)
	return err == nil && x.WaitFor(ctx, seq) == nil
}

// newest is the sequence at which the index has all that the log has. What is
// erased at the log's end is never followed.
func (x *Index) newest(ctx context.Context) (uint64, error) {
	last, err := x.opts.Log.Last(ctx)
	if err != nil {
		return 0, err
	}
	seq := last.Seq
	for ; seq > x.seen.Load().Seq; seq-- {
		if _, there, err := x.opts.Log.At(ctx, seq); err != nil || there {
			return seq, err
		}
	}
	return seq, nil
}

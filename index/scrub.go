package index

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/index/scorch"
	"github.com/blevesearch/bleve/v2/index/scorch/mergeplan"
)

// scrubPoll is how often Scrub looks whether the old files are gone.
const scrubPoll = 20 * time.Millisecond

// Scrub rewrites the index so that nothing is left on disk of documents that
// were deleted from it. It costs as much as writing the whole index; searching
// and indexing go on meanwhile. Call it once after many posts were erased and
// [Index.WaitFor] has seen the last of them go, not for each.
func (x *Index) Scrub(ctx context.Context) error {
	x.scrubbing.Lock()
	defer x.scrubbing.Unlock()
	x.mu.RLock()
	current := x.store
	x.mu.RUnlock()
	if current == nil {
		return fmt.Errorf("scrub index: %w", errBroken)
	}
	if err := current.scrub(ctx); err != nil {
		return fmt.Errorf("scrub index: %w", err)
	}
	return nil
}

func (s *store) scrub(ctx context.Context) error {
	inner, err := s.Advanced()
	if err != nil {
		return err
	}
	engine, ok := inner.(*scorch.Scorch)
	if !ok {
		return errors.New("this kind of index cannot be merged")
	}
	// What is being written or merged now may still carry deleted documents along.
	// Both are over when a batch and a merge, even of nothing, have returned.
	if err := s.addEmpty(ctx); err != nil {
		return err
	}
	if err := engine.ForceMerge(ctx, &nothingToMerge); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(s.dir, "store", "*.zap"))
	if err != nil {
		return err
	}
	for {
		if err := s.addEmpty(ctx); err != nil {
			return err
		}
		if err := engine.ForceMerge(ctx, nil); err != nil {
			return err
		}
		if gone, err := s.waitGone(ctx, old); gone || err != nil {
			return err
		}
	}
}

// nothingToMerge allows more segments than there can be.
var nothingToMerge = mergeplan.MergePlanOptions{
	MaxSegmentsPerTier: 1 << 20, MaxSegmentSize: 1 << 30, TierGrowth: 1, SegmentsPerMergeTask: 1, FloorSegmentSize: 1,
}

// emptyID is a document without fields. Bleve leaves a lone segment alone,
// however much of it is deleted; the empty document makes a second one.
const emptyID = "empty"

func (s *store) addEmpty(ctx context.Context) error {
	b := s.NewBatch()
	if err := b.IndexAdvanced(document.NewDocument(emptyID)); err != nil {
		return err
	}
	return s.write(ctx, b)
}

// waitGone reports whether files are gone, after a while. Bleve removes files it
// no longer uses when it has written a newer snapshot.
func (s *store) waitGone(ctx context.Context, files []string) (bool, error) {
	const looks = 25
	poll := time.NewTicker(scrubPoll)
	defer poll.Stop()
	for range looks {
		newer := s.NewBatch()
		newer.Delete(emptyID)
		if err := s.write(ctx, newer); err != nil {
			return false, err
		}
		if !anyExists(files) {
			return true, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return false, nil
}

func anyExists(files []string) bool {
	for _, f := range files {
		if _, err := os.Lstat(f); err == nil {
			return true
		}
	}
	return false
}

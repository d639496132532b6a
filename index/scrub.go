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

// Scrub waits until the index has what the log has now, and then rewrites those
// of its files that hold deleted documents, so that nothing is left of them on
// disk. Searching and indexing go on meanwhile. It costs as much as writing
// those files; without deleted documents it costs nothing.
func (x *Index) Scrub(ctx context.Context) error {
	x.scrubbing.Lock()
	defer x.scrubbing.Unlock()
	seq, err := x.newest(ctx)
	if err != nil {
		return fmt.Errorf("scrub index: %w", err)
	}
	if err := x.WaitFor(ctx, seq); err != nil {
		return fmt.Errorf("scrub index: %w", err)
	}
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

// Plans for Bleve's merger: do nothing, and rewrite by itself each segment with
// deletions.
var (
	planNothing = mergeplan.MergePlanOptions{
		MaxSegmentsPerTier: 1 << 20, MaxSegmentSize: 1 << 30, TierGrowth: 1, SegmentsPerMergeTask: 1, FloorSegmentSize: 1,
	}
	planDeletions = mergeplan.MergePlanOptions{
		MaxSegmentsPerTier: 1, MaxSegmentSize: 1 << 30, TierGrowth: 1, SegmentsPerMergeTask: 1, FloorSegmentSize: 1,
		CalcBudget: func(int64, int64, *mergeplan.MergePlanOptions) int { return 0 },
	}
)

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
	if err := s.step(ctx); err != nil {
		return err
	}
	plan := planNothing
	if err := engine.ForceMerge(ctx, &plan); err != nil {
		return err
	}
	tainted, lone, err := s.tainted(engine)
	for err == nil && len(tainted) > 0 {
		if lone {
			if err := s.addEmpty(ctx); err != nil {
				return err
			}
		}
		plan := planDeletions
		if err := engine.ForceMerge(ctx, &plan); err != nil {
			return err
		}
		tainted, err = s.outlast(ctx, tainted)
	}
	return err
}

// tainted are the files that hold deleted documents, or that are no longer used
// but not yet removed. lone: the index has one segment only.
func (s *store) tainted(engine *scorch.Scorch) (files []string, lone bool, err error) {
	reader, err := engine.Reader()
	if err != nil {
		return nil, false, err
	}
	snapshot, ok := reader.(*scorch.IndexSnapshot)
	if !ok {
		return nil, false, errors.Join(errors.New("this kind of index has no segments"), reader.Close())
	}
	clean := make(map[string]bool)
	for _, segment := range snapshot.Segments() {
		if deleted := segment.Deleted(); deleted == nil || deleted.IsEmpty() {
			clean[fmt.Sprintf("%012x.zap", segment.Id())] = true
		}
	}
	lone = len(snapshot.Segments()) == 1
	if err := reader.Close(); err != nil {
		return nil, false, err
	}
	all, err := filepath.Glob(filepath.Join(s.dir, "store", "*.zap"))
	for _, f := range all {
		if !clean[filepath.Base(f)] {
			files = append(files, f)
		}
	}
	return files, lone, err
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

// step makes Bleve write a snapshot that is like the last.
func (s *store) step(ctx context.Context) error {
	b := s.NewBatch()
	b.Delete("nothing")
	return s.write(ctx, b)
}

// outlast waits a while until files are gone and returns those that are not.
// Bleve removes a file when a snapshot without it has been written and nobody
// reads an older one.
func (s *store) outlast(ctx context.Context, files []string) ([]string, error) {
	const looks = 25
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for range looks {
		if err := s.step(ctx); err != nil {
			return nil, err
		}
		if files = existing(files); len(files) == 0 {
			return nil, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return files, nil
}

func existing(files []string) []string {
	var left []string
	for _, f := range files {
		if _, err := os.Lstat(f); err == nil {
			left = append(left, f)
		}
	}
	return left
}

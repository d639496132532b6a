package index

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	blevequery "github.com/blevesearch/bleve/v2/search/query"
)

// errBroken means that Bleve cannot go on with these files.
var errBroken = errors.New("the index is broken")

// batchPatience is how long a batch may take. A merger that died lets batches
// wait for ever.
const batchPatience = time.Minute

// store is one Bleve index on disk.
type store struct {
	bleve.Index
	dir string
}

func storeDir(dir string) string { return filepath.Join(dir, "posts") }

// runtimeConfig: safe mode, in which a batch that returned is on disk. A file
// that another process holds is an error after bolt_timeout, not a wait.
func runtimeConfig() map[string]any { return map[string]any{"bolt_timeout": "2s"} }

func openStore(dir string) (*store, error) {
	b, err := bleve.OpenUsing(storeDir(dir), runtimeConfig())
	if err != nil {
		return nil, err
	}
	return &store{Index: b, dir: storeDir(dir)}, nil
}

func newStore(dir string) (*store, error) {
	b, err := bleve.NewUsing(storeDir(dir), bleve.NewIndexMapping(), scorch.Name, scorch.Name, runtimeConfig())
	if err != nil {
		return nil, err
	}
	return &store{Index: b, dir: storeDir(dir)}, nil
}

const asidePrefix = "aside-"

// moveAside renames the store's files, so that a new store can begin while
// somebody may still hold the old ones.
func moveAside(dir string) error {
	if _, err := os.Stat(storeDir(dir)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	aside, err := os.MkdirTemp(dir, asidePrefix)
	if err != nil {
		return err
	}
	return os.Rename(storeDir(dir), filepath.Join(aside, "posts"))
}

// removeAside deletes what moveAside left: it holds posts that may have to be
// erased.
func removeAside(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), asidePrefix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// closePatience is how long closing may take. A store whose merger died may never
// close; what it was told is on disk all the same.
const closePatience = 3 * time.Second

func (s *store) close() error {
	closed := make(chan error, 1)
	go func() { closed <- s.Index.Close() }()
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case err := <-closed:
		return err
	case <-timer.C:
		return fmt.Errorf("%w: it did not close within %v", errBroken, closePatience)
	}
}

func (s *store) count() uint64 {
	n, err := s.DocCount()
	if err != nil {
		return 0
	}
	if empty, err := s.Document(emptyID); err == nil && empty != nil {
		n--
	}
	return n
}

// write applies a batch and returns when it is on disk.
func (s *store) write(ctx context.Context, b *bleve.Batch) error {
	done := make(chan error, 1)
	go func() { done <- s.Batch(b) }()
	timer := time.NewTimer(batchPatience)
	defer timer.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("%w: a batch took longer than %v", errBroken, batchPatience)
	case <-ctx.Done():
		// Closing waits for the batch; its documents are the same when they come again.
		return ctx.Err()
	}
}

// check reports errors that Bleve's merger and persister met in the background.
// Bleve calls back only functions that are registered for the whole process, so
// the count of those calls is watched instead.
func (s *store) check() error {
	stats, _ := s.StatsMap()["index"].(map[string]any)
	if n, _ := stats["TotOnErrors"].(uint64); n > 0 {
		return fmt.Errorf("%w: %d errors while merging or persisting", errBroken, n)
	}
	return nil
}

// find returns the ids of documents that have a key, in ascending order, at most
// pageSize, those after an id only.
func (s *store) find(ctx context.Context, q blevequery.Query, after string) ([]string, error) {
	req := bleve.NewSearchRequestOptions(q, pageSize, 0, false)
	req.SortBy([]string{"_id"})
	req.Score = "none"
	if after != "" {
		req.SetSearchAfter([]string{after})
	}
	res, err := s.SearchInContext(ctx, req)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(res.Hits))
	for i, h := range res.Hits {
		ids[i] = h.ID
	}
	return ids, nil
}

const pageSize = 1000

package archive

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// Dead lists up to max sequences, oldest first, of records that the log has to
// erase: every version of what was retracted, purged or ended with its node,
// publishes into nodes that were no more, and superseded secrets. They stay on
// the list until [Archive.Scrub]. max < 0 = all.
//
// The list follows from the log, so each peewit node has the same; erasing a
// record that another node has erased must be harmless.
func (a *Archive) Dead(max int) ([]uint64, error) {
	v, err := a.look()
	if err != nil {
		return nil, fmt.Errorf("list dead records: %w", err)
	}
	defer v.close()
	seqs, err := v.seqs([]byte{familyErase}, []byte{familyErase + 1}, max)
	if err != nil {
		return nil, fmt.Errorf("list dead records: %w", err)
	}
	return seqs, nil
}

// Scrub is for sequences of [Archive.Dead] that the log has erased. It returns
// when no file of the archive holds bytes of theirs any more, and takes them off
// the list. It rewrites the files in which their nodes' items were: call it
// seldom, with many. Readers and Apply may go on; what is cut short by ctx or by
// a crash is done again by the next call.
func (a *Archive) Scrub(ctx context.Context, seqs ...uint64) error {
	if err := a.scrub(ctx, seqs); err != nil {
		return fmt.Errorf("scrub %d records: %w", len(seqs), err)
	}
	return nil
}

func (a *Archive) scrub(ctx context.Context, seqs []uint64) error {
	a.scrubbing.Lock()
	defer a.scrubbing.Unlock()
	prefixes, err := a.tainted(seqs)
	if err = errors.Join(err, ctx.Err()); err != nil || len(prefixes) == 0 {
		return err
	}
	a.outwaitReaders()
	for prefix := range prefixes { // Compact writes the memory out first
		if err := a.db.Compact(ctx, []byte(prefix), after([]byte(prefix)), false); err != nil {
			return err
		}
	}
	if err := a.deletedFiles(ctx); err != nil {
		return err
	}
	a.applying.Lock()
	defer a.applying.Unlock()
	b := a.db.NewBatch()
	for _, seq := range seqs {
		if err := b.Delete(at(key(familyErase), seq), nil); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	return b.Commit(pebble.NoSync)
}

// outwaitReaders returns when all views that are open now are closed: Pebble
// keeps deleted rows that one of them can see.
func (a *Archive) outwaitReaders() {
	a.reading.Lock()
	defer a.reading.Unlock()
}

// tainted is the prefixes of the rows that held the content of records.
func (a *Archive) tainted(seqs []uint64) (map[string]bool, error) {
	v, err := a.look()
	if err != nil {
		return nil, err
	}
	defer v.close()
	prefixes := map[string]bool{}
	for _, seq := range seqs {
		prefix, ok, err := get(v, at(key(familyErase), seq))
		if err != nil {
			return nil, err
		}
		if ok {
			prefixes[string(prefix)] = true
		}
	}
	return prefixes, nil
}

// deletedFiles returns when the table files that are of no use now have been
// deleted; Pebble does that in its own time.
func (a *Archive) deletedFiles(ctx context.Context) error {
	stale, err := a.unusedFiles()
	if err != nil {
		return err
	}
	for len(stale) > 0 {
		select {
		case <-a.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		unused, err := a.unusedFiles()
		if err != nil {
			return err
		}
		// One that was being written is in use now; new ones do not matter.
		for name := range stale {
			if !unused[name] {
				delete(stale, name)
			}
		}
	}
	return nil
}

// unusedFiles is the names of the table files that hold no part of the
// database, or not yet.
func (a *Archive) unusedFiles() (map[string]bool, error) {
	names, err := a.files.List(a.dir)
	if err != nil {
		return nil, err
	}
	unused := map[string]bool{}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			unused[name] = true
		}
	}
	levels, err := a.db.SSTables()
	if err != nil {
		return nil, err
	}
	for _, level := range levels {
		for _, table := range level {
			delete(unused, fmt.Sprintf("%s.sst", table.BackingSSTNum))
		}
	}
	return unused, nil
}

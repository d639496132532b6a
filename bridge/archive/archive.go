package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"peewit/bridge"
)

// format is the number of the key layout; another number in a directory means
// that it has to be made again.
const format = 1

// sizes are in bytes. A batch that has reached spill is written although records
// remain: a purge of a hundred thousand items must not stand in memory as a
// whole.
type sizes struct{ cache, memtable, spill int }

var usual = sizes{cache: 32 << 20, memtable: 8 << 20, spill: 4 << 20}

// ErrUnusable is what Open's error wraps when the directory is damaged or was
// written in another format: it can be removed, the log has everything.
var ErrUnusable = errors.New("archive is unusable")

// errClosed ends whoever still waits when the archive is closed.
var errClosed = errors.New("archive is closed")

// Archive is an open database. One goroutine applies; any number may read.
type Archive struct {
	dir   string
	files vfs.FS
	spill int
	lock  *pebble.Lock
	db    *pebble.DB

	applying sync.Mutex // one writer at a time
	// passed is how far items were pushed out of a node since Open: no living one
	// has an earlier first sequence. Without it, looking for the oldest would step
	// over all that were deleted before.
	passed map[name]uint64

	scrubbing sync.Mutex    // one Scrub at a time
	reading   sync.RWMutex  // held by readers while they hold a snapshot
	changed   chan struct{} // Pebble has added or deleted a file since last looked at

	mu       sync.Mutex
	position bridge.Position
	waiters  []waiter
	closed   bool
}

// waiter is somebody in WaitFor.
type waiter struct {
	seq  uint64
	done chan error
}

// Open opens or creates the archive in dir. Its error wraps [ErrUnusable] when
// removing dir would help.
func Open(dir string, logger *slog.Logger) (*Archive, error) {
	return open(dir, vfs.Default, usual, logger)
}

func open(dir string, files vfs.FS, size sizes, logger *slog.Logger) (*Archive, error) {
	a := &Archive{dir: dir, files: files, spill: size.spill, passed: map[name]uint64{}, changed: make(chan struct{}, 1)}
	if err := files.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	lock, err := pebble.LockDirectory(dir, files)
	if err != nil {
		return nil, fmt.Errorf("lock archive %s: %w", dir, err)
	}
	cache := pebble.NewCache(int64(size.cache))
	defer cache.Unref() // the database holds its own reference
	changed := func() {
		select {
		case a.changed <- struct{}{}:
		default:
		}
	}
	options := &pebble.Options{
		FS:                 files,
		Lock:               lock,
		Cache:              cache,
		MemTableSize:       uint64(size.memtable),
		DisableWAL:         true,
		FormatMajorVersion: pebble.FormatNewest,
		Logger:             pebbleLog{logger},
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { logger.Error("archive: background work", slog.Any("err", err)) },
			TableDeleted:    func(pebble.TableDeleteInfo) { changed() },
			CompactionEnd:   func(pebble.CompactionInfo) { changed() },
			FlushEnd:        func(pebble.FlushInfo) { changed() },
		},
	}
	for i := range options.Levels {
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	db, err := pebble.Open(dir, options)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open archive %s: %w", dir, unusable(err)), lock.Close())
	}
	a.db, a.lock = db, lock
	if err := a.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open archive %s: %w", dir, err), db.Close(), lock.Close())
	}
	return a, nil
}

// load checks the format, or writes it into a new directory, and reads the
// position.
func (a *Archive) load() error {
	value, ok, err := get(a.db, keyFormat)
	if err != nil {
		return err
	}
	if !ok {
		return a.db.Set(keyFormat, fields{}.uint(format), pebble.NoSync)
	}
	if f := parse(value); f.uint() != format || f.err() != nil {
		return fmt.Errorf("%w: another format", ErrUnusable)
	}
	value, ok, err = get(a.db, keyPosition)
	if err != nil || !ok {
		return err
	}
	f := parse(value)
	a.position = bridge.Position{Epoch: f.text(), Seq: f.uint(), Time: f.time()}
	return f.err()
}

// unusable tells a damaged directory from one that cannot be used now:
// forbidden, or on a full disk.
func unusable(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnusable, err)
}

// Close writes what is in memory and closes the archive. Who still waits gets
// an error; a Scrub that is under way is waited for.
func (a *Archive) Close() error {
	a.scrubbing.Lock()
	defer a.scrubbing.Unlock()
	a.applying.Lock()
	defer a.applying.Unlock()
	a.mu.Lock()
	closed := a.closed
	a.closed = true
	for _, w := range a.waiters {
		w.done <- errClosed
	}
	a.waiters = nil
	a.mu.Unlock()
	if closed {
		return nil
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	if err := errors.Join(a.db.Flush(), a.db.Close(), a.lock.Close()); err != nil {
		return fmt.Errorf("close archive %s: %w", a.dir, err)
	}
	return nil
}

// Remove deletes a closed archive, to have it made again from the log.
func Remove(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove archive: %w", err)
	}
	return nil
}

func (a *Archive) isClosed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}

// Position is how far the archive has come. Seq is 0 in a new one.
func (a *Archive) Position() bridge.Position {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.position
}

// WaitFor returns when the record seq is applied, or with the error of ctx.
// Any number may wait; each is woken once, when its own record is there.
func (a *Archive) WaitFor(ctx context.Context, seq uint64) error {
	w := waiter{seq, make(chan error, 1)}
	a.mu.Lock()
	switch {
	case a.position.Seq >= seq:
		a.mu.Unlock()
		return nil
	case a.closed:
		a.mu.Unlock()
		return errClosed
	}
	a.waiters = append(a.waiters, w)
	a.mu.Unlock()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		a.forget(w)
		return fmt.Errorf("wait for record %d: %w", seq, ctx.Err())
	}
}

// advance makes a committed position known.
func (a *Archive) advance(to bridge.Position) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.position = to
	waiting := a.waiters[:0]
	for _, w := range a.waiters {
		if w.seq <= to.Seq {
			w.done <- nil
		} else {
			waiting = append(waiting, w)
		}
	}
	clear(a.waiters[len(waiting):])
	a.waiters = waiting
}

// forget takes out a waiter that gave up.
func (a *Archive) forget(gone waiter) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, w := range a.waiters {
		if w.done == gone.done {
			last := len(a.waiters) - 1
			a.waiters[i], a.waiters[last] = a.waiters[last], waiter{}
			a.waiters = a.waiters[:last]
			return
		}
	}
}

// pebbleLog takes Pebble's own words: what it does is for debugging, what it
// cannot do is an error.
type pebbleLog struct{ to *slog.Logger }

func (l pebbleLog) Infof(format string, args ...any) {
	if l.to.Enabled(context.Background(), slog.LevelDebug) {
		l.to.Debug("archive", slog.String("pebble", fmt.Sprintf(format, args...)))
	}
}

func (l pebbleLog) Errorf(format string, args ...any) {
	l.to.Error("archive", slog.String("pebble", fmt.Sprintf(format, args...)))
}

// Fatalf ends the process, as Pebble expects: its files and its memory disagree,
// and the next start replays what was lost.
func (l pebbleLog) Fatalf(format string, args ...any) {
	l.Errorf(format, args...)
	panic("archive: " + fmt.Sprintf(format, args...))
}

// view is a reader of the archive as of one moment.
type view struct {
	*pebble.Snapshot
	a *Archive
}

// look opens a view; close it soon, erased bytes stay on disk that long.
func (a *Archive) look() (view, error) {
	a.reading.RLock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		a.reading.RUnlock()
		return view{}, errClosed
	}
	return view{a.db.NewSnapshot(), a}, nil
}

func (v view) close() {
	_ = v.Snapshot.Close() // it cannot fail
	v.a.reading.RUnlock()
}

// get is a copy of the value of a key.
func get(r pebble.Reader, key []byte) (value []byte, ok bool, err error) {
	stored, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, damaged(err)
	}
	value = append(make([]byte, 0, len(stored)), stored...)
	return value, true, closer.Close()
}

// damaged marks an error of reading as ErrUnusable when the files are at fault.
func damaged(err error) error {
	if pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return err
}

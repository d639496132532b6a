package archive_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"peewit/bridge"
	"peewit/bridge/archive"
)

func TestThePositionIsKeptWithTheData(t *testing.T) {
	h := newHouse(t)
	same(t, "at first", h.archive.Position(), bridge.Position{})
	h.append(node("n", "n"), publish("n", "a", "1"))
	want := bridge.Position{Epoch: epoch, Seq: 2, Time: time.Unix(1e9+2, 123456789).UTC()}
	same(t, "then", h.archive.Position(), want)
	h.reopen()
	same(t, "after closing", h.archive.Position(), want)
	same(t, "the items", h.all("n"), "a")
	dump := h.dump()

	h.append(publish("n", "b", "2"))
	h.crash()
	same(t, "after a crash", h.archive.Position(), want)
	same(t, "and the data", h.dump(), dump)
	h.apply(h.log...)
	same(t, "after the replay", h.all("n"), "b a")
}

func TestARecordIsAppliedOnce(t *testing.T) {
	h := newHouse(t)
	h.append(node("n", "n", keeping(2)), publish("n", "a", "1"), publish("n", "b", "2"), publish("n", "c", "3"), retract("n", "b"))
	dump := h.dump()
	h.apply(h.log...)
	h.apply(h.log[2:4]...)
	h.apply()
	same(t, "applied again", h.dump(), dump)
}

func TestAnotherLogIsRefused(t *testing.T) {
	h := newHouse(t)
	h.append(node("n", "n"))
	h.write(publish("n", "a", "1"))
	if err := h.archive.Apply(h.log, "another"); err == nil {
		t.Error("records of another log were applied")
	}
	same(t, "items", h.all("n"), "")
}

func TestOpenTellsWhatIsUnusable(t *testing.T) {
	full := func(t *testing.T) *house {
		h := newHouseOnDisk(t)
		h.append(node("n", "n"), publish("n", "a", strings.Repeat("payload ", 1000)))
		h.close(h.archive)
		return h
	}
	each := func(t *testing.T, h *house, pattern string, fn func(path string) error) {
		t.Helper()
		paths, err := filepath.Glob(filepath.Join(h.dir, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no file %s: %v", pattern, err)
		}
		for _, path := range paths {
			if err := fn(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	spoil := func(path string) error { return os.WriteFile(path, []byte("spoiled"), 0o600) }
	for name, harm := range map[string]func(*testing.T, *house){
		"a spoiled manifest": func(t *testing.T, h *house) { each(t, h, "MANIFEST-*", spoil) },
		"a missing manifest": func(t *testing.T, h *house) { each(t, h, "MANIFEST-*", os.Remove) },
		"spoiled tables":     func(t *testing.T, h *house) { each(t, h, "*.sst", spoil) },
		"missing tables":     func(t *testing.T, h *house) { each(t, h, "*.sst", os.Remove) },
		"another format": func(t *testing.T, h *house) {
			db, err := pebble.Open(h.dir, &pebble.Options{FormatMajorVersion: pebble.FormatNewest, Logger: silent{}})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Set([]byte("F"), []byte{99}, pebble.Sync), db.Close()); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := full(t)
			harm(t, h)
			a, err := archive.Open(h.dir, slog.New(slog.DiscardHandler))
			if err == nil {
				// Pebble reads tables when they are needed.
				err = errors.Join(a.Dump(&strings.Builder{}), a.Close())
			}
			if !errors.Is(err, archive.ErrUnusable) {
				t.Fatalf("error %v, want ErrUnusable", err)
			}
			if err := archive.Remove(h.dir); err != nil {
				t.Fatal(err)
			}
			h.open()
			h.apply(h.log...)
			same(t, "made again", h.all("n"), "a")
		})
	}
	t.Run("what is in use is not unusable", func(t *testing.T) {
		h := full(t)
		h.open()
		_, err := archive.Open(h.dir, slog.New(slog.DiscardHandler))
		if err == nil || errors.Is(err, archive.ErrUnusable) {
			t.Errorf("opening it twice: %v", err)
		}
	})
	t.Run("what is forbidden is not unusable", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := archive.Open(filepath.Join(file, "archive"), slog.New(slog.DiscardHandler))
		if err == nil || errors.Is(err, archive.ErrUnusable) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("opening it in a file: %v", err)
		}
	})
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) {}

func TestWaitFor(t *testing.T) {
	h := newHouse(t)
	h.append(node("n", "n"))
	if err := h.archive.WaitFor(t.Context(), 1); err != nil {
		t.Errorf("what is there already: %v", err)
	}
	const many = 100
	var waiting, done sync.WaitGroup
	for i := range many {
		waiting.Add(1)
		done.Go(func() {
			seq := uint64(2 + i%10)
			waiting.Done()
			if err := h.archive.WaitFor(t.Context(), seq); err != nil {
				t.Error(err)
			}
			if now := h.archive.Position().Seq; now < seq {
				t.Errorf("woken at %d, waited for %d", now, seq)
			}
		})
	}
	waiting.Wait()
	for i := range 10 {
		h.append(publish("n", fmt.Sprint(i), ""))
	}
	done.Wait()
}

func TestWaitForEnds(t *testing.T) {
	h := newHouse(t)
	a := h.archive
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.WaitFor(ctx, 9); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after its time: %v", err)
		}
	})
	ended := make(chan error)
	go func() { ended <- a.WaitFor(t.Context(), 9) }()
	go func() { ended <- a.WaitFor(t.Context(), 10) }()
	h.close(a)
	for range 2 {
		if err := <-ended; err == nil {
			t.Error("waiting for what never came ended well")
		}
	}
}

func TestAClosedArchiveSaysSo(t *testing.T) {
	h := newHouse(t)
	h.append(node("n", "n"), publish("n", "a", ""), retract("n", "a"))
	a := h.archive
	h.close(a)
	if err := a.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	_, _, item := a.Item("n", "a")
	_, items := a.Items("n", archive.Query{})
	_, timeline := a.Timeline("all", archive.Query{})
	_, _, number := a.ItemBySeq(2)
	_, _, key := a.Lookup("key")
	_, versions := a.Versions("n", "a")
	_, dead := a.Dead(-1)
	for name, err := range map[string]error{
		"Item": item, "Items": items, "Timeline": timeline, "ItemBySeq": number, "Lookup": key, "Versions": versions, "Dead": dead,
		"Scrub":  a.Scrub(t.Context(), 2),
		"States": a.States(func(*bridge.Record) error { return nil }),
		"Dump":   a.Dump(&strings.Builder{}),
		"Apply":  a.Apply(h.log, epoch),
	} {
		if err == nil {
			t.Errorf("%s answers", name)
		}
	}
	if n := a.Count("n"); n != 0 {
		t.Errorf("Count is %d", n)
	}
}

// Readers, one applier, a scrubber: nobody waits for ever, nothing is torn.
func TestEverythingAtOnce(t *testing.T) {
	h := newHouse(t)
	h.append(node("n", "feed-1"), node("p", "planet"))
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	read := func(fn func() error) {
		readers.Go(func() {
			for ctx.Err() == nil {
				if err := fn(); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	read(func() error { _, err := h.archive.Items("p", archive.Query{Max: 20}); return err })
	read(func() error { _, err := h.archive.Timeline("all", archive.Query{Max: 20, HasBefore: true}); return err })
	read(func() error { return h.archive.States(func(*bridge.Record) error { return nil }) })
	read(func() error { return h.archive.WaitFor(ctx, h.archive.Position().Seq+1) })
	read(func() error {
		seqs, err := h.archive.Dead(10)
		if err == nil {
			err = h.archive.Scrub(ctx, seqs...)
		}
		return err
	})
	for i := range 300 {
		id := fmt.Sprint(i)
		seq := h.append(publish("n", id, id))
		h.append(refer("p", "n", id, seq), retract("n", fmt.Sprint(i-3)))
	}
	stop()
	readers.Wait()
	same(t, "at the end", h.all("p"), "299 298 297")
}

package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"peewit/bridge"
	"peewit/bridge/archive"
)

// holding is the files below a directory that hold some bytes.
func holding(t *testing.T, dir, what string) []string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(dir, file.Name()))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(what)) {
			all = append(all, file.Name())
		}
	}
	return all
}

// credential is a password's record with a salt that can be looked for.
func credential(nick, salt string) bridge.Record {
	return bridge.Record{Credential: &bridge.Credential{Nick: nick, SHA256: bridge.SCRAMKey{Salt: []byte(salt)}}}
}

// reopen writes everything to disk, and opens it again.
func (h *house) reopen() {
	h.Helper()
	h.close(h.archive)
	h.open()
}

func TestErasedBytesAreNowhereOnDisk(t *testing.T) {
	const secret = "kJx0zLQw8vRmYb3nTg6uHs"
	for name, end := range map[string][]bridge.Record{
		"retracted":  {retract("n", "a")},
		"purged":     {purge("n")},
		"removed":    {removed(microblog("n", alice))},
		"pushed out": {microblogKeeping("n", 1), publish("n", "b", "harmless"), retract("n", "b")},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouseOnDisk(t)
			h.append(microblog("n", alice), publish("n", "a", secret), publish("n", "other", "harmless"))
			h.append(publish("n", "a", "edited "+secret))
			h.reopen()
			if len(holding(t, h.dir, secret)) == 0 {
				t.Fatal("the bytes cannot be found on disk while the item lives; the test looks in vain")
			}
			h.append(end...)
			h.erase()
			if files := holding(t, h.dir, secret); len(files) > 0 {
				t.Errorf("after Scrub %v hold the bytes", files)
			}
			h.reopen()
			if files := holding(t, h.dir, secret); len(files) > 0 {
				t.Errorf("after closing %v hold the bytes", files)
			}
			same(t, "still to erase", h.dead(), []uint64(nil))
		})
	}
}

func microblogKeeping(id string, most int) bridge.Record {
	rec := microblog(id, alice)
	rec.Node.Config.MaxItems = most
	return rec
}

func TestASupersededSecretIsNowhereOnDisk(t *testing.T) {
	const salt = "kJx0zLQw8vRmYb3nTg6uHs11"
	coded := "a0p4MHpMUXc4dlJtWWIzblRnNnVIczEx" // as JSON writes bytes
	h := newHouseOnDisk(t)
	h.append(bridge.Record{Account: &bridge.Account{Nick: "alice"}}, credential("alice", salt))
	h.reopen()
	if len(holding(t, h.dir, coded)) == 0 {
		t.Fatal("the secret cannot be found on disk while it is in force; the test looks in vain")
	}
	h.append(credential("alice", "another salt"))
	same(t, "to erase", h.dead(), []uint64{2})
	h.erase()
	h.reopen()
	if files := holding(t, h.dir, coded); len(files) > 0 {
		t.Errorf("%v hold the old secret", files)
	}
	same(t, "rebuilt", h.rebuilt().dump(), h.dump())
}

func TestDeadComesInBitesAndStaysUntilScrubbed(t *testing.T) {
	h := newHouse(t)
	h.append(node("n", "n"), publish("n", "a", "1"), publish("n", "b", "2"), publish("n", "c", "3"), retract("n", "a", "b"))
	some, err := h.archive.Dead(1)
	if err != nil || !slices.Equal(some, []uint64{2}) {
		t.Fatalf("Dead(1) is %v, %v", some, err)
	}
	if err := h.archive.Scrub(t.Context(), some...); err != nil {
		t.Fatal(err)
	}
	same(t, "then", h.dead(), []uint64{3})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.archive.Scrub(ctx, 3); !errors.Is(err, context.Canceled) {
		t.Errorf("Scrub with an ended context: %v", err)
	}
	same(t, "after a scrub that was cut short", h.dead(), []uint64{3})
	if err := h.archive.Scrub(t.Context(), 3, 4, 99); err != nil {
		t.Errorf("sequences that are not on the list: %v", err)
	}
	same(t, "at last", h.dead(), []uint64(nil))
	same(t, "the living", h.all("n"), "c")
}

// photographed is a file system that keeps what a power failure would leave at
// each moment when a table is begun.
type photographed struct {
	*vfs.MemFS
	mu     sync.Mutex
	photos []*vfs.MemFS
}

func (p *photographed) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".sst") {
		p.mu.Lock()
		p.photos = append(p.photos, p.CrashClone(vfs.CrashCloneCfg{}))
		p.mu.Unlock()
	}
	return p.MemFS.Create(name, category)
}

// A large change is written in steps; a crash between two of them leaves it to
// be done again, with the same end.
func TestACrashInTheMiddleOfALargeChange(t *testing.T) {
	for name, end := range map[string]bridge.Record{
		"purge":           purge("n"),
		"removal":         removed(node("n", "feed-1")),
		"made anew":       node("m", "feed-1"),
		"a lower bound":   node("n", "feed-1", keeping(3)),
		"nothing is kept": node("n", "feed-1", keepingNothing),
	} {
		t.Run(name, func(t *testing.T) {
			h := &house{TB: t}
			h.write(node("n", "feed-1"), node("p", "planet"))
			for i := range 300 {
				id := fmt.Sprint(i)
				h.write(publish("n", id, "<"+id+"/>"))
				h.write(refer("p", "n", id, h.log[len(h.log)-1].Seq))
			}
			h.write(end, publish("n", "last", ""))
			files := &photographed{MemFS: vfs.NewCrashableMem()}
			a, err := archive.OpenSmall("archive", files, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			h.archive = a
			h.apply(h.log...)
			want := h.dump()
			h.close(a)

			inTheMiddle := 0
			for _, photo := range files.photos {
				h.files, h.dir = photo, "archive"
				h.open()
				if at := h.archive.Position().Seq; at == h.log[len(h.log)-3].Seq {
					inTheMiddle++
					h.apply(h.log...)
					if h.dump() != want {
						t.Fatalf("after crash %d in the middle the archive is another", inTheMiddle)
					}
				}
				h.close(h.archive)
			}
			if inTheMiddle < 2 {
				t.Errorf("%d of %d crashes were in the middle of the change; the test is too small", inTheMiddle, len(files.photos))
			}
		})
	}
}

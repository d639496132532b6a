//go:build integration

package eventlog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"peewit/bridge"
)

// TestDiskFillsUp needs root: it mounts a small file system, fills it while
// records are appended, makes room again, and looks that nothing acknowledged is
// gone. The watermark is off, so NATS meets the full disk.
func TestDiskFillsUp(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=96m"); err != nil {
		t.Fatalf("mount (this test needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	room := func(dir string) (free, want uint64, err error) {
		free, _, err = diskRoom(dir)
		return free, 0, err
	}
	l := openLog(t, Options{Dir: dir, room: room})
	acked := make(map[string]uint64)
	payload := strings.Repeat("x", 40_000)
	n := 0
	write := func() error {
		n++
		drafts := []bridge.Draft{post(fmt.Sprint("k", n), payload)}
		if n%3 == 0 {
			drafts = append(drafts, post(fmt.Sprint("k", n, "b"), payload))
		}
		acks, err := l.Append(t.Context(), drafts...)
		if err != nil {
			return err
		}
		for i, a := range acks {
			acked[drafts[i].Record.Key] = a.Seq
		}
		return nil
	}
	for round := range 3 {
		before := len(acked)
		ballast := filepath.Join(dir, fmt.Sprint("ballast", round))
		free, _, err := room(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(ballast, make([]byte, free-4<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		for err = write(); err == nil; err = write() {
		}
		wantCondition(t, err, bridge.ResourceConstraint)
		t.Logf("round %d: full after %d more records: %v", round, len(acked)-before, err)
		for range 3 {
			if err := write(); err == nil {
				t.Error("a full disk took a record")
			}
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a log that writes again", func() bool { return write() == nil })
		if len(acked) == before {
			t.Fatal("nothing was written in this round")
		}
	}
	got := make(map[string]int)
	for _, rec := range readAll(t, l, 0) {
		got[rec.Key]++
		if seq, ok := acked[rec.Key]; ok && seq != rec.Seq {
			t.Errorf("%s was acknowledged as %d, is %d", rec.Key, seq, rec.Seq)
		}
	}
	for key := range acked {
		if got[key] != 1 {
			t.Errorf("%s is there %d times", key, got[key])
		}
	}
	for n := 3; got[fmt.Sprint("k", n)] > 0; n += 3 {
		if got[fmt.Sprint("k", n, "b")] != 1 {
			t.Errorf("batch %d is half there", n)
		}
	}
}

package eventlog

import (
	"bytes"
	"context"
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"peewit/bridge"
)

// grep counts the files under dir that hold text.
func grep(t *testing.T, dir, text string) (files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.Contains(data, []byte(text)) {
			files++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestErasedBytesAreNowhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, Options{Dir: dir})
	single, member, last, kept := rand.Text(), rand.Text(), rand.Text(), rand.Text()
	mustAppend(t, l, post("1", kept+"a"))
	mustAppend(t, l, post("2", single))
	mustAppend(t, l, post("3", kept+"b"), post("4", member), post("5", kept+"c"))
	mustAppend(t, l, post("6", kept+"d"), post("7", last))
	for _, text := range []string{single, member, last, kept} {
		if grep(t, dir, text) == 0 {
			t.Fatal("the test looks in the wrong place")
		}
	}
	for range 2 { // twice is once
		if err := l.Erase(t.Context(), 2, 4, 7); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Erase(t.Context(), 1_000_000); err != nil {
		t.Errorf("a sequence that never was: %v", err)
	}
	check := func(when string) {
		t.Helper()
		for name, text := range map[string]string{"single": single, "member of a batch": member, "last": last} {
			if n := grep(t, dir, text); n > 0 {
				t.Errorf("%s: the %s stands in %d files", when, name, n)
			}
		}
		for _, text := range []string{"a", "b", "c", "d"} {
			if grep(t, dir, kept+text) == 0 {
				t.Errorf("%s: record %s is gone too", when, text)
			}
		}
	}
	check("at once")
	var seqs []uint64
	for _, rec := range readAll(t, l, 0) {
		seqs = append(seqs, rec.Seq)
	}
	if len(seqs) != 4 || seqs[0] != 1 || seqs[1] != 3 || seqs[2] != 5 || seqs[3] != 6 {
		t.Errorf("left are %v", seqs)
	}
	closeLog(t, l)
	check("closed")
	l = openLog(t, Options{Dir: dir})
	check("opened again")
	if seq := mustAppend(t, l, post("8", "new"))[0]; seq <= 7 {
		t.Errorf("sequence %d is given out again", seq)
	}
}

func TestEraseStopsWithItsContext(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		mustAppend(t, l, post("1", ""), post("2", ""))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Erase(ctx, 1, 2); !bridge.Is(err, bridge.ServiceUnavailable) {
			t.Errorf("erase: %v", err)
		}
		if err := l.Erase(t.Context(), 1, 2); err != nil { // and may begin again
			t.Error(err)
		}
		if n := len(readAll(t, l, 0)); n != 0 {
			t.Errorf("%d records left", n)
		}
	})
}

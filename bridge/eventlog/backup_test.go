package eventlog

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"peewit/bridge"
)

// filled is a log with gaps, batches and work.
func filled(t *testing.T, l *Log) {
	t.Helper()
	for i := range 200 {
		mustAppend(t, l, post(fmt.Sprint("k", i), strings.Repeat("payload ", 300)))
	}
	mustAppend(t, l, post("x", "1"), account("alice", 0), post("y", "2"))
	if err := l.Erase(t.Context(), 1, 50, 51, 203); err != nil { // the first, some, the last
		t.Fatal(err)
	}
	if err := l.PutAll(t.Context(), map[string][]byte{"cursor": []byte("203"), "etag": []byte(`"abc"`)}); err != nil {
		t.Fatal(err)
	}
}

// content is what a log holds, by sequence.
func content(t *testing.T, l *Log) map[uint64]string {
	t.Helper()
	all := make(map[uint64]string)
	for _, rec := range readAll(t, l, 0) {
		data, err := rec.Encode()
		if err != nil {
			t.Fatal(err)
		}
		all[rec.Seq] = rec.Time.String() + string(data)
	}
	return all
}

func TestBackupAndRestoreKeepSequences(t *testing.T) {
	for _, c := range []struct{ name, from, to string }{
		{"embedded to embedded", "dir", "dir"},
		{"embedded to a server", "dir", "url"},
		{"server to embedded", "url", "dir"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			place := func(kind string) Options {
				if kind == "url" {
					return Options{URL: startServer(t), patience: patient}
				}
				return Options{Dir: t.TempDir(), room: plenty, patience: patient}
			}
			l := openLog(t, place(c.from))
			filled(t, l)
			var backup bytes.Buffer
			if err := l.Backup(t.Context(), &backup); err != nil {
				t.Fatal(err)
			}
			want := content(t, l) // appends a mark; the backup does not have it

			to := place(c.to)
			if err := Restore(t.Context(), to, bytes.NewReader(backup.Bytes())); err != nil {
				t.Fatal(err)
			}
			r := openLog(t, to)
			last, err := r.Last(t.Context())
			if err != nil || last.Seq != 203 || r.Began() != 203 {
				t.Errorf("restored log ends at %+v, begins at %d, %v", last, r.Began(), err)
			}
			if r.Epoch() == l.Epoch() || r.Epoch() == "" {
				t.Errorf("epoch is %q, was %q", r.Epoch(), l.Epoch())
			}
			if got, err := r.Get(t.Context(), "cursor"); string(got) != "203" || err != nil {
				t.Errorf("cursor: %q, %v", got, err)
			}
			if got := content(t, r); !maps.Equal(got, want) {
				t.Errorf("%d records restored, %d backed up, or they differ", len(got), len(want))
			}
			if seq := mustAppend(t, r, post("new", ""))[0]; seq != 205 { // 204 is the mark
				t.Errorf("the next record is %d", seq)
			}
			_, err = r.Append(t.Context(), account("alice", 0))
			wantCondition(t, err, bridge.Conflict)

			closeLog(t, r)
			if err := Restore(t.Context(), to, bytes.NewReader(backup.Bytes())); err == nil || !strings.Contains(err.Error(), "already") {
				t.Errorf("restored over a log: %v", err)
			}
		})
	}
}

func TestBackupOfAnEmptyLog(t *testing.T) {
	t.Parallel()
	var backup bytes.Buffer
	if err := openLog(t, Options{Dir: t.TempDir()}).Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	to := Options{Dir: t.TempDir(), room: plenty, patience: patient}
	if err := Restore(t.Context(), to, &backup); err != nil {
		t.Fatal(err)
	}
	if seq := mustAppend(t, openLog(t, to), post("a", ""))[0]; seq != 1 {
		t.Errorf("the first record is %d", seq)
	}
}

func TestBackupWhileAppending(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{Dir: t.TempDir()})
	filled(t, l)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := l.Append(t.Context(), post(fmt.Sprint("more", i), "x")); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	var backup bytes.Buffer
	err := l.Backup(t.Context(), &backup)
	close(stop)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	to := Options{Dir: t.TempDir(), room: plenty, patience: patient}
	if err := Restore(t.Context(), to, &backup); err != nil {
		t.Fatal(err)
	}
	got := content(t, openLog(t, to))
	for seq, was := range content(t, l) {
		if now, ok := got[seq]; ok && now != was {
			t.Errorf("record %d differs", seq)
		}
	}
	if len(got) < 199 {
		t.Errorf("%d records restored", len(got))
	}
}

func TestDamagedBackupLeavesNothing(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{Dir: t.TempDir()})
	filled(t, l)
	var whole bytes.Buffer
	if err := l.Backup(t.Context(), &whole); err != nil {
		t.Fatal(err)
	}
	type entry struct {
		name string
		data []byte
	}
	var entries []entry
	r := tar.NewReader(bytes.NewReader(whole.Bytes()))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{h.Name, data})
	}
	pack := func(change func([]entry) []entry) []byte {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, e := range change(slices.Clone(entries)) {
			if err := add(w, e.name, e.data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, data := range map[string][]byte{
		"empty":         nil,
		"no tar":        []byte(strings.Repeat("no tar ", 1000)),
		"cut":           whole.Bytes()[:whole.Len()/2],
		"without end":   pack(func(e []entry) []entry { return e[:len(e)-1] }),
		"without WORK":  pack(func(e []entry) []entry { return append(e[:3], e[len(e)-1]) }),
		"odd name":      pack(func(e []entry) []entry { e[len(e)-1].name = "../../etc"; return e }),
		"newer format":  pack(func(e []entry) []entry { e[0].data = []byte(`{"format":2}`); return e }),
		"broken pieces": pack(func(e []entry) []entry { e[2].data = []byte("no snapshot"); return e }),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := Restore(t.Context(), Options{Dir: dir, room: plenty, patience: patient}, bytes.NewReader(data)); err == nil {
				t.Error("restored without an error")
			} else if text := err.Error(); !strings.HasPrefix(text, "restore log: ") || strings.Contains(text, "\n") {
				t.Errorf("not one line: %s", text)
			}
			for _, left := range []string{"log", "restoring"} {
				if _, err := os.Stat(filepath.Join(dir, left)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is left behind: %v", left, err)
				}
			}
		})
	}
}

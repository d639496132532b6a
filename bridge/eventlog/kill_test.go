package eventlog

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"peewit/bridge"
)

// victimDir names the directory in which this test binary, started once more by
// TestKill, appends until it is killed.
const victimDir = "PEEWIT_EVENTLOG_VICTIM_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		if err := victim(dir, os.Getenv(victimDir+"_SYNC")); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1) // it should have been killed
	}
	os.Exit(m.Run())
}

// victim appends from many goroutines, singly and in batches of three, and writes
// a line for each acknowledgement.
func victim(dir, sync string) error {
	ctx := context.Background()
	l, err := Open(ctx, Options{Dir: dir, Sync: sync, room: plenty, patience: patient})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for c := range 24 {
		go func() {
			for i := 0; ; i++ {
				drafts := []bridge.Draft{post(fmt.Sprintf("%d/%d/1of1", c, i), strings.Repeat("x", 700))}
				if c%4 == 0 {
					drafts = nil
					for m := range 3 {
						drafts = append(drafts, post(fmt.Sprintf("%d/%d/%dof3", c, i, m+1), strings.Repeat("x", 700)))
					}
				}
				acks, err := l.Append(ctx, drafts...)
				if err != nil {
					failed <- err
					return
				}
				var line strings.Builder
				for n, a := range acks {
					fmt.Fprintf(&line, "%s %d\n", drafts[n].Record.Key, a.Seq)
				}
				os.Stdout.WriteString(line.String())
			}
		}()
	}
	return <-failed
}

func TestKillLosesNothingAcknowledged(t *testing.T) {
	for _, sync := range []string{"always", "interval"} {
		t.Run(sync, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			acked := make(map[string]uint64)
			for range 2 {
				killWhileAppending(t, dir, sync, acked)
				checkAcked(t, dir, sync, acked)
				if err := os.RemoveAll(dir + "/log"); err != nil { // keys are used again
					t.Fatal(err)
				}
				clear(acked)
			}
		})
	}
}

func killWhileAppending(t *testing.T, dir, sync string, acked map[string]uint64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir, victimDir+"_SYNC="+sync)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var key string
		var seq uint64
		if n, _ := fmt.Sscanf(lines.Text(), "%s %d", &key, &seq); n != 2 {
			continue // the last line may be cut
		}
		acked[key] = seq
		if len(acked) == 500 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || len(acked) < 500 {
		t.Fatalf("%d acknowledged, then %v", len(acked), err)
	}
}

func checkAcked(t *testing.T, dir, sync string, acked map[string]uint64) {
	t.Helper()
	l := openLog(t, Options{Dir: dir, Sync: sync})
	defer closeLog(t, l)
	seqs := make(map[string]uint64)
	batches := make(map[string]int)
	for _, rec := range readAll(t, l, 0) {
		if seqs[rec.Key] != 0 {
			t.Errorf("%s is there twice", rec.Key)
		}
		seqs[rec.Key] = rec.Seq
		if batch, _, ok := strings.Cut(rec.Key, "of3"); ok {
			batches[batch[:strings.LastIndexByte(batch, '/')]]++
		}
	}
	for key, seq := range acked {
		if seqs[key] != seq {
			t.Errorf("%s was acknowledged as %d, is %d", key, seq, seqs[key])
		}
	}
	for batch, n := range batches {
		if n != 3 {
			t.Errorf("batch %s is there with %d of 3", batch, n)
		}
	}
	// Repeating everything after the crash changes nothing.
	for key, seq := range acked {
		acks, err := l.Append(t.Context(), post(key, "x"))
		if err != nil || acks[0] != (bridge.Ack{Seq: seq, Duplicate: true}) {
			t.Fatalf("repeat of %s: %+v, %v", key, acks, err)
		}
		break
	}
}

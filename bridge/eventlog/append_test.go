package eventlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"peewit/bridge"
)

func TestCompareAndSet(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		first := mustAppend(t, l, account("alice", 0))[0]
		_, err := l.Append(t.Context(), account("alice", 0))
		wantCondition(t, err, bridge.Conflict)
		second := mustAppend(t, l, account("alice", first))[0]
		_, err = l.Append(t.Context(), account("alice", first))
		wantCondition(t, err, bridge.Conflict)
		mustAppend(t, l, account("bob", 0))
		if got := len(readAll(t, l, 0)); got != 3 || second != 2 {
			t.Errorf("%d records, alice's second is %d", got, second)
		}
	})
}

func TestOneOfManyWinsANickname(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		var won, refused int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				_, err := l.Append(t.Context(), account("alice", 0))
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won++
				case bridge.Is(err, bridge.Conflict):
					refused++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 || refused != 39 {
			t.Errorf("%d won, %d refused", won, refused)
		}
	})
}

func TestBatchIsAllOrNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		mustAppend(t, l, account("alice", 0))
		_, err := l.Append(t.Context(), account("bob", 0), account("alice", 0), post("k", "x"))
		wantCondition(t, err, bridge.Conflict)
		if got := len(readAll(t, l, 0)); got != 1 {
			t.Fatalf("%d records after a refused batch, want 1", got)
		}
		mustAppend(t, l, post("k", "not known as a repeat"))
		many := make([]bridge.Draft, 1000)
		for i := range many {
			many[i] = post(fmt.Sprint("many", i), "x")
		}
		seqs := mustAppend(t, l, many...)
		for i := range seqs {
			if seqs[i] != seqs[0]+uint64(i) {
				t.Fatalf("members are no neighbours: %d is %d, the first %d", i, seqs[i], seqs[0])
			}
		}
		_, err = l.Append(t.Context(), append(many, post("one more", ""))...)
		wantCondition(t, err, bridge.PolicyViolation)
	})
}

func TestRepeatGetsTheFirst(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		mustAppend(t, l, post("a", "one"), post("b", "two"))
		ack := func(seq uint64, dup bool) bridge.Ack { return bridge.Ack{Seq: seq, Duplicate: dup} }
		guarded := post("g", "guarded")
		guarded.Guard = true
		for _, c := range []struct {
			name   string
			drafts []bridge.Draft
			want   []bridge.Ack
		}{
			{"single", []bridge.Draft{post("a", "one")}, []bridge.Ack{ack(1, true)}},
			{"all of a batch", []bridge.Draft{post("b", "two"), post("a", "one")}, []bridge.Ack{ack(2, true), ack(1, true)}},
			{"a member", []bridge.Draft{post("c", "3"), post("a", "one"), post("d", "4")}, []bridge.Ack{ack(3, false), ack(1, true), ack(4, false)}},
			{"all but one", []bridge.Draft{post("a", "one"), post("e", "5"), post("d", "4")}, []bridge.Ack{ack(1, true), ack(5, false), ack(4, true)}},
			{"twice in a batch", []bridge.Draft{post("f", "6"), post("f", "6"), post("a", "one")}, []bridge.Ack{ack(6, false), ack(6, true), ack(1, true)}},
			{"no key", []bridge.Draft{post("", "7"), post("", "7")}, []bridge.Ack{ack(7, false), ack(8, false)}},
		} {
			got, err := l.Append(t.Context(), c.drafts...)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: %s", c.name, diff)
			}
		}
		// Guarded and keyed: the second finds its own first, not a conflict.
		d := account("carol", 0)
		d.Record.Key = "carol's creation"
		first := mustAppend(t, l, d)[0]
		for _, drafts := range [][]bridge.Draft{{d}, {d, post("a", "one")}} {
			acks, err := l.Append(t.Context(), drafts...)
			if err != nil || acks[0] != ack(first, true) {
				t.Errorf("guarded repeat: %+v, %v", acks, err)
			}
		}
		// A batch whose unkeyed member conflicts stays refused.
		_, err := l.Append(t.Context(), account("carol", 0), post("a", "one"))
		wantCondition(t, err, bridge.Conflict)
		if got := len(readAll(t, l, 0)); got != 9 {
			t.Errorf("%d records, want 9", got)
		}
	})
}

func TestRepeatIsKnownAfterRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, Options{Dir: dir})
	mustAppend(t, l, post("a", "one"))
	closeLog(t, l)
	l = openLog(t, Options{Dir: dir})
	acks, err := l.Append(t.Context(), post("a", "one"), post("b", "two"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]bridge.Ack{{Seq: 1, Duplicate: true}, {Seq: 2}}, acks); diff != "" {
		t.Error(diff)
	}
}

func TestFind(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		mustAppend(t, l, post("a", "one"), post("b", "two"))
		for key, want := range map[string]uint64{"a": 1, "b": 2, "unknown": 0} {
			seq, ok, err := l.Find(t.Context(), key)
			if err != nil || seq != want || ok != (want > 0) {
				t.Errorf("Find(%s) = %d, %v, %v", key, seq, ok, err)
			}
		}
		if last, err := l.Last(t.Context()); err != nil || last.Seq != 2 {
			t.Errorf("finding left something in the log: %+v, %v", last, err)
		}
	})
}

func TestGroupCommitKeepsEachCallersOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		const callers, each = 64, 30
		var wg sync.WaitGroup
		seqs := make([][]uint64, callers)
		for c := range callers {
			wg.Go(func() {
				for i := range each {
					acks, err := l.Append(t.Context(), post(fmt.Sprintf("%d/%d", c, i), "x"))
					if err != nil {
						t.Error(err)
						return
					}
					seqs[c] = append(seqs[c], acks[0].Seq)
				}
			})
		}
		wg.Wait()
		got := make(map[string]uint64)
		for _, rec := range readAll(t, l, 0) {
			got[rec.Key] = rec.Seq
		}
		if len(got) != callers*each {
			t.Fatalf("%d records, want %d", len(got), callers*each)
		}
		for c := range seqs {
			for i, seq := range seqs[c] {
				if got[fmt.Sprintf("%d/%d", c, i)] != seq || i > 0 && seq <= seqs[c][i-1] {
					t.Fatalf("caller %d, record %d: acknowledged as %d, is %d", c, i, seq, got[fmt.Sprintf("%d/%d", c, i)])
				}
			}
		}
	})
}

// TestGroup hands the writer requests that wait together.
func TestGroup(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{Dir: t.TempDir()})
	waiting := func(d bridge.Draft) *request {
		m, err := encode(&d)
		if err != nil {
			t.Fatal(err)
		}
		return newRequest(m)
	}
	group := func(prefix string, n int) []*request {
		rs := make([]*request, n)
		for i := range rs {
			rs[i] = waiting(post(fmt.Sprint(prefix, i), "x"))
		}
		return rs
	}
	batched := func(seq uint64) bool {
		m, err := l.records.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		return m.Header.Get("Nats-Batch-Id") != ""
	}
	few, many := group("few", groupFrom-1), group("many", groupFrom)
	for _, rs := range [][]*request{few, many} {
		if err := l.recordWriter.write(t.Context(), rs...); err != nil {
			t.Fatal(err)
		}
	}
	if batched(few[0].acks[0].Seq) || !batched(many[0].acks[0].Seq) {
		t.Errorf("few in a batch: %v, many in a batch: %v", batched(few[0].acks[0].Seq), batched(many[0].acks[0].Seq))
	}
	// One repeat and one conflict refuse the batch; the members go singly, in
	// order, and only the conflict is refused.
	mustAppend(t, l, account("alice", 0))
	mixed := group("mixed", 20)
	mixed[3] = waiting(post("few3", "x"))
	mixed[7] = waiting(account("alice", 0))
	wantCondition(t, l.recordWriter.write(t.Context(), mixed...), bridge.Conflict)
	var last uint64
	for i, r := range mixed {
		switch i {
		case 3:
			if r.err != nil || r.acks[0] != (bridge.Ack{Seq: few[3].acks[0].Seq, Duplicate: true}) {
				t.Errorf("the repeat: %+v, %v", r.acks, r.err)
			}
		case 7:
			wantCondition(t, r.err, bridge.Conflict)
		default:
			if r.err != nil || r.acks[0].Seq <= last || batched(r.acks[0].Seq) {
				t.Fatalf("member %d: %+v after %d, %v", i, r.acks, last, r.err)
			}
			last = r.acks[0].Seq
		}
	}
}

func TestTooBig(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{Dir: t.TempDir()})
	_, err := l.Append(t.Context(), post("a", strings.Repeat("x", maxRecord)))
	wantCondition(t, err, bridge.NotAcceptable)
	if reason := bridge.AsError(err).Reason; reason != "payload-too-big" {
		t.Errorf("reason is %q", reason)
	}
	mustAppend(t, l, post("b", strings.Repeat("x", maxRecord-1000)))
	small := openLog(t, Options{URL: startServer(t)}) // takes 1 MiB
	_, err = small.Append(t.Context(), post("a", strings.Repeat("x", maxRecord-1000)))
	wantCondition(t, err, bridge.NotAcceptable)
	mustAppend(t, small, post("c", "the connection lives"))
}

func TestRecordExpires(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		d := post("a", "short")
		d.TTL = time.Millisecond // rounded up to a second
		mustAppend(t, l, d, post("b", "long"))
		if _, ok, err := l.At(t.Context(), 1); !ok || err != nil {
			t.Fatalf("not even stored: %v", err)
		}
		eventually(t, "the end of a record's time", func() bool {
			_, ok, err := l.At(t.Context(), 1)
			return !ok && err == nil
		})
		if recs := readAll(t, l, 0); len(recs) != 1 || recs[0].Seq != 2 {
			t.Errorf("read %d records", len(recs))
		}
	})
}

func TestEndedContextTakesBackWhatWaits(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := newRequest()
	w := newWriter(l, true) // nobody runs it
	wantCondition(t, w.write(ctx, r), bridge.ServiceUnavailable)
	if len(w.queue) != 0 || w.bytes != 0 || r.err == nil {
		t.Errorf("%d requests of %d bytes wait, the first says %v", len(w.queue), w.bytes, r.err)
	}
}

// TestAppendAgainstAModel appends at random and compares with a map.
func TestAppendAgainstAModel(t *testing.T) {
	t.Parallel()
	l := openLog(t, Options{Dir: t.TempDir()})
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		id := fmt.Sprintf("%d-%d-", run, rand.Uint64())
		keys := make(map[string]uint64)
		states := make(map[string]uint64)
		last, err := l.Last(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 6).Draw(rt, "appends") {
			var drafts []bridge.Draft
			conflict := false
			touched := make(map[string]bool)
			for range rapid.IntRange(1, 5).Draw(rt, "drafts") {
				name := id + rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "name")
				if rapid.Bool().Draw(rt, "state") {
					if touched[name] {
						continue // one change of a state in a batch
					}
					touched[name] = true
					stale := rapid.IntRange(0, 5).Draw(rt, "stale") == 0
					d := account(name, states[name])
					if stale {
						d.Expected += 1_000_000
						conflict = true
					}
					drafts = append(drafts, d)
				} else {
					drafts = append(drafts, post(name, "x"))
				}
			}
			acks, err := l.Append(t.Context(), drafts...)
			if conflict != (err != nil) || err != nil && !bridge.Is(err, bridge.Conflict) {
				rt.Fatalf("conflict is %v, error is %v", conflict, err)
			}
			if err != nil {
				continue
			}
			for i, d := range drafts {
				seq, known := keys[d.Record.Key]
				if d.Guard || !known {
					last.Seq++
					seq = last.Seq
				}
				if acks[i].Seq != seq || acks[i].Duplicate != (known && !d.Guard) {
					rt.Fatalf("draft %d is acknowledged as %+v, want %d", i, acks[i], seq)
				}
				if d.Guard {
					states[d.Record.Account.Nick] = seq
				} else {
					keys[d.Record.Key] = seq
				}
			}
		}
		end, err := l.Last(t.Context())
		if err != nil || end.Seq != last.Seq {
			rt.Fatalf("the log ends at %d, want %d, %v", end.Seq, last.Seq, err)
		}
	})
}

// TestSubmitDecidesTheOrder: what is submitted first stands first, single records
// and batches, although nobody waits.
func TestSubmitDecidesTheOrder(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		var waits []func(context.Context) ([]bridge.Ack, error)
		for i := range 100 {
			drafts := []bridge.Draft{post(fmt.Sprint("k", i), "")}
			if i%9 == 4 {
				drafts = append(drafts, post(fmt.Sprint("k", i, "b"), ""))
			}
			wait, err := l.Submit(drafts...)
			if err != nil {
				t.Fatal(err)
			}
			waits = append(waits, wait)
		}
		var last uint64
		for i, wait := range waits {
			acks, err := wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, ack := range acks {
				if ack.Seq != last+1 {
					t.Fatalf("call %d has sequence %d behind %d", i, ack.Seq, last)
				}
				last = ack.Seq
			}
		}
		if wait, err := l.Submit(); err != nil {
			t.Error(err)
		} else if acks, err := wait(t.Context()); len(acks) != 0 || err != nil {
			t.Errorf("nothing at all: %v, %v", acks, err)
		}
	})
}

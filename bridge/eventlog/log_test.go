package eventlog

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"peewit/bridge"
)

func TestReopenedLogIsTheSame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, sync := range []string{"always", "interval"} {
		l := openLog(t, Options{Dir: dir + "/" + sync, Sync: sync})
		seqs := mustAppend(t, l, post("a", "one"), post("b", "two"))
		before, err := l.Last(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if before.Seq != 2 || before.Seq != seqs[1] || before.Epoch != l.Epoch() || l.Epoch() == "" || l.Began() != 0 {
			t.Fatalf("last is %+v in epoch %q begun at %d, appended %v", before, l.Epoch(), l.Began(), seqs)
		}
		closeLog(t, l)

		l = openLog(t, Options{Dir: dir + "/" + sync, Sync: sync})
		after, err := l.Last(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if after != before {
			t.Errorf("last was %+v, is %+v", before, after)
		}
		if recs := readAll(t, l, 0); len(recs) != 2 || recs[0].Publish.Payload != "one" || recs[1].Publish.Payload != "two" {
			t.Errorf("read %d records", len(recs))
		}
		closeLog(t, l)
	}
}

func TestAtTellsTheTimeOfARecord(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		if last, err := l.Last(t.Context()); err != nil || last.Seq != 0 || !last.Time.IsZero() || last.Epoch != l.Epoch() {
			t.Fatalf("an empty log ends at %+v, %v", last, err)
		}
		start := time.Now()
		mustAppend(t, l, post("a", "one"))
		last, err := l.Last(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at, ok, err := l.At(t.Context(), 1)
		if err != nil || !ok || !at.Equal(last.Time) || at.Before(start.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
			t.Errorf("At(1) = %v, %v, %v; the log ends at %+v", at, ok, err, last)
		}
		if rec := readAll(t, l, 0)[0]; !rec.Time.Equal(at) {
			t.Errorf("the record says %v, At says %v", rec.Time, at)
		}
		if _, ok, err := l.At(t.Context(), 9999); ok || err != nil {
			t.Errorf("At beyond the end = %v, %v", ok, err)
		}
	})
}

func TestConfirms(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		mustAppend(t, l, post("a", ""), post("b", ""), post("c", ""))
		last, err := l.Last(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Erase(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			pos  bridge.Position
			want bool
		}{
			"nothing read yet":  {bridge.Position{}, true},
			"the newest":        {last, true},
			"an erased record":  {bridge.Position{Epoch: l.Epoch(), Seq: 2, Time: last.Time}, true},
			"another time":      {bridge.Position{Epoch: l.Epoch(), Seq: 3, Time: last.Time.Add(1)}, false},
			"beyond the newest": {bridge.Position{Epoch: l.Epoch(), Seq: 4, Time: last.Time}, false},
			"another log":       {bridge.Position{Epoch: "other", Seq: 3, Time: last.Time}, false},
		} {
			if got, err := l.Confirms(t.Context(), c.pos); got != c.want || err != nil {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
	})
}

func TestSecondStartIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLog(t, Options{Dir: dir})
	_, err := Open(t.Context(), Options{Dir: dir, room: plenty})
	if err == nil || !strings.Contains(err.Error(), "another peewit runs on "+dir) {
		t.Fatalf("second start: %v", err)
	}
	if err := Restore(t.Context(), Options{Dir: dir, room: plenty}, strings.NewReader("")); err == nil || !strings.Contains(err.Error(), "another peewit runs on") {
		t.Fatalf("restore beside a running log: %v", err)
	}
	mustAppend(t, l, post("a", "the first goes on"))
	closeLog(t, l)
	openLog(t, Options{Dir: dir})
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o    Options
		want string
	}{
		"no place":    {Options{}, "neither a data directory nor a server"},
		"odd sync":    {Options{Dir: t.TempDir(), Sync: "never"}, `sync is "never"`},
		"no server":   {Options{URL: "nats://alice:secret@127.0.0.1:1"}, "nats://alice:xxxxx@127.0.0.1:1"},
		"no such dir": {Options{Dir: "/dev/null/data"}, "make data directory"},
	} {
		_, err := Open(t.Context(), c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestForeignStreamIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	config := logConfig(1)
	config.MaxAge = time.Hour
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "p.00.x", []byte("theirs")); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Options{URL: url})
	if err == nil || !strings.Contains(err.Error(), "stream LOG was made with another configuration: max age") {
		t.Fatalf("open: %v", err)
	}
	s, err := js.Stream(t.Context(), logName)
	if err != nil {
		t.Fatal(err)
	}
	if info := s.CachedInfo(); info.State.Msgs != 1 || info.Config.MaxAge != time.Hour {
		t.Errorf("the stream was changed: %+v", info)
	}
}

func TestMisfit(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*jetstream.StreamConfig){
		"":                      func(c *jetstream.StreamConfig) { c.Replicas, c.MaxBytes, c.MaxMsgs = 5, 1<<40, -1 },
		"subjects":              func(c *jetstream.StreamConfig) { c.Subjects = []string{"p.>"} },
		"retention":             func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy },
		"discard":               func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld },
		"storage":               func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"max msgs":              func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 },
		"max msgs per subject":  func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 },
		"max msg size":          func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1000 },
		"duplicate window":      func(c *jetstream.StreamConfig) { c.Duplicates = time.Second },
		"atomic publish":        func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false },
		"message TTL":           func(c *jetstream.StreamConfig) { c.AllowMsgTTL = false },
		"direct get":            func(c *jetstream.StreamConfig) { c.AllowDirect = false },
		"rollup":                func(c *jetstream.StreamConfig) { c.AllowRollup = true },
		"acknowledgements":      func(c *jetstream.StreamConfig) { c.NoAck = true },
		"sealed":                func(c *jetstream.StreamConfig) { c.Sealed = true },
		"deny delete":           func(c *jetstream.StreamConfig) { c.DenyDelete = true },
		"mirror or sources":     func(c *jetstream.StreamConfig) { c.Sources = []*jetstream.StreamSource{{Name: "X"}} },
		"subject transform":     func(c *jetstream.StreamConfig) { c.SubjectTransform = &jetstream.SubjectTransformConfig{} },
		"counters or schedules": func(c *jetstream.StreamConfig) { c.AllowMsgCounter = true },
		"persist mode":          func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode },
	} {
		have := logConfig(1)
		change(&have)
		if got := misfit(have, logConfig(1)); got != want {
			t.Errorf("misfit is %q, want %q", got, want)
		}
	}
}

func TestStreamWithoutEpochIsNotOurs(t *testing.T) {
	t.Parallel()
	url := startServer(t)
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	config := logConfig(1)
	config.Metadata = nil
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{URL: url}); err == nil || !strings.Contains(err.Error(), "no epoch") {
		t.Fatalf("open: %v", err)
	}
}

func TestClosedLogRefuses(t *testing.T) {
	everywhere(t, func(t *testing.T, l *Log) {
		mustAppend(t, l, post("a", "one"))
		closeLog(t, l)
		closeLog(t, l) // twice is once
		if _, err := l.Append(t.Context(), post("b", "two")); err == nil {
			t.Error("a closed log took a record")
		}
		if err := l.Put(t.Context(), "k", []byte("v"), 0); !bridge.Is(err, bridge.ServiceUnavailable) {
			t.Errorf("put: %v", err)
		}
	})
}

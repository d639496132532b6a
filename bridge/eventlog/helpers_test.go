package eventlog

import (
	"context"
	"fmt"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"peewit/bridge"
)

// plenty is a disk that is never full, so that tests do not depend on this one.
func plenty(string) (free, want uint64, err error) { return 1 << 40, 1 << 30, nil }

// patient is how long tests wait for the log: they shall not fail because the
// machine has much else to do.
const patient = time.Minute

// openLog opens a log that is closed with the test.
func openLog(t testing.TB, o Options) *Log {
	t.Helper()
	if o.room == nil {
		o.room = plenty
	}
	if o.patience == 0 {
		o.patience = patient
	}
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeLog(t, l) })
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// startServer runs a NATS server of its own on a free port.
func startServer(t testing.TB) (url string) {
	t.Helper()
	n, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: -1, NoSigs: true, JetStream: true, StoreDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	go n.Start()
	if !n.ReadyForConnections(patient) {
		t.Fatal("the NATS server does not start")
	}
	t.Cleanup(func() {
		n.Shutdown()
		n.WaitForShutdown()
	})
	return n.ClientURL()
}

// everywhere runs a scenario on an embedded server and on one elsewhere: there
// must be no difference.
func everywhere(t *testing.T, scenario func(t *testing.T, l *Log)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		scenario(t, openLog(t, Options{Dir: t.TempDir()}))
	})
	t.Run("elsewhere", func(t *testing.T) {
		t.Parallel()
		scenario(t, openLog(t, Options{URL: startServer(t)}))
	})
}

// post is a draft of a post with a key.
func post(key, payload string) bridge.Draft {
	return bridge.Draft{Record: bridge.Record{
		Key: key,
		Publish: &bridge.Publish{
			NodeID: "4k2x", Addr: bridge.Addr{Service: "alice@localhost", Name: "urn:xmpp:microblog:0"},
			Item: "i-" + key, Publisher: "alice@localhost", Payload: payload,
		},
	}}
}

// account is a guarded draft of an account.
func account(nick string, expected uint64) bridge.Draft {
	return bridge.Draft{Record: bridge.Record{Account: &bridge.Account{Nick: nick}}, Guard: true, Expected: expected}
}

// mustAppend appends and returns the sequences.
func mustAppend(t testing.TB, l *Log, drafts ...bridge.Draft) []uint64 {
	t.Helper()
	acks, err := l.Append(t.Context(), drafts...)
	if err != nil {
		t.Fatal(err)
	}
	seqs := make([]uint64, len(acks))
	for i, a := range acks {
		seqs[i] = a.Seq
	}
	return seqs
}

// readAll is what the log holds after a sequence, up to its newest record now.
func readAll(t testing.TB, l *Log, after uint64) []*bridge.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	last, err := l.Last(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var recs []*bridge.Record
	if last.Seq <= after {
		return nil
	}
	// The newest may have been erased; a mark behind it ends the reading.
	mark := mustAppend(t, l, bridge.Draft{Record: bridge.Record{Invite: &bridge.Invite{Token: fmt.Sprintf("mark-%d", last.Seq)}}})[0]
	err = l.Follow(ctx, after, func(rec *bridge.Record, _ uint64) error {
		if rec.Seq >= mark {
			return errEnough
		}
		if rec.Invite == nil {
			recs = append(recs, rec)
		}
		return nil
	})
	if err != errEnough {
		t.Fatal(err)
	}
	return recs
}

var errEnough = fmt.Errorf("enough")

// eventually waits for a condition that another goroutine or the server brings
// about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patient)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never came: %s", what)
		}
	}
}

func wantCondition(t testing.TB, err error, want bridge.Condition) {
	t.Helper()
	if !bridge.Is(err, want) {
		t.Fatalf("error is %v, want %s", err, want)
	}
}

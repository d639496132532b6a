package service

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"peewit/bridge"
	"peewit/bridge/eventlog"
)

// natsServer is a NATS server of its own, as an operator would run it.
func natsServer(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server did not start")
	}
	return s.ClientURL()
}

// openAt is a peewit node on an external server.
func openAt(t *testing.T, url string) *Service {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: filepath.Join(dir, "log"), URL: url, Sync: "always", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{
		Domain: "localhost", BaseURL: "http://localhost:8080/", Bot: "update", Registration: "open",
		ArchiveDir: filepath.Join(dir, "archive"), Log: log, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, s.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Two nodes on one server take the same post at once, and again when the log has
// long forgotten its key: it is one record.
func TestTwoNodesOneRecord(t *testing.T) {
	url := natsServer(t)
	nodes := []*Service{openAt(t, url), openAt(t, url)}
	alice := account(t, nodes[0], "alice")
	last, err := nodes[0].log.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range nodes {
		if err := s.arc.WaitFor(t.Context(), last.Seq); err != nil {
			t.Fatal(err)
		}
	}
	both := func() (seqs [2]uint64) {
		t.Helper()
		done := make(chan error, len(nodes))
		for i, s := range nodes {
			go func() {
				items, err := s.Posts.Publish(context.WithoutCancel(t.Context()), Publish{
					Actor: alice, Addr: blog(alice), Items: []NewItem{{ID: "one", Payload: entry("the same")}},
				})
				if err == nil {
					seqs[i] = items[0].First
				}
				done <- err
			}()
		}
		if err := errors.Join(<-done, <-done); err != nil {
			t.Fatal(err)
		}
		return seqs
	}
	first := both()
	if first[0] == 0 || first[0] != first[1] {
		t.Fatalf("the nodes say %d and %d", first[0], first[1])
	}

	// The log forgets keys after a time; here it is made to do so at once.
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "LOG")
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.Duplicates = 100 * time.Millisecond
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	node, err := nodes[0].Nodes.Get(blog(alice))
	if err != nil {
		t.Fatal(err)
	}
	key := bridge.Hash(node.ID, "one", "0", bridge.Hash(string(entry("the same"))), string(alice))
	if seq, known, err := nodes[0].arc.Lookup(key); err != nil || !known || seq != first[0] {
		t.Fatalf("the archive knows the key as %d, %v, %v", seq, known, err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for known := true; known; <-tick.C {
		if _, known, err = nodes[0].log.Find(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if later := both(); later != first {
		t.Errorf("later the nodes say %v, before %v", later, first)
	}
	end, err := nodes[0].log.Last(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if end.Seq != last.Seq+1 {
		t.Errorf("%d records for one post", end.Seq-last.Seq)
	}
}

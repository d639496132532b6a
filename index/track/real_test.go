package track_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/eventlog"
	"peewit/bridge/registry"
	"peewit/index/track"
)

// TestHouse: the same with the real log, archive and registry.
func TestHouse(t *testing.T) {
	dir := t.TempDir()
	logger := slog.New(slog.DiscardHandler)
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: filepath.Join(dir, "log"), Sync: "interval", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	arc, err := archive.Open(filepath.Join(dir, "archive"), logger)
	if err != nil {
		t.Fatal(err)
	}
	reg := registry.New("example.net")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() {
		done <- log.Follow(ctx, 0, func(rec *bridge.Record, _ uint64) error {
			reg.Apply(rec)
			return arc.Apply([]*bridge.Record{rec}, log.Epoch())
		})
	}()
	cursor, err := json.Marshal(bridge.Position{Epoch: log.Epoch()}) // from the log's beginning
	if err == nil {
		err = log.Put(ctx, "track", cursor, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	pushed := make(chan string, 100)
	tracker := track.New(track.Options{
		Log: log, Archive: arc, Registry: reg, Cursor: "track", Logger: logger,
		Push: func(track bridge.Track, it bridge.Item) {
			pushed <- fmt.Sprintf("%s %s@%d of %d", track.ID, it.ID, it.Last, it.First)
		},
		Limited: func(owner string, n int) { t.Errorf("%s was not shown %d", owner, n) },
	})
	running := make(chan error, 1)
	go func() { running <- tracker.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-running; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("apply: %v", err)
		}
		if err := errors.Join(arc.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	}()

	add := func(rec bridge.Record) uint64 {
		acks, err := log.Append(ctx, bridge.Draft{Record: rec})
		if err != nil {
			t.Fatal(err)
		}
		return acks[0].Seq
	}
	publish := func(item, text string) uint64 {
		return add(bridge.Record{Publish: &bridge.Publish{
			NodeID: "bob", Addr: addr("bob"), Item: item, Publisher: addr("bob").Service,
			Payload: `<entry xmlns="http://www.w3.org/2005/Atom"><title>` + text + `</title></entry>`,
		}})
	}
	planet := bridge.Addr{Service: "example.net", Name: "planet-x"}
	for _, addr := range []bridge.Addr{addr("bob"), planet} {
		id := addr.Service.Local()
		if id == "" {
			id = addr.Name
		}
		add(bridge.Record{Node: &bridge.Node{ID: id, Addr: addr, Owner: addr.Service, Config: bridge.MicroblogConfig()}})
	}
	for id, text := range map[string]string{"t1": "xmpp", "t2": "xmpp planet:planet-x", "end": "end"} {
		add(bridge.Record{Track: &bridge.Track{ID: id, Owner: "alice", Query: text}})
	}
	refer := func(item string, of uint64) {
		add(bridge.Record{Reference: &bridge.Reference{
			NodeID: "planet-x", Addr: planet, Item: item, OfNodeID: "bob", OfItem: item, OfSeq: of,
		}})
	}
	one := publish("1", "xmpp")
	two := publish("2", "something")
	three := publish("2", "something on xmpp")
	refer("1", one)
	four := publish("1", "xmpp, edited")
	refer("1", four)
	five := publish("3", "the end")

	want := []string{
		fmt.Sprintf("t1 1@%d of %d", one, one),
		fmt.Sprintf("t1 2@%d of %d", three, two),
		fmt.Sprintf("t2 1@%d of %d", one, one),
		fmt.Sprintf("end 3@%d of %d", five, five),
	}
	var got []string
	for len(got) == 0 || got[len(got)-1] != want[len(want)-1] {
		select {
		case s := <-pushed:
			got = append(got, s)
		case err := <-running:
			t.Fatalf("Run ended: %v", err)
		case <-t.Context().Done():
			t.Fatal("nothing was pushed")
		}
	}
	// The reference may be met when the archive has the edit already.
	for i, s := range got {
		if s == fmt.Sprintf("t2 1@%d of %d", four, one) {
			got[i] = want[2]
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("pushed %q, want %q", got, want)
	}
}

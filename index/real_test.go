package index_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/eventlog"
	"peewit/bridge/registry"
	"peewit/index"
)

// house is the real log, archive and registry.
type house struct {
	log *eventlog.Log
	arc *archive.Archive
	reg *registry.Registry
}

func openHouse(t *testing.T, dir string) *house {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: filepath.Join(dir, "log"), Sync: "interval", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	arc, err := archive.Open(filepath.Join(dir, "archive"), logger)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{log, arc, registry.New(domain)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- log.Follow(ctx, 0, func(rec *bridge.Record, _ uint64) error {
			h.reg.Apply(rec)
			return arc.Apply([]*bridge.Record{rec}, log.Epoch())
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("apply: %v", err)
		}
		if err := errors.Join(arc.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) append(t *testing.T, recs ...bridge.Record) uint64 {
	t.Helper()
	var drafts []bridge.Draft
	for _, rec := range recs {
		drafts = append(drafts, bridge.Draft{Record: rec})
	}
	acks, err := h.log.Append(t.Context(), drafts...)
	if err != nil {
		t.Fatal(err)
	}
	return acks[len(acks)-1].Seq
}

// TestHouse: the same with the real log, archive and registry, and again when the
// index was deleted and when retracted posts were erased from the log.
func TestHouse(t *testing.T) {
	dir := t.TempDir()
	h := openHouse(t, dir)
	node := func(id string, addr bridge.Addr) bridge.Record {
		return bridge.Record{Node: &bridge.Node{ID: id, Addr: addr, Owner: addr.Service, Config: bridge.MicroblogConfig()}}
	}
	publish := func(nick, item, text string) bridge.Record {
		return bridge.Record{Publish: &bridge.Publish{
			NodeID: nick, Addr: home(nick), Item: item, Publisher: home(nick).Service, Payload: entry(text),
		}}
	}
	refer := func(nick, item string, of uint64) bridge.Record {
		return bridge.Record{Reference: &bridge.Reference{
			NodeID: "planet-x", Addr: planet("planet-x"), Item: item, OfNodeID: nick, OfItem: item, OfSeq: of,
		}}
	}
	h.append(t, node("alice", home("alice")), node("bob", home("bob")), node("planet-x", planet("planet-x")))
	start := func() (*index.Index, func()) {
		ctx, cancel := context.WithCancel(context.Background())
		x, err := index.Open(ctx, index.Options{
			Dir: filepath.Join(dir, "index"), Domain: domain, Log: h.log, Archive: h.arc, Nodes: h.reg,
			Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- x.Run(ctx) }()
		return x, func() {
			cancel()
			if err := errors.Join(<-done, x.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	x, stop := start()
	var dead []uint64
	for i := range 12 {
		for _, nick := range []string{"alice", "bob"} {
			seq := h.append(t, publish(nick, fmt.Sprint(i), "a post by "+nick))
			if i%3 == 0 {
				h.append(t, refer(nick, fmt.Sprint(i), seq))
			}
			if i%4 == 0 {
				h.append(t, publish(nick, fmt.Sprint(i), "an edited post by "+nick))
			}
			if i == 5 {
				dead = append(dead, seq)
				h.append(t, bridge.Record{Retract: &bridge.Retract{NodeID: nick, Addr: home(nick), Items: []string{"5"}, First: []uint64{seq}}})
			}
		}
	}
	h.append(t, bridge.Record{Retract: &bridge.Retract{NodeID: "planet-x", Addr: planet("planet-x"), Items: []string{"9"}}})
	h.append(t, publish("alice", "5", "again a post by alice"))
	want := map[string][]string{
		"planet:planet-x alice": {"alice/6", "alice/3", "alice/0"},
		"edited bob":            {"bob/8", "bob/4", "bob/0"},
		"again":                 {"alice/5"},
		"from:bob post":         {"bob/11", "bob/10", "bob/9", "bob/8", "bob/7", "bob/6", "bob/4", "bob/3", "bob/2", "bob/1", "bob/0"},
	}
	expect(t, x, want)
	docs := x.Status().Docs
	for _, damage := range []func() error{
		func() error { return nil },
		func() error { return os.RemoveAll(filepath.Join(dir, "index")) },
		func() error {
			return errors.Join(h.log.Erase(t.Context(), dead...), os.RemoveAll(filepath.Join(dir, "index")))
		},
	} {
		stop()
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		x, stop = start()
		expect(t, x, want)
		if got := x.Status().Docs; got != docs {
			t.Errorf("%d documents, want %d", got, docs)
		}
	}
	h.append(t, bridge.Record{Account: &bridge.Account{Nick: "bob", Removed: true}})
	expect(t, x, map[string][]string{"bob": {}, "again": {"alice/5"}})
	stop()
}

package omb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server/ats"

	"peewit/bridge"
	"peewit/bridge/deliver"
	"peewit/bridge/eventlog"
	"peewit/bridge/service"
)

// house is a service on an embedded log, with an outbox whose relay posts to a
// peer.
type house struct {
	testing.TB
	svc   *service.Service
	box   *deliver.Outbox
	close func()
}

// outsideClock keeps the clock that all embedded servers of a process share out
// of bubbles: its goroutine would hold their time.
func outsideClock(t testing.TB) {
	ats.Register()
	t.Cleanup(ats.Unregister)
}

// start opens a house in dir, whatever is there already.
func start(t testing.TB, dir string, poster Poster) *house {
	t.Helper()
	h := &house{TB: t}
	// The client of the log pools its timers. Those of another bubble must not be
	// used in this one, and two collections empty a pool.
	runtime.GC()
	runtime.GC()
	logger := discard
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: filepath.Join(dir, "log"), Sync: "interval", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	h.svc, err = service.Open(t.Context(), service.Options{
		Domain: "peewit.example", BaseURL: root, Bot: "update", Registration: "open",
		ArchiveDir: filepath.Join(dir, "archive"), Log: log, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	relay := NewRelay(h.svc, poster, license, logger)
	h.box, err = deliver.Open(t.Context(), filepath.Join(dir, "outbox"), log, map[string]deliver.Sender{Kind: relay}, logger)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := h.svc.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	<-h.svc.Ready()
	running.Go(func() {
		if err := h.box.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	h.close = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		if err := errors.Join(h.box.Close(), h.svc.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// forgetDerived deletes everything that the log has too.
func forgetDerived(t testing.TB, dir string) {
	t.Helper()
	for _, name := range []string{"archive", "outbox"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func (h *house) account(nick string) bridge.JID {
	h.Helper()
	if _, err := h.svc.Accounts.Create(h.Context(), nick, service.AccountOptions{}); err != nil {
		h.Fatal(err)
	}
	return h.svc.Accounts.JID(nick)
}

// listener makes somebody on a site subscribe to an account. The token is its
// name.
func (h *house) listener(p *peer, nick, name, endpoint string) {
	h.Helper()
	p.mu.Lock()
	p.secrets[name] = "secret & " + name
	p.mu.Unlock()
	err := h.svc.Listeners.Add(h.Context(), bridge.Listener{
		Listenee: nick, URI: "http://b.example/user/" + name, PostNotice: endpoint, Token: name, Created: time.Now(),
	}, "secret & "+name)
	if err != nil {
		h.Fatal(err)
	}
}

// listeners are the names of those who are subscribed to an account.
func (h *house) listeners(nick string) []string {
	var names []string
	for _, l := range h.svc.Listeners.List(nick) {
		names = append(names, l.Token)
	}
	return names
}

func blog(jid bridge.JID) bridge.Addr { return bridge.Addr{Service: jid, Name: bridge.NodeMicroblog} }

// post publishes a text in an account's microblog.
func (h *house) post(jid bridge.JID, id, text string) bridge.Item {
	h.Helper()
	return h.publish(jid, blog(jid), id, entry(text, ""), "xmpp")
}

func (h *house) publish(actor bridge.JID, addr bridge.Addr, id, payload, door string) bridge.Item {
	h.Helper()
	items, err := h.svc.Posts.Publish(h.Context(), service.Publish{
		Actor: actor, Addr: addr, Items: []service.NewItem{{ID: id, Payload: []byte(payload)}}, Origin: bridge.Origin{Door: door},
	})
	if err != nil {
		h.Fatal(err)
	}
	return items[0]
}

func entry(text, more string) string {
	return fmt.Sprintf("<entry xmlns='http://www.w3.org/2005/Atom'><title>%s</title>%s</entry>", text, more)
}

var discard = slog.New(slog.DiscardHandler)

package aggregate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/atom"
	"peewit/bridge/eventlog"
	"peewit/bridge/fetch"
	"peewit/bridge/service"
)

// TestARealFeedInARealHouse takes a feed from an HTTP server through the log
// into the archive, with nothing faked between.
func TestARealFeedInARealHouse(t *testing.T) {
	var polls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		polls.Add(1)
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, rss("2 two|Sun, 22 Nov 2026 10:00:00 GMT", "1 one|Sat, 21 Nov 2026 10:00:00 GMT"))
	}))
	t.Cleanup(server.Close)
	svc := openService(t)
	if _, err := svc.Planets.Add(t.Context(), "planet-go", "Planet Go", []string{server.URL + "/feed"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	runService(t, svc)

	titles := func(planet string, want int) []string {
		shows(ctx, t, svc, planet, want)
		addr := bridge.Addr{Service: svc.Domain(), Name: planet}
		page, err := svc.Posts.Items(ctx, "reader@localhost", addr, archive.Query{Max: 10, Oldest: true})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, item := range page.Items {
			p, err := atom.Parse(item.Payload)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, p.Title.Body)
		}
		return out
	}
	equal(t, "planet", titles("planet-go", 2), []string{"one", "two"})
	if _, err := svc.Planets.Add(ctx, "planet-two", "", []string{server.URL + "/feed"}); err != nil {
		t.Fatal(err)
	}
	equal(t, "second planet", titles("planet-two", 2), []string{"one", "two"})
	equal(t, "polls", polls.Load(), int32(1))
}

// shows waits until so many posts were merged into a planet and applied.
func shows(ctx context.Context, t *testing.T, svc *service.Service, planet string, want int) {
	t.Helper()
	enough := errors.New("enough")
	seen, last := 0, uint64(0)
	err := svc.Log().Follow(ctx, 0, func(rec *bridge.Record, _ uint64) error {
		if rec.Reference == nil || rec.Reference.Addr.Name != planet {
			return nil
		}
		if seen, last = seen+1, rec.Seq; seen < want {
			return nil
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Fatalf("%s shows %d of %d posts: %v", planet, seen, want, err)
	}
	if err := svc.Archive().WaitFor(ctx, last); err != nil {
		t.Fatal(err)
	}
}

// openService opens a service on a log of its own.
func openService(t *testing.T) *service.Service {
	t.Helper()
	dir, logger := t.TempDir(), slog.New(slog.DiscardHandler)
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: filepath.Join(dir, "log"), Sync: "interval", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := service.Open(t.Context(), service.Options{
		Domain: "localhost", BaseURL: "http://localhost:8080/", Bot: "update", Registration: "open",
		ArchiveDir: filepath.Join(dir, "archive"), Log: log, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	<-svc.Ready()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, svc.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	return svc
}

// runService runs an aggregator on a service until the test ends.
func runService(t *testing.T, svc *service.Service) {
	t.Helper()
	client := fetch.New(fetch.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	a, err := New(Options{
		Domain: svc.Domain(), Client: client, Log: svc.Log(), Registry: svc.Registry(), Archive: svc.Archive(),
		Posts: svc.Posts, Titles: svc.Planets, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		client.Close()
	})
}

//go:build integration

package component_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"peewit/bridge"
	"peewit/bridge/xmpp"
	"peewit/bridge/xmpp/component"
	"peewit/bridge/xmpp/component/servertest"
)

// The link against real servers: what a fake host can only suppose, namely that
// a host routes in order, gives our ping back, and multicasts.

type starter = func(testing.TB, servertest.Options) *servertest.Server

func eachServer(t *testing.T, test func(t *testing.T, start starter)) {
	for name, start := range map[string]starter{"prosody": servertest.StartProsody, "ejabberd": servertest.StartEjabberd} {
		t.Run(name, func(t *testing.T) { test(t, start) })
	}
}

// readers are clients with offline storage behind them, so that an event which
// comes while one is away counts as well.
func readers(t *testing.T, s *servertest.Server) []*servertest.Client {
	t.Helper()
	var all []*servertest.Client
	for _, nick := range []string{"anna", "bert", "cleo"} {
		c := servertest.StartSlixmpp(t)
		c.Register(s.Place(), nick+"@"+s.Domain, "secret")
		all = append(all, c)
	}
	return all
}

func connect(s *servertest.Server, all []*servertest.Client) {
	for i, c := range all {
		c.Connect(s.Place(), []string{"anna", "bert", "cleo"}[i]+"@"+s.Domain, "secret")
		c.Available()
	}
}

// expectAll waits until a reader has got the events 1 to last, in order,
// repeats aside.
func expectAll(t *testing.T, c *servertest.Client, last int) (repeats int) {
	t.Helper()
	next := 1
	for next <= last {
		m := c.Expect(fmt.Sprintf("event %d", next), func(e *servertest.Element) bool { return e.Find("body") != nil })
		var n int
		if _, err := fmt.Sscanf(m.Find("body").Text, "event %d", &n); err != nil {
			t.Fatalf("unexpected message %s", m)
		}
		switch {
		case m.Attr("id") != fmt.Sprintf("id-%d", n):
			t.Fatalf("event %d has the id %s", n, m.Attr("id"))
		case n == next:
			next++
		case n < next:
			repeats++
		default:
			t.Fatalf("event %d came before event %d", n, next)
		}
	}
	return repeats
}

func TestIntegrationBrokenStream(t *testing.T) {
	for _, tt := range []struct {
		name      string
		start     starter
		multicast bool // Prosody has none
	}{
		{"prosody", servertest.StartProsody, false},
		{"ejabberd", servertest.StartEjabberd, false},
		{"ejabberd with multicast", servertest.StartEjabberd, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start(t, servertest.Options{Multicast: tt.multicast})
			clients := readers(t, s)
			connect(s, clients)
			line := newLine(t, s, clients)
			if tt.multicast {
				line.until("multicast found", func(st component.Status) bool { return st.Multicast == "multicast."+s.Domain })
			}
			line.until("connected", connected)
			const posts = 300
			for i := range posts {
				line.log.append()
				if i%100 == 99 {
					before := line.dials()
					line.cut()
					line.until("connected again", func(st component.Status) bool { return st.Connected && line.dials() > before })
				}
			}
			repeats := 0
			for _, c := range clients {
				repeats += expectAll(t, c, posts)
			}
			if repeats == 0 || repeats > 3*200 {
				t.Errorf("%d repeats after 3 cuts in the middle of 300 events each with at most 200 in flight", repeats)
			}
			line.until("all confirmed", func(st component.Status) bool { return st.Seq == posts && st.InFlight == 0 })
		})
	}
}

func connected(st component.Status) bool { return st.Connected }

func TestIntegrationServerRestart(t *testing.T) {
	eachServer(t, func(t *testing.T, start starter) {
		s := start(t, servertest.Options{})
		clients := readers(t, s)
		line := newLine(t, s, clients)
		line.until("connected", connected)
		line.log.append()
		line.until("confirmed", func(st component.Status) bool { return st.Seq == 1 })
		s.Stop()
		line.until("down", func(st component.Status) bool { return !st.Connected })
		for range 99 {
			line.log.append()
		}
		s.Start()
		line.until("all confirmed", func(st component.Status) bool { return st.Seq == 100 && st.InFlight == 0 })
		connect(s, clients)
		for _, c := range clients {
			if n := expectAll(t, c, 100); n > 0 {
				t.Errorf("%d repeats though nothing was in flight", n)
			}
		}
	})
}

// A second connection with the domain is told apart from a wrong secret, and a
// host that gives the domain to the newer one loses nothing.
func TestIntegrationWrongSecret(t *testing.T) {
	eachServer(t, func(t *testing.T, start starter) {
		s := start(t, servertest.Options{Secret: "other"})
		s.Secret = "guessed"
		line := newLine(t, s, nil)
		line.until("refused", func(st component.Status) bool { return strings.Contains(st.Error, "the secret is not the one") })
	})
}

// A client's question reaches the router, its answer the client; nonsense
// changes nothing for others.
func TestIntegrationConversation(t *testing.T) {
	eachServer(t, func(t *testing.T, start starter) {
		s := start(t, servertest.Options{})
		clients := readers(t, s)
		connect(s, clients)
		line := newLine(t, s, clients)
		line.until("connected", connected)
		anna := clients[0]
		anna.Request(`<iq type='get' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>`, s.ComponentDomain)
		if r := anna.Ask(`<iq type='get' to='%s'><x xmlns='urn:example:unknown'/></iq>`, s.ComponentDomain); r.Condition() != "service-unavailable" {
			t.Errorf("an unknown request is answered with %s", r)
		}
		oddest := "x@" + s.ComponentDomain + "/" + strings.Repeat("\U0001F426\u0301", 120)
		if r := anna.Ask(`<iq type='get' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>`, oddest); r.Attr("type") != "error" {
			t.Errorf("an odd address is answered with %s", r) // by ejabberd itself, which knows Unicode 3.2 only
		}
		anna.Send(`<message to='%s'><body>%s</body></message>`, oddest, strings.Repeat("&amp;", 30_000))
		anna.Request(`<iq type='get' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>`, s.ComponentDomain)
		if n := line.dials(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

// line is a link with a log in memory, on connections that can be cut.
type line struct {
	t    *testing.T
	link *component.Link
	log  *records

	mu    sync.Mutex
	conns []net.Conn
}

func newLine(t *testing.T, s *servertest.Server, clients []*servertest.Client) *line {
	t.Helper()
	domain := bridge.JID(s.ComponentDomain)
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	router := xmpp.NewRouter(xmpp.Options{Domain: domain, Version: "test", Directory: nobody{}, Contacts: nobody{}, Logger: logger})
	ln := &line{t: t, log: &records{work: make(map[string][]byte), more: make(chan struct{})}}
	var recipients []bridge.JID
	for i := range clients {
		recipients = append(recipients, bridge.JID([]string{"anna", "bert", "cleo"}[i]+"@"+s.Domain))
	}
	var err error
	ln.link, err = component.New(component.Options{
		Domain: domain, Address: s.ComponentAddr, Secret: s.Secret, Hosts: []bridge.JID{bridge.JID(s.Domain)},
		Router: router, Log: ln.log, Logger: logger,
		Events: func(rec *bridge.Record) []component.Event {
			return []component.Event{event(domain, rec.Seq, recipients)}
		},
		Dial: ln.dial,
	})
	if err != nil {
		t.Fatal(err)
	}
	router.AddLink(nil, ln.link)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- ln.link.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		router.Close()
	})
	return ln
}

func event(from bridge.JID, seq uint64, recipients []bridge.JID) component.Event {
	return component.Event{
		Stanza: func(dst []byte, to bridge.JID) []byte {
			return fmt.Appendf(dst, "<message from='%s' to='%s' id='id-%d'><body>event %d</body></message>", from, to, seq, seq)
		},
		Recipients: func(after bridge.JID) iter.Seq[bridge.JID] {
			i, found := slices.BinarySearch(recipients, after)
			if found {
				i++
			}
			return slices.Values(recipients[i:])
		},
	}
}

func (ln *line) dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		ln.mu.Lock()
		ln.conns = append(ln.conns, c)
		ln.mu.Unlock()
	}
	return c, err
}

// cut resets the connection: what the host has not read is lost.
func (ln *line) cut() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	c := ln.conns[len(ln.conns)-1].(*net.TCPConn)
	if err := errors.Join(c.SetLinger(0), c.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
		ln.t.Error(err)
	}
}

func (ln *line) dials() int {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return len(ln.conns)
}

func (ln *line) until(what string, ok func(component.Status) bool) {
	ln.t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok(ln.link.Status()) {
		select {
		case <-tick.C:
		case <-deadline.C:
			ln.t.Fatalf("not %s within a minute: %+v", what, ln.link.Status())
		}
	}
}

// nobody is a domain without accounts.
type nobody struct{}

func (nobody) Account(string) (bridge.Account, bool)                 { return bridge.Account{}, false }
func (nobody) Accounts() []bridge.Account                            { return nil }
func (nobody) Credential(string) (bridge.Credential, bool)           { return bridge.Credential{}, false }
func (nobody) Get(bridge.JID, bridge.JID) (c bridge.Contact, _ bool) { return c, false }
func (nobody) List(bridge.JID) []bridge.Contact                      { return nil }
func (nobody) Save(context.Context, bridge.Contact) error            { return os.ErrInvalid }

// records is a log in memory.
type records struct {
	mu   sync.Mutex
	seq  uint64
	work map[string][]byte
	more chan struct{}
}

func (r *records) append() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	close(r.more)
	r.more = make(chan struct{})
}

func (r *records) Last(context.Context) (bridge.Position, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bridge.Position{Seq: r.seq}, nil
}

func (r *records) Follow(ctx context.Context, after uint64, fn func(*bridge.Record, uint64) error) error {
	for {
		r.mu.Lock()
		last, more := r.seq, r.more
		r.mu.Unlock()
		for ; after < last; after++ {
			if err := cmp.Or(fn(&bridge.Record{Seq: after + 1}, last-after-1), ctx.Err()); err != nil {
				return err
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *records) Put(_ context.Context, key string, value []byte, _ time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.work[key] = value
	return nil
}

func (r *records) Get(_ context.Context, key string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.work[key], nil
}

func (r *records) Hold(ctx context.Context, _ string, fn func(context.Context) error) error {
	return fn(ctx)
}

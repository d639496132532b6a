package c2s

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// LevelTrace is the level of the wire: every stanza in and out, with secrets
// masked.
const LevelTrace = slog.LevelDebug - 4

// Accounts is what the listener needs to know of accounts. Its errors are
// refusals (see [bridge.AsError]).
type Accounts interface {
	Credential(nick string) (bridge.Credential, bool)
	Register(ctx context.Context, nick, password, invite string) error
	SetPassword(ctx context.Context, nick, password string) error
	Remove(ctx context.Context, nick string) error
	Registration() string // "open", "invite" or "closed"
}

// Router is where stanzas go, a [xmpp.Router].
type Router interface {
	Bind(xmpp.Session) error
	Unbind(xmpp.Session)
	Receive(ctx context.Context, st *xmpp.Stanza)
	Refuse(ctx context.Context, st *xmpp.Stanza, err error)
	CloseAccount(bare bridge.JID, condition string)
	Caps(xmpp.Place) []byte
}

// Options is what a Server is made of. Domain, Accounts, Router and Secret must
// be set.
type Options struct {
	Domain   bridge.JID
	Accounts Accounts
	Router   Router
	// Secret makes up the salts of accounts that do not exist; it should be the
	// same for years. See [Secret].
	Secret []byte
	// TLS holds the certificate for STARTTLS. Without it only clients on this
	// machine and those of WebSocket over HTTPS can log in.
	TLS       *tls.Config
	Anonymous bool     // offer SASL ANONYMOUS
	Origins   []string // of pages that may connect by WebSocket besides those of the same host: "https://example.org"
	Limits    Limits
	Logger    *slog.Logger
}

// Limits bound what clients can take. A zero field has the default in brackets.
type Limits struct {
	Unauthenticated int           // bytes of one element before login (10,000; RFC 6120 §13.12 allows no less)
	Authenticated   int           // bytes of one element after it (256 KiB)
	Queue           int           // bytes that may wait for a slow client (1 MiB); then it is cut off
	Connections     int           // in all (50,000)
	PerAddress      int           // from one IPv4 address or IPv6 /64 network (200); this machine is exempt
	Attempts        int           // failed logins on one connection (5)
	Login           time.Duration // from connecting to a bound resource (2 min)
	Silence         time.Duration // of a client, before it is pinged (3 min)
	Write           time.Duration // for one write to get through (1 min)
	Farewell        time.Duration // for the last words to get through (5 s)
}

func (l Limits) orDefault() Limits {
	return Limits{
		Unauthenticated: cmp.Or(l.Unauthenticated, 10_000),
		Authenticated:   cmp.Or(l.Authenticated, 256<<10),
		Queue:           cmp.Or(l.Queue, 1<<20),
		Connections:     cmp.Or(l.Connections, 50_000),
		PerAddress:      cmp.Or(l.PerAddress, 200),
		Attempts:        cmp.Or(l.Attempts, 5),
		Login:           cmp.Or(l.Login, 2*time.Minute),
		Silence:         cmp.Or(l.Silence, 3*time.Minute),
		Write:           cmp.Or(l.Write, time.Minute),
		Farewell:        cmp.Or(l.Farewell, 5*time.Second),
	}
}

// Server accepts clients. It is an [http.Handler] for those that come by
// WebSocket.
type Server struct {
	options Options
	limits  Limits
	log     *slog.Logger
	crew    crew
	batches *sync.Pool

	failures      *throttle // failed logins by address
	registrations *throttle // new accounts by address

	mu        sync.Mutex
	closed    bool
	listeners map[net.Listener]struct{}
	sessions  map[*session]struct{}
	addresses map[netip.Prefix]int
	count     uint64 // connections ever, for their names in the log
	all       sync.WaitGroup
	patrol    context.CancelFunc
}

// New returns a server that accepts nobody yet. Shutdown must be called in the
// end.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{
		options:       o,
		limits:        o.Limits.orDefault(),
		log:           o.Logger,
		crew:          crew{make(chan func()), ctx.Done()},
		batches:       newPool(),
		failures:      newThrottle(20, 30*time.Second),
		registrations: newThrottle(5, 10*time.Minute),
		listeners:     make(map[net.Listener]struct{}),
		sessions:      make(map[*session]struct{}),
		addresses:     make(map[netip.Prefix]int),
		patrol:        cancel,
	}
	s.all.Go(func() { s.watch(ctx) })
	return s
}

// Serve accepts TCP connections until the context ends or Shutdown is called,
// and closes the listener. It does not end the sessions: Shutdown does.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ln.Close()
	}
	s.listeners[ln] = struct{}{}
	s.mu.Unlock()
	defer s.forget(ln)
	stop := context.AfterFunc(ctx, func() { s.forget(ln) })
	defer stop()
	for {
		conn, err := ln.Accept()
		if err == nil {
			prepare(conn)
			live := s.handle(context.WithoutCancel(ctx), newTCP(conn, s.limits.Unauthenticated), addressOf(conn.RemoteAddr()), false)
			if live != nil {
				go live()
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		s.log.ErrorContext(ctx, "connection not accepted", slog.Any("error", err)) // out of file descriptors, most likely
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(acceptPause):
		}
	}
}

// acceptPause is how long to wait after a connection could not be accepted.
const acceptPause = 100 * time.Millisecond

func (s *Server) forget(ln net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, ln)
	_ = ln.Close() // a second close says so, and nobody needs to know
}

// Sessions is how many connections there are.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Shutdown stops accepting, tells every client system-shutdown (RFC 6120
// §4.9.3.19) and waits until they are gone. When the context ends first it cuts
// them off and returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.patrol()
	s.mu.Lock()
	s.closed = true
	for ln := range s.listeners {
		_ = ln.Close() // Serve notices
	}
	s.mu.Unlock()
	for _, c := range s.snapshot() {
		c.end(refuse("system-shutdown", "the server stops"), false)
	}
	gone := make(chan struct{})
	go func() {
		s.all.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	left := s.snapshot()
	for _, c := range left {
		go c.currentWire().kill() // a WebSocket takes its time
	}
	<-gone
	return fmt.Errorf("shut down, %d clients cut off: %w", len(left), ctx.Err())
}

// handle counts a new connection, so that they are accepted no faster than they
// are counted, and returns the rest of its life; nil when there is no place for
// it and it is closed.
func (s *Server) handle(ctx context.Context, w wire, from address, encrypted bool) (live func()) {
	c := &session{server: s, wire: w, from: from, encrypted: encrypted}
	c.out.limit, c.out.pool = s.limits.Queue, s.batches
	refused, ok := s.admit(c)
	if !ok {
		w.kill()
		return nil
	}
	return func() {
		defer w.kill()
		defer s.release(c)
		c.run(ctx, refused)
	}
}

// refusable is how many connections beyond a limit are told so; more are closed
// without a word.
const refusable = 64

// admit registers a connection. refused says why it cannot stay, ok is false
// when there is no time to tell it.
func (s *Server) admit(c *session) (refused *streamError, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	network := c.from.network()
	over := len(s.sessions) - s.limits.Connections
	overHere := s.addresses[network] - s.limits.PerAddress
	if s.closed || over >= refusable || overHere >= refusable {
		return nil, false
	}
	s.count++
	c.name = "c" + strconv.FormatUint(s.count, 10)
	s.sessions[c] = struct{}{}
	if network.IsValid() {
		s.addresses[network]++
	}
	s.all.Add(1)
	switch {
	case over >= 0:
		return refuse("resource-constraint", "too many clients are connected"), true
	case overHere >= 0:
		return refuse("policy-violation", "too many connections from your address"), true
	}
	return nil, true
}

func (s *Server) release(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
	network := c.from.network()
	if s.addresses[network]--; s.addresses[network] <= 0 {
		delete(s.addresses, network)
	}
	s.all.Done()
}

// watch cuts off who takes nothing any more and pings who is silent.
func (s *Server) watch(ctx context.Context) {
	tick := time.NewTicker(min(s.limits.Silence, s.limits.Write) / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, c := range s.snapshot() {
				c.check(now)
			}
		}
	}
}

func (s *Server) snapshot() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.sessions))
}

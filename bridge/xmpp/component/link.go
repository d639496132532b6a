package component

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// Options are what a Link is made of. Domain, Address, Secret, Router, Log and
// Logger must be set.
type Options struct {
	Domain  bridge.JID // ours
	Address string     // host:port where the host accepts components
	Secret  string     // shared with the host

	// Hosts are the domains of the host's own accounts; the first is asked for
	// multicast. When empty, Domain without its first label.
	Hosts []bridge.JID
	// Serves reports whether addresses on a domain are reached through this link;
	// nil means all but ours.
	Serves func(domain bridge.JID) bool

	Router Router
	Log    Log
	// Events turns a record into what this link sends; nil sends nothing. It is
	// called in the order of the log, again for records that a broken connection
	// left unconfirmed, and must then give the same events in the same order.
	Events func(rec *bridge.Record) []Event
	// Applied waits until this process has applied the record of a sequence, so
	// that Events sees every subscription that stands before it.
	Applied func(ctx context.Context, seq uint64) error

	Logger *slog.Logger
	// Dial connects to Address; nil uses TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Router is what the link asks of stanza routing; *xmpp.Router is one.
type Router interface {
	// Receive handles a stanza whose sender the host vouches for.
	Receive(ctx context.Context, st *xmpp.Stanza)
	// Ask sends an IQ get and waits for the answer.
	Ask(ctx context.Context, from, to bridge.JID, payload []byte) (*xmpp.Stanza, error)
	// LinkUp is told when the host has accepted the link; its context ends with
	// the connection. It may take its time.
	LinkUp(ctx context.Context, l xmpp.Link)
	// LinkDown is told after the connection has ended: nothing that was known of
	// others' presence is true any more.
	LinkDown(l xmpp.Link)
	// Farewell says what is to be said before an orderly end.
	Farewell(ctx context.Context, l xmpp.Link)
}

// Log is what the lane asks of the event log; *eventlog.Log is one.
type Log interface {
	Last(ctx context.Context) (bridge.Position, error)
	Follow(ctx context.Context, after uint64, fn func(rec *bridge.Record, pending uint64) error) error
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Get(ctx context.Context, key string) ([]byte, error)
	Hold(ctx context.Context, name string, fn func(ctx context.Context) error) error
}

// Event is one notification that a record causes, the same for each recipient
// but for the address and the message id.
type Event struct {
	// Stanza appends the message to one recipient. The bytes are the same whenever
	// the same event is made for the same recipient.
	Stanza func(dst []byte, to bridge.JID) []byte
	// Recipients are those on other domains in ascending order, behind an address
	// ("" is before all).
	Recipients func(after bridge.JID) iter.Seq[bridge.JID]
}

// ErrDown is returned by Send while there is no connection to the host.
var ErrDown = errors.New("the component link is down")

// Link is the connection to one host, kept up by Run. It is an xmpp.Link.
type Link struct {
	o       Options
	inbox   *inbox
	session atomic.Pointer[session] // nil while there is no connection
	bounces calm
	unsaved calm

	mu     sync.Mutex
	cursor cursor // confirmed by the host
	saved  cursor // as it stands in the log
	status Status
}

// Status says how a link is, for the operator.
type Status struct {
	Address   string    `json:"address"`
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`               // of being connected, or of not being so; zero before the first attempt
	Error     string    `json:"error,omitempty"`     // why there is no connection
	Seq       uint64    `json:"seq"`                 // the record up to which the host has confirmed every event
	InFlight  int       `json:"in_flight"`           // events that the host has not confirmed
	Sent      uint64    `json:"sent"`                // events written, repeats included
	Bounced   uint64    `json:"bounced"`             // error replies to messages
	Refused   uint64    `json:"refused"`             // stanzas of ours that were not fit to be sent
	Multicast string    `json:"multicast,omitempty"` // the host's multicast service in use
}

// New makes a link. It connects when Run is called.
func New(o Options) (*Link, error) {
	if o.Secret == "" {
		return nil, fmt.Errorf("component link to %s: the secret is not set", o.Address)
	}
	if len(o.Hosts) == 0 {
		_, host, found := strings.Cut(string(o.Domain), ".")
		if !found {
			return nil, fmt.Errorf("component link to %s: set hosts, the domain %s does not tell them", o.Address, o.Domain)
		}
		o.Hosts = []bridge.JID{bridge.JID(host)}
	}
	if o.Serves == nil {
		o.Serves = func(bridge.JID) bool { return true }
	}
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	o.Logger = o.Logger.With(slog.String("link", o.Address))
	l := &Link{o: o, status: Status{Address: o.Address}}
	l.inbox = newInbox(o.Router.Receive, l.refuse, o.Logger)
	return l, nil
}

// Run keeps the link up until ctx ends, whenever this process holds its lease:
// it connects, serves, and connects again after a pause that grows. At the end
// it takes leave of the host, which takes at most [leaveWithin].
func (l *Link) Run(ctx context.Context) error {
	err := l.o.Log.Hold(ctx, "component "+l.name(), func(leased context.Context) error { return l.hold(leased, ctx) })
	l.inbox.wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// name tells the link from others of the domain. It does not hold the host's
// address, which may change without the host becoming another.
func (l *Link) name() string {
	var names []string
	for _, h := range l.o.Hosts {
		names = append(names, string(h))
	}
	return string(l.o.Domain) + " at " + strings.Join(names, ",")
}

// hold keeps the link up until ctx, that of the lease, ends. What came in is
// handled in the context work, which outlives it.
func (l *Link) hold(ctx, work context.Context) error {
	if err := l.loadCursor(ctx); err != nil {
		return err
	}
	var pause backoff
	var told calmError
	for {
		started := time.Now()
		err := l.serve(ctx, work)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.setDown(err)
		if time.Since(started) > steady {
			pause.reset()
		}
		wait := pause.next()
		if told.news(err) {
			l.o.Logger.Warn("component link down", slog.Any("error", err), slog.Duration("retry", wait))
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// Send queues a stanza for the host. It never blocks: it fails when there is no
// connection, when too much waits already, and when the stanza would make the
// host close the stream.
func (l *Link) Send(to bridge.JID, p xmpp.Priority, stanza []byte) error {
	s := l.session.Load()
	if s == nil {
		return ErrDown
	}
	if err := check(stanza, l.o.Domain); err != nil {
		l.count(func(st *Status) { st.Refused++ })
		l.o.Logger.Error("stanza not fit to be sent", slog.String("to", string(to)), slog.Any("error", err))
		return fmt.Errorf("send to %s: %w", to, err)
	}
	return s.out.put(p, slices.Clone(stanza))
}

// Status is how the link is now.
func (l *Link) Status() Status {
	l.mu.Lock()
	st := l.status
	st.Seq = l.cursor.Seq
	l.mu.Unlock()
	if s := l.session.Load(); s != nil {
		st.InFlight = s.lane.inFlight()
		st.Multicast = string(s.lane.multicast())
	}
	return st
}

func (l *Link) count(change func(*Status)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.status)
}

func (l *Link) setDown(err error) {
	l.count(func(st *Status) {
		if st.Connected || st.Since.IsZero() {
			st.Connected, st.Since = false, time.Now()
		}
		st.Error = err.Error()
	})
}

func (l *Link) setUp() {
	l.count(func(st *Status) { st.Connected, st.Since, st.Error = true, time.Now(), "" })
}

// refuse answers a stanza that found its sender's queue full.
func (l *Link) refuse(st *xmpp.Stanza, err error) {
	if st.Kind == "presence" {
		return
	}
	if reply := xmpp.ErrorReply(st, err); reply != nil {
		_ = l.Send(st.From, xmpp.Result, reply) // who floods us need not be told
	}
}

package component

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

const (
	domain = bridge.JID("micro.example.org")
	secret = "wonderland"
)

// host is a server with room for one component: a few lines of XEP-0114.
type host struct {
	secret string
	// lag is how many stanzas the host holds back before it deals with the first:
	// what is lost when the connection breaks.
	lag int
	// cut decides, before each stanza the host deals with, whether the connection
	// breaks now; nil never breaks it.
	cut func(dealt int) bool
	// refuse is a stream error sent instead of accepting the handshake.
	refuse string
	// heard is called with each stanza the host deals with.
	heard func(w io.Writer, st *xmpp.Stanza)
	// swallow is called with multicasts instead of delivering them.
	swallow func(w io.Writer, st *xmpp.Stanza)
	// silent is a host that returns no pings.
	silent bool

	mu       sync.Mutex
	dials    []time.Time
	conns    []net.Conn
	messages []*xmpp.Stanza // what was delivered, in order
	ended    []string       // how each connection ended: "tag" or "broken"
	multi    int            // multicast stanzas
}

func (h *host) dial(context.Context, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	h.mu.Lock()
	h.dials = append(h.dials, time.Now())
	h.conns = append(h.conns, theirs)
	h.mu.Unlock()
	go func() {
		end := h.serve(theirs)
		theirs.Close()
		h.mu.Lock()
		h.ended = append(h.ended, end)
		h.mu.Unlock()
	}()
	return ours, nil
}

func (h *host) serve(conn net.Conn) (end string) {
	framer := xmpp.NewFramer(conn, 1<<20)
	header, err := framer.Next()
	if err != nil || !strings.Contains(string(header), "to='"+string(domain)+"'") {
		return "broken"
	}
	fmt.Fprintf(conn, "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' from='%s' id='x&amp;1'>", domain)
	proof, err := framer.Next()
	if err != nil {
		return "broken"
	}
	h.mu.Lock()
	refuse := h.refuse
	h.mu.Unlock()
	if refuse == "" && string(proof) != fmt.Sprintf("<handshake>%x</handshake>", sha1.Sum([]byte("x&1"+h.secret))) {
		refuse = "not-authorized"
	}
	if refuse != "" {
		fmt.Fprintf(conn, "<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", refuse)
		return "refused"
	}
	// Writing must not wait for a reader who waits for us.
	in, out, written := make(chan []byte), make(chan []byte, 10_000), make(chan struct{})
	go func() {
		defer close(written)
		for b := range out {
			conn.Write(b)
		}
	}()
	go func() {
		defer close(in)
		for {
			piece, err := framer.Next()
			if err != nil {
				return
			}
			in <- piece
		}
	}()
	defer func() {
		if end == "tag" {
			out <- []byte("</stream:stream>")
			close(out)
			<-written
		} else {
			conn.Close()
			close(out)
		}
		conn.Close()
		for range in { // until the reader has ended
		}
	}()
	out <- []byte("<handshake/> ")
	w := writerFunc(func(b []byte) (int, error) { out <- slices.Clone(b); return len(b), nil })
	var held [][]byte
	for dealt := 0; ; {
		var idle <-chan time.Time
		if len(held) > 0 {
			idle = time.After(10 * time.Millisecond)
		}
		keep := h.lag
		select {
		case piece, ok := <-in:
			switch {
			case !ok:
				return "broken"
			case string(piece[:2]) == "</":
				return "tag"
			}
			held = append(held, piece)
		case <-idle:
			keep = 0
		}
		for ; len(held) > keep; dealt++ {
			if h.cut != nil && h.cut(dealt) {
				return "broken"
			}
			h.deal(w, held[0])
			held = held[1:]
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (h *host) deal(w io.Writer, piece []byte) {
	st, err := xmpp.ParseStanza(piece, xmpp.NSComponent)
	if err != nil {
		fmt.Fprintf(w, "<stream:error><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		return
	}
	if h.heard != nil {
		h.heard(w, st)
	}
	if st.To == domain && st.Kind == "iq" {
		h.mu.Lock()
		silent := h.silent
		h.mu.Unlock()
		if !silent {
			w.Write(piece)
		}
		return
	}
	addresses := st.Child(nsAddress, "addresses")
	if addresses == nil {
		h.deliver(st, st.To)
		return
	}
	h.mu.Lock()
	h.multi++
	h.mu.Unlock()
	if h.swallow != nil {
		h.swallow(w, st)
		return
	}
	for _, a := range addresses.Children {
		to := bridge.JID(a.Attribute("jid"))
		if to.Domain() == domain {
			fmt.Fprintf(w, "<message from='%s' to='%s' id='%s'/>", st.From, to, st.ID)
			continue
		}
		h.deliver(st, to)
	}
}

func (h *host) deliver(st *xmpp.Stanza, to bridge.JID) {
	if st.Kind != "message" {
		return
	}
	copied := *st
	copied.To = to
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, &copied)
}

// change changes how the host behaves while it runs.
func (h *host) change(fn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fn()
}

// dialed is when somebody connected.
func (h *host) dialed() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.dials)
}

// count is how many messages were delivered.
func (h *host) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.messages)
}

// delivered is the ids of the messages that somebody got, in order.
func (h *host) delivered(to bridge.JID) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []string
	for _, m := range h.messages {
		if m.To == to {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// memory is a Log in memory; a Publish record tells the event.
type memory struct {
	mu   sync.Mutex
	recs []*bridge.Record
	work map[string]string
	more chan struct{}
	puts int
}

func newMemory(records int) *memory {
	m := &memory{work: make(map[string]string), more: make(chan struct{})}
	for range records {
		m.append()
	}
	return m
}

func (m *memory) append() {
	m.mu.Lock()
	defer m.mu.Unlock()
	seq := uint64(len(m.recs) + 1)
	m.recs = append(m.recs, &bridge.Record{Seq: seq, Publish: &bridge.Publish{Item: fmt.Sprint(seq)}})
	close(m.more)
	m.more = make(chan struct{})
}

func (m *memory) Last(context.Context) (bridge.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bridge.Position{Seq: uint64(len(m.recs))}, nil
}

func (m *memory) Follow(ctx context.Context, after uint64, fn func(*bridge.Record, uint64) error) error {
	for seq := after + 1; ; {
		m.mu.Lock()
		recs, more := m.recs, m.more
		m.mu.Unlock()
		for ; seq <= uint64(len(recs)); seq++ {
			if err := fn(recs[seq-1], uint64(len(recs))-seq); err != nil {
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

func (m *memory) Put(_ context.Context, key string, value []byte, _ time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.work[key] = string(value)
	m.puts++
	return nil
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.work[key]; ok {
		return []byte(v), nil
	}
	return nil, nil
}

func (m *memory) Hold(ctx context.Context, _ string, fn func(context.Context) error) error {
	return fn(ctx)
}

// router is a Router of functions, each of which may be nil.
type router struct {
	receive func(ctx context.Context, st *xmpp.Stanza)
	answer  func(to bridge.JID, payload string) string
	told    func(what string, l xmpp.Link)
}

func (r *router) LinkUp(_ context.Context, l xmpp.Link)   { r.tell("up", l) }
func (r *router) LinkDown(l xmpp.Link)                    { r.tell("down", l) }
func (r *router) Farewell(_ context.Context, l xmpp.Link) { r.tell("farewell", l) }

func (r *router) tell(what string, l xmpp.Link) {
	if r.told != nil {
		r.told(what, l)
	}
}

func (r *router) Receive(ctx context.Context, st *xmpp.Stanza) {
	if r.receive != nil {
		r.receive(ctx, st)
	}
}

func (r *router) Ask(_ context.Context, from, to bridge.JID, payload []byte) (*xmpp.Stanza, error) {
	if r.answer == nil {
		return nil, errors.New("nobody answers")
	}
	return xmpp.ParseStanza([]byte(r.answer(to, string(payload))), xmpp.NSComponent)
}

// events makes one event a record for each of the recipients, who must be in
// order.
func events(recipients ...bridge.JID) func(*bridge.Record) []Event {
	return func(rec *bridge.Record) []Event {
		return []Event{{
			Stanza: func(dst []byte, to bridge.JID) []byte {
				return fmt.Appendf(dst, "<message type='headline' from='%s' to='%s' id='%s'><event xmlns='http://jabber.org/protocol/pubsub#event'/></message>",
					domain, xmpp.Escape(string(to)), rec.Publish.Item)
			},
			Recipients: func(after bridge.JID) iter.Seq[bridge.JID] {
				return func(yield func(bridge.JID) bool) {
					for _, r := range recipients {
						if r > after && !yield(r) {
							return
						}
					}
				}
			},
		}}
	}
}

func people(n int) []bridge.JID {
	var all []bridge.JID
	for i := range n {
		all = append(all, bridge.JID(fmt.Sprintf("reader%04d@example.org", i)))
	}
	return all
}

// pass lets time pass in a synctest bubble, and what it sets off happen.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// start makes a link to h and runs it until stop is called.
func start(t testing.TB, h *host, log Log, o Options) (l *Link, stop func()) {
	t.Helper()
	if h.secret == "" {
		h.secret = secret
	}
	o.Domain, o.Address, o.Dial, o.Log = domain, "host.invalid:5347", h.dial, log
	if o.Secret == "" && o.SecretFile == "" {
		o.Secret = secret
	}
	if o.Router == nil {
		o.Router = &router{}
	}
	if o.Logger == nil {
		o.Logger = quiet()
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return l, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

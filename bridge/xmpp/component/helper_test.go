package component

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
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
	through func() xmpp.Link // what Ask sends through, if anything
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
	if r.through != nil {
		if err := r.through().Send(to, xmpp.Result, xmpp.Wrap("iq", "get", "ask", from, to, payload)); err != nil {
			return nil, err
		}
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
	if o.Secret == "" {
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

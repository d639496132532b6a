package xmpp

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"peewit/bridge"
)

// Limits on questions asked of others.
const (
	askTimeout = 30 * time.Second
	maxAsks    = 4096 // open at a time
)

// asks is the questions that wait for an answer.
type asks struct {
	mu     sync.Mutex
	open   map[string]*ask
	closed bool
}

// ask is one question. Its answer counts only from whom it was asked.
type ask struct {
	from, to bridge.JID
	timer    *time.Timer
	done     func(context.Context, *Stanza) // with nil when no answer came
}

func newAsks() *asks { return &asks{open: make(map[string]*ask)} }

// add notes a question and returns its id.
func (t *asks) add(from, to bridge.JID, done func(context.Context, *Stanza)) (id string, err error) {
	id = randomID()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.open) >= maxAsks {
		return "", bridge.Refuse(bridge.ResourceConstraint, "too many questions are open")
	}
	a := &ask{from: from, to: to, done: done}
	a.timer = time.AfterFunc(askTimeout, func() { t.drop(id) })
	t.open[id] = a
	return id, nil
}

// answer hands an IQ result or error to who waits for it.
func (t *asks) answer(ctx context.Context, st *Stanza) {
	t.mu.Lock()
	a := t.open[st.ID]
	if a == nil || a.to != st.From || a.from != st.To {
		t.mu.Unlock()
		return
	}
	delete(t.open, st.ID)
	t.mu.Unlock()
	a.timer.Stop()
	a.done(ctx, st)
}

// drop gives up waiting. done is told at most once in all.
func (t *asks) drop(id string) {
	t.mu.Lock()
	a := t.open[id]
	delete(t.open, id)
	t.mu.Unlock()
	if a != nil {
		a.timer.Stop()
		a.done(context.Background(), nil)
	}
}

func (t *asks) close() {
	t.mu.Lock()
	t.closed = true
	ids := make([]string, 0, len(t.open))
	for id := range t.open {
		ids = append(ids, id)
	}
	t.mu.Unlock()
	for _, id := range ids {
		t.drop(id)
	}
}

// Ask sends an IQ get from one of our addresses and waits for the answer, which
// counts only when it comes from whom was asked. An answer of type error is
// returned like a result. The error is ErrUnreachable, the context's, or
// [RemoteServerTimeout] after 30 seconds.
//
// It must not be called from a handler that runs in the goroutine of the
// session or link that has to bring the answer.
func (r *Router) Ask(ctx context.Context, from, to bridge.JID, payload []byte) (*Stanza, error) {
	answer := make(chan *Stanza, 1)
	id, err := r.ask(from, to, payload, func(_ context.Context, st *Stanza) { answer <- st })
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", to, err)
	}
	select {
	case <-ctx.Done():
		r.asks.drop(id)
		return nil, fmt.Errorf("ask %s: %w", to, ctx.Err())
	case st := <-answer:
		if st == nil {
			return nil, fmt.Errorf("ask %s: %w", to, bridge.Refuse(RemoteServerTimeout, "%s did not answer", to))
		}
		return st, nil
	}
}

// ask sends an IQ get; done is called once, with the answer in the goroutine
// that received it or with nil when none came in time.
func (r *Router) ask(from, to bridge.JID, payload []byte, done func(context.Context, *Stanza)) (id string, err error) {
	id, err = r.asks.add(from, to, done)
	if err != nil {
		return "", err
	}
	if err := r.Send(to, Result, Wrap("iq", "get", id, from, to, payload)); err != nil {
		r.asks.mu.Lock()
		a := r.asks.open[id]
		delete(r.asks.open, id)
		r.asks.mu.Unlock()
		if a != nil {
			a.timer.Stop()
		}
		return "", err
	}
	return id, nil
}

// randomID is 128 random bits: an id that nobody guesses.
func randomID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

package xmpp

import (
	"context"
	"sync"
)

// Turn is the place of a stanza among those of one sender. A transport handles
// them in order: the next one when this one has been dealt with, or earlier, when
// its handler has called [Next]. Answers leave in order either way.
type Turn struct {
	before <-chan struct{} // closed when the stanza before has been dealt with; nil = there is none
	passed chan struct{}
	once   sync.Once // closes passed
	done   chan struct{}
}

// Then is the turn behind t; t may be nil.
func (t *Turn) Then() *Turn {
	next := &Turn{passed: make(chan struct{}), done: make(chan struct{})}
	if t != nil {
		next.before = t.done
	}
	return next
}

// Context is the context for whoever handles the stanza.
func (t *Turn) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, turnKey{}, t)
}

// Passed is closed when the handler lets the next stanza begin.
func (t *Turn) Passed() <-chan struct{} { return t.passed }

// End says that the stanza has been dealt with. It must be called once.
func (t *Turn) End() { close(t.done) }

type turnKey struct{}

// Next lets the sender's next stanza be handled while this one still waits for
// something: its effect must stand before all that the next one can do.
func Next(ctx context.Context) {
	if t, ok := ctx.Value(turnKey{}).(*Turn); ok {
		t.once.Do(func() { close(t.passed) })
	}
}

// inTurn waits until the sender's earlier stanzas have been dealt with.
func inTurn(ctx context.Context) {
	if t, ok := ctx.Value(turnKey{}).(*Turn); ok && t.before != nil {
		<-t.before
	}
}

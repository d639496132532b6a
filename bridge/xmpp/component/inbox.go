package component

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// What may wait to be handled.
const (
	waitingOfOne = 200      // stanzas of one sender
	waitingOfAll = 5000     // stanzas
	waitingBytes = 32 << 20 // bytes of stanzas
)

// inbox hands stanzas to the router: those of one sender one after another, in
// the order they came, those of different senders at the same time. A sender is
// a bare address; answers to what we asked have a queue of their own, because
// the handler that waits for one may be what its sender's queue waits for.
type inbox struct {
	receive func(context.Context, *xmpp.Stanza)
	refuse  func(*xmpp.Stanza, error)
	logger  *slog.Logger
	full    calm

	mu      sync.Mutex
	waiting map[sender][]*xmpp.Stanza // of each sender with a goroutine at work
	count   int
	bytes   int
	wg      sync.WaitGroup
}

type sender struct {
	jid     bridge.JID // bare
	answers bool
}

func newInbox(receive func(context.Context, *xmpp.Stanza), refuse func(*xmpp.Stanza, error), logger *slog.Logger) *inbox {
	return &inbox{receive: receive, refuse: refuse, logger: logger, waiting: make(map[sender][]*xmpp.Stanza)}
}

// put never blocks. What has no place is refused.
func (b *inbox) put(ctx context.Context, st *xmpp.Stanza) {
	key := sender{st.From.Bare(), st.Kind == "iq" && (st.Type == "result" || st.Type == "error")}
	b.mu.Lock()
	queue, busy := b.waiting[key]
	if len(queue) >= waitingOfOne || b.count >= waitingOfAll || b.bytes+len(st.Raw) > waitingBytes {
		b.mu.Unlock()
		if n := b.full.another(); n > 0 {
			b.logger.Warn("stanzas refused, too many wait", slog.Int("refused", n), slog.String("last_from", string(st.From)))
		}
		b.refuse(st, bridge.Refuse(bridge.ResourceConstraint, "too many of your requests wait here; try again later"))
		return
	}
	b.waiting[key] = append(queue, st)
	b.count++
	b.bytes += len(st.Raw)
	if !busy {
		b.wg.Go(func() { b.work(ctx, key) })
	}
	b.mu.Unlock()
}

// work handles what a sender sends until nothing waits any more.
func (b *inbox) work(ctx context.Context, key sender) {
	for {
		b.mu.Lock()
		queue := b.waiting[key]
		if len(queue) == 0 || ctx.Err() != nil {
			for _, st := range queue {
				b.forget(st)
			}
			delete(b.waiting, key)
			b.mu.Unlock()
			return
		}
		st := queue[0]
		b.waiting[key] = queue[1:]
		b.forget(st)
		b.mu.Unlock()
		b.handle(ctx, st)
	}
}

func (b *inbox) forget(st *xmpp.Stanza) {
	b.count--
	b.bytes -= len(st.Raw)
}

// handle survives a handler's mistake: it costs its stanza, not the program.
func (b *inbox) handle(ctx context.Context, st *xmpp.Stanza) {
	defer func() {
		if p := recover(); p != nil {
			b.logger.Error("handler panicked", slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())),
				slog.String("kind", st.Kind), slog.String("from", string(st.From)))
			b.refuse(st, bridge.AsError(fmt.Errorf("handler panicked: %v", p)))
		}
	}()
	b.receive(ctx, st)
}

// wait waits for the handlers at work. The context given to put must have ended.
func (b *inbox) wait() { b.wg.Wait() }

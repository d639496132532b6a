package c2s

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// session is one client's connection, and once it is bound a [xmpp.Session].
// Everything belongs to the goroutine that reads from it, except what follows
// out.
type session struct {
	server    *Server
	name      string // in the log
	from      address
	encrypted bool
	wire      wire // replaced by STARTTLS, under out.mu

	who        login
	attempts   int  // failed logins
	registered bool // it made an account on this connection
	jid        bridge.JID

	out    queue
	opened atomic.Bool  // our stream header is out
	bound  atomic.Bool  // the router knows the session
	heard  atomic.Int64 // when it last said something, Unix nanoseconds
	pinged time.Time    // for the server's watch
}

// errGoodbye is the client's orderly end of its stream.
var errGoodbye = errors.New("the client closed its stream")

// JID is the session's full address.
func (s *session) JID() bridge.JID { return s.jid }

// Anonymous reports whether the client logged in without an account.
func (s *session) Anonymous() bool { return s.who.anonymous }

// Send queues a stanza and does not wait until it is written.
func (s *session) Send(p xmpp.Priority, stanza []byte) error {
	s.trace("sent", stanza)
	empty, err := s.out.add(p, stanza)
	if empty {
		s.emptySoon(p)
	}
	if errors.Is(err, errSlow) {
		s.end(refuse("resource-constraint", "you read too slowly"), true) // RFC 6120 §4.9.3.17
	}
	if err != nil {
		return fmt.Errorf("send to %s: %w", s.jid, err)
	}
	return nil
}

// emptySoon has the queue emptied, now or when events may leave again.
func (s *session) emptySoon(p xmpp.Priority) {
	if p == xmpp.Event {
		if pause := s.out.rest(time.Now()); pause > 0 {
			time.AfterFunc(pause, func() {
				if s.out.resume() {
					s.out.empty(s.currentWire())
				}
			})
			return
		}
	}
	go s.out.empty(s.currentWire())
}

// Close ends the stream with a stream error, behind what waits already.
func (s *session) Close(condition string) { s.end(&streamError{condition: condition}, false) }

// say writes during negotiation, when nobody else does: it returns when the
// bytes are on their way.
func (s *session) say(element []byte) error {
	s.trace("sent", element)
	empty, err := s.out.add(xmpp.Result, element)
	if empty {
		s.out.empty(s.wire)
	}
	return err
}

// end closes the stream, with an error unless e is nil. It returns at once.
func (s *session) end(e *streamError, drop bool) {
	w := s.currentWire()
	final := new(batch)
	if !s.opened.Load() {
		final.add(w.opening(rand.Text(), xmpp.Escape(string(s.server.options.Domain)))) // RFC 6120 §4.9.1.2
	}
	if e != nil {
		final.add(w.failing(e))
	}
	final.add(w.closing())
	empty, first := s.out.end(final, drop)
	if first {
		s.trace("sent", final.bytes)
		time.AfterFunc(s.server.limits.Farewell, w.kill)
	}
	if empty {
		go s.out.empty(w)
	}
}

func (s *session) currentWire() wire {
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	return s.wire
}

// run is the session's life. refused is why it must end at once, or nil.
func (s *session) run(ctx context.Context, refused *streamError) {
	started := time.Now()
	s.log(ctx, slog.LevelDebug, "connected", slog.String("remote", s.from.ip.String()))
	timer := time.AfterFunc(s.server.limits.Login, func() {
		s.end(refuse("connection-timeout", "login took too long"), false) // RFC 6120 §4.9.3.4
	})
	defer timer.Stop()
	var err error
	if refused != nil {
		err = refused
	} else if err = s.work(ctx, func() error { return s.negotiate(ctx) }); err == nil {
		timer.Stop()
		err = s.serve(ctx)
	}
	if s.bound.Load() {
		s.server.options.Router.Unbind(s)
	}
	s.log(ctx, slog.LevelDebug, "disconnected", slog.String("jid", string(s.jid)), slog.Any("why", err), slog.Duration("after", time.Since(started)))
	s.part(err)
}

// work has something done by the server's crew and waits for it.
func (s *session) work(ctx context.Context, do func() error) error {
	worked := make(chan error, 1)
	s.server.crew.do(func() { worked <- s.guarded(ctx, do) })
	return <-worked
}

// guarded does something, and keeps a bug in one conversation from ending all
// others: it ends this one.
func (s *session) guarded(ctx context.Context, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log(ctx, slog.LevelError, "panic", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			e := refuse("internal-server-error", "something went wrong here")
			s.end(e, false)
			err = e
		}
	}()
	return do()
}

// part says goodbye as far as there is somebody to say it to.
func (s *session) part(err error) {
	e := asStreamError(err)
	if e == nil && !errors.Is(err, errGoodbye) && !s.out.isEnding() {
		s.out.end(new(batch), true) // the connection broke
		return
	}
	s.end(e, false)
	<-s.out.done
	s.wire.drain()
}

// next is the next piece of the stream, or why there is none.
func (s *session) next() ([]byte, error) {
	piece, err := s.wire.next()
	switch {
	case s.out.isEnding():
		return nil, errEnding
	case err != nil:
		return nil, err
	}
	s.heard.Store(time.Now().UnixNano())
	s.trace("received", piece)
	return piece, nil
}

// check cuts the session off when a write does not get through, and pings it
// when it is silent.
func (s *session) check(now time.Time) {
	limits := s.server.limits
	if s.out.stuck(now, limits.Write) {
		go s.currentWire().kill()
		return
	}
	last := time.Unix(0, s.heard.Load())
	if s.bound.Load() && now.Sub(last) >= limits.Silence && now.Sub(s.pinged) >= limits.Silence {
		s.pinged = now
		s.currentWire().ping(func(space []byte) {
			// An ending session needs no ping.
			_ = s.Send(xmpp.Event, space)
		})
	}
}

func (s *session) log(ctx context.Context, level slog.Level, message string, attrs ...slog.Attr) {
	s.server.log.LogAttrs(ctx, level, message, append(attrs, slog.String("conn", s.name))...)
}

// trace logs the wire.
func (s *session) trace(what string, piece []byte) {
	ctx := context.Background()
	if s.server.log.Enabled(ctx, LevelTrace) {
		s.log(ctx, LevelTrace, what, slog.String("xml", mask(piece)))
	}
}

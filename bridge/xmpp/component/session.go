package component

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	mellium "mellium.im/xmpp"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

const (
	connectWithin = 15 * time.Second // to the accepted handshake
	writeWithin   = time.Minute      // each write
	silence       = 30 * time.Second // after it we ask whether the host is still there
	deadAfter     = 90 * time.Second // without a byte from the host
	leaveWithin   = 3 * time.Second  // for saying goodbye

	maxReceived = 16 << 20 // bytes of one stanza from the host
)

// levelTrace shows who sends what to whom, never the content.
const levelTrace = slog.LevelDebug - 4

// session is one connection to the host, from the handshake to its end.
type session struct {
	l      *Link
	conn   net.Conn
	framer *xmpp.Framer
	stream *mellium.Session
	out    *outbox
	lane   *lane
	mark   string // before the ids of our pings; nobody can guess it
}

// serve is one connection: it returns why there is none any more, which after
// ctx has ended is nothing to speak of. A request that was received is handled in
// the context work: it is not given up because the connection broke.
func (l *Link) serve(ctx, work context.Context) error {
	s, err := l.connect(ctx)
	if err != nil {
		return err
	}
	// The session outlives ctx by its goodbye.
	alive, end := context.WithCancelCause(context.WithoutCancel(ctx))
	active, pause := context.WithCancel(alive) // as long as we start something new
	defer pause()

	l.session.Store(s) // before anything asks through the router, which sends through us
	l.setUp()
	var wg, reading, writing sync.WaitGroup
	reading.Go(func() { end(s.read(work)) })
	writing.Go(func() {
		if err := s.write(alive); err != nil {
			end(err)
		}
	})
	wg.Go(func() {
		if err := s.lane.run(active); err != nil && active.Err() == nil {
			end(err)
		}
	})
	wg.Go(func() { s.ask(alive) })
	l.o.Logger.Info("component link up", slog.String("domain", string(l.o.Domain)))
	wg.Go(func() { l.o.Router.LinkUp(active, l) })

	select {
	case <-ctx.Done():
		pause()
		s.leave(ctx, alive, &reading, &writing)
		end(ctx.Err())
	case <-alive.Done():
	}
	l.session.Store(nil)
	s.out.close()
	s.conn.Close()
	reading.Wait()
	writing.Wait()
	wg.Wait()
	l.saveCursor(ctx)
	l.o.Router.LinkDown(l)
	return context.Cause(alive)
}

// connect dials and negotiates.
func (l *Link) connect(ctx context.Context) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	conn, err := l.o.Dial(ctx, l.o.Address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	framer := xmpp.NewFramer(patient{conn}, maxReceived)
	stream, err := l.negotiate(ctx, conn, framer)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	s := &session{l: l, conn: conn, framer: framer, stream: stream, out: newOutbox(), mark: "pw" + rand.Text() + "-"}
	s.lane = newLane(s)
	return s, nil
}

// patient is a connection that counts as dead when it is silent for too long.
type patient struct{ net.Conn }

func (p patient) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(deadAfter)); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

// read sorts what the host sends until the stream ends. The context is the one
// that stanzas are handled in.
func (s *session) read(ctx context.Context) error {
	for {
		piece, err := s.framer.Next()
		switch {
		case errors.Is(err, xmpp.ErrTooBig):
			s.l.o.Logger.Debug("stanza dropped", slog.Any("error", err))
			continue
		case errors.Is(err, xmpp.ErrMalformed), errors.Is(err, xmpp.ErrRestricted):
			return fmt.Errorf("the host sent what is no XMPP: %w", err)
		case err != nil:
			return fmt.Errorf("connection lost: %w", err)
		case strings.HasPrefix(string(piece[:2]), "</"):
			return errors.New("the host closed the stream")
		}
		if err := s.piece(ctx, piece); err != nil {
			return err
		}
	}
}

// piece deals with one element. One stranger's nonsense is no reason to end
// everybody's stream: it is dropped or refused.
func (s *session) piece(ctx context.Context, piece []byte) error {
	e, err := xmpp.Parse(piece, xmpp.NSComponent)
	if err != nil {
		s.l.o.Logger.Debug("stanza dropped", slog.Int("bytes", len(piece)), slog.Any("error", err))
		return nil
	}
	if e.Name.Space == xmpp.NSStream && e.Name.Local == "error" {
		return streamError(conditionOf(e))
	}
	st, err := xmpp.NewStanza(e, xmpp.NSComponent)
	switch {
	case st == nil:
		s.l.o.Logger.Debug("element dropped", slog.String("name", e.Name.Local), slog.Any("error", err))
	case err != nil: // one of its addresses is malformed
		s.l.o.Logger.Debug("stanza refused", slog.Any("error", err))
		if st.From != "" && st.To != "" {
			s.l.refuse(st, err)
		}
	default:
		s.trace("received", st)
		s.sort(ctx, st)
	}
	return nil
}

// sort gives a stanza to whoever it is for.
func (s *session) sort(ctx context.Context, st *xmpp.Stanza) {
	domain := s.l.o.Domain
	switch {
	case st.From == "" || st.To.Domain() != domain:
		s.l.o.Logger.Debug("stanza dropped: the host gave it improper addresses",
			slog.String("from", string(st.From)), slog.String("to", string(st.To)))
	case st.From.Domain() == domain:
		// Only the host itself can bring back what comes from us: a ping, or the
		// copy of a multicast to ourselves. Anything else would be a loop.
		if n, ok := s.confirmation(st); ok {
			s.lane.confirm(n, st.Kind)
		}
	default:
		if st.Kind == "message" && st.Type == "error" {
			s.bounced(st)
		}
		s.l.inbox.put(ctx, st)
	}
}

// confirmation reads which step of the lane a stanza of ours confirms by coming
// back: the id of a ping, the resource of a multicast's last address.
func (s *session) confirmation(st *xmpp.Stanza) (step uint64, ok bool) {
	id := st.ID
	if st.Kind == "message" {
		id = st.To.Resource()
	}
	number, ours := strings.CutPrefix(id, s.mark)
	if !ours {
		return 0, false
	}
	step, err := strconv.ParseUint(number, 36, 64)
	return step, err == nil
}

// bounced notes that a message of ours came back. It is never answered.
func (s *session) bounced(st *xmpp.Stanza) {
	s.l.count(func(status *Status) { status.Bounced++ })
	if st.From == s.lane.multicast() {
		s.lane.abandonMulticast("it refused a stanza")
	}
	if n := s.l.bounces.another(); n > 0 {
		condition := ""
		if e := st.Child("", "error"); e != nil && len(e.Children) > 0 {
			condition = e.Children[0].Name.Local
		}
		s.l.o.Logger.Info("messages bounced", slog.Int("messages", n),
			slog.String("last_from", string(st.From)), slog.String("condition", condition))
	}
}

// write sends what waits, until the outbox is closed and empty.
func (s *session) write(ctx context.Context) error {
	var buf []byte
	for {
		var last bool
		buf, last = s.out.take(buf[:0])
		if last {
			return nil
		}
		if len(buf) == 0 {
			select {
			case <-s.out.more:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		if err := s.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
			return fmt.Errorf("connection lost: %w", err)
		}
		if err := s.raw(buf); err != nil {
			return fmt.Errorf("connection lost: %w", err)
		}
	}
}

// raw writes whole stanzas past mellium's encoder, which costs a hundred times as
// much, and under its lock.
func (s *session) raw(b []byte) error {
	w := s.stream.TokenWriter()
	defer w.Close()
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := s.stream.Conn().Write(b)
	return err
}

// ask asks now and then whether the host is there: a ping that the lane does not
// wait for. The answer, or its absence, is noticed by patient.
func (s *session) ask(ctx context.Context) {
	tick := time.NewTicker(silence)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if s.out.put(xmpp.Result, s.ping("alive")) != nil {
				return // the session is ending
			}
		}
	}
}

// ping asks our own domain (XEP-0199 §4.2): the host routes the request to
// whoever is the domain, which is us.
func (s *session) ping(id string) []byte {
	domain := s.l.o.Domain
	return xmpp.Wrap("iq", "get", s.mark+id, domain, domain, []byte("<ping xmlns='urn:xmpp:ping'/>"))
}

// leave ends the stream in good order: last words, what waits, the end tag, and
// then the host's own end tag, so that it does not take us for crashed.
func (s *session) leave(ctx, alive context.Context, reading, writing *sync.WaitGroup) {
	bye, cancel := context.WithTimeout(alive, leaveWithin)
	defer cancel()
	// Whatever hangs now hangs on the connection.
	stop := context.AfterFunc(bye, func() { s.conn.Close() })
	defer stop()
	s.l.o.Router.Farewell(bye, s.l)
	s.out.close()
	writing.Wait()
	if err := s.stream.Close(); err != nil { // writes </stream:stream>
		return
	}
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return
		}
	}
	reading.Wait()
}

func (s *session) trace(what string, st *xmpp.Stanza) {
	if !s.l.o.Logger.Enabled(context.Background(), levelTrace) {
		return
	}
	s.l.o.Logger.Log(context.Background(), levelTrace, what, slog.String("kind", st.Kind), slog.String("type", st.Type),
		slog.String("id", st.ID), slog.String("from", string(st.From)), slog.String("to", string(st.To)), slog.Int("bytes", len(st.Raw)))
}

// own is the address to which a multicast's last copy comes back.
func (s *session) own(step uint64) bridge.JID {
	return s.l.o.Domain.WithResource(s.mark + strconv.FormatUint(step, 36))
}

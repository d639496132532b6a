package c2s

import (
	"context"
	"errors"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// maxAhead is how many stanzas of one client are handled at the same time. Only
// those are whose handlers let the next one begin.
const maxAhead = 32

// serve gives the router what a bound client says, in order, until the stream
// ends and all of it has been dealt with. Its errors are those of negotiate.
func (s *session) serve(ctx context.Context) error {
	s.wire.setLimit(s.server.limits.Authenticated)
	var last *xmpp.Turn // of a stanza that is still being handled, or nil
	ahead := make(chan struct{}, maxAhead)
	defer func() {
		for range maxAhead {
			ahead <- struct{}{}
		}
	}()
	for {
		piece, err := s.next()
		if err != nil {
			return err
		}
		ahead <- struct{}{}
		if last, err = s.take(ctx, piece, last, ahead); err != nil {
			return err
		}
	}
}

// take has one piece dealt with, behind the stanza before, and returns when the
// next one may come: with the turn when it is not over yet.
func (s *session) take(ctx context.Context, piece []byte, before *xmpp.Turn, ahead <-chan struct{}) (*xmpp.Turn, error) {
	turn := before.Then()
	dealt := make(chan error, 1)
	s.server.crew.do(func() {
		err := s.guarded(ctx, func() error { return s.receive(turn.Context(ctx), piece) })
		turn.End()
		<-ahead
		dealt <- err
	})
	select {
	case err := <-dealt:
		return nil, err
	case <-turn.Passed():
		return turn, nil
	}
}

// receive deals with one piece of the stream, a stanza most of the time.
func (s *session) receive(ctx context.Context, piece []byte) error {
	e, err := s.read(piece)
	if err != nil {
		return err
	}
	st, err := xmpp.NewStanza(e, xmpp.NSClient)
	if errors.Is(err, xmpp.ErrNotStanza) {
		return notStanza(e)
	}
	if e.Has("from") && st.From != s.jid && st.From != s.jid.Bare() {
		return refuse("invalid-from", "you are %s", s.jid) // RFC 6120 §8.1.2.1
	}
	st.From = s.jid
	if err != nil {
		s.server.options.Router.Refuse(ctx, st, err)
		return nil
	}
	if st.Kind == "iq" && s.isToUs(st.To) && st.Payload() != nil && (st.Type == "get" || st.Type == "set") {
		switch st.Payload().Name.Space {
		case nsRegister:
			return s.register(ctx, st)
		case nsSession:
			return s.answer(st, nil, nil) // RFC 3921 §3: there is nothing to establish
		case nsBind:
			return s.answer(st, nil, bridge.Refuse(bridge.NotAllowed, "a stream has one resource"))
		}
	}
	s.server.options.Router.Receive(ctx, st)
	return nil
}

// isToUs reports whether a stanza is for the client's own server.
func (s *session) isToUs(to bridge.JID) bool {
	return to == "" || to == s.jid.Bare() || to == s.server.options.Domain
}

func (s *session) register(ctx context.Context, st *xmpp.Stanza) error {
	payload, gone, err := s.registerUser(ctx, st)
	if err := s.answer(st, payload, err); err != nil {
		return err
	}
	if gone {
		s.server.options.Router.CloseAccount(s.jid.Bare(), "not-authorized") // XEP-0077 §3.2
	}
	return nil
}

// answer sends a result, or an error when err is one.
func (s *session) answer(st *xmpp.Stanza, payload []byte, err error) error {
	reply := xmpp.ResultReply(st, payload)
	if err != nil {
		reply = xmpp.ErrorReply(st, err)
	}
	return s.Send(xmpp.Result, reply)
}

// notStanza is the stream error for an element that is no stanza.
func notStanza(e *xmpp.Element) error {
	switch e.Name.Local {
	case "iq", "message", "presence":
		return refuse("invalid-namespace", "stanzas are in %s", xmpp.NSClient) // RFC 6120 §4.8.3
	}
	return unsupported(e)
}

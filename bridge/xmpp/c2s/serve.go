package c2s

import (
	"context"
	"errors"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// serve gives the router what a bound client says, in order, until the stream
// ends. Its errors are those of negotiate.
func (s *session) serve(ctx context.Context) error {
	s.wire.setLimit(s.server.limits.Authenticated)
	for {
		piece, err := s.next()
		if err != nil {
			return err
		}
		if err := s.work(ctx, func() error { return s.receive(ctx, piece) }); err != nil {
			return err
		}
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

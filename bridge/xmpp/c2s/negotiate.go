package c2s

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// negotiate brings the session from its first byte to a bound resource. Its
// errors are stream errors, errGoodbye, or the connection's.
func (s *session) negotiate(ctx context.Context) error {
	o := s.server.options
	s.who = login{domain: o.Domain, accounts: o.Accounts, secret: o.Secret}
	for s.who.nick == "" {
		if err := s.open(s.strangersFeatures); err != nil {
			return err
		}
		if err := s.identify(ctx); err != nil {
			return err
		}
	}
	if err := s.open(s.usersFeatures); err != nil {
		return err
	}
	return s.bind(ctx)
}

// private reports whether nobody can listen in: only then may a client prove
// who it is, or register.
func (s *session) private() bool { return s.encrypted || s.from.local }

func (s *session) canEncrypt() bool {
	_, isTCP := s.wire.(*tcp)
	return isTCP && !s.encrypted && s.server.options.TLS != nil
}

// open reads the client's stream header and answers with ours and the features
// (RFC 6120 §4.2, §4.3).
func (s *session) open(features func() []byte) error {
	piece, err := s.next()
	if err != nil {
		return err
	}
	if s.wire.ends(piece) {
		return errGoodbye
	}
	h, err := s.wire.header(piece)
	if err != nil {
		return err
	}
	domain := s.server.options.Domain
	if err := s.say(s.wire.opening(rand.Text(), xmpp.Escape(string(domain)))); err != nil {
		return err
	}
	s.opened.Store(true)
	if err := h.check(domain); err != nil {
		return err
	}
	if !s.private() && !s.canEncrypt() {
		return refuse("policy-violation", "an encrypted connection is needed here")
	}
	return s.say(s.wire.features(features()))
}

// check refuses a stream that is not for us, in the order of RFC 6120 §4.7 and
// §4.8.
func (h header) check(domain bridge.JID) error {
	if h.content != xmpp.NSClient {
		return refuse("invalid-namespace", "clients speak %s", xmpp.NSClient) // RFC 6120 §4.8.2
	}
	if h.to == "" {
		return refuse("improper-addressing", "the stream header needs a to attribute") // RFC 6120 §4.9.3.7
	}
	if to, err := bridge.ParseJID(h.to); err != nil || to != domain {
		return refuse("host-unknown", "this is %s", domain) // RFC 6120 §4.9.3.6
	}
	major, _, _ := strings.Cut(h.version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 1 {
		return refuse("unsupported-version", "this is XMPP 1.0") // RFC 6120 §4.9.3.25
	}
	return nil
}

// strangersFeatures is what a client can do before it logged in.
func (s *session) strangersFeatures() []byte {
	var b bytes.Buffer
	if s.canEncrypt() {
		required := ""
		if !s.private() {
			required = "<required/>"
		}
		fmt.Fprintf(&b, "<starttls xmlns='%s'>%s</starttls>", nsTLS, required)
	}
	if !s.private() {
		return b.Bytes() // RFC 6120 §5.3.1: nothing else is worth doing
	}
	fmt.Fprintf(&b, "<mechanisms xmlns='%s'>", nsSASL)
	for _, name := range offered(s.server.options.Anonymous) {
		fmt.Fprintf(&b, "<mechanism>%s</mechanism>", name)
	}
	b.WriteString("</mechanisms>")
	if s.server.options.Accounts.Registration() != "closed" {
		fmt.Fprintf(&b, "<register xmlns='%s'/>", nsRegisterFeature) // XEP-0077 §8
	}
	return b.Bytes()
}

// usersFeatures is what a client can do after it logged in. The session of
// RFC 3921 means nothing any more; old clients insist on it.
func (s *session) usersFeatures() []byte {
	return fmt.Appendf(nil, "<bind xmlns='%s'><required/></bind><session xmlns='%s'><optional/></session>%s",
		nsBind, nsSession, s.server.options.Router.Caps(xmpp.OnDomain)) // XEP-0115 §6.3
}

// identify serves a client that is not logged in until it is, or until the
// stream begins anew under TLS.
func (s *session) identify(ctx context.Context) error {
	for {
		e, err := s.element()
		if err != nil {
			return err
		}
		switch {
		case e.Name.Space == nsTLS && e.Name.Local == "starttls":
			return s.encrypt(ctx)
		case e.Name.Space == nsSASL && e.Name.Local == "auth":
			done, err := s.authenticate(ctx, e)
			if done || err != nil {
				return err
			}
		case e.Name.Space == xmpp.NSClient && e.Name.Local == "iq" && e.Child(nsRegister, "query") != nil && s.private():
			if err := s.say(s.registerStranger(ctx, e)); err != nil {
				return err
			}
		default:
			return premature(e)
		}
	}
}

// element is the next element during negotiation.
func (s *session) element() (*xmpp.Element, error) {
	piece, err := s.next()
	if err != nil {
		return nil, err
	}
	return s.read(piece)
}

// read makes an element of a piece of the stream.
func (s *session) read(piece []byte) (*xmpp.Element, error) {
	if s.wire.ends(piece) {
		return nil, errGoodbye
	}
	e, err := s.wire.parse(piece)
	if err != nil {
		return nil, err
	}
	if e.Name.Space == xmpp.NSStream && e.Name.Local == "error" {
		return nil, errGoodbye // RFC 6120 §4.9.1.1: the client has ended the stream
	}
	return e, nil
}

// premature is the stream error for what cannot be said yet.
func premature(e *xmpp.Element) error {
	if e.Name.Space == xmpp.NSClient {
		switch e.Name.Local {
		case "iq", "message", "presence":
			return refuse("not-authorized", "log in and bind a resource first") // RFC 6120 §4.9.3.12
		}
	}
	return unsupported(e)
}

func unsupported(e *xmpp.Element) error {
	return refuse("unsupported-stanza-type", "%s is not understood here", e.Name.Local) // RFC 6120 §4.9.3.24
}

// encrypt answers <starttls/> (RFC 6120 §5.4.2). What came in the clear behind
// the request is forgotten with the wire that read it.
func (s *session) encrypt(ctx context.Context) error {
	if !s.canEncrypt() {
		if err := s.say(fmt.Appendf(nil, "<failure xmlns='%s'/>", nsTLS)); err != nil {
			return err
		}
		return errGoodbye // RFC 6120 §5.4.2.2
	}
	if err := s.say(fmt.Appendf(nil, "<proceed xmlns='%s'/>", nsTLS)); err != nil {
		return err
	}
	plain := s.wire.(*tcp)
	conn := tls.Server(plain.conn, s.server.options.TLS)
	if err := conn.HandshakeContext(ctx); err != nil { // the login's time limit ends it
		return fmt.Errorf("encrypt: %w", err)
	}
	s.encrypted = true
	s.opened.Store(false)
	s.out.mu.Lock()
	s.wire = newTCP(conn, s.server.limits.Unauthenticated)
	s.out.mu.Unlock()
	return nil
}

// bind waits for the client to ask for a resource and makes the session known
// (RFC 6120 §7).
func (s *session) bind(ctx context.Context) error {
	account := s.who.nick + "@" + string(s.server.options.Domain)
	for {
		e, err := s.element()
		if err != nil {
			return err
		}
		request := e.Child(nsBind, "bind")
		if e.Name.Space != xmpp.NSClient || e.Name.Local != "iq" || e.Attribute("type") != "set" || request == nil {
			return premature(e)
		}
		st := &xmpp.Stanza{Element: e, Kind: "iq", ID: e.Attribute("id"), Type: "set"}
		resource := strings.ToLower(rand.Text()[:12]) // RFC 6120 §7.6
		if asked := request.Child(nsBind, "resource"); asked != nil && asked.Text != "" {
			resource = asked.Text
		}
		if s.jid, err = bridge.ParseJID(account + "/" + resource); err != nil {
			s.jid = ""
			err = bridge.Refuse(bridge.BadRequest, "the resource is malformed") // RFC 6120 §7.7.2.1
		} else {
			err = s.join(st)
		}
		if err == nil {
			s.log(ctx, slog.LevelInfo, "session bound", slog.String("jid", string(s.jid)), slog.Bool("encrypted", s.encrypted))
			return nil
		}
		if s.bound.Load() {
			return err // bound, but it ends already
		}
		if err := s.say(xmpp.ErrorReply(st, err)); err != nil {
			return err
		}
	}
}

// join makes the session known to the router and tells the client its address.
// The queue is held meanwhile: the answer, a result, leaves before the presence
// and messages that come as soon as the session is known.
func (s *session) join(st *xmpp.Stanza) error {
	if !s.out.hold() {
		return errEnding
	}
	defer s.out.empty(s.wire)
	if err := s.server.options.Router.Bind(s); err != nil {
		return err
	}
	s.bound.Store(true)
	return s.Send(xmpp.Result, xmpp.ResultReply(st, fmt.Appendf(nil, "<bind xmlns='%s'><jid>%s</jid></bind>", nsBind, xmpp.Escape(string(s.jid)))))
}

package c2s

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"peewit/bridge/xmpp"
)

// authenticate runs one SASL exchange (RFC 6120 §6.4). done says that the
// client is who s.who says; a failed exchange is no error, the client may try
// again.
func (s *session) authenticate(ctx context.Context, auth *xmpp.Element) (done bool, err error) {
	name := auth.Attribute("mechanism")
	success, err := s.exchange(name, auth)
	var f failure
	if errors.As(err, &f) {
		return false, s.failed(ctx, name, f)
	}
	if err != nil {
		return false, err
	}
	text := ""
	if len(success) > 0 {
		text = base64.StdEncoding.EncodeToString(success)
	}
	if err := s.say(fmt.Appendf(nil, "<success xmlns='%s'>%s</success>", nsSASL, text)); err != nil {
		return false, err
	}
	s.log(ctx, slog.LevelInfo, "logged in", slog.String("as", s.who.nick), slog.String("mechanism", name), slog.String("remote", s.from.ip.String()))
	s.opened.Store(false)
	s.wire.restart() // RFC 6120 §6.4.6
	return true, nil
}

// exchange returns what goes with success. A failure ends the exchange, other
// errors the stream.
func (s *session) exchange(name string, auth *xmpp.Element) ([]byte, error) {
	switch {
	case !s.private():
		return nil, failure("encryption-required") // RFC 6120 §6.5.4
	case !slices.Contains(offered(s.server.options.Anonymous), name):
		return nil, failure("invalid-mechanism") // RFC 6120 §6.5.7
	case name == "ANONYMOUS" && s.attempts > 0:
		// Libraries try what is left when a password is wrong; whoever gave one
		// wants to be told, not to be nobody.
		return nil, failure("not-authorized")
	case !s.server.failures.open(s.from):
		return nil, failure("temporary-auth-failure") // RFC 6120 §6.5.11
	}
	m := newMechanism(name, &s.who)
	said := auth.Text
	if said == "" && name != "ANONYMOUS" { // RFC 6120 §6.4.2: an empty challenge asks for the initial response
		var err error
		if said, err = s.challenge(nil); err != nil {
			return nil, err
		}
	}
	for {
		in, err := unbase64(said)
		if err != nil {
			return nil, err
		}
		out, done, err := m.step(in)
		if done || err != nil {
			return out, err
		}
		if said, err = s.challenge(out); err != nil {
			return nil, err
		}
	}
}

// challenge sends a challenge and returns the text of the response.
func (s *session) challenge(data []byte) (string, error) {
	if err := s.say(fmt.Appendf(nil, "<challenge xmlns='%s'>%s</challenge>", nsSASL, base64.StdEncoding.EncodeToString(data))); err != nil {
		return "", err
	}
	e, err := s.element()
	switch {
	case err != nil:
		return "", err
	case e.Name.Space != nsSASL:
		return "", premature(e)
	case e.Name.Local == "abort":
		return "", failure("aborted") // RFC 6120 §6.5.1
	case e.Name.Local != "response":
		return "", failure("malformed-request") // RFC 6120 §6.5.8
	}
	return e.Text, nil
}

// failed tells the client that it is not logged in, and ends the stream of one
// that has failed too often (RFC 6120 §6.4.5).
func (s *session) failed(ctx context.Context, mechanism string, f failure) error {
	s.attempts++
	s.who.nick, s.who.anonymous = "", false
	if f == "not-authorized" {
		s.server.failures.take(s.from)
	}
	s.log(ctx, slog.LevelInfo, "login refused", slog.String("why", string(f)), slog.String("mechanism", mechanism), slog.String("remote", s.from.ip.String()))
	if err := s.say(fmt.Appendf(nil, "<failure xmlns='%s'><%s/></failure>", nsSASL, string(f))); err != nil {
		return err
	}
	if s.attempts >= s.server.limits.Attempts {
		return refuse("policy-violation", "too many failed logins")
	}
	return nil
}

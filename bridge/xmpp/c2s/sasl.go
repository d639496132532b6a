package c2s

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"strings"

	"peewit/bridge"
)

// failure is a SASL error condition (RFC 6120 §6.5).
type failure string

func (f failure) Error() string { return string(f) }

// mechanism is the server's side of one SASL exchange. step takes what the
// client said and returns what it is told: a challenge, or, when done, what goes
// with success. An error is a [failure].
type mechanism interface {
	step(in []byte) (out []byte, done bool, err error)
}

// login is who a client wants to be and, after a mechanism succeeded, is.
type login struct {
	domain   bridge.JID
	accounts Accounts
	secret   []byte

	nick      string // the account, or the local part made for an anonymous client
	anonymous bool
}

// newMechanism begins an exchange of one of the mechanisms offered.
func newMechanism(name string, l *login) mechanism {
	switch name {
	case "SCRAM-SHA-256":
		return newSCRAMSHA256(l)
	case "SCRAM-SHA-1":
		return newSCRAMSHA1(l)
	case "PLAIN":
		return plain{l}
	}
	return anonymous{l}
}

// offered are the mechanisms of a connection that is encrypted or local, the
// strongest first. The -PLUS variants are not among them: behind a proxy that
// ends TLS, as most WebSocket connections are, the channel cannot be bound.
func offered(anonymous bool) []string {
	names := []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"}
	if anonymous {
		names = append(names, "ANONYMOUS")
	}
	return names
}

// credential finds what proves the password of the account somebody calls
// name. For an unknown one it returns keys that no password fits.
func (l *login) credential(name string) (nick string, c bridge.Credential, known bool) {
	nick = name
	if jid, err := bridge.ParseJID(name + "@" + string(l.domain)); err == nil && jid.IsBare() && jid.Domain() == l.domain {
		nick = jid.Local()
		if c, known = l.accounts.Credential(nick); known && !c.Removed {
			return nick, c, true
		}
	}
	return nick, decoys(l.secret, nick), false
}

// mayActAs reports whether the authorization identity is the one that goes with
// the user name: an account acts as itself only (RFC 6120 §6.3.8).
func (l *login) mayActAs(name, authzid string) bool {
	user, err := bridge.ParseJID(name + "@" + string(l.domain))
	if err != nil {
		return false
	}
	id, err := bridge.ParseJID(authzid)
	return err == nil && id == user
}

// plain is PLAIN (RFC 4616).
type plain struct{ login *login }

func (m plain) step(in []byte) ([]byte, bool, error) {
	parts := bytes.Split(in, []byte{0})
	if len(parts) != 3 || len(parts[1]) == 0 || len(parts[2]) == 0 {
		return nil, false, failure("malformed-request")
	}
	authzid, name, password := string(parts[0]), string(parts[1]), string(parts[2])
	if authzid != "" && !m.login.mayActAs(name, authzid) {
		return nil, false, failure("invalid-authzid")
	}
	nick, c, known := m.login.credential(name)
	if !c.Verify(password) || !known {
		return nil, false, failure("not-authorized")
	}
	m.login.nick = nick
	return nil, true, nil
}

// anonymous is ANONYMOUS (RFC 4505). What the client says about itself is not
// kept.
type anonymous struct{ login *login }

// anonymousPrefix begins the local part of an anonymous client. No nickname has
// a hyphen (bridge.CheckNick).
const anonymousPrefix = "anon-"

func (m anonymous) step([]byte) ([]byte, bool, error) {
	m.login.nick = anonymousPrefix + strings.ToLower(rand.Text()[:16])
	m.login.anonymous = true
	return nil, true, nil
}

// unbase64 reads the text of a SASL element; "=" is data without a byte
// (RFC 6120 §6.4.2).
func unbase64(text string) ([]byte, error) {
	if text == "=" {
		return nil, nil
	}
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, failure("incorrect-encoding")
	}
	return data, nil
}

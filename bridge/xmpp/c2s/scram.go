package c2s

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"strconv"
	"strings"

	"peewit/bridge"
)

// scram is the server's side of one SCRAM exchange (RFC 5802, RFC 7677) without
// channel binding, from stored keys alone.
type scram struct {
	hash  func() hash.Hash
	key   func(bridge.Credential) bridge.SCRAMKey
	nonce string // the server's half
	login *login

	gs2    string // "n,a=…," as the client sent it
	bare   string // client-first-message-bare
	first  string // server-first-message
	both   string // both halves of the nonce
	nick   string
	known  bool
	stored bridge.SCRAMKey
}

func newSCRAMSHA1(l *login) mechanism {
	return &scram{hash: sha1.New, key: func(c bridge.Credential) bridge.SCRAMKey { return c.SHA1 }, nonce: rand.Text(), login: l}
}

func newSCRAMSHA256(l *login) mechanism {
	return &scram{hash: sha256.New, key: func(c bridge.Credential) bridge.SCRAMKey { return c.SHA256 }, nonce: rand.Text(), login: l}
}

func (m *scram) step(in []byte) (out []byte, done bool, err error) {
	if m.first == "" {
		if err := m.clientFirst(string(in)); err != nil {
			return nil, false, err
		}
		m.first = "r=" + m.both +
			",s=" + base64.StdEncoding.EncodeToString(m.stored.Salt) +
			",i=" + strconv.Itoa(m.stored.Iterations)
		return []byte(m.first), false, nil
	}
	out, err = m.clientFinal(string(in))
	return out, err == nil, err
}

// clientFirst reads client-first-message (RFC 5802 §7).
func (m *scram) clientFirst(msg string) error {
	flag, rest, ok := strings.Cut(msg, ",")
	if !ok || flag != "n" && flag != "y" { // p=… wants the channel binding that is not offered
		return failure("malformed-request")
	}
	authzid, bare, ok := strings.Cut(rest, ",")
	if !ok {
		return failure("malformed-request")
	}
	m.gs2, m.bare = msg[:len(msg)-len(bare)], bare
	user, nonce, ok := strings.Cut(bare, ",")
	if !ok || !strings.HasPrefix(user, "n=") || !strings.HasPrefix(nonce, "r=") { // m=… is an extension we do not know
		return failure("malformed-request")
	}
	nonce, _, _ = strings.Cut(nonce[2:], ",") // what follows are extensions that may be ignored
	name, ok := saslname(user[2:])
	if !ok || name == "" || !printable(nonce) {
		return failure("malformed-request")
	}
	if authzid != "" {
		id, ok := saslname(strings.TrimPrefix(authzid, "a="))
		if !ok || !strings.HasPrefix(authzid, "a=") || id == "" {
			return failure("malformed-request")
		}
		if !m.login.mayActAs(name, id) {
			return failure("invalid-authzid")
		}
	}
	var c bridge.Credential
	m.nick, c, m.known = m.login.credential(name)
	m.stored = m.key(c)
	m.both = nonce + m.nonce
	return nil
}

// clientFinal reads client-final-message, checks the proof and makes
// server-final-message (RFC 5802 §3, §7).
func (m *scram) clientFinal(msg string) ([]byte, error) {
	i := strings.LastIndex(msg, ",p=")
	if i < 0 {
		return nil, failure("malformed-request")
	}
	without := msg[:i]
	proof, err := base64.StdEncoding.DecodeString(msg[i+len(",p="):])
	if err != nil {
		return nil, failure("malformed-request")
	}
	binding, rest, ok := strings.Cut(without, ",")
	nonce, _, _ := strings.Cut(rest, ",")
	if !ok || !strings.HasPrefix(binding, "c=") || !strings.HasPrefix(nonce, "r=") {
		return nil, failure("malformed-request")
	}
	header, err := base64.StdEncoding.DecodeString(binding[len("c="):])
	if err != nil || string(header) != m.gs2 || nonce[len("r="):] != m.both {
		return nil, failure("not-authorized")
	}
	message := m.bare + "," + m.first + "," + without
	clientKey := m.mac(m.stored.StoredKey, message)
	if len(proof) != len(clientKey) {
		return nil, failure("not-authorized")
	}
	for i := range clientKey {
		clientKey[i] ^= proof[i]
	}
	h := m.hash()
	h.Write(clientKey)
	if right := hmac.Equal(h.Sum(nil), m.stored.StoredKey); !right || !m.known {
		return nil, failure("not-authorized")
	}
	m.login.nick = m.nick
	signature := m.mac(m.stored.ServerKey, message)
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature)), nil
}

func (m *scram) mac(key []byte, text string) []byte {
	h := hmac.New(m.hash, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// decoys makes the credential that somebody without one seems to have: the same
// each time, so that asking twice does not tell who has an account.
func decoys(secret []byte, name string) bridge.Credential {
	key := func(kind string, size int) bridge.SCRAMKey {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(kind + "\x00" + name))
		sum := h.Sum(nil)
		return bridge.SCRAMKey{
			Salt: sum[:16], Iterations: bridge.SCRAMIterations,
			StoredKey: bytes.Repeat(sum[16:17], size), ServerKey: make([]byte, size),
		}
	}
	return bridge.Credential{SHA1: key("SHA-1", sha1.Size), SHA256: key("SHA-256", sha256.Size)}
}

// saslname undoes the quoting of names (RFC 5802 §5.1).
func saslname(s string) (string, bool) {
	name := strings.ReplaceAll(strings.ReplaceAll(s, "=2C", ","), "=3D", "=")
	quoted := strings.Count(s, "=2C") + strings.Count(s, "=3D")
	return name, strings.Count(s, "=") == quoted && !strings.Contains(s, "\x00")
}

// printable reports whether s can be a nonce: visible ASCII without a comma.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < '!' || s[i] > '~' || s[i] == ',' {
			return false
		}
	}
	return s != ""
}

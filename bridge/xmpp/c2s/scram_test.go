package c2s

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"mellium.im/sasl"

	"peewit/bridge"
)

// vector is an exchange as an RFC prints it, with the keys that follow from its
// password "pencil" by RFC 5802 §3.
type vector struct {
	name                      string
	mechanism                 func(*login) mechanism
	nonce                     string
	key                       bridge.SCRAMKey
	first, answer, final, end string
}

func vectors() []vector {
	key := func(salt, stored, server string) bridge.SCRAMKey {
		d := func(s string) []byte { b, _ := base64.StdEncoding.DecodeString(s); return b }
		return bridge.SCRAMKey{Salt: d(salt), Iterations: 4096, StoredKey: d(stored), ServerKey: d(server)}
	}
	return []vector{{
		name: "RFC 5802 §5", mechanism: newSCRAMSHA1, nonce: "3rfcNHYJY1ZVvWVs7j",
		key:    key("QSXCR+Q6sek8bf92", "6dlGYMOdZcOPutkcNY8U2g7vK9Y=", "D+CSWLOshSulAsxiupA+qs2/fTE="),
		first:  "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
		answer: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
		final:  "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
		end:    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
	}, {
		name: "RFC 7677 §3", mechanism: newSCRAMSHA256, nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		key:    key("W22ZaJ0SNY7soEsUEjb6gQ==", "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="),
		first:  "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		answer: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		final:  "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		end:    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	}}
}

// start begins the vector's exchange with the account "user".
func (v vector) start() (*login, mechanism) {
	accounts := &fakeAccounts{by: map[string]bridge.Credential{"user": {Nick: "user", SHA1: v.key, SHA256: v.key}}}
	l := &login{domain: domain, accounts: accounts, secret: []byte("secret")}
	m := v.mechanism(l)
	m.(*scram).nonce = v.nonce
	return l, m
}

func TestSCRAMVectors(t *testing.T) {
	for _, v := range vectors() {
		l, m := v.start()
		answer, done, err := m.step([]byte(v.first))
		if string(answer) != v.answer || done || err != nil {
			t.Errorf("%s: first step: %q, %v, %v; want %q", v.name, answer, done, err, v.answer)
		}
		end, done, err := m.step([]byte(v.final))
		if string(end) != v.end || !done || err != nil || l.nick != "user" {
			t.Errorf("%s: last step: %q, %v, %v for %q; want %q", v.name, end, done, err, l.nick, v.end)
		}
	}
}

func TestSCRAMRefuses(t *testing.T) {
	v := vectors()[1]
	for _, tt := range []struct {
		name, first, final string
		want               failure
	}{
		{"no commas", "n", "", "malformed-request"},
		{"channel binding", strings.Replace(v.first, "n,,", "p=tls-exporter,,", 1), "", "malformed-request"},
		{"mandatory extension", strings.Replace(v.first, "n=user", "m=x,n=user", 1), "", "malformed-request"},
		{"no nonce", "n,,n=user", "", "malformed-request"},
		{"empty nonce", "n,,n=user,r=", "", "malformed-request"},
		{"nonce with a control character", "n,,n=user,r=a\x01", "", "malformed-request"},
		{"no name", "n,,n=,r=abc", "", "malformed-request"},
		{"name badly quoted", "n,,n=us=er,r=abc", "", "malformed-request"},
		{"authzid badly quoted", "n,a=us=er@micro.example,n=user,r=abc", "", "malformed-request"},
		{"authzid without a=", "n,user,n=user,r=abc", "", "malformed-request"},
		{"somebody else's authzid", "n,a=bob@micro.example,n=user,r=abc", "", "invalid-authzid"},
		{"authzid elsewhere", "n,a=user@elsewhere.example,n=user,r=abc", "", "invalid-authzid"},
		{"no proof", v.first, "c=biws,r=x", "malformed-request"},
		{"proof not base64", v.first, "c=biws,r=x,p=!", "malformed-request"},
		{"another binding", v.first, strings.Replace(v.final, "biws", b64("y,,"), 1), "not-authorized"},
		{"another nonce", v.first, strings.Replace(v.final, "r=r", "r=s", 1), "not-authorized"},
		{"another proof", v.first, strings.Replace(v.final, "p=d", "p=e", 1), "not-authorized"},
		{"short proof", v.first, v.final[:strings.Index(v.final, "p=")] + "p=" + b64("x"), "not-authorized"},
		{"unknown user", strings.Replace(v.first, "user", "nobody", 1), v.final, "not-authorized"},
		{"malformed user", strings.Replace(v.first, "user", "no@body", 1), v.final, "not-authorized"},
	} {
		l, m := v.start()
		_, _, err := m.step([]byte(tt.first))
		if err == nil && tt.final != "" {
			_, _, err = m.step([]byte(tt.final))
		}
		var f failure
		if !errors.As(err, &f) || f != tt.want || l.nick != "" {
			t.Errorf("%s: %v for %q, want %s", tt.name, err, l.nick, tt.want)
		}
	}
}

func TestSCRAMNames(t *testing.T) {
	v := vectors()[1]
	for _, first := range []string{
		"n,a=user@micro.example,n=user,r=rOprNGfwEbeRWgbNEkqO",
		"y,a=USER@Micro.Example,n=User,r=rOprNGfwEbeRWgbNEkqO",
	} {
		_, m := v.start()
		answer, _, err := m.step([]byte(first))
		if err != nil || string(answer) != v.answer {
			t.Errorf("%s: %q, %v; want %q", first, answer, err, v.answer)
		}
	}
}

// Whoever asks for an account that does not exist must see what he would see of
// one that does, each time the same.
func TestDecoysAreStable(t *testing.T) {
	a, b, other := decoys([]byte("secret"), "nobody"), decoys([]byte("secret"), "nobody"), decoys([]byte("secret"), "noone")
	if string(a.SHA1.Salt) != string(b.SHA1.Salt) || string(a.SHA256.Salt) != string(b.SHA256.Salt) {
		t.Error("the salt changes")
	}
	if string(a.SHA256.Salt) == string(other.SHA256.Salt) || string(a.SHA1.Salt) == string(a.SHA256.Salt) {
		t.Error("salts repeat")
	}
	real, err := bridge.NewCredential("alice", "pencil")
	if err != nil {
		t.Fatal(err)
	}
	if len(a.SHA256.Salt) != len(real.SHA256.Salt) || a.SHA1.Iterations != real.SHA1.Iterations ||
		len(a.SHA1.StoredKey) != sha1.Size || len(a.SHA256.StoredKey) != sha256.Size {
		t.Error("a decoy does not look like a credential")
	}
	if a.Verify("") || a.Verify("pencil") {
		t.Error("a password fits a decoy")
	}
}

func TestSCRAMOverTheWire(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	for _, m := range []sasl.Mechanism{sasl.ScramSha256, sasl.ScramSha1} {
		c := h.dial(t)
		c.open()
		if c.scram(m, "alice", "wrong") || c.scram(m, "nobody", "pencil") {
			t.Fatalf("%s: logged in with a wrong password", m.Name)
		}
		if !c.scram(m, "Alice", "pencil") {
			t.Fatalf("%s: not logged in", m.Name)
		}
		c.open()
		c.bind("desk")
	}
}

func FuzzSCRAM(f *testing.F) {
	v := vectors()[1]
	f.Add(v.first, v.final)
	f.Add("n,a=us=2Cer,n=user,r=x", "c=,r=,p=")
	f.Fuzz(func(t *testing.T, first, final string) {
		l, m := v.start()
		if _, _, err := m.step([]byte(first)); err != nil {
			return
		}
		if _, done, _ := m.step([]byte(final)); done != (l.nick != "") || done && !strings.Contains(final, ",p=") {
			t.Errorf("done %v as %q after %q, %q", done, l.nick, first, final)
		}
	})
}

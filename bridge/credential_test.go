package bridge

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// The exchanges of RFC 5802 §5 and RFC 7677 §3 publish a password, a salt and
// the server's signature; the keys that belong to them were computed from the
// formulas of RFC 5802 §3.
func TestKeysOfTheRFCs(t *testing.T) {
	sha1Key := SCRAMKey{Salt: unbase64(t, "QSXCR+Q6sek8bf92"), Iterations: 4096}
	if err := sha1Key.fill(sha1.New, "pencil"); err != nil {
		t.Fatal(err)
	}
	equalBase64(t, sha1Key.StoredKey, "6dlGYMOdZcOPutkcNY8U2g7vK9Y=")
	equalBase64(t, sha1Key.ServerKey, "D+CSWLOshSulAsxiupA+qs2/fTE=")

	sha256Key := SCRAMKey{Salt: unbase64(t, "W22ZaJ0SNY7soEsUEjb6gQ=="), Iterations: 4096}
	if err := sha256Key.fill(sha256.New, "pencil"); err != nil {
		t.Fatal(err)
	}
	equalBase64(t, sha256Key.StoredKey, "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=")
	equalBase64(t, sha256Key.ServerKey, "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=")
}

func TestVerify(t *testing.T) {
	c, err := NewCredential("alice", "w\u00a0ort\u00ad")
	if err != nil {
		t.Fatal(err)
	}
	removed := c
	removed.Removed = true
	for _, tt := range []struct {
		name     string
		c        Credential
		password string
		want     bool
	}{
		{"as typed", c, "w\u00a0ort\u00ad", true},
		{"prepared alike", c, "w ort", true},
		{"another", c, "wort", false},
		{"empty", c, "", false},
		{"too long", c, strings.Repeat("w", 2000), false},
		{"removed account", removed, "w ort", false},
		{"no account", Credential{}, "", false},
	} {
		if got := tt.c.Verify(tt.password); got != tt.want {
			t.Errorf("%s: Verify = %v, want %v", tt.name, got, tt.want)
		}
	}
	again, err := NewCredential("alice", "w ort")
	if err != nil {
		t.Fatal(err)
	}
	if string(again.SHA256.Salt) == string(c.SHA256.Salt) || string(c.SHA1.Salt) == string(c.SHA256.Salt) {
		t.Error("salts repeat")
	}
}

func TestNewCredentialRefuses(t *testing.T) {
	for _, password := range []string{"", strings.Repeat("x", 1025)} {
		if _, err := NewCredential("alice", password); !Is(err, NotAcceptable) {
			t.Errorf("%d bytes: error %v, want not-acceptable", len(password), err)
		}
	}
}

func TestPrepareSecret(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"I\u00adX", "IX"},          // RFC 4013 §3
		{"user", "user"},            // RFC 4013 §3
		{"USER", "USER"},            // RFC 4013 §3
		{"\u00aa", "a"},             // RFC 4013 §3
		{"\u2168", "IX"},            // RFC 4013 §3
		{"\u0007", "\u0007"},        // forbidden there, kept as typed here
		{"\u0627\u0031", "\u06271"}, // forbidden there (ends left to right), kept as typed here
		{"\u00ad", "\u00ad"},        // nothing would be left
		{"a\u2000b", "a b"},
		{"\U0001f600", "\U0001f600"},
		{"na\u0308ive", "n\u00e4ive"},
		{"\u05d0\u05d1", "\u05d0\u05d1"},
		{"x\ue000\u00aa", "x\ue000\u00aa"},
		{"\xff\u00aa", "\xff\u00aa"},
	} {
		if got := prepareSecret(tt.in); got != tt.want {
			t.Errorf("prepareSecret(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzPrepareSecret(f *testing.F) {
	f.Add("I\u00adX")
	f.Add("\u0627\u0031")
	f.Fuzz(func(t *testing.T, s string) {
		once := prepareSecret(s)
		if s != "" && once == "" {
			t.Errorf("%q: nothing left", s)
		}
		if twice := prepareSecret(once); twice != once {
			t.Errorf("%q: %q, prepared again %q", s, once, twice)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	c, err := NewCredential("alice", "pencil")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c.Verify("pencil")
	}
}

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func equalBase64(t *testing.T, got []byte, want string) {
	t.Helper()
	if g := base64.StdEncoding.EncodeToString(got); g != want {
		t.Errorf("got %s, want %s", g, want)
	}
}

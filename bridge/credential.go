package bridge

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// SCRAMIterations is how often a new Credential's keys are hashed. RFC 7677 §4
// asks for at least 4096; more makes a stolen log harder to guess from, but
// every client (a telephone, a page's JavaScript) and every HTTP Basic request
// pays for it each time. 10,000 is what Prosody uses, about 2 ms, and no
// client refuses it.
const SCRAMIterations = 10_000

const (
	saltSize    = 16
	maxPassword = 1024 // bytes; longer ones only make us hash
)

// NewCredential makes the keys that prove a password, with fresh salts. Any
// password of 1 to 1024 bytes is good; others are refused with [NotAcceptable].
func NewCredential(nick, password string) (Credential, error) {
	if password == "" {
		return Credential{}, Refuse(NotAcceptable, "a password must not be empty")
	}
	if len(password) > maxPassword {
		return Credential{}, Refuse(NotAcceptable, "a password has at most %d bytes", maxPassword)
	}
	c := Credential{Nick: nick, SHA1: newKey(), SHA256: newKey()}
	if err := errors.Join(c.SHA1.fill(sha1.New, password), c.SHA256.fill(sha256.New, password)); err != nil {
		return Credential{}, fmt.Errorf("derive keys of %s: %w", nick, err)
	}
	return c, nil
}

// Verify reports whether password is the one the keys were made from. It takes
// as long for a removed or zero Credential, so that the time it takes does not
// tell whether there is such an account.
func (c Credential) Verify(password string) bool {
	key, known := c.SHA256, !c.Removed && len(c.SHA256.StoredKey) == sha256.Size
	if !known {
		key = SCRAMKey{Salt: make([]byte, saltSize), Iterations: SCRAMIterations}
	}
	if len(password) > maxPassword {
		return false
	}
	tried := SCRAMKey{Salt: key.Salt, Iterations: key.Iterations}
	if err := tried.fill(sha256.New, password); err != nil {
		return false
	}
	same := subtle.ConstantTimeCompare(tried.StoredKey, key.StoredKey) == 1
	return known && same
}

func newKey() SCRAMKey {
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails (crypto/rand)
	return SCRAMKey{Salt: salt, Iterations: SCRAMIterations}
}

// fill derives the stored and the server key from the password, the salt and
// the number of iterations (RFC 5802 §3).
func (k *SCRAMKey) fill(h func() hash.Hash, password string) error {
	salted, err := pbkdf2.Key(h, prepareSecret(password), k.Salt, k.Iterations, h().Size())
	if err != nil {
		return err
	}
	mac := func(text string) []byte {
		m := hmac.New(h, salted)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	client := h()
	client.Write(mac("Client Key"))
	k.StoredKey, k.ServerKey = client.Sum(nil), mac("Server Key")
	return nil
}

// prepareSecret is SASLprep (RFC 4013) as SCRAM asks for: two ways to type one
// password become one. A password that SASLprep forbids stays as it was typed:
// it is still a secret, and its client has sent it the same way.
func prepareSecret(s string) string {
	if plainText(s) || !utf8.ValidString(s) {
		return s
	}
	mapped := make([]rune, 0, len(s))
	for _, r := range s {
		switch {
		case unicode.Is(strangeSpace, r): // §2.1, table C.1.2
			mapped = append(mapped, ' ')
		case !unicode.Is(mappedToNothing, r): // §2.1, table B.1
			mapped = append(mapped, r)
		}
	}
	p := norm.NFKC.String(string(mapped)) // §2.2
	if p == "" || forbidden(p) || !consistent(p) {
		return s
	}
	return p
}

func plainText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// forbidden applies RFC 4013 §2.3.
func forbidden(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(forbiddenText, r) || unicode.Is(unicode.Co, r) || r&0xfffe == 0xfffe {
			return true
		}
	}
	return false
}

// consistent applies RFC 4013 §2.4: text with a right-to-left character begins
// and ends with one and has no left-to-right character (RFC 3454 §6).
func consistent(s string) bool {
	var left, right, first, last bool
	for i, r := range s {
		p, _ := bidi.LookupRune(r)
		last = p.Class() == bidi.R || p.Class() == bidi.AL
		left = left || p.Class() == bidi.L
		right = right || last
		if i == 0 {
			first = last
		}
	}
	return !right || first && last && !left
}

// The tables of RFC 3454 that SASLprep names.
var (
	strangeSpace = &unicode.RangeTable{R16: []unicode.Range16{ // C.1.2
		{Lo: 0xa0, Hi: 0xa0, Stride: 1}, {Lo: 0x1680, Hi: 0x1680, Stride: 1}, {Lo: 0x2000, Hi: 0x200b, Stride: 1},
		{Lo: 0x202f, Hi: 0x202f, Stride: 1}, {Lo: 0x205f, Hi: 0x205f, Stride: 1}, {Lo: 0x3000, Hi: 0x3000, Stride: 1},
	}}
	mappedToNothing = &unicode.RangeTable{R16: []unicode.Range16{ // B.1
		{Lo: 0xad, Hi: 0xad, Stride: 1}, {Lo: 0x34f, Hi: 0x34f, Stride: 1}, {Lo: 0x1806, Hi: 0x1806, Stride: 1},
		{Lo: 0x180b, Hi: 0x180d, Stride: 1}, {Lo: 0x200c, Hi: 0x200d, Stride: 1}, {Lo: 0x2060, Hi: 0x2060, Stride: 1},
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, {Lo: 0xfeff, Hi: 0xfeff, Stride: 1},
	}}
	forbiddenText = &unicode.RangeTable{ // C.2.2, C.6, C.7, C.8, C.9
		R16: []unicode.Range16{
			{Lo: 0x340, Hi: 0x341, Stride: 1}, {Lo: 0x6dd, Hi: 0x6dd, Stride: 1}, {Lo: 0x70f, Hi: 0x70f, Stride: 1},
			{Lo: 0x180e, Hi: 0x180e, Stride: 1}, {Lo: 0x200e, Hi: 0x200f, Stride: 1}, {Lo: 0x2028, Hi: 0x202e, Stride: 1},
			{Lo: 0x2061, Hi: 0x2063, Stride: 1}, {Lo: 0x206a, Hi: 0x206f, Stride: 1}, {Lo: 0x2ff0, Hi: 0x2ffb, Stride: 1},
			{Lo: 0xfdd0, Hi: 0xfdef, Stride: 1}, {Lo: 0xfff9, Hi: 0xfffd, Stride: 1},
		},
		R32: []unicode.Range32{
			{Lo: 0x1d173, Hi: 0x1d17a, Stride: 1}, {Lo: 0xe0001, Hi: 0xe0001, Stride: 1}, {Lo: 0xe0020, Hi: 0xe007f, Stride: 1},
		},
	}
)

package query

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxToken is the length in bytes at which a token is cut. What is longer is
// no word anybody types.
const maxToken = 128

// Tokens splits text into words, in order, lower-cased and without accents, and
// finds the marks in it: "#tag" for hashtags, "@name" and "@name@host" for
// mentions, "url:host/path" for web addresses. What a mark is made of is among
// the words too, so that the word hello finds #hello and @hello.
//
// A word is a run of letters and digits. In scripts written without spaces, and
// for symbols like emoji, each character is a word of its own; who asks for
// several of them asks for a phrase.
func Tokens(text string) (words, marks []string) {
	folded := Fold(text)
	return splitWords(folded), findMarks(folded)
}

// Words is Tokens without the marks.
func Words(text string) []string { return splitWords(Fold(text)) }

// Fold maps text to the form in which it is compared: compatibility forms
// resolved, lower case, no accents. Folding twice is folding once.
func Fold(text string) string {
	if isASCII(text) {
		return strings.ToLower(text)
	}
	decomposed := norm.NFKD.String(strings.ToValidUTF8(text, " "))
	var b strings.Builder
	b.Grow(len(decomposed))
	var base rune
	for _, r := range decomposed {
		if ignorable(r) || isAccent(r, base) {
			continue
		}
		if !unicode.Is(unicode.Mn, r) {
			base = r
		}
		if r < utf8.RuneSelf {
			b.WriteByte(lowerASCII(byte(r)))
			continue
		}
		r = unicode.ToLower(r)
		if plain, ok := plainLetters[r]; ok {
			b.WriteString(plain)
			continue
		}
		b.WriteRune(r)
	}
	return norm.NFC.String(b.String())
}

// plainLetters are letters that people type without what Unicode considers
// part of the letter and not an accent.
var plainLetters = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'đ': "d", 'ð': "d", 'þ': "th",
	'ł': "l", 'ħ': "h", 'ı': "i", 'ŋ': "n", 'ŧ': "t", 'ĸ': "k", 'ς': "σ",
}

// isAccent reports whether r only decorates the letter before it. Vowel signs
// of Indic scripts and the dakuten of kana are not accents, nor is the breve
// that makes й of и.
func isAccent(r, base rune) bool {
	switch {
	case r == 0x0306 && unicode.Is(unicode.Cyrillic, base):
		return false
	case r >= 0x0300 && r <= 0x036F, r >= 0x1AB0 && r <= 0x1AFF, r >= 0x1DC0 && r <= 0x1DFF, r >= 0x20D0 && r <= 0x20FF:
		return true // combining diacritical marks
	case r >= 0x0591 && r <= 0x05C7, r >= 0x064B && r <= 0x065F, r == 0x0670, r == 0x0640:
		return unicode.Is(unicode.Mn, r) || r == 0x0640 // Hebrew points, Arabic vowels and tatweel
	}
	return false
}

// ignorable reports whether r is invisible and stands inside words: soft
// hyphen, joiners, variation selectors, byte order mark.
func ignorable(r rune) bool {
	switch {
	case r == 0x00AD, r == 0x200C, r == 0x200D, r == 0x2060, r == 0xFEFF, r >= 0xFE00 && r <= 0xFE0F:
		return true
	}
	return false
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// class says what a rune does in a word.
type class int

const (
	between class = iota // separates words
	inside               // part of a word
	alone                // a word of its own
)

func classOf(r rune) class {
	if r < utf8.RuneSelf {
		if alphanumeric(byte(r)) {
			return inside
		}
		return between
	}
	switch {
	case unicode.Is(unicode.So, r), unicode.In(r, unspaced...) && !unicode.IsPunct(r):
		return alone
	case unicode.IsLetter(r), unicode.IsNumber(r), unicode.Is(unicode.Mn, r), unicode.Is(unicode.Mc, r):
		return inside
	}
	return between
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z'
}

// unspaced are the scripts that put no spaces between words, and Hangul, where
// what stands between spaces is more than a word.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// splitWords cuts folded text into its words; they share its memory.
func splitWords(s string) []string {
	words := make([]string, 0, len(s)/5+1)
	start := -1 // of the word being read
	for i := 0; i < len(s); {
		size, kind := 1, between
		if c := s[i]; c >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			kind = classOf(r)
		} else if alphanumeric(c) {
			kind = inside
		}
		switch {
		case kind == inside:
			if start < 0 {
				start = i
			}
		case start >= 0:
			words = append(words, cut(s[start:i]))
			start = -1
		}
		if kind == alone {
			words = append(words, s[i:i+size])
		}
		i += size
	}
	if start >= 0 {
		words = append(words, cut(s[start:]))
	}
	return words
}

// cut shortens an overlong token at a rune's border.
func cut(token string) string {
	if len(token) <= maxToken {
		return token
	}
	n := maxToken
	for n > 0 && !utf8.RuneStart(token[n]) {
		n--
	}
	return token[:n]
}

package xmpp

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Escape makes s safe between tags and in a quoted attribute. Characters that
// XML 1.0 does not allow are dropped, bytes that are no UTF-8 become U+FFFD.
func Escape(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for _, r := range s {
		switch r {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '\'':
			b.WriteString("&apos;")
		case '"':
			b.WriteString("&quot;")
		case '\t': // this and line ends would become spaces in an attribute
			b.WriteString("&#9;")
		case '\n':
			b.WriteString("&#10;")
		case '\r':
			b.WriteString("&#13;")
		default:
			if isChar(r) {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// plain reports whether s is ASCII that needs no escaping.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20, c >= utf8.RuneSelf, c == '&', c == '<', c == '>', c == '\'', c == '"':
			return false
		}
	}
	return true
}

// checkText refuses bytes that no XML document may hold: what is not UTF-8 and
// what is no Char (XML 1.0 §2.2).
func checkText(s string) error {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			return checkRunes(s[i:])
		}
		if c < 0x20 && !isSpace(c) {
			return fmt.Errorf("%w: a control character", ErrMalformed)
		}
	}
	return nil
}

func checkRunes(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	for _, r := range s {
		if !isChar(r) {
			return fmt.Errorf("%w: the character %U", ErrMalformed, r)
		}
	}
	return nil
}

// isChar is the production Char of XML 1.0 §2.2.
func isChar(r rune) bool {
	return r >= 0x20 && r < 0xD800 || r == '\t' || r == '\n' || r == '\r' ||
		r > 0xDFFF && r < 0xFFFE || r >= 0x10000 && r <= utf8.MaxRune
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// isNameStart is NameStartChar of XML 1.0 §2.3 (fifth edition) without the colon.
func isNameStart(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
	}
	return r >= 0xC0 && r <= 0x2FF && r != 0xD7 && r != 0xF7 ||
		r >= 0x370 && r <= 0x1FFF && r != 0x37E || r == 0x200C || r == 0x200D ||
		r >= 0x2070 && r <= 0x218F || r >= 0x2C00 && r <= 0x2FEF ||
		r >= 0x3001 && r <= 0xD7FF || r >= 0xF900 && r <= 0xFDCF ||
		r >= 0xFDF0 && r <= 0xFFFD || r >= 0x10000 && r <= 0xEFFFF
}

// isNameMore is what NameChar has beyond NameStartChar.
func isNameMore(r rune) bool {
	return r == '-' || r == '.' || r >= '0' && r <= '9' || r == 0xB7 ||
		r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}

// newlines normalises line ends (XML 1.0 §2.11).
func newlines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// blanks normalises an attribute's white space (XML 1.0 §3.3.3).
var blanks = strings.NewReplacer("\r\n", " ", "\r", " ", "\n", " ", "\t", " ")

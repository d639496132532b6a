package feed

import (
	"bytes"
	"mime"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"peewit/bridge/atom"
)

// signature is what the first bytes of a document say about its encoding: a
// byte order mark, or '<' in a wide one (XML 1.0, appendix F).
type signature struct {
	start    string
	encoding encoding.Encoding // nil = UTF-8
}

var signatures = []signature{
	{"\xff\xfe\x00\x00", utf32.UTF32(utf32.LittleEndian, utf32.UseBOM)},
	{"\x00\x00\xfe\xff", utf32.UTF32(utf32.BigEndian, utf32.UseBOM)},
	{"<\x00\x00\x00", utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM)},
	{"\x00\x00\x00<", utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM)},
	{"\xff\xfe", unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)},
	{"\xfe\xff", unicode.UTF16(unicode.BigEndian, unicode.UseBOM)},
	{"<\x00", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)},
	{"\x00<", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)},
	{"\xef\xbb\xbf", nil},
}

// declaration is an XML declaration with its encoding.
var declaration = regexp.MustCompile(`^\s*<\?xml[^>]*?encoding\s*=\s*["']([^"']+)["']`)

// toUTF8 is the document in UTF-8. What its bytes show goes before what they
// say: a document whose bytes beyond ASCII are all valid UTF-8 is UTF-8,
// whatever server and declaration claim. One without a claim, or with a false
// one, is UTF-8 with bad bytes (which become U+FFFD) or windows-1252, whichever
// fits more of it.
func toUTF8(body []byte, contentType string) []byte {
	for _, s := range signatures {
		if !bytes.HasPrefix(body, []byte(s.start)) {
			continue
		}
		if s.encoding == nil {
			return bytes.ToValidUTF8(body[len(s.start):], []byte("\ufffd"))
		}
		return decode(s.encoding, body)
	}
	wide, bad := countUTF8(body)
	if bad == 0 && wide > 0 {
		return body
	}
	for _, label := range []string{headerCharset(contentType), declared(body)} {
		if e, name := charset.Lookup(label); e != nil && name != "utf-8" && name != "utf-16le" && name != "utf-16be" {
			return decode(e, body)
		}
	}
	if bad > wide {
		e, _ := charset.Lookup("windows-1252")
		return decode(e, body)
	}
	return bytes.ToValidUTF8(body, []byte("\ufffd"))
}

func decode(e encoding.Encoding, body []byte) []byte {
	out, err := e.NewDecoder().Bytes(body)
	if err != nil {
		out = body
	}
	return bytes.ToValidUTF8(out, []byte("\ufffd"))
}

// countUTF8 counts the characters of more than one byte and the bytes that are
// part of no character.
func countUTF8(body []byte) (wide, bad int) {
	for len(body) > 0 {
		r, size := utf8.DecodeRune(body)
		switch {
		case r == utf8.RuneError && size == 1:
			bad++
		case size > 1:
			wide++
		}
		body = body[size:]
	}
	return wide, bad
}

func headerCharset(contentType string) string {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	return params["charset"]
}

func declared(body []byte) string {
	if m := declaration.FindSubmatch(body[:min(len(body), 1024)]); m != nil {
		return string(m[1])
	}
	return ""
}

// legal drops the characters that XML does not allow, and references to them.
// Control characters that windows-1252 has something else for are that: they
// come from programs that took one for the other.
func legal(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		if r, n := reference(text); n > 0 {
			if moved := demoronized(r); moved != r {
				out = utf8.AppendRune(out, moved)
			} else if atom.Legal(r) {
				out = append(out, strings.ToLower(string(text[:n]))...) // XML knows no &#X
			}
			text = text[n:]
			continue
		}
		r, size := utf8.DecodeRune(text)
		if moved := demoronized(r); moved != r {
			out = utf8.AppendRune(out, moved)
		} else if atom.Legal(r) {
			out = append(out, text[:size]...)
		}
		text = text[size:]
	}
	return out
}

// reference is the character that text begins with a reference to, and how long
// that is; 0 when it does not.
func reference(text []byte) (r rune, n int) {
	const longest = len("&#x0010FFFF;")
	if len(text) < 4 || text[0] != '&' || text[1] != '#' {
		return 0, 0
	}
	end := bytes.IndexByte(text[:min(len(text), longest)], ';')
	if end < 0 {
		return 0, 0
	}
	digits, radix := string(text[2:end]), 10
	if len(digits) > 0 && (digits[0] == 'x' || digits[0] == 'X') {
		digits, radix = digits[1:], 16
	}
	code, err := strconv.ParseUint(digits, radix, 32)
	switch {
	case err != nil:
		return 0, 0
	case code > utf8.MaxRune:
		return 0xffff, end + 1 // which is not legal either
	}
	return rune(code), end + 1
}

// demoronized is what a control character of the second block stands for.
func demoronized(r rune) rune {
	if r < 0x80 || r > 0x9f {
		return r
	}
	if meant := charmap.Windows1252.DecodeByte(byte(r)); meant != utf8.RuneError {
		return meant
	}
	return r
}

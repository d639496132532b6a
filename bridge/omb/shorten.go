package omb

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNotice is the most characters of a notice that every site takes; Laconica
// counts characters, not bytes.
const maxNotice = 140

// Shorten makes text fit into a notice. What is too long is cut between words,
// never inside a word, a URL or a character, and ends in "… " and the address of
// the whole post.
func Shorten(text, page string) string {
	text = strings.TrimSpace(text)
	if utf8.RuneCountInString(text) <= maxNotice {
		return text
	}
	end := "… " + page
	room := maxNotice - utf8.RuneCountInString(end)
	if room < 0 { // the address alone is too long
		end, room = "…", maxNotice-1
	}
	kept, width := 0, 0 // bytes up to the last space, characters so far
	for i, r := range text {
		if unicode.IsSpace(r) {
			kept = i
		}
		if width == room {
			if kept == 0 && !strings.Contains(text, "://") {
				// No space at all: a script without them, or one long word. A mark
				// belongs to the character before it.
				kept = i
				if unicode.Is(unicode.M, r) {
					_, size := utf8.DecodeLastRuneInString(text[:i])
					kept -= size
				}
			}
			break
		}
		width++
	}
	return strings.TrimRightFunc(text[:kept], unicode.IsSpace) + end
}

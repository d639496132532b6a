package omb

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestShorten(t *testing.T) {
	const page = "http://peewit.example/notice/12345"
	long := strings.Repeat("word ", 40)
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{" short\n", "short"},
		{strings.Repeat("é", 140), strings.Repeat("é", 140)},
		{long, strings.TrimSuffix(strings.Repeat("word ", 21), " ") + "… " + page},
		{strings.Repeat("語", 200), strings.Repeat("語", 104) + "… " + page},
		{"see http://example.org/" + strings.Repeat("x", 200), "see… " + page},
		{"http://example.org/" + strings.Repeat("x", 200), "… " + page},
		{strings.Repeat("e\u0301", 150), strings.Repeat("e\u0301", 52) + "… " + page},
		{"a" + strings.Repeat("e\u0301", 150), "a" + strings.Repeat("e\u0301", 51) + "… " + page},
	} {
		got := Shorten(c.text, page)
		if got != c.want {
			t.Errorf("Shorten(%q) = %q, want %q", c.text, got, c.want)
		}
		if n := utf8.RuneCountInString(got); n > maxNotice {
			t.Errorf("Shorten(%q) has %d characters", c.text, n)
		}
	}
}

func FuzzShorten(f *testing.F) {
	f.Add("hello world", "http://example.org/notice/1")
	f.Add(strings.Repeat("\u0301", 300), "http://example.org/")
	f.Add(strings.Repeat("word ", 100), "http://example.org/"+strings.Repeat("a", 130))
	f.Fuzz(func(t *testing.T, text, page string) {
		if !utf8.ValidString(text) || !utf8.ValidString(page) {
			return
		}
		got := Shorten(text, page)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxNotice {
			t.Errorf("Shorten(%q, %q) = %q", text, page, got)
		}
	})
}

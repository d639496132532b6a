package query_test

import (
	"slices"
	"strings"
	"testing"

	"peewit/index/query"

	"github.com/google/go-cmp/cmp"
)

func TestTokens(t *testing.T) {
	tests := []struct {
		text  string
		words string // joined by spaces
		marks string
	}{
		{"", "", ""},
		{"Hello, World!", "hello world", ""},
		{"to be or not to be", "to be or not to be", ""},
		{"Crème BRÛLÉE naïve Ångström", "creme brulee naive angstrom", ""},
		{"Cre\u0300me", "creme", ""},
		{"Straße Łódź Øre Æon İstanbul", "strasse lodz ore aeon istanbul", ""},
		{"ΣΊΣΥΦΟΣ Σίσυφος", "σισυφοσ σισυφοσ", ""},
		{"ёлка мой", "елка мой", ""},
		{"ｆｕｌｌ ﬁne", "full fine", ""},
		{"soft\u00adhyphen zero\u200dwidth", "softhyphen zerowidth", ""},
		{"don't e-mail snake_case", "don t e mail snake case", ""},
		{"version 2.6.1", "version 2 6 1", ""},
		{"東京タワー", "東 京 タ ワ ー", ""},
		{"I live in 東京2020", "i live in 東 京 2020", ""},
		{"한국어", "한 국 어", ""},
		{"ภาษา", "ภ า ษ า", ""},
		{"हिन्दी में", "हिन्दी में", ""},
		{"مُحَمَّد", "محمد", ""},
		{"party 🎉🎉 ❤️", "party 🎉 🎉 ❤", ""},
		{"#Hello #foo_bar #foo-bar #été", "hello foo bar foo bar ete", "#ete #foo #foobar #hello"},
		{"a#b &#39; c/#d", "a b 39 c d", ""},
		{"(#go) \"#rust\".", "go rust", "#go #rust"},
		{"#", "", ""},
		{"#日本語!", "日 本 語", "#日本語"},
		{"hi @Bob, @carol.", "hi bob carol", "@bob @carol"},
		{"@dave@Example.org!", "dave example org", "@dave @dave@example.org"},
		{"mail alice@example.org", "mail alice example org", ""},
		{"see https://www.Example.org/Docs/a?x=1#top.", "see https www example org docs a x 1 top",
			"url:example.org url:example.org/docs url:example.org/docs/a url:example.org/docs/a?x=1"},
		{"(http://blog.example.org/)", "http blog example org", "url:blog.example.org url:example.org"},
		{"http://u@[::1]:80/ ftp://x.y", "http u 1 80 ftp x y", "url:["},
	}
	for _, tt := range tests {
		words, marks := query.Tokens(tt.text)
		slices.Sort(marks)
		got := strings.Join(words, " ") + " / " + strings.Join(slices.Compact(marks), " ")
		if diff := cmp.Diff(tt.words+" / "+tt.marks, got); diff != "" {
			t.Errorf("Tokens(%q) (-want +got):\n%s", tt.text, diff)
		}
	}
}

func TestTokensAreBounded(t *testing.T) {
	words, marks := query.Tokens("#" + strings.Repeat("é", 1000) + " http://" + strings.Repeat("a/", 1000))
	for _, token := range append(words, marks...) {
		if len(token) > 128 {
			t.Errorf("a token has %d bytes", len(token))
		}
	}
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{"Hello #été @bob@example.org", "https://a.b/c?d#e", "東京 🎉", "İſßǆ", "\xff#\xfe", "ﷺ ½ ㎢"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words, marks := query.Tokens(text)
		again := query.Words(strings.Join(words, " "))
		if !slices.Equal(words, again) {
			t.Errorf("the words of %q\n are   %q\n whose words are %q", text, words, again)
		}
		for _, token := range append(words, marks...) {
			if token == "" || len(token) > 128 {
				t.Errorf("Tokens(%q) has the token %q", text, token)
			}
		}
		for _, w := range words {
			if query.Term(w).IsMark() {
				t.Errorf("Tokens(%q): the word %q looks like a mark", text, w)
			}
		}
		for _, m := range marks {
			if !query.Term(m).IsMark() {
				t.Errorf("Tokens(%q): the mark %q looks like a word", text, m)
			}
		}
	})
}

func BenchmarkTokens(b *testing.B) {
	text := strings.Repeat("a post of some ordinary words, #tagged for @bob, ", 6)[:280]
	b.ReportAllocs()
	for b.Loop() {
		query.Tokens(text)
	}
}

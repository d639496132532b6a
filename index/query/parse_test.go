package query_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"peewit/bridge"
	"peewit/index/query"
	"peewit/index/query/querytest"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	tests := []struct{ text, want string }{
		{"xmpp", "xmpp"},
		{" XMPP  Café ", "cafe xmpp"},
		{"b a b", "a b"},
		{"a AND b", "a b"},
		{"and or not", "and not or"},
		{"a | b", "a | b"},
		{"b, a", "a | b"},
		{"a OR b OR a", "a | b"},
		{"ORacle ANDy", "andy oracle"},
		{"a b | c", "a b | c"},
		{"c (a | b)", "(a | b) c"},
		{"(a (b c)) | (d)", "a b c | d"},
		{`"A  Phrase"`, `"a phrase"`},
		{`"word"`, "word"},
		{"e-mail", `"e mail"`},
		{"10:30 urn:xmpp:mix", `"10 30" "urn xmpp mix"`},
		{"東京", `"東 京"`},
		{"🎉", "🎉"},
		{"xmpp -spam", "-spam xmpp"},
		{`xmpp -"buy now"`, `-"buy now" xmpp`},
		{"xmpp --jabber", "jabber xmpp"},
		{"x -(a | b)", "-a -b x"},
		{"x -(a b)", "(-a | -b) x"},
		{"#Go-Lang #a_b", "#ab #golang"},
		{"@Bob @bob@Example.org", "@bob @bob@example.org"},
		{"fed* #pee* @bo*", "#pee* @bo* fed*"},
		{"example.org", `"example org" | url:example.org`},
		{"blog.example.org/a", `"blog example org a" | url:blog.example.org/a`},
		{"2.6.1", `"2 6 1"`},
		{"https://www.example.org/a/", "url:example.org/a"},
		{"from:Alice from:@bob@example.org", "from:alice from:bob@example.org"},
		{`from:"Jane  Doe"`, `from:"jane doe"`},
		{"FROM:alice", "from:alice"},
		{"source:feed planet:Planet-Go lang:en_US", "lang:en-us planet:planet-go source:feed"},
		{"site:www.example.org url:http://a.b/c?d", "site:example.org url:a.b/c?d"},
		{`url:"a.b/(c)"`, `url:"a.b/(c)"`},
		{"a has:link has:image has:reply", "a has:image has:link has:reply"},
		{"has:link|image", "has:link | image"},
		{"a since:2026-01-31 until:2026-02-28T12:30", "a since:2026-01-31T00:00:00Z until:2026-02-28T12:30:00Z"},
		{"a since:2026-01-31T01:00:00+01:00", "a since:2026-01-31T00:00:00Z"},
	}
	for _, tt := range tests {
		q, err := query.Parse(tt.text)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.text, err)
		} else if q.String() != tt.want {
			t.Errorf("Parse(%q) = %s, want %s", tt.text, q, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "the query is empty"},
		{" \t", "the query is empty"},
		{"-spam", "the query only says what is not wanted; add a word, a #tag or a name that is"},
		{"a | -b", "the query only says what is not wanted; add a word, a #tag or a name that is"},
		{"since:2026-01-01", "the query only says what is not wanted; add a word, a #tag or a name that is"},
		{"a (b", "at character 3: this ( is never closed"},
		{"é )", "at character 3: this ) closes nothing"},
		{")", "at character 1: this ) closes nothing"},
		{"a ()", "at character 4: a word is missing before this"},
		{"a |", "at character 4: a word is missing at the end"},
		{"(a |", "at character 5: a word is missing, and a )"},
		{"| a", "at character 1: a word is missing before this"},
		{"OR a", "at character 1: a word is missing before this"},
		{"a AND", "at character 3: AND stands between two words"},
		{"AND a", "at character 1: AND stands between two words"},
		{`a "b c`, "at character 3: this quotation mark is never closed"},
		{`a ""`, "at character 3: there is no letter or digit in this"},
		{"a - b", "at character 3: - needs a word right behind it"},
		{"a -", "at character 3: - needs a word right behind it"},
		{"...", "at character 1: there is no letter or digit in this"},
		{"# a", "at character 1: # needs a name right behind it, as in #tag"},
		{"@ a", "at character 1: @ needs a name right behind it, as in @name"},
		{"a*", "at character 1: * stands behind one word of two letters or more"},
		{"foo-b*", "at character 1: * stands behind one word of two letters or more"},
		{"*", "at character 1: * stands behind one word of two letters or more"},
		{"from:al*", "at character 1: * stands behind a word, a #tag or a @name, not behind from:"},
		{"from:", "at character 1: from: needs a name right behind it, as in from:alice"},
		{`from:"alice`, "at character 6: this quotation mark is never closed"},
		{"a has:cake", "at character 3: has: knows has:link, has:image and has:reply"},
		{"a since:yesterday", "at character 3: since: needs a date right behind it, as in since:2026-01-31"},
		{"a until:2026-02-31", "at character 3: until: needs a date right behind it, as in until:2026-01-31"},
		{"site: a", "at character 1: site: needs a host right behind it, as in site:example.org"},
		{`url:"@ a.b"`, "at character 1: url: needs an address right behind it, as in url:example.org/docs"},
		{`site:"a b"`, "at character 1: site: needs a host right behind it, as in site:example.org"},
		{"url:/ a", "at character 1: url: needs an address right behind it, as in url:example.org/docs"},
		{"a\xffb", "at character 2: this is not valid UTF-8"},
		{strings.Repeat("(", 16) + "a" + strings.Repeat(")", 16), "at character 17: this is nested more than 15 deep"},
		{strings.Repeat("-", 900) + "a", "at character 17: this is nested more than 15 deep"},
		{strings.Repeat("a ", 65), "at character 129: a query has at most 64 words"},
		{strings.Repeat("a", 1025), "the query is longer than 1024 bytes"},
	}
	for _, tt := range tests {
		q, err := query.Parse(tt.text)
		if err == nil {
			t.Errorf("Parse(%q) = %s, want an error", tt.text, q)
			continue
		}
		if err.Error() != tt.want {
			t.Errorf("Parse(%q): %v, want %s", tt.text, err, tt.want)
		}
		if !bridge.Is(err, bridge.BadRequest) {
			t.Errorf("Parse(%q): %v is no bad-request", tt.text, err)
		}
	}
}

func TestParseErrorPosition(t *testing.T) {
	_, err := query.Parse("é (a")
	var e *query.Error
	if !errors.As(err, &e) || e.Pos != 3 || e.Char != 3 {
		t.Errorf("got %+v, want byte 3, character 3", e)
	}
}

func TestStanding(t *testing.T) {
	for text, ok := range map[string]bool{
		"a -b | c":                         true,
		"a since:2026-01-01":               false,
		"a -(b until:2026-01-01) -c":       false,
		"a | (b (c | d since:2026-01-01))": false,
	} {
		q, err := query.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Standing(); (err == nil) != ok {
			t.Errorf("Standing of %q: %v", text, err)
		}
	}
}

// TestCanonical: the canonical text is read back to an equal query, and means
// the same.
func TestCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := querytest.Query(t, false)
		again, err := query.Parse(q.String())
		if len(q.String()) > query.MaxBytes {
			return
		}
		if err != nil {
			t.Fatalf("Parse(%q): %v", q, err)
		}
		if again.String() != q.String() {
			t.Fatalf("%s\nis read back as\n%s", q, again)
		}
		if d := querytest.Document(t); again.Match(d) != q.Match(d) {
			t.Fatalf("%s means something else when read back", q)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`a "b c" | -d (e, f*)`, "from:alice since:2026-01-31", "#tag @name@host https://a.b/c", "((((", "a OR AND", "\xff", `url:"(x)"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := query.Parse(text)
		if err != nil {
			var e *query.Error
			if !errors.As(err, &e) || e.Text == "" || e.Pos < 0 || e.Pos > len(text) {
				t.Errorf("Parse(%q): %#v", text, err)
			}
			return
		}
		canonical := q.String()
		if len(canonical) > query.MaxBytes {
			return
		}
		again, err := query.Parse(canonical)
		if err != nil {
			t.Fatalf("Parse(%q) = %s, which is refused: %v", text, q, err)
		}
		if again.String() != canonical {
			t.Errorf("Parse(%q) = %s, read back as %s", text, q, again)
		}
	})
}

func ExampleParse() {
	_, err := query.Parse("xmpp (pubsub | pep")
	fmt.Println(err)
	q, _ := query.Parse(`pubsub XMPP -"Buy now"`)
	fmt.Println(q)
	// Output:
	// at character 6: this ( is never closed
	// -"buy now" pubsub xmpp
}

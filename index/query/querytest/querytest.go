// Package querytest draws random posts and queries for property tests and makes
// those of a synthetic [Language] for benchmarks. The random ones are
// made of few words, so that queries match about as often as they do not.
package querytest

import (
	"strings"
	"time"

	"peewit/index/query"

	"pgregory.net/rapid"
)

// vocabulary has words that begin alike, need folding, are written without
// spaces or are of symbols.
var vocabulary = []string{
	"hello", "help", "xmpp", "XMPP", "café", "cafe", "spam", "pubsub", "a", "the",
	"東京", "京都", "🎉", "#go", "#gopher", "@bob", "@bobby", "@bob@example.org",
	"https://www.example.org/a/b?x=1", "http://blog.example.org", "example.org", "don't", "10:30",
}

var marks = []string{
	"from:alice", "from:bob@example.org", "from:jane doe", "source:feed", "planet:planet-go", "planet:debian",
	"lang:en", "has:link", "has:reply", "site:example.org", "#go", "@bob",
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Document draws a post.
func Document(t *rapid.T) *query.Document {
	text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(vocabulary), 0, 8).Draw(t, "text"), " ")
	words, found := query.Tokens(text)
	more := rapid.SliceOfNDistinct(rapid.SampledFrom(marks), 0, 4, rapid.ID).Draw(t, "marks")
	return &query.Document{
		Words: words,
		Marks: append(found, more...),
		Time:  start.AddDate(0, 0, rapid.IntRange(0, 9).Draw(t, "day")),
	}
}

// Query draws a query; standing ones have no since: and until:.
func Query(t *rapid.T, standing bool) *query.Query {
	for {
		if q, err := query.Parse(text(t, 3, standing)); err == nil {
			return q
		}
	}
}

func text(t *rapid.T, depth int, standing bool) string {
	kinds := 9
	if standing {
		kinds = 8
	}
	kind := rapid.IntRange(0, kinds-1).Draw(t, "kind")
	if depth == 0 {
		kind = 7
	}
	sub := func() string { return text(t, depth-1, standing) }
	word := func() string { return rapid.SampledFrom(vocabulary).Draw(t, "word") }
	switch kind {
	case 0, 1:
		return sub() + " " + sub()
	case 2:
		return "(" + sub() + " | " + sub() + ")"
	case 3:
		return word() + " -" + "(" + sub() + ")"
	case 4:
		return `"` + word() + " " + word() + `"`
	case 5:
		name, value, ok := strings.Cut(rapid.SampledFrom(marks).Draw(t, "mark"), ":")
		if !ok {
			return name
		}
		return name + `:"` + value + `"`
	case 6:
		return rapid.SampledFrom([]string{"hel*", "xm*", "caf*", "#go*", "@bo*", "東*"}).Draw(t, "prefix")
	case 8:
		bound := rapid.SampledFrom([]string{"since:", "until:"}).Draw(t, "bound")
		return word() + " " + bound + start.AddDate(0, 0, rapid.IntRange(0, 9).Draw(t, "day")).Format(time.DateOnly)
	}
	return word()
}

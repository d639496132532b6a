package index

import (
	"time"

	"peewit/index/query"

	"github.com/blevesearch/bleve/v2"
	blevequery "github.com/blevesearch/bleve/v2/search/query"
)

// compile translates a node of a query to Bleve's language.
func compile(n query.Node) blevequery.Query {
	switch n := n.(type) {
	case query.All:
		return compileAll(n)
	case query.Any:
		parts := make([]blevequery.Query, len(n))
		for i, c := range n {
			parts[i] = compile(c)
		}
		return bleve.NewDisjunctionQuery(parts...)
	case query.Not:
		return compileAll(query.All{n})
	case query.Term:
		return termQuery(fieldOf(n.IsMark()), string(n))
	case query.Prefix:
		q := bleve.NewPrefixQuery(string(n))
		q.SetField(fieldOf(n.IsMark()))
		return q
	case query.Phrase:
		return blevequery.NewPhraseQuery(n, fieldWord)
	case query.Since:
		return timeQuery(time.Time(n).Unix(), endOfTime)
	case query.Until:
		return timeQuery(0, time.Time(n).Unix())
	}
	return bleve.NewMatchNoneQuery()
}

// compileAll keeps what must be apart from what must not be.
func compileAll(nodes query.All) blevequery.Query {
	q := bleve.NewBooleanQuery()
	some := false
	for _, c := range nodes {
		if not, ok := c.(query.Not); ok {
			q.AddMustNot(compile(not.Node))
			continue
		}
		q.AddMust(compile(c))
		some = true
	}
	if !some {
		q.AddMust(bleve.NewMatchAllQuery())
	}
	return q
}

func fieldOf(mark bool) string {
	if mark {
		return fieldMark
	}
	return fieldWord
}

// timeQuery asks for times from one and before the other.
func timeQuery(from, before int64) blevequery.Query {
	tokens := rangeTokens(from, before)
	parts := make([]blevequery.Query, len(tokens))
	for i, token := range tokens {
		parts[i] = termQuery(fieldTime, token)
	}
	if len(parts) == 0 {
		return bleve.NewMatchNoneQuery()
	}
	return bleve.NewDisjunctionQuery(parts...)
}

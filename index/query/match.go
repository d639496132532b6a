package query

import (
	"slices"
	"strings"
	"time"
)

// Match reports whether the post is one that the query asks for. It is the
// meaning of the language, written to be read: the index and the matcher find
// the same posts faster.
func (q *Query) Match(d *Document) bool { return q.Root.Match(d) }

// Match reports whether every node matches.
func (n All) Match(d *Document) bool {
	return !slices.ContainsFunc(n, func(c Node) bool { return !c.Match(d) })
}

// Match reports whether a node matches.
func (n Any) Match(d *Document) bool {
	return slices.ContainsFunc(n, func(c Node) bool { return c.Match(d) })
}

// Match reports whether the node does not match.
func (n Not) Match(d *Document) bool { return !n.Node.Match(d) }

// Match reports whether the post has the token.
func (t Term) Match(d *Document) bool { return slices.Contains(d.tokens(t.IsMark()), string(t)) }

// Match reports whether a token of the post begins so.
func (p Prefix) Match(d *Document) bool {
	return slices.ContainsFunc(d.tokens(p.IsMark()), func(s string) bool { return strings.HasPrefix(s, string(p)) })
}

// Match reports whether the words stand side by side in the post's text.
func (p Phrase) Match(d *Document) bool {
	for i := 0; i+len(p) <= len(d.Words); i++ {
		if slices.Equal(d.Words[i:i+len(p)], p) {
			return true
		}
	}
	return false
}

// Match reports whether the post is of this time or later.
func (s Since) Match(d *Document) bool { return !d.Time.Before(time.Time(s)) }

// Match reports whether the post is of an earlier time.
func (u Until) Match(d *Document) bool { return d.Time.Before(time.Time(u)) }

func (d *Document) tokens(marks bool) []string {
	if marks {
		return d.Marks
	}
	return d.Words
}

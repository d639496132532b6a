package query

import (
	"slices"
	"strings"
	"time"
)

// Query is a parsed query in its normal form: negations stand at the leaves
// only, alternatives and requirements are sorted and each stands once. Queries
// that mean the same by these rules are equal as text.
type Query struct {
	Root Node
}

// String is the canonical text of the query: Parse reads it back to an equal
// query.
func (q *Query) String() string { return q.Root.String() }

// Standing refuses what makes no sense in a track, which sees a post only at
// the moment it is published: since: and until:.
func (q *Query) Standing() error {
	if timeBound(q.Root) {
		return &Error{Text: "since: and until: are for searches; a track sees only what is new"}
	}
	return nil
}

func timeBound(n Node) bool {
	switch n := n.(type) {
	case All:
		return slices.ContainsFunc(n, timeBound)
	case Any:
		return slices.ContainsFunc(n, timeBound)
	case Not:
		return timeBound(n.Node)
	case Since, Until:
		return true
	}
	return false
}

// Node is one node of a query's tree: All, Any, Not, Term, Prefix, Phrase,
// Since or Until.
type Node interface {
	// String is the node's canonical text.
	String() string
	// Match reports whether a post has what the node asks for.
	Match(d *Document) bool
}

// The kinds of node.
type (
	// All asks for each of its two or more nodes.
	All []Node
	// Any asks for at least one of its two or more nodes.
	Any []Node
	// Not asks that its node, a leaf, does not match.
	Not struct{ Node Node }
	// Term asks for one token: a word of the text or a mark.
	Term string
	// Prefix asks for a token that begins so.
	Prefix string
	// Phrase asks for two or more words side by side.
	Phrase []string
	// Since asks for a post of this time or later.
	Since time.Time
	// Until asks for a post before this time.
	Until time.Time
)

// IsMark reports whether a term or prefix is of a mark ("#tag", "from:alice")
// and not of a word in the text.
func (t Term) IsMark() bool { return isMark(string(t)) }

// IsMark is Term.IsMark for a prefix.
func (p Prefix) IsMark() bool { return isMark(string(p)) }

func (n All) String() string {
	parts := make([]string, len(n))
	for i, c := range n {
		parts[i] = c.String()
		if _, ok := c.(Any); ok {
			parts[i] = "(" + parts[i] + ")"
		}
	}
	return strings.Join(parts, " ")
}

func (n Any) String() string {
	parts := make([]string, len(n))
	for i, c := range n {
		parts[i] = c.String()
	}
	return strings.Join(parts, " | ")
}

func (n Not) String() string { return "-" + n.Node.String() }

func (t Term) String() string {
	field, value, ok := strings.Cut(string(t), ":")
	if !ok || !t.IsMark() {
		return string(t)
	}
	if value == "" || strings.ContainsFunc(value, breaksWord) {
		value = `"` + value + `"`
	}
	return field + ":" + value
}

func (p Prefix) String() string { return string(p) + "*" }

func (p Phrase) String() string { return `"` + strings.Join(p, " ") + `"` }

const timeLayout = "2006-01-02T15:04:05Z"

func (s Since) String() string { return "since:" + time.Time(s).UTC().Format(timeLayout) }

func (u Until) String() string { return "until:" + time.Time(u).UTC().Format(timeLayout) }

// normal brings a tree to its normal form. negate asks for the opposite.
func normal(n Node, negate bool) Node {
	switch n := n.(type) {
	case Not:
		return normal(n.Node, !negate)
	case All:
		if negate {
			return join(n, true, false)
		}
		return join(n, false, true)
	case Any:
		if negate {
			return join(n, true, true)
		}
		return join(n, false, false)
	}
	if negate {
		return Not{n}
	}
	return n
}

// join makes an All or an Any of normal nodes, flat, sorted and without
// repeats; of one node it is that node.
func join(nodes []Node, negate, all bool) Node {
	var flat []Node
	for _, c := range nodes {
		c = normal(c, negate)
		switch c := c.(type) {
		case All:
			if all {
				flat = append(flat, c...)
				continue
			}
		case Any:
			if !all {
				flat = append(flat, c...)
				continue
			}
		}
		flat = append(flat, c)
	}
	flat = unique(flat)
	switch {
	case len(flat) == 1:
		return flat[0]
	case all:
		return All(flat)
	}
	return Any(flat)
}

// unique sorts nodes by their text and leaves out what stands there already.
func unique(nodes []Node) []Node {
	if len(nodes) < 2 {
		return nodes
	}
	type named struct {
		text string
		node Node
	}
	sorted := make([]named, len(nodes))
	for i, n := range nodes {
		sorted[i] = named{n.String(), n}
	}
	slices.SortFunc(sorted, func(a, b named) int { return strings.Compare(a.text, b.text) })
	sorted = slices.CompactFunc(sorted, func(a, b named) bool { return a.text == b.text })
	out := nodes[:0:0]
	for _, s := range sorted {
		out = append(out, s.node)
	}
	return out
}

// positive reports whether every post that matches has something the node asks
// for. Times do not count: nearly every post has them.
func positive(n Node) bool {
	switch n := n.(type) {
	case All:
		return slices.ContainsFunc(n, positive)
	case Any:
		return !slices.ContainsFunc(n, func(c Node) bool { return !positive(c) })
	case Not, Since, Until:
		return false
	}
	return true
}

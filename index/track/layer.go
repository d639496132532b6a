package track

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"peewit/index/query"
)

// layer is a set of queries that never changes, but for its statistics.
//
// Lists are kept in one array each, with another that says where the list of a
// term or group begins and, in the next entry, ends: a million queries are a few
// dozen megabytes and no pointers to follow.
type layer struct {
	terms    map[string]uint32 // the dictionary: tokens that queries ask for
	prefixes map[string]uint32 // those that stand for all tokens that begin so
	names    []string          // the dictionary by number; prefixes end in a star
	short    prefixFilter
	seen     []atomic.Uint32 // by term: posts that had it

	code  []uint32 // the programs of all groups
	start []uint32 // by group: where its program begins
	multi int      // groups below this have several anchors

	direct   lists[uint32]    // by term: groups that match at once
	anchored lists[candidate] // by term: groups to compare
	owners   lists[uint32]    // by group: the handles of who asks

	scratch sync.Pool // of *post
}

// candidate is a group to compare with posts that have its anchor.
type candidate struct {
	group uint32
	guard uint32 // another term it requires plus one, which is looked at first; 0 for none
	last  bool   // nothing is left to look at then
}

// lists are many lists: list i is items[begin[i]:begin[i+1]].
type lists[T any] struct {
	begin []uint32
	items []T
}

func (l *lists[T]) of(i uint32) []T { return l.items[l.begin[i]:l.begin[i+1]] }

// pair is an item of a list.
type pair[T any] struct {
	list uint32
	item T
}

// makeLists makes n lists of pairs, in the order given.
func makeLists[T any](n int, pairs []pair[T]) lists[T] {
	l := lists[T]{begin: make([]uint32, n+1), items: make([]T, len(pairs))}
	for _, p := range pairs {
		l.begin[p.list+1]++
	}
	for i := range n {
		l.begin[i+1] += l.begin[i]
	}
	next := slices.Clone(l.begin[:n])
	for _, p := range pairs {
		l.items[next[p.list]] = p.item
		next[p.list]++
	}
	return l
}

// prefixFilter tells quickly that no prefix fits a token. Prefixes have two
// bytes or more.
type prefixFilter struct {
	heads   [64]uint64 // bits by the first two bytes
	lengths []int      // of prefixes, ascending
}

func headBit(s string) (word, bit uint) {
	h := uint(s[0])*61 + uint(s[1])
	return h / 64 % 64, h % 64
}

func (f *prefixFilter) add(prefix string) {
	word, bit := headBit(prefix)
	f.heads[word] |= 1 << bit
	if at, found := slices.BinarySearch(f.lengths, len(prefix)); !found {
		f.lengths = slices.Insert(f.lengths, at, len(prefix))
	}
}

func (f *prefixFilter) mayFit(token string) bool {
	if len(f.lengths) == 0 || len(token) < f.lengths[0] {
		return false
	}
	word, bit := headBit(token)
	return f.heads[word]&(1<<bit) != 0
}

// post is a post as a layer's programs see it, and room to work in.
type post struct {
	gen     uint32
	stamp   []uint32 // by term: equal to gen when the post has it
	present []uint32 // the terms it has
	words   []uint32 // its words as terms plus one; 0 when no query asks for it
	tried   []uint32 // by group with several anchors: equal to gen when compared
}

func (p *post) has(term uint32) bool { return p.stamp[term] == p.gen }

func (p *post) hasPhrase(terms []uint32) bool {
	for _, t := range terms {
		if !p.has(t) {
			return false
		}
	}
next:
	for i := 0; i+len(terms) <= len(p.words); i++ {
		for k, t := range terms {
			if p.words[i+k] != t+1 {
				continue next
			}
		}
		return true
	}
	return false
}

// appendMatches adds the handles of who asks for a post.
func (l *layer) appendMatches(dst []uint32, d *query.Document) []uint32 {
	if len(l.start) == 0 {
		return dst
	}
	p, _ := l.scratch.Get().(*post)
	if p == nil || p.gen == math.MaxUint32 {
		p = &post{stamp: make([]uint32, len(l.names)), tried: make([]uint32, l.multi)}
	}
	defer l.scratch.Put(p)
	l.read(p, d)
	for _, t := range p.present {
		for _, g := range l.direct.of(t) {
			dst = append(dst, l.owners.of(g)...)
		}
		for _, c := range l.anchored.of(t) {
			if c.guard == 0 || p.has(c.guard-1) {
				dst = l.compare(dst, p, c)
			}
		}
	}
	return dst
}

// compare adds the owners of a group if a post that has its anchor and its guard
// matches.
func (l *layer) compare(dst []uint32, p *post, c candidate) []uint32 {
	if int(c.group) < l.multi {
		if p.tried[c.group] == p.gen {
			return dst
		}
		p.tried[c.group] = p.gen
	}
	if !c.last && !p.eval(l.code[l.start[c.group]:]) {
		return dst
	}
	owners := l.owners.of(c.group)
	if len(owners) == 1 {
		return append(dst, owners[0])
	}
	return append(dst, owners...)
}

// read looks up a post's tokens.
func (l *layer) read(p *post, d *query.Document) {
	p.gen++
	p.present, p.words = p.present[:0], p.words[:0]
	for _, w := range d.Words {
		p.words = append(p.words, l.note(p, w))
	}
	for _, m := range d.Marks {
		l.note(p, m)
	}
	for _, t := range p.present {
		l.seen[t].Add(1)
	}
}

// note looks up a token and returns its term plus one, or 0.
func (l *layer) note(p *post, token string) uint32 {
	if l.short.mayFit(token) {
		for _, n := range l.short.lengths {
			if n > len(token) {
				break
			}
			if t, ok := l.prefixes[token[:n]]; ok {
				p.set(t)
			}
		}
	}
	t, ok := l.terms[token]
	if !ok {
		return 0
	}
	p.set(t)
	return t + 1
}

func (p *post) set(term uint32) {
	if p.stamp[term] != p.gen {
		p.stamp[term] = p.gen
		p.present = append(p.present, term)
	}
}

// rarity orders terms by how often posts have them; of two equal ones the longer
// is the rarer.
func (l *layer) rarity(term uint32) uint64 {
	return uint64(l.seen[term].Load())<<8 | uint64(255-min(255, len(l.names[term])))
}

// file decides where each group is found, and numbers the groups anew: those
// with several anchors first. It returns the new numbers. It is called once, at
// the end of building.
func (l *layer) file() []uint32 {
	groups := len(l.start)
	var found []uint32                 // the anchors of all groups
	until := make([]uint32, groups)    // by group: where its anchors end
	renumber := make([]uint32, groups) // by group: its new number
	for g := range groups {
		from := len(found)
		anchors(l.code[l.start[g]:], l.rarity, func(t uint32) {
			if !slices.Contains(found[from:], t) {
				found = append(found, t)
			}
		})
		until[g] = uint32(len(found))
		if len(found)-from > 1 {
			renumber[g] = uint32(l.multi)
			l.multi++
		}
	}
	next := uint32(l.multi)
	start := make([]uint32, groups)
	var direct []pair[uint32]
	var anchored []pair[candidate]
	from := uint32(0)
	for g := range groups {
		if until[g]-from <= 1 {
			renumber[g] = next
			next++
		}
		start[renumber[g]] = l.start[g]
		for _, t := range found[from:until[g]] {
			if kind, _ := split(l.code[l.start[g]]); kind == opTerm {
				direct = append(direct, pair[uint32]{t, renumber[g]})
				continue
			}
			c := candidate{group: renumber[g]}
			if until[g]-from == 1 {
				c.guard, c.last = guard(l.code[l.start[g]:], t, l.rarity)
			}
			anchored = append(anchored, pair[candidate]{t, c})
		}
		from = until[g]
	}
	l.start = start
	l.direct = makeLists(len(l.names), direct)
	l.anchored = makeLists(len(l.names), anchored)
	return renumber
}

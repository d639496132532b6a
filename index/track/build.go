package track

import (
	"slices"
	"strings"
	"sync/atomic"

	"peewit/index/query"
)

// builder makes a layer.
type builder struct {
	layer  *layer
	counts []uint32          // by term: how often older layers saw it
	groups map[uint64]uint32 // by the hash of a program
	owners []pair[uint32]
	code   []uint32 // the program being added
}

func newBuilder(queries int) *builder {
	return &builder{
		layer:  &layer{terms: make(map[string]uint32), prefixes: make(map[string]uint32), start: make([]uint32, 0, queries)},
		groups: make(map[uint64]uint32, queries),
	}
}

// number gives a term its number in the new layer.
func (b *builder) number(term string) uint32 {
	l := b.layer
	name, isPrefix := strings.CutSuffix(term, "*")
	dict := l.terms
	if isPrefix {
		dict = l.prefixes
	}
	n, ok := dict[name]
	if !ok {
		n = uint32(len(l.names))
		term = strings.Clone(term) // not the whole text that it was cut from
		dict[term[:len(name)]] = n
		l.names = append(l.names, term)
		b.counts = append(b.counts, 0)
		if isPrefix {
			l.short.add(name)
		}
	}
	return n
}

// add adds a query that a handle asks for.
func (b *builder) add(handle uint32, n query.Node) {
	b.code = appendProgram(b.code[:0], n, b)
	b.addProgram(handle)
}

// addProgram adds the program in b.code to the group of the same program.
func (b *builder) addProgram(handles ...uint32) {
	l := b.layer
	hash := hashOf(b.code)
	g, known := b.groups[hash]
	if known && !slices.Equal(l.program(g), b.code) {
		known = false // another program with this hash: it has a group of its own
	}
	if !known {
		g = uint32(len(l.start))
		l.start = append(l.start, uint32(len(l.code)))
		l.code = append(l.code, b.code...)
		b.groups[hash] = g
	}
	for _, h := range handles {
		b.owners = append(b.owners, pair[uint32]{g, h})
	}
}

// hashOf is FNV-1a over words.
func hashOf(code []uint32) uint64 {
	h := uint64(14695981039346656037)
	for _, w := range code {
		h = (h ^ uint64(w)) * 1099511628211
	}
	return h
}

// addLayer adds the queries of another layer, but for handles that are gone.
func (b *builder) addLayer(old *layer, gone map[uint32]struct{}) {
	const unset = ^uint32(0)
	numbers := make([]uint32, len(old.names))
	for i := range numbers {
		numbers[i] = unset
	}
	var alive []uint32
	for g := range old.start {
		alive = alive[:0]
		for _, h := range old.owners.of(uint32(g)) {
			if _, is := gone[h]; !is {
				alive = append(alive, h)
			}
		}
		if len(alive) == 0 {
			continue
		}
		b.code = append(b.code[:0], old.program(uint32(g))...)
		eachTerm(b.code, func(at int) {
			kind, t := split(b.code[at])
			if numbers[t] == unset {
				numbers[t] = b.number(old.names[t])
				b.counts[numbers[t]] += old.seen[t].Load() / 2 // the past counts less and less
			}
			b.code[at] = uint32(kind) | numbers[t]
		})
		b.addProgram(alive...)
	}
}

// build finishes the layer.
func (b *builder) build() *layer {
	l := b.layer
	l.seen = make([]atomic.Uint32, len(l.names))
	for t, n := range b.counts {
		l.seen[t].Store(n)
	}
	l.code = slices.Clip(l.code)
	renumber := l.file()
	for i, p := range b.owners {
		b.owners[i].list = renumber[p.list]
	}
	l.owners = makeLists(len(l.start), b.owners)
	return l
}

func (l *layer) program(g uint32) []uint32 {
	code := l.code[l.start[g]:]
	return code[:size(code)]
}

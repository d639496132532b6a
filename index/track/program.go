package track

import (
	"peewit/index/query"
)

// A program is a query as the matcher runs it: a tree in prefix order, each word
// an operation in the upper bits and an argument in the lower. The terms are
// numbers in a layer's dictionary.
//
//	opTerm  term
//	opWords n, then n terms: a phrase
//	opNot   then one node
//	opAll   n, then a word with the length of what follows, then n nodes
//	opAny   the same
type op uint32

const (
	opTerm op = iota << opShift
	opWords
	opNot
	opAll
	opAny
)

const (
	opShift = 28
	argMask = 1<<opShift - 1
)

func split(word uint32) (op, uint32) { return op(word &^ argMask), word & argMask }

// names gives terms their numbers.
type names interface {
	number(term string) uint32
}

// prefixName is a prefix in the dictionary: no token ends in a star.
func prefixName(p query.Prefix) string { return string(p) + "*" }

// appendProgram adds the program of a node. Times always hold: a track sees what
// is new.
func appendProgram(code []uint32, n query.Node, dict names) []uint32 {
	switch n := n.(type) {
	case query.Term:
		return append(code, uint32(opTerm)|dict.number(string(n)))
	case query.Prefix:
		return append(code, uint32(opTerm)|dict.number(prefixName(n)))
	case query.Phrase:
		code = append(code, uint32(opWords)|uint32(len(n)))
		for _, w := range n {
			code = append(code, dict.number(w))
		}
		return code
	case query.Not:
		return appendProgram(append(code, uint32(opNot)), n.Node, dict)
	case query.All:
		return appendNodes(code, opAll, n, dict)
	case query.Any:
		return appendNodes(code, opAny, n, dict)
	}
	return append(code, uint32(opAll), 0)
}

func appendNodes(code []uint32, kind op, nodes []query.Node, dict names) []uint32 {
	code = append(code, uint32(kind)|uint32(len(nodes)), 0)
	at := len(code)
	for _, c := range nodes {
		code = appendProgram(code, c, dict)
	}
	code[at-1] = uint32(len(code) - at)
	return code
}

// size is the length of the node that code begins with.
func size(code []uint32) int {
	switch kind, n := split(code[0]); kind {
	case opWords:
		return 1 + int(n)
	case opNot:
		return 1 + size(code[1:])
	case opAll, opAny:
		return 2 + int(code[1])
	}
	return 1
}

// eachTerm calls fn with where each term of a program stands.
func eachTerm(code []uint32, fn func(at int)) {
	for i := 0; i < len(code); {
		switch kind, n := split(code[i]); kind {
		case opTerm:
			fn(i)
			i++
		case opWords:
			for range n {
				i++
				fn(i)
			}
			i++
		case opNot:
			i++
		default:
			i += 2
		}
	}
}

// eval reports whether a post has what the node asks for that code begins with.
func (p *post) eval(code []uint32) bool {
	switch kind, n := split(code[0]); kind {
	case opTerm:
		return p.has(n)
	case opWords:
		return p.hasPhrase(code[1 : 1+n])
	case opNot:
		return !p.eval(code[1:])
	case opAll:
		code = code[2:]
		for range n {
			if !p.eval(code) {
				return false
			}
			code = code[size(code):]
		}
		return true
	case opAny:
		code = code[2:]
		for range n {
			if p.eval(code) {
				return true
			}
			code = code[size(code):]
		}
	}
	return false
}

// anchors calls fn with the terms of which a post must have one to match, and
// returns how often posts have one of them; rarity tells that of a term. Nodes
// that no term is required for have none and the worst rarity.
func anchors(code []uint32, rarity func(term uint32) uint64, fn func(term uint32)) {
	switch kind, n := split(code[0]); kind {
	case opTerm:
		fn(n)
	case opWords:
		fn(rarest(code[1:1+n], rarity))
	case opAll:
		best, cost := []uint32(nil), uint64(never)
		code = code[2:]
		for range n {
			if c := costOf(code, rarity); c < cost {
				best, cost = code, c
			}
			code = code[size(code):]
		}
		if best != nil {
			anchors(best, rarity, fn)
		}
	case opAny:
		code = code[2:]
		for range n {
			anchors(code, rarity, fn)
			code = code[size(code):]
		}
	}
}

// never is the cost of what cannot be an anchor.
const never = 1 << 62

// costOf is how many posts a node's anchors let through.
func costOf(code []uint32, rarity func(term uint32) uint64) uint64 {
	switch kind, n := split(code[0]); kind {
	case opTerm:
		return rarity(n)
	case opWords:
		return rarity(rarest(code[1:1+n], rarity))
	case opAll:
		cost := uint64(never)
		code = code[2:]
		for range n {
			cost = min(cost, costOf(code, rarity))
			code = code[size(code):]
		}
		return cost
	case opAny:
		cost := uint64(0)
		code = code[2:]
		for range n {
			cost = min(never, cost+costOf(code, rarity))
			code = code[size(code):]
		}
		return cost
	}
	return never
}

// guard is the rarest term but the anchor that a post must have, plus one, or 0;
// last reports whether a post that has both matches.
func guard(code []uint32, anchor uint32, rarity func(term uint32) uint64) (term uint32, last bool) {
	cost := uint64(never)
	offer := func(t uint32) {
		if c := rarity(t); t != anchor && c < cost {
			term, cost = t+1, c
		}
	}
	kind, n := split(code[0])
	switch kind {
	case opWords:
		for _, t := range code[1 : 1+n] {
			offer(t)
		}
	case opAll:
		last = n == 2
		code = code[2:]
		for range n {
			childKind, m := split(code[0])
			switch childKind {
			case opTerm:
				offer(m)
			case opWords:
				for _, t := range code[1 : 1+m] {
					offer(t)
				}
			}
			last = last && childKind == opTerm
			code = code[size(code):]
		}
	}
	return term, last && term != 0
}

func rarest(terms []uint32, rarity func(term uint32) uint64) uint32 {
	best := terms[0]
	for _, t := range terms[1:] {
		if rarity(t) < rarity(best) {
			best = t
		}
	}
	return best
}

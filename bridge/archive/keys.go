package archive

import (
	"crypto/sha256"
	"encoding/binary"

	"peewit/bridge"
)

// The families of keys, as the package comment describes them.
const (
	familyNode     = 'N'
	familyItem     = 'H'
	familyPlace    = 'I'
	familyVersion  = 'V'
	familySeq      = 'S'
	familyKey      = 'K'
	familyAll      = 'A'
	familyPublic   = 'U'
	familyReferred = 'R'
	familyState    = 'Z'
	familyRemoval  = 'D'
	familyErase    = 'E'
)

var (
	keyFormat   = []byte("F")
	keyPosition = []byte("P")
	keyTotals   = []byte("T")
)

// name stands for a text of any length and content in a key.
type name [16]byte

func nameOf(text string) name {
	sum := sha256.Sum256([]byte(text))
	return name(sum[:16])
}

// key is a letter with names behind it.
func key(family byte, names ...name) []byte {
	k := make([]byte, 1, 1+16*len(names)+8)
	k[0] = family
	for _, n := range names {
		k = append(k, n[:]...)
	}
	return k
}

// at is a key with a sequence behind it.
func at(k []byte, seq uint64) []byte { return binary.BigEndian.AppendUint64(k, seq) }

// seqOf is the sequence at the end of a key.
func seqOf(k []byte) uint64 { return binary.BigEndian.Uint64(k[len(k)-8:]) }

// nameIn is the i-th name in a key.
func nameIn(k []byte, i int) name { return name(k[1+16*i : 17+16*i]) }

// after is the least key that is greater than every key with this prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil // a prefix of 0xff only; no family begins so
}

// kinds are the state kinds in the order of loading: accounts and nodes before
// what hangs on them. A kind's place is its byte in keys; new ones go last.
var kinds = []string{
	"account", "node", "credential", "invite", "contact", "affiliation", "subscription",
	"source", "planet", "track", "listener", "listener_secret",
}

// stateKey is where a state record is kept; ok is false for other records. What
// hangs on a node stands together, to end with it.
func stateKey(rec *bridge.Record) (k []byte, ok bool) {
	state := rec.StateKey()
	if state == "" {
		return nil, false
	}
	kind, ok := kindOf(rec)
	if !ok {
		return nil, false
	}
	k = append(make([]byte, 0, 34), familyState, kind)
	if id := hangsOn(rec); id != "" {
		node := nameOf(id)
		k = append(k, node[:]...)
	}
	n := nameOf(state)
	return append(k, n[:]...), true
}

func kindOf(rec *bridge.Record) (byte, bool) {
	word := rec.Kind()
	for i, kind := range kinds {
		if kind == word {
			return byte(i), true
		}
	}
	return 0, false
}

// hangsOn is the ID of the node an affiliation or subscription is about.
func hangsOn(rec *bridge.Record) string {
	switch {
	case rec.Affiliation != nil:
		return rec.Affiliation.NodeID
	case rec.Subscription != nil:
		return rec.Subscription.NodeID
	}
	return ""
}

// statesOf is the prefix of what hangs on a node, of one kind.
func statesOf(kind byte, node name) []byte {
	return append([]byte{familyState, kind}, node[:]...)
}

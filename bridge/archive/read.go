package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"

	"peewit/bridge"
)

// Item is an item by its id. Of one that was retracted or pushed out only the
// stone is left: ok, Retracted, with First and Last but no payload. When ok is
// false, Last stands for what a publish under this id would replace, so that it
// is none of those that were here before: the sequence of the node's last purge
// or retraction, of its last publish if it keeps nothing, or 0.
func (a *Archive) Item(nodeID, id string) (item bridge.Item, ok bool, err error) {
	v, err := a.look()
	if err != nil {
		return bridge.Item{}, false, fmt.Errorf("read item %q: %w", id, err)
	}
	defer v.close()
	item, ok, err = v.item(nodeID, id)
	if err != nil {
		return bridge.Item{}, false, fmt.Errorf("read item %q of node %s: %w", id, nodeID, err)
	}
	return item, ok, nil
}

func (v view) item(nodeID, id string) (bridge.Item, bool, error) {
	item := bridge.Item{NodeID: nodeID, ID: id}
	n, err := readNode(v, nodeID)
	if err != nil || n == nil {
		return item, false, err
	}
	item.Addr, item.Last = n.addr, n.floor
	stands, ok, err := readPlace(v, n.name, nameOf(id))
	switch {
	case err != nil || !ok:
		return item, false, err
	case stands.gone:
		item.First, item.Last, item.Retracted = stands.first, stands.last, true
		return item, true, nil
	}
	ver, err := readVersion(v, n.name, stands.first)
	if err != nil {
		return item, false, err
	}
	return v.show(n, stands.first, ver)
}

// show is a living item as readers get it; a reference has the post's content.
// ok is false when there is no such post.
func (v view) show(n *node, first uint64, ver *version) (bridge.Item, bool, error) {
	item := bridge.Item{
		Addr: n.addr, NodeID: n.id, ID: ver.id, First: first, Last: ver.last,
		Created: stamp(ver.created), Modified: stamp(ver.modified),
	}
	if ver.isReference() {
		post, ok, err := getVersion(v, nameOf(ver.post.nodeID), ver.post.first)
		if err != nil || !ok {
			return bridge.Item{}, false, err
		}
		item.Of, ver = ver.post.first, post
	}
	item.Publisher, item.Sent, item.Origin = ver.publisher, ver.sent, ver.origin
	item.Payload = bytes.Clone(ver.payload)
	return item, true, nil
}

// ItemBySeq is an item by the sequence of its first version, the public notice
// id. Of an ended item the stone is left, as in [Archive.Item]; ok is false once
// the id is in use again.
func (a *Archive) ItemBySeq(first uint64) (item bridge.Item, ok bool, err error) {
	v, err := a.look()
	if err != nil {
		return bridge.Item{}, false, fmt.Errorf("read item %d: %w", first, err)
	}
	defer v.close()
	value, ok, err := get(v, at(key(familySeq), first))
	if err != nil || !ok {
		return bridge.Item{}, false, err
	}
	e, err := parseEntry(value)
	if err == nil {
		item, ok, err = v.item(e.nodeID, e.item)
	}
	if err != nil {
		return bridge.Item{}, false, fmt.Errorf("read item %d: %w", first, err)
	}
	if !ok || item.First != first {
		return bridge.Item{}, false, nil
	}
	return item, true, nil
}

// Lookup is the sequence of the record with a key, for as long as a repeat of it
// could be mistaken for something new: until its item ends.
func (a *Archive) Lookup(recordKey string) (seq uint64, ok bool, err error) {
	v, err := a.look()
	if err != nil {
		return 0, false, fmt.Errorf("look up record key: %w", err)
	}
	defer v.close()
	value, ok, err := get(v, key(familyKey, nameOf(recordKey)))
	if err != nil || !ok {
		return 0, false, err
	}
	p := parse(value)
	return p.uint(), true, p.err()
}

// Versions is the sequences of a living item's records in the log, oldest
// first. Those of ended items are on the list of [Archive.Dead].
func (a *Archive) Versions(nodeID, id string) ([]uint64, error) {
	v, err := a.look()
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	defer v.close()
	node, item := nameOf(nodeID), nameOf(id)
	stands, ok, err := readPlace(v, node, item)
	if err != nil || !ok || stands.gone {
		return nil, err
	}
	prefix := key(familyVersion, node, item)
	seqs, err := v.seqs(at(prefix, stands.first), after(prefix), -1)
	if err != nil {
		return nil, fmt.Errorf("read versions of item %q of node %s: %w", id, nodeID, err)
	}
	return append(seqs, stands.last), nil
}

// seqs is the sequences at the end of up to max keys; -1 = all.
func (v view) seqs(from, to []byte, max int) (seqs []uint64, err error) {
	it, err := v.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return nil, err
	}
	for ok := it.First(); ok && len(seqs) != max; ok = it.Next() {
		seqs = append(seqs, seqOf(it.Key()))
	}
	return seqs, damaged(errors.Join(it.Error(), it.Close()))
}

// Count is how many living items a node has; 0 for a node unknown here.
func (a *Archive) Count(nodeID string) int {
	v, err := a.look()
	if err != nil {
		return 0
	}
	defer v.close()
	n, err := readNode(v, nodeID)
	if err != nil || n == nil {
		return 0
	}
	return n.count
}

// Dump writes every key and its value in hex, a line each, in order: two
// archives with the same dump are the same.
func (a *Archive) Dump(w io.Writer) error {
	v, err := a.look()
	if err != nil {
		return fmt.Errorf("dump archive: %w", err)
	}
	defer v.close()
	it, err := v.NewIter(nil)
	if err != nil {
		return fmt.Errorf("dump archive: %w", err)
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		_, err = fmt.Fprintf(w, "%c %x %x\n", it.Key()[0], it.Key()[1:], it.Value())
	}
	if err := errors.Join(err, damaged(it.Error()), it.Close()); err != nil {
		return fmt.Errorf("dump archive: %w", err)
	}
	return nil
}

package archive

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"peewit/bridge"
)

// sweepRows is how many rows a sweep looks at before it changes any.
const sweepRows = 256

// Apply takes in records of the log, in its order. Records up to the position
// are passed over. Readers see all of it or nothing, except that a large change
// (a purge, the end of a node, a lower max_items) may show in steps; a crash
// between two steps leaves it to be done again. After an error the archive has
// to be closed.
func (a *Archive) Apply(recs []*bridge.Record, epoch string) error {
	a.applying.Lock()
	defer a.applying.Unlock()
	if a.isClosed() {
		return errClosed
	}
	from := a.Position()
	if from.Seq > 0 && from.Epoch != epoch {
		return fmt.Errorf("apply records: the archive is of log %s, the records are of %s", from.Epoch, epoch)
	}
	before, err := a.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return fmt.Errorf("apply records: %w", err)
	}
	t := &change{
		a: a, batch: a.db.NewIndexedBatch(), before: before,
		placed: map[placeID]bool{}, nodes: map[string]*node{}, position: from,
	}
	defer func() { _, _ = t.batch.Close(), t.before.Close() }() // what was not committed is given up
	for _, rec := range recs {
		if rec.Seq <= t.position.Seq {
			continue
		}
		if err := t.apply(rec); err != nil {
			return fmt.Errorf("apply record %d: %w", rec.Seq, err)
		}
		t.position = bridge.Position{Epoch: epoch, Seq: rec.Seq, Time: rec.Time}
		if err := t.spill(); err != nil {
			return fmt.Errorf("apply record %d: %w", rec.Seq, err)
		}
	}
	if t.position.Seq == from.Seq {
		return nil
	}
	if err := t.commit(); err != nil {
		return fmt.Errorf("apply records up to %d: %w", t.position.Seq, err)
	}
	return nil
}

// placeID is a row of I: a node and an item.
type placeID struct{ node, item name }

// change is a batch being made. It reads its own writes.
type change struct {
	a        *Archive
	batch    *pebble.Batch
	before   *pebble.Iterator // of everything as it was before the change
	placed   map[placeID]bool // rows of I written since
	nodes    map[string]*node // rows of N read or changed; nil = no such node
	totals   *totals          // the row T, once read
	position bridge.Position  // of the last record that is in completely
}

// commit writes the batch with the position it leads to.
func (t *change) commit() error {
	for _, n := range t.nodes {
		if n != nil {
			t.set(key(familyNode, n.name), n.encode())
		}
	}
	if t.totals != nil {
		t.set(keyTotals, t.totals.encode())
	}
	p := t.position
	t.set(keyPosition, fields{}.text(p.Epoch).uint(p.Seq).uint(instant(p.Time)))
	if err := t.batch.Commit(pebble.NoSync); err != nil {
		return err
	}
	t.a.advance(p)
	return nil
}

// spill commits a batch that has become large and begins the next.
func (t *change) spill() error {
	if t.batch.Len() < t.a.spill {
		return nil
	}
	if err := t.commit(); err != nil {
		return err
	}
	err := t.batch.Close()
	t.batch = t.a.db.NewIndexedBatch()
	return err
}

func (t *change) apply(rec *bridge.Record) error {
	switch {
	case rec.Publish != nil:
		return t.publish(rec)
	case rec.Retract != nil:
		return t.retract(rec)
	case rec.Purge != nil:
		return t.purge(rec)
	case rec.Reference != nil:
		return t.refer(rec)
	}
	return t.state(rec)
}

// Pebble refuses a Set or Delete on a batch only when the batch is closed or
// larger than 4 GiB; spill keeps it from both.

func (t *change) set(key, value []byte) { _ = t.batch.Set(key, value, nil) }

func (t *change) delete(key []byte) { _ = t.batch.Delete(key, nil) }

func (t *change) deleteAll(prefix []byte) { _ = t.batch.DeleteRange(prefix, after(prefix), nil) }

// node is the living node with an ID, nil when there is none.
func (t *change) node(id string) (*node, error) {
	if n, read := t.nodes[id]; read {
		return n, nil
	}
	n, err := readNode(t.batch, id)
	if err != nil {
		return nil, err
	}
	t.nodes[id] = n
	return n, nil
}

func readNode(r pebble.Reader, id string) (*node, error) {
	value, ok, err := get(r, key(familyNode, nameOf(id)))
	if err != nil || !ok {
		return nil, err
	}
	return parseNode(value)
}

// place is where an item stands. Most that are asked for are new, and an
// iterator can tell that from the tables' filters, which Get does not use in the
// lowest level: it took half of the time of applying a post.
func (t *change) place(node, item name) (p place, ok bool, err error) {
	if !t.placed[placeID{node, item}] && !t.before.SeekPrefixGE(key(familyPlace, node, item)) {
		return place{}, false, damaged(t.before.Error())
	}
	return readPlace(t.batch, node, item)
}

func (t *change) setPlace(node, item name, p place) {
	t.placed[placeID{node, item}] = true
	t.set(key(familyPlace, node, item), p.encode())
}

func readPlace(r pebble.Reader, node, item name) (p place, ok bool, err error) {
	value, ok, err := get(r, key(familyPlace, node, item))
	if err != nil || !ok {
		return place{}, false, err
	}
	p, err = parsePlace(value)
	return p, err == nil, err
}

// readVersion is the current version of an item that is alive.
func readVersion(r pebble.Reader, node name, first uint64) (*version, error) {
	v, ok, err := getVersion(r, node, first)
	if err == nil && !ok {
		return nil, fmt.Errorf("%w: item %d is missing", ErrUnusable, first)
	}
	return v, err
}

func getVersion(r pebble.Reader, node name, first uint64) (v *version, ok bool, err error) {
	value, ok, err := get(r, at(key(familyItem, node), first))
	if err != nil || !ok {
		return nil, false, err
	}
	v, err = parseVersion(value)
	return v, err == nil, err
}

// tally counts items of a node in or out.
func (t *change) tally(n *node, add int) error {
	n.count += add
	if !n.open {
		return nil
	}
	return t.list(n, add)
}

// list counts items of a node in or out of the timelines.
func (t *change) list(n *node, add int) error {
	if !n.listed() {
		return nil
	}
	if t.totals == nil {
		sums, err := readTotals(t.batch)
		if err != nil {
			return err
		}
		t.totals = &sums
	}
	t.totals.all += add
	if n.public() {
		t.totals.public += add
	}
	return nil
}

func readTotals(r pebble.Reader) (totals, error) {
	value, ok, err := get(r, keyTotals)
	if err != nil || !ok {
		return totals{}, err
	}
	return parseTotals(value)
}

// sweep calls fn with each row under a prefix. fn may change rows, those under
// the prefix too; sweep spills between chunks of rows.
func (t *change) sweep(prefix []byte, fn func(key, value []byte) error) error {
	type row struct{ key, value []byte }
	from, end := prefix, after(prefix)
	for {
		it, err := t.batch.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: end})
		if err != nil {
			return err
		}
		var rows []row
		for ok := it.First(); ok && len(rows) < sweepRows; ok = it.Next() {
			rows = append(rows, row{append([]byte(nil), it.Key()...), append([]byte(nil), it.Value()...)})
		}
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			return damaged(err)
		}
		for _, r := range rows {
			if err := fn(r.key, r.value); err != nil {
				return err
			}
		}
		if len(rows) < sweepRows {
			return nil
		}
		from = append(rows[len(rows)-1].key, 0)
		if err := t.spill(); err != nil {
			return err
		}
	}
}

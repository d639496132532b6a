package archive

import (
	"bytes"
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"peewit/bridge"
)

// feedNodes is how the names of sources' nodes begin.
var feedNodes = bridge.FeedNode("")

// listed reports whether the posts of a node are in the timeline "all": those
// of microblogs, here and shadowed, and of sources.
func (n *node) listed() bool {
	if n.addr.Service.Local() == "" {
		return strings.HasPrefix(n.addr.Name, feedNodes)
	}
	return n.addr.Name == bridge.NodeMicroblog
}

// public reports whether they are in the timeline "public" too: the microblogs
// of accounts here. A shadow's localpart is escaped (XEP-0106).
func (n *node) public() bool {
	local := n.addr.Service.Local()
	return n.addr.Name == bridge.NodeMicroblog && local != "" && !strings.Contains(local, `\`)
}

func (t *change) publish(rec *bridge.Record) error {
	p := rec.Publish
	n, err := t.node(p.NodeID)
	if err != nil {
		return err
	}
	if n == nil { // no node: nobody will ever read it
		t.erase(rec.Seq, nameOf(p.NodeID))
		return nil
	}
	v := &version{
		id: p.Item, last: rec.Seq, created: instant(rec.Time), modified: instant(rec.Time), key: t.remember(rec),
		publisher: p.Publisher, sent: p.Sent, origin: p.Origin, payload: []byte(p.Payload),
	}
	item := nameOf(p.Item)
	if n.keeps == 0 {
		t.keep(n, item, v)
		n.pushed++
		n.floor = rec.Seq
		return nil
	}
	stands, known, err := t.place(n.name, item)
	if err != nil {
		return err
	}
	if known && stands.last >= rec.Seq { // a crash came while others were pushed out
		return t.bound(n)
	}
	if !known || stands.gone {
		if n.listed() {
			t.set(at(key(familyAll), rec.Seq), fields{}.text(n.id))
			if n.public() {
				t.set(at(key(familyPublic), rec.Seq), fields{}.text(n.id))
			}
		}
		now := place{first: rec.Seq, last: rec.Seq, under: stands.under}
		if !stands.out {
			now.under = stone{stands.first, stands.last}
		}
		return t.enter(n, v, stands, now)
	}
	old, err := readVersion(t.batch, n.name, stands.first)
	if err != nil {
		return err
	}
	if old.isReference() { // the id is taken by another node's post
		t.forget(v.key)
		t.erase(rec.Seq, n.name)
		return nil
	}
	t.keep(n, item, old)
	stands.last = rec.Seq
	t.replace(n, old, v, stands)
	return nil
}

// keep keeps in mind a version that the log has and H will have no more.
func (t *change) keep(n *node, item name, v *version) {
	t.set(at(key(familyVersion, n.name, item), v.last), fields{}.name(v.key))
}

// enter puts a new item into its node, where the id stands now and not where it
// stood before, and pushes older items out if there are too many.
func (t *change) enter(n *node, v *version, before, now place) error {
	if before.gone {
		t.delete(at(key(familySeq), before.first))
	}
	t.set(at(key(familySeq), now.first), entry{n.id, v.id}.encode())
	t.setPlace(n.name, nameOf(v.id), now)
	t.set(at(key(familyItem, n.name), now.first), v.encode())
	if err := t.tally(n, 1); err != nil {
		return err
	}
	return t.bound(n)
}

// replace puts a new version in the place of the current one.
func (t *change) replace(n *node, old, v *version, now place) {
	v.created = old.created
	t.setPlace(n.name, nameOf(v.id), now)
	t.set(at(key(familyItem, n.name), now.first), v.encode())
}

// bound pushes the oldest items out of a node until it has no more than it
// keeps.
func (t *change) bound(n *node) error {
	for n.count > n.keeps {
		first, v, err := t.oldest(n)
		if err != nil {
			return err
		}
		if v == nil {
			return nil
		}
		if err := t.end(n, first, v, pushedOut); err != nil {
			return err
		}
		if n.count <= n.keeps {
			return nil
		}
		if err := t.spill(); err != nil {
			return err
		}
	}
	return nil
}

// oldest is a node's first living item, nil when it is empty.
func (t *change) oldest(n *node) (first uint64, v *version, err error) {
	prefix := key(familyItem, n.name)
	it, err := t.batch.NewIter(&pebble.IterOptions{LowerBound: at(prefix, t.a.passed[n.name]), UpperBound: after(prefix)})
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.First() {
		return 0, nil, damaged(it.Error())
	}
	first = seqOf(it.Key())
	t.a.passed[n.name] = first
	v, err = parseVersion(bytes.Clone(it.Value()))
	return first, v, err
}

// retract leaves a stone of each item. An item that is unknown here, because
// the log was told to erase it, gets its stone from what the record says.
func (t *change) retract(rec *bridge.Record) error {
	r := rec.Retract
	n, err := t.node(r.NodeID)
	if err != nil || n == nil {
		return err
	}
	for i, id := range r.Items {
		item := nameOf(id)
		stands, known, err := t.place(n.name, item)
		if err != nil {
			return err
		}
		now := place{first: stands.first, last: rec.Seq, gone: true, of: stands.of, out: stands.of > 0}
		switch {
		case known && !stands.gone:
			if err := t.endAt(n, stands.first, retracted); err != nil {
				return err
			}
		case i < len(r.First) && r.First[i] > 0:
			now.first = r.First[i]
			t.delete(at(key(familySeq), stands.first))
			t.set(at(key(familySeq), now.first), entry{n.id, id}.encode())
		case !known || stands.out && stands.of == 0:
			continue
		}
		t.setPlace(n.name, item, now)
	}
	n.floor = rec.Seq
	return t.giveUp(n)
}

// ending is why an item ends.
type ending bool

const (
	pushedOut ending = true  // the node has newer ones; the log keeps it
	retracted ending = false // nobody may read it; the log erases it
)

// endAt ends the living item with a first sequence.
func (t *change) endAt(n *node, first uint64, why ending) error {
	v, err := readVersion(t.batch, n.name, first)
	if err != nil {
		return err
	}
	return t.end(n, first, v, why)
}

// end takes a living item out and leaves its stone. The references to it end
// with it. The record of a reference holds nothing to erase, and its key has to
// keep it from entering again.
func (t *change) end(n *node, first uint64, v *version, why ending) error {
	item := nameOf(v.id)
	stands, _, err := t.place(n.name, item)
	if err != nil {
		return err
	}
	stands.gone = true
	switch {
	case v.isReference():
		stands.out = why == pushedOut
	case why == pushedOut:
		stands.out = true
		t.keep(n, item, v)
		n.pushed++
	default:
		stands.under = stone{}
		if err := t.dismissOlder(n, key(familyVersion, n.name, item)); err != nil {
			return err
		}
		t.dismiss(n, v.last, v.key)
	}
	t.setPlace(n.name, item, stands)
	t.delete(at(key(familyItem, n.name), first))
	if err := t.leave(n, first); err != nil || v.isReference() {
		return err
	}
	return t.endReferences(key(familyReferred, n.name, item))
}

// dismiss has the log erase a version of a post.
func (t *change) dismiss(n *node, seq uint64, recordKey name) {
	t.forget(recordKey)
	t.erase(seq, n.name)
}

// dismissOlder dismisses the versions under a prefix of V.
func (t *change) dismissOlder(n *node, prefix []byte) error {
	return t.sweep(prefix, func(k, value []byte) error {
		p := parse(value)
		t.delete(k)
		t.dismiss(n, seqOf(k), p.name())
		return p.err()
	})
}

// leave takes a living item out of the count and the timelines.
func (t *change) leave(n *node, first uint64) error {
	if n.listed() {
		t.delete(at(key(familyAll), first))
		t.delete(at(key(familyPublic), first))
	}
	return t.tally(n, -1)
}

// giveUp has the log erase everything that was pushed out of a node, and leaves
// no stone of it: see "What is to be erased" in the package comment.
func (t *change) giveUp(n *node) error {
	if n.pushed == 0 {
		return nil
	}
	err := t.sweep(key(familyVersion, n.name), func(k, value []byte) error {
		p := parse(value)
		item, seq := nameIn(k, 1), seqOf(k)
		stands, known, err := t.place(n.name, item)
		if err != nil {
			return err
		}
		if known && !stands.gone && seq >= stands.first {
			return nil // an older version of a living item
		}
		if known && stands.out && seq >= stands.first {
			if err := t.lift(n, item, stands); err != nil {
				return err
			}
		}
		t.delete(k)
		t.dismiss(n, seq, p.name())
		return p.err()
	})
	if err == nil {
		n.pushed = 0
	}
	return err
}

// lift takes away the stone of a post that was pushed out. What lies under it
// shows again.
func (t *change) lift(n *node, item name, stands place) error {
	number := at(key(familySeq), stands.first)
	is, _, err := get(t.batch, number)
	if err != nil {
		return err
	}
	t.delete(number)
	if stands.under == (stone{}) {
		t.delete(key(familyPlace, n.name, item))
		return nil
	}
	t.set(at(key(familySeq), stands.under.first), is)
	t.setPlace(n.name, item, place{first: stands.under.first, last: stands.under.last, gone: true})
	return nil
}

func (t *change) purge(rec *bridge.Record) error {
	n, err := t.node(rec.Purge.NodeID)
	if err != nil || n == nil {
		return err
	}
	if err := t.empty(n); err != nil {
		return err
	}
	n.purged, n.floor = rec.Seq, rec.Seq
	return nil
}

// empty takes everything out of a node, stones too.
func (t *change) empty(n *node) error {
	err := t.sweep(key(familyItem, n.name), func(k, value []byte) error {
		v, err := parseVersion(value)
		if err != nil {
			return err
		}
		t.delete(k)
		if !v.isReference() {
			t.dismiss(n, v.last, v.key)
		}
		return t.leave(n, seqOf(k))
	})
	if err != nil {
		return err
	}
	if err := t.dismissOlder(n, key(familyVersion, n.name)); err != nil {
		return err
	}
	err = t.sweep(key(familyPlace, n.name), func(k, value []byte) error {
		p, err := parsePlace(value)
		if err != nil {
			return err
		}
		t.delete(k)
		t.delete(at(key(familySeq), p.first))
		return nil
	})
	if err != nil {
		return err
	}
	n.pushed = 0
	return t.endReferences(key(familyReferred, n.name))
}

// remember keeps a record's key for Lookup.
func (t *change) remember(rec *bridge.Record) name {
	if rec.Key == "" {
		return name{}
	}
	n := nameOf(rec.Key)
	t.set(key(familyKey, n), fields{}.uint(rec.Seq))
	return n
}

func (t *change) forget(k name) {
	if k != (name{}) {
		t.delete(key(familyKey, k))
	}
}

// erase puts a sequence on the list of what the log has to erase. Its bytes
// were kept in the node's rows.
func (t *change) erase(seq uint64, node name) {
	t.set(at(key(familyErase), seq), key(familyItem, node))
}

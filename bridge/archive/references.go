package archive

import "peewit/bridge"

// refer shows a post in a planet's node, or, when the reference names a newer
// version of a post that is there, makes it newly modified.
//
// Nothing here may depend on whether an ended post's own records can still be
// read in the log: a reference to a post that is gone leaves the same stone as
// one whose post ended later.
func (t *change) refer(rec *bridge.Record) error {
	r := rec.Reference
	n, err := t.node(r.NodeID)
	if err != nil || n == nil || n.listed() {
		return err
	}
	recordKey := t.remember(rec)
	if n.keeps == 0 {
		return nil
	}
	life, err := t.life(r)
	if err != nil {
		return err
	}
	item, of := nameOf(r.Item), key(familyReferred, nameOf(r.OfNodeID), nameOf(r.OfItem), n.name)
	stands, known, err := t.place(n.name, item)
	if err != nil {
		return err
	}
	entered, err := t.entered(of)
	if err != nil {
		return err
	}
	again := entered != "" && known && stands.of >= life.from
	switch {
	case known && stands.last >= rec.Seq: // a crash came while others were pushed out
		return t.bound(n)
	case entered != "" && entered != r.Item:
		return nil // it is, or was, here under another id
	case entered == "" && known && !stands.gone:
		return nil // the id is taken by another post
	case entered != "" && known && r.OfSeq <= stands.of:
		return nil // nothing newer
	case entered != "" && !known && r.OfSeq <= n.purged:
		return nil // it was purged with all others
	case again && stands.out, again && stands.gone && life.alive:
		return nil // it was retracted here, or pushed out
	}
	now := place{first: rec.Seq, last: rec.Seq, of: r.OfSeq, gone: !life.alive}
	if again {
		now.first = stands.first
	}
	t.set(of, entry{n.id, r.Item}.encode())
	v := &version{
		id: r.Item, last: rec.Seq, created: instant(rec.Time), modified: instant(rec.Time), key: recordKey,
		post: post{nodeID: r.OfNodeID, item: r.OfItem, first: life.from},
	}
	switch {
	case !life.alive:
		t.delete(at(key(familySeq), stands.first))
		t.set(at(key(familySeq), now.first), entry{n.id, r.Item}.encode())
		t.setPlace(n.name, item, now)
	case again:
		old, err := readVersion(t.batch, n.name, stands.first)
		if err != nil {
			return err
		}
		t.replace(n, old, v, now)
	default:
		return t.enter(n, v, stands, now)
	}
	return nil
}

// life is the time of a post under its id: from its first version on when it is
// alive, else from its end on.
type life struct {
	alive bool
	from  uint64
}

func (t *change) life(r *bridge.Reference) (life, error) {
	home, err := t.node(r.OfNodeID)
	if err != nil || home == nil {
		return life{}, err
	}
	stands, known, err := t.place(home.name, nameOf(r.OfItem))
	switch {
	case err != nil:
		return life{}, err
	case !known:
		return life{from: home.purged}, nil
	case stands.gone:
		return life{from: stands.last}, nil
	case stands.of > 0: // a reference is not referred to: planets hold posts
		return life{from: stands.first}, nil
	case r.OfSeq < stands.first: // the version is of an earlier post under this id
		return life{from: stands.first}, nil
	}
	return life{alive: true, from: stands.first}, nil
}

// entered is the id under which a post has entered a planet, "" if it has not.
func (t *change) entered(of []byte) (string, error) {
	value, ok, err := get(t.batch, of)
	if err != nil || !ok {
		return "", err
	}
	e, err := parseEntry(value)
	return e.item, err
}

// endReferences ends what refers to the post, or to all posts of the node, that
// a prefix of R names.
func (t *change) endReferences(prefix []byte) error {
	return t.sweep(prefix, func(_, value []byte) error {
		e, err := parseEntry(value)
		if err != nil {
			return err
		}
		n, err := t.node(e.nodeID)
		if err != nil || n == nil {
			return err
		}
		stands, known, err := t.place(n.name, nameOf(e.item))
		if err != nil || !known || stands.gone {
			return err
		}
		return t.endAt(n, stands.first, retracted)
	})
}

package archive

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"peewit/bridge"
)

// state keeps the newest record of a state key, and makes of nodes what content
// needs to know of them. What hangs on a node that is no more means nothing.
func (t *change) state(rec *bridge.Record) error {
	k, ok := stateKey(rec)
	if !ok {
		return nil
	}
	t.remember(rec)
	if id := hangsOn(rec); id != "" {
		if n, err := t.node(id); err != nil || n == nil {
			return err
		}
	}
	old, err := readState(t.batch, k)
	if err != nil {
		return err
	}
	if old != nil && old.Seq > rec.Seq {
		return nil
	}
	switch {
	case rec.Node != nil:
		if err := t.configure(old, rec.Node); err != nil {
			return err
		}
	case rec.Account != nil && rec.Account.Removed:
		t.set(key(familyRemoval, nameOf(rec.Account.Nick)), fields{}.uint(rec.Seq))
	}
	if old != nil && old.Seq < rec.Seq && secret(old) {
		t.set(at(key(familyErase), old.Seq), k[:2])
	}
	text, err := rec.Encode()
	if err != nil {
		return err
	}
	t.set(k, append(fields{}.uint(rec.Seq).uint(instant(rec.Time)), text...))
	return nil
}

// secret reports whether nobody may learn what a record said once it is
// superseded.
func secret(rec *bridge.Record) bool {
	return rec.Credential != nil || rec.Invite != nil || rec.ListenerSecret != nil
}

func readState(r pebble.Reader, k []byte) (*bridge.Record, error) {
	value, ok, err := get(r, k)
	if err != nil || !ok {
		return nil, err
	}
	return parseState(value)
}

func parseState(value []byte) (*bridge.Record, error) {
	p := parse(value)
	seq, when := p.uint(), p.time()
	if err := p.err(); err != nil {
		return nil, err
	}
	rec, err := bridge.DecodeRecord(p.rest, seq, when)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnusable, err)
	}
	return rec, nil
}

// configure makes, changes or ends a node. A record with a new ID ends the node
// that was at the address.
func (t *change) configure(old *bridge.Record, now *bridge.Node) error {
	if old != nil && (now.Removed || old.Node.ID != now.ID) {
		if err := t.remove(old.Node.ID); err != nil {
			return err
		}
	}
	if now.Removed {
		return t.remove(now.ID)
	}
	n, err := t.node(now.ID)
	if err != nil {
		return err
	}
	if n == nil {
		n = &node{id: now.ID, name: nameOf(now.ID), addr: now.Addr}
		t.nodes[n.id] = n
	}
	if open := now.Config.AccessModel == bridge.AccessOpen; open != n.open {
		n.open = open
		if err := t.list(n, n.appearing()); err != nil {
			return err
		}
	}
	switch c := now.Config; {
	case !c.PersistItems:
		n.keeps = 0
	case c.MaxItems <= 0:
		n.keeps = unbounded
	default:
		n.keeps = c.MaxItems
	}
	return t.bound(n)
}

// appearing is how many items a node that was just opened or closed adds to the
// timelines.
func (n *node) appearing() int {
	if n.open {
		return n.count
	}
	return -n.count
}

// remove ends a node with all that it holds and all that hangs on it.
func (t *change) remove(id string) error {
	n, err := t.node(id)
	if err != nil || n == nil {
		return err
	}
	if err := t.empty(n); err != nil {
		return err
	}
	for _, prefix := range [][]byte{
		key(familyItem, n.name), key(familyPlace, n.name), key(familyVersion, n.name),
		statesOf(kindAffiliation, n.name), statesOf(kindSubscription, n.name),
	} {
		t.deleteAll(prefix)
	}
	t.delete(key(familyNode, n.name))
	t.nodes[id] = nil
	delete(t.a.passed, n.name)
	return nil
}

var (
	kindAffiliation  = byte(slices.Index(kinds, "affiliation"))
	kindSubscription = byte(slices.Index(kinds, "subscription"))
)

// States calls fn with the newest record of each state key, those that say
// "removed" included: accounts and nodes first, then what hangs on them. A
// record of a removed account's credential, contact, track or listener that is
// older than the removal comes as removed, even when the account was made anew.
// fn must not call the archive.
func (a *Archive) States(fn func(*bridge.Record) error) error {
	v, err := a.look()
	if err != nil {
		return err
	}
	defer v.close()
	it, err := v.NewIter(&pebble.IterOptions{LowerBound: []byte{familyState}, UpperBound: []byte{familyState + 1}})
	if err != nil {
		return fmt.Errorf("read states: %w", err)
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		var rec *bridge.Record
		if rec, err = parseState(it.Value()); err != nil {
			break
		}
		if err = v.outlive(rec); err == nil {
			err = fn(rec)
		}
	}
	if err := errors.Join(err, damaged(it.Error()), it.Close()); err != nil {
		return fmt.Errorf("read states: %w", err)
	}
	return nil
}

// outlive marks a record as removed that is older than the removal of the
// account it belongs to.
func (v view) outlive(rec *bridge.Record) error {
	var nick string
	var removed *bool
	switch {
	case rec.Credential != nil:
		nick, removed = rec.Credential.Nick, &rec.Credential.Removed
	case rec.Contact != nil:
		nick, removed = rec.Contact.Account.Local(), &rec.Contact.Removed
	case rec.Track != nil:
		nick, removed = rec.Track.Owner, &rec.Track.Removed
	case rec.Listener != nil:
		nick, removed = rec.Listener.Listenee, &rec.Listener.Removed
	case rec.ListenerSecret != nil:
		nick, removed = rec.ListenerSecret.Listenee, &rec.ListenerSecret.Removed
	default:
		return nil
	}
	value, ok, err := get(v, key(familyRemoval, nameOf(nick)))
	if err != nil || !ok {
		return err
	}
	p := parse(value)
	if rec.Seq < p.uint() {
		*removed = true
	}
	return p.err()
}

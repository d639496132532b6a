package track

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/microblog"
	"peewit/index/query"
)

// maxVersions bounds how many earlier versions of a post are read to know whom
// it has been pushed to.
const maxVersions = 16

// describe is what queries see of an item; false when it is no post.
func describe(it *bridge.Item, planets []string) (*query.Document, bool) {
	post, err := atom.Parse(it.Payload)
	if err != nil {
		return nil, false
	}
	return query.Describe(it, &post, microblog.Plain(post), planets...), true
}

// published pushes a post that was published, or edited, to the tracks that it
// matches and did not match before.
func (t *Tracker) published(ctx context.Context, rec *bridge.Record) error {
	p := rec.Publish
	it := bridge.Item{
		Addr: p.Addr, NodeID: p.NodeID, ID: p.Item, Publisher: p.Publisher, Sent: p.Sent, Origin: p.Origin,
		First: rec.Seq, Last: rec.Seq, Created: rec.Time, Modified: rec.Time, Payload: []byte(p.Payload),
	}
	planets := t.shown.of(p.NodeID, p.Item)
	doc, ok := describe(&it, planets)
	if !ok {
		return nil
	}
	found := t.matcher.AppendMatches(nil, doc)
	if len(found) == 0 {
		return nil
	}
	readable, err := t.complete(ctx, &it, rec.Seq)
	if err != nil || !readable {
		return err
	}
	if it.First < rec.Seq {
		before, err := t.matchedBefore(ctx, it, planets)
		if err != nil {
			return err
		}
		found = without(found, before)
	}
	t.push(found, it)
	return nil
}

// referred pushes a post that a planet shows to the tracks that it matches only
// now.
func (t *Tracker) referred(ctx context.Context, ref *bridge.Reference, seq uint64) error {
	before := t.shown.of(ref.OfNodeID, ref.OfItem)
	after := t.shown.add(ref.OfNodeID, ref.OfItem, ref.Addr.Name)
	if err := t.opts.Archive.WaitFor(ctx, seq); err != nil {
		return err
	}
	it, ok, err := t.opts.Archive.Item(ref.OfNodeID, ref.OfItem)
	if err != nil || !ok || it.Retracted || !t.open(ref.NodeID) {
		return err
	}
	now, ok := describe(&it, after)
	if !ok {
		return nil
	}
	found := t.matcher.AppendMatches(nil, now)
	if len(found) == 0 {
		return nil
	}
	then, _ := describe(&it, before)
	found = without(found, t.matcher.AppendMatches(nil, then))
	if len(found) > 0 && ref.OfSeq > it.First { // shown since an earlier version
		earlier, err := t.matchedBefore(ctx, it, after)
		if err != nil {
			return err
		}
		found = without(found, earlier)
	}
	if readable, err := t.complete(ctx, &it, seq); err != nil || !readable {
		return err
	}
	t.push(found, it)
	return nil
}

// complete fills in what the archive knows of an item. It is false when the item
// is gone or not everybody may read it.
func (t *Tracker) complete(ctx context.Context, it *bridge.Item, seq uint64) (bool, error) {
	if err := t.opts.Archive.WaitFor(ctx, seq); err != nil {
		return false, err
	}
	known, ok, err := t.opts.Archive.Item(it.NodeID, it.ID)
	if err != nil || !ok || known.Retracted || known.First > seq {
		return false, err
	}
	it.First, it.Created = known.First, known.Created
	return t.open(it.NodeID), nil
}

// open reports whether everybody may read a node.
func (t *Tracker) open(nodeID string) bool {
	n, ok := t.opts.Registry.NodeByID(nodeID)
	return ok && n.Config.AccessModel == bridge.AccessOpen
}

// matchedBefore are the handles of the queries that an earlier version of a post
// matches.
func (t *Tracker) matchedBefore(ctx context.Context, it bridge.Item, planets []string) ([]uint32, error) {
	seqs, err := t.opts.Archive.Versions(it.NodeID, it.ID)
	if err != nil {
		return nil, fmt.Errorf("versions of item %s: %w", it.ID, err)
	}
	seqs = slices.DeleteFunc(slices.Clone(seqs), func(seq uint64) bool { return seq >= it.Last })
	slices.Sort(seqs)
	if len(seqs) > maxVersions {
		seqs = seqs[len(seqs)-maxVersions:]
	}
	var found []uint32
	for _, seq := range seqs {
		rec, err := t.read(ctx, seq)
		if err != nil {
			return nil, err
		}
		if rec == nil || rec.Publish == nil {
			continue
		}
		old := it
		old.Payload = []byte(rec.Publish.Payload)
		if doc, ok := describe(&old, planets); ok {
			found = t.matcher.AppendMatches(found, doc)
		}
	}
	return found, nil
}

var errRead = errors.New("read")

// read is the record of a sequence, nil when it was erased.
func (t *Tracker) read(ctx context.Context, seq uint64) (*bridge.Record, error) {
	var found *bridge.Record
	err := t.opts.Log.Follow(ctx, seq-1, func(rec *bridge.Record, _ uint64) error {
		if rec.Seq == seq {
			found = rec
		}
		return errRead
	})
	if !errors.Is(err, errRead) {
		return nil, fmt.Errorf("read record %d: %w", seq, err)
	}
	return found, nil
}

// without removes from found the handles in others.
func without(found, others []uint32) []uint32 {
	slices.Sort(others)
	return slices.DeleteFunc(found, func(h uint32) bool {
		_, is := slices.BinarySearch(others, h)
		return is
	})
}

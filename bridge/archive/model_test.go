package archive_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"peewit/bridge"
	"peewit/bridge/archive"
)

// model is what an archive should hold, as simply as it can be said.
type model struct {
	nodes map[string]*modelNode // living ones, by name
	next  int
}

type modelNode struct {
	id, name string
	keeps    int // -1 = all
	open     bool
	purged   uint64                 // when it was purged
	items    []*modelItem           // living, oldest first
	places   map[string]uint64      // where an id stands or stood
	pushed   map[string]uint64      // of ids that were pushed out: where an earlier one stood
	entered  map[string]*modelEntry // of a planet, by "node item"
}

type modelItem struct {
	id, payload string
	first, last uint64
	under       uint64     // where an earlier item of the id stood
	post        *modelItem // of a reference
	entry       *modelEntry
}

// modelEntry is a post that has entered a planet.
type modelEntry struct {
	seq uint64 // newest version referred to
	out bool   // retracted here, or pushed out
	is  *modelItem
}

func (m *model) create(name string, keeps int) *modelNode {
	m.next++
	n := &modelNode{
		id: fmt.Sprintf("%s.%d", name, m.next), name: name, keeps: keeps, open: true,
		places: map[string]uint64{}, pushed: map[string]uint64{}, entered: map[string]*modelEntry{},
	}
	m.nodes[name] = n
	return n
}

func (n *modelNode) find(id string) *modelItem {
	for _, item := range n.items {
		if item.id == id {
			return item
		}
	}
	return nil
}

func (n *modelNode) drop(item *modelItem) {
	n.items = slices.DeleteFunc(n.items, func(i *modelItem) bool { return i == item })
}

// enter adds an item and pushes out what is too much.
func (m *model) enter(n *modelNode, item *modelItem) {
	item.under = n.places[item.id]
	if under, pushed := n.pushed[item.id]; pushed {
		item.under = under
		delete(n.pushed, item.id)
	}
	n.items = append(n.items, item)
	n.places[item.id] = item.first
	m.bound(n)
}

func (m *model) bound(n *modelNode) {
	for n.keeps >= 0 && len(n.items) > n.keeps {
		oldest := n.items[0]
		if oldest.entry != nil {
			oldest.entry.out = true
		} else {
			n.pushed[oldest.id] = oldest.under
		}
		m.end(n, oldest)
	}
}

// end takes an item out, and what refers to it.
func (m *model) end(n *modelNode, item *modelItem) {
	n.drop(item)
	for _, planet := range m.nodes {
		for _, ref := range slices.Clone(planet.items) {
			if ref.post == item {
				planet.drop(ref)
			}
		}
	}
}

func (m *model) publish(n *modelNode, seq uint64, id, payload string) {
	if n.keeps == 0 {
		return
	}
	if item := n.find(id); item != nil {
		item.payload, item.last = payload, seq
		return
	}
	m.enter(n, &modelItem{id: id, payload: payload, first: seq, last: seq})
}

func (m *model) refer(planet, home *modelNode, seq uint64, id, of string, ofSeq uint64) {
	if planet.keeps == 0 {
		return
	}
	post := home.find(of)
	if post != nil && ofSeq < post.first {
		post = nil // the reference is to an earlier one
	}
	entry := planet.entered[home.id+" "+of]
	_, known := planet.places[id]
	switch {
	case entry == nil:
		entry = &modelEntry{}
		planet.entered[home.id+" "+of] = entry
	case known && ofSeq <= entry.seq, !known && ofSeq <= planet.purged:
		return
	case post != nil && entry.is == post && entry.out:
		return
	case post != nil && entry.is == post:
		item := planet.find(id)
		entry.seq, item.last = ofSeq, seq
		return
	}
	entry.seq, entry.out, entry.is = ofSeq, false, post
	if post == nil {
		planet.places[id] = seq
		return
	}
	m.enter(planet, &modelItem{id: id, first: seq, last: seq, post: post, entry: entry})
}

func (m *model) purge(n *modelNode, seq uint64) {
	for _, item := range slices.Clone(n.items) {
		m.end(n, item)
	}
	n.purged = seq
	n.places, n.pushed = map[string]uint64{}, map[string]uint64{}
	for _, entry := range n.entered {
		entry.is, entry.out = nil, false
	}
}

// timeline is the posts of all open nodes that are in it, oldest first.
func (m *model) timeline(names ...string) (all []*modelItem) {
	for _, name := range names {
		if n := m.nodes[name]; n != nil && n.open {
			all = append(all, n.items...)
		}
	}
	slices.SortFunc(all, func(a, b *modelItem) int { return int(a.first) - int(b.first) })
	return all
}

// page is the items of a list, oldest first, that a query asks for.
func page(all []*modelItem, q archive.Query, place func(string) uint64) []*modelItem {
	list := slices.Clone(all)
	older := func(item *modelItem, anchor string) bool { return item.first < place(anchor) }
	newer := func(item *modelItem, anchor string) bool { return item.first > place(anchor) }
	if !q.Oldest {
		slices.Reverse(list)
		older, newer = newer, older
	}
	list = slices.DeleteFunc(list, func(item *modelItem) bool {
		return q.After != "" && !newer(item, q.After) || q.Before != "" && !older(item, q.Before)
	})
	if len(list) > q.Max {
		if q.HasBefore {
			list = list[len(list)-q.Max:]
		} else {
			list = list[:q.Max]
		}
	}
	return list
}

func (i *modelItem) String() string {
	payload := i.payload
	if i.post != nil {
		payload = i.post.payload
	}
	return fmt.Sprintf("%s(%d,%d)=%s", i.id, i.first, i.last, payload)
}

func shown(page archive.Page) string {
	all := []string{}
	for _, item := range page.Items {
		all = append(all, fmt.Sprintf("%s(%d,%d)=%s", item.ID, item.First, item.Last, item.Payload))
	}
	return strings.Join(all, " ")
}

func expected(items []*modelItem) string {
	all := []string{}
	for _, item := range items {
		all = append(all, item.String())
	}
	return strings.Join(all, " ")
}

// Every list reads as the model says, whatever is published, referred to,
// retracted, purged, configured and removed; and at the end the archive is the
// same, key by key, however its records were cut into batches, applied again,
// lost in a crash, or made again from what erasing left of the log. (Planets are
// unbounded when something is erased: see the package comment.)
func TestTheArchiveIsItsModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		erasing := rapid.Bool().Draw(r, "erasing")
		h := newHouse(t)
		defer func() { h.close(h.archive) }()
		m := &model{nodes: map[string]*modelNode{}}
		s := &story{T: r, h: h, m: m, erasing: erasing}
		for _, name := range []string{"blog", "feed-1", "pep", "planet", "small"} {
			s.create(name)
		}
		r.Repeat(map[string]func(*rapid.T){
			"publish":   s.publish,
			"retract":   s.retract,
			"refer":     s.refer,
			"purge":     s.purge,
			"configure": s.configure,
			"remove":    s.remove,
			"crash":     s.crash,
			"repeat":    func(*rapid.T) { h.apply(h.log...) },
			"erase":     s.erase,
			"":          s.check,
		})
		logged := h.log
		s.erase(r)
		again := newHouse(t)
		defer again.close(again.archive)
		again.log = h.log
		for rest := h.log; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(r, "batch")
			again.apply(rest[:n]...)
			rest = rest[n:]
		}
		if want, got := h.dump(), again.dump(); got != want {
			diffDumps(r, logged, want, got)
		}
	})
}

// diffDumps shows the story and the keys that differ.
func diffDumps(r *rapid.T, log []*bridge.Record, want, got string) {
	for _, rec := range log {
		text, err := rec.Encode()
		r.Logf("%d %s %v", rec.Seq, text, err)
	}
	for _, line := range strings.Split(want, "\n") {
		if !strings.Contains(got, line) {
			r.Errorf("the rebuilt archive lacks  %s", line)
		}
	}
	for _, line := range strings.Split(got, "\n") {
		if !strings.Contains(want, line) {
			r.Errorf("the rebuilt archive has    %s", line)
		}
	}
}

// story does the same to an archive and to its model.
type story struct {
	*rapid.T
	h       *house
	m       *model
	erasing bool
}

func (s *story) erase(*rapid.T) {
	if s.erasing {
		s.h.erase()
	}
}

// bounds is how much the nodes may keep. Posts that are referred to are in
// unbounded ones, as those of sources and microblogs are.
var bounds = map[string][]int{
	"blog": {-1}, "feed-1": {-1}, "pep": {1, 2, 3, 0, -1}, "planet": {-1}, "small": {1, 2, 3, -1},
}

func (s *story) config(n *modelNode) bridge.Record {
	rec := node(n.id, n.name, func(c *bridge.NodeConfig) {
		c.PersistItems = n.keeps != 0
		c.MaxItems = max(n.keeps, 0)
		if !n.open {
			closed(c)
		}
	})
	if n.name == "blog" {
		rec.Node.Addr = bridge.Addr{Service: alice, Name: bridge.NodeMicroblog}
	}
	return rec
}

func (s *story) create(name string) {
	n := s.m.create(name, bounds[name][0])
	if s.erasing && name == "small" {
		n.keeps = -1
	}
	s.h.append(s.config(n))
}

func (s *story) any(r *rapid.T, names ...string) *modelNode {
	return s.m.nodes[rapid.SampledFrom(names).Draw(r, "node")]
}

var itemIDs = rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})

func (s *story) publish(r *rapid.T) {
	n, id := s.any(r, "blog", "feed-1", "pep"), itemIDs.Draw(r, "item")
	payload := fmt.Sprintf("<%d/>", len(s.h.log))
	s.m.publish(n, s.h.append(publish(n.id, id, payload)), id, payload)
}

func (s *story) refer(r *rapid.T) {
	planet, home, of := s.any(r, "planet", "small"), s.any(r, "blog", "feed-1"), itemIDs.Draw(r, "item")
	var versions []uint64 // readers of the log may be late and refer to an old one
	for _, rec := range s.h.log {
		if p := rec.Publish; p != nil && p.NodeID == home.id && p.Item == of {
			versions = append(versions, rec.Seq)
		}
	}
	if len(versions) == 0 {
		return
	}
	seq := rapid.SampledFrom(versions).Draw(r, "version")
	rec := refer(planet.id, home.id, of, seq)
	rec.Reference.Item = home.name + "/" + of
	s.m.refer(planet, home, s.h.append(rec), rec.Reference.Item, of, seq)
}

func (s *story) retract(r *rapid.T) {
	n := s.any(r, "blog", "feed-1", "pep", "planet", "small")
	if len(n.items) == 0 {
		return
	}
	var gone []string
	for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(n.items)-1), 1, 2, rapid.ID).Draw(r, "items") {
		gone = append(gone, n.items[i].id)
		if len(n.items) == 1 {
			break
		}
	}
	rec := retract(n.id, gone...)
	for _, id := range gone {
		item := n.find(id)
		rec.Retract.First = append(rec.Retract.First, item.first)
		if item.entry != nil {
			item.entry.out = true
		}
		s.m.end(n, item)
	}
	for id, under := range n.pushed { // given up
		n.places[id] = under
		if under == 0 {
			delete(n.places, id)
		}
	}
	clear(n.pushed)
	s.h.append(rec)
}

func (s *story) purge(r *rapid.T) {
	n := s.any(r, "blog", "feed-1", "pep", "planet", "small")
	s.m.purge(n, s.h.append(purge(n.id)))
}

func (s *story) configure(r *rapid.T) {
	n := s.any(r, "blog", "feed-1", "pep", "planet", "small")
	n.keeps = rapid.SampledFrom(bounds[n.name]).Draw(r, "keeps")
	if s.erasing && n.name == "small" {
		n.keeps = -1
	}
	n.open = rapid.Bool().Draw(r, "open")
	s.h.append(s.config(n))
	s.m.bound(n)
}

func (s *story) remove(r *rapid.T) {
	n := s.any(r, "blog", "feed-1", "pep", "planet", "small")
	if rapid.Bool().Draw(r, "said so") {
		s.h.append(removed(s.config(n)))
	}
	s.m.purge(n, 0)
	s.create(n.name)
}

func (s *story) crash(*rapid.T) {
	before := s.h.archive.Position()
	s.h.crash()
	if now := s.h.archive.Position(); now.Seq > before.Seq {
		s.Fatalf("after a crash the position is %d, before it was %d", now.Seq, before.Seq)
	}
	s.h.apply(s.h.log...)
}

func (s *story) check(r *rapid.T) {
	query := archive.Query{
		Max:    rapid.IntRange(0, 4).Draw(r, "max"),
		Oldest: rapid.Bool().Draw(r, "oldest"),
	}
	names := []string{"blog", "feed-1", "pep", "planet", "small"}
	n := s.any(r, names...)
	q, ids := query, []string{}
	for id := range n.places {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	s.anchors(r, &q, ids)
	page1, err := s.h.archive.Items(n.id, q)
	if err != nil {
		s.Fatal(err)
	}
	want := page(n.items, q, func(id string) uint64 { return n.places[id] })
	s.compare(n.name, n.items, q, page1, want)

	for view, names := range map[string][]string{archive.TimelineAll: {"blog", "feed-1"}, archive.TimelinePublic: {"blog"}} {
		all := s.m.timeline(names...)
		q, ids := query, []string{"1", "7", "20"}
		s.anchors(r, &q, ids)
		got, err := s.h.archive.Timeline(view, q)
		if err != nil {
			s.Fatal(err)
		}
		s.compare(view, all, q, got, page(all, q, func(id string) (seq uint64) {
			fmt.Sscan(id, &seq)
			return seq
		}))
	}
}

func (s *story) anchors(r *rapid.T, q *archive.Query, ids []string) {
	anchor := rapid.SampledFrom(append([]string{""}, ids...))
	q.After = anchor.Draw(r, "after")
	q.Before = anchor.Draw(r, "before")
	q.HasBefore = q.Before != "" || rapid.Bool().Draw(r, "has before")
}

func (s *story) compare(name string, all []*modelItem, q archive.Query, got archive.Page, want []*modelItem) {
	if got, want := shown(got), expected(want); got != want {
		s.Fatalf("%s, %+v:\n got %s\nwant %s", name, q, got, want)
	}
	if got.Total != len(all) {
		s.Fatalf("%s counts %d, want %d", name, got.Total, len(all))
	}
	if got.Index >= 0 && len(want) > 0 {
		at := slices.Index(all, want[0])
		if !q.Oldest {
			at = len(all) - 1 - at
		}
		if got.Index != at {
			s.Fatalf("%s, %+v: the page begins at %d, want %d", name, q, got.Index, at)
		}
	}
}

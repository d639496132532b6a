package archive

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/cockroachdb/pebble/v2"

	"peewit/bridge"
)

// maxPage bounds Query.Max.
const maxPage = 1000

// Query asks for a page of a list of items (XEP-0059).
//
// The list has an order: newest first, or oldest first when Oldest is set. New
// and old go by creation, the first time the log took an item under its id; an
// edit moves nothing (XEP-0413 §3, "date of creation"). After and Before name
// items of the list and mean its order: after an item is further down, so in a
// newest-first list After asks for older items. Without either the page begins
// at the top. Before pages upwards: it is the last Max items above the one that
// is named; with HasBefore and no Before, the last items of the list (XEP-0059
// §2.5). The items of a page are always in the order of the list. With both,
// the page is taken from between the two, at the end that HasBefore says.
//
// An anchor that has been retracted or pushed out since still has its place
// (XEP-0059 §2.2: "no items will be omitted"); one that was never there, or was
// purged, is item-not-found (§2.4).
type Query struct {
	Max       int    // at most so many items, at most 1,000; 0 asks for Total alone (XEP-0059 §2.7)
	After     string // item id; "" = none
	Before    string // item id; "" = none
	HasBefore bool   // <before/> is there, with or without an id
	Oldest    bool   // oldest first

	// IDs asks for these items instead, in this order (XEP-0060 §6.5.8). Max and
	// the anchors mean nothing then; unknown and retracted ids are left out.
	IDs []string

	// MaxBytes ends a page early, before the payloads together exceed it: at the
	// end that is far from the anchor. One item comes in any case. 0 = no limit.
	MaxBytes int
}

// Page is a part of a list of items.
type Page struct {
	Items []bridge.Item
	Total int // items in the whole list

	// First and Last are what a next query names in Before and After: ids of the
	// page's first and last items, or for a timeline their notice ids. They are
	// "" when there are no items.
	First, Last string
	Index       int  // of the first item in the list; -1 when it would have to be counted
	More        bool // the list goes on where the page ends, in the direction of paging
}

// Items is a page of a node. Items of a planet have the payloads of the posts
// they show. A node unknown here is empty. An error may be a *bridge.Error.
func (a *Archive) Items(nodeID string, q Query) (Page, error) {
	v, err := a.look()
	if err != nil {
		return Page{}, fmt.Errorf("read items: %w", err)
	}
	defer v.close()
	page, err := v.items(nodeID, q)
	if err != nil {
		return Page{}, fmt.Errorf("read items of node %s: %w", nodeID, err)
	}
	return page, nil
}

func (v view) items(nodeID string, q Query) (Page, error) {
	n, err := readNode(v, nodeID)
	if err != nil {
		return Page{}, err
	}
	if n == nil {
		n = &node{id: nodeID, name: nameOf(nodeID)}
	}
	if q.IDs != nil {
		return v.byID(q, n.count, func(id string) (bridge.Item, bool, error) { return v.item(nodeID, id) })
	}
	l := list{
		view: v, prefix: key(familyItem, n.name), total: n.count,
		place: func(id string) (uint64, bool, error) {
			stands, ok, err := readPlace(v, n.name, nameOf(id))
			return stands.first, ok, err
		},
		item: func(first uint64, value []byte) (bridge.Item, bool, error) {
			ver, err := parseVersion(value)
			if err != nil {
				return bridge.Item{}, false, err
			}
			return v.show(n, first, ver)
		},
		id: func(item *bridge.Item) string { return item.ID },
	}
	return l.page(q)
}

// The timelines.
const (
	TimelineAll    = "all"    // posts of the microblogs here, shadows' included, and of sources
	TimelinePublic = "public" // posts of the accounts' microblogs here
)

// Timeline is a page of a timeline: the posts of all its open nodes. Item ids
// are unique within their nodes only, so here After, Before and IDs are notice
// ids: sequences of first versions, in decimal. Any number has its place. An
// unknown view is item-not-found.
func (a *Archive) Timeline(name string, q Query) (Page, error) {
	v, err := a.look()
	if err != nil {
		return Page{}, fmt.Errorf("read timeline %s: %w", name, err)
	}
	defer v.close()
	page, err := v.timeline(name, q)
	if err != nil {
		return Page{}, fmt.Errorf("read timeline %s: %w", name, err)
	}
	return page, nil
}

func (v view) timeline(name string, q Query) (Page, error) {
	sums, err := readTotals(v)
	if err != nil {
		return Page{}, err
	}
	l := list{view: v, prefix: key(familyAll), total: sums.all}
	switch name {
	case TimelineAll:
	case TimelinePublic:
		l.prefix, l.total = key(familyPublic), sums.public
	default:
		return Page{}, bridge.Refuse(bridge.ItemNotFound, "there is no timeline of that name")
	}
	nodes := map[string]*node{}
	l.place = func(id string) (uint64, bool, error) {
		first, err := strconv.ParseUint(id, 10, 64)
		return first, err == nil, nil
	}
	l.item = func(first uint64, value []byte) (bridge.Item, bool, error) {
		p := parse(value)
		id := p.text()
		n, known := nodes[id]
		if !known {
			var err error
			if n, err = readNode(v, id); err != nil {
				return bridge.Item{}, false, err
			}
			nodes[id] = n
		}
		if n == nil || !n.open {
			return bridge.Item{}, false, p.err()
		}
		ver, err := readVersion(v, n.name, first)
		if err != nil {
			return bridge.Item{}, false, err
		}
		return v.show(n, first, ver)
	}
	l.id = func(item *bridge.Item) string { return strconv.FormatUint(item.First, 10) }
	if q.IDs == nil {
		return l.page(q)
	}
	return v.byID(q, l.total, func(id string) (bridge.Item, bool, error) {
		first, ok, _ := l.place(id)
		if !ok {
			return bridge.Item{}, false, nil
		}
		value, ok, err := get(v, at(l.prefix, first))
		if err != nil || !ok {
			return bridge.Item{}, false, err
		}
		return l.item(first, value)
	})
}

// byID is the page of the items that were asked for one by one.
func (v view) byID(q Query, total int, item func(id string) (bridge.Item, bool, error)) (Page, error) {
	page := Page{Total: total, Index: -1}
	size := 0
	for _, id := range q.IDs[:min(len(q.IDs), maxPage)] {
		found, ok, err := item(id)
		if err != nil {
			return Page{}, err
		}
		if !ok || found.Retracted {
			continue
		}
		if size += len(found.Payload); q.MaxBytes > 0 && size > q.MaxBytes && len(page.Items) > 0 {
			page.More = true
			break
		}
		page.Items = append(page.Items, found)
	}
	return page, nil
}

// list is a range of keys that end in sequences, read as a list of items.
type list struct {
	view
	prefix []byte
	total  int
	place  func(id string) (first uint64, ok bool, err error)          // where an id stands, or stood
	item   func(first uint64, value []byte) (bridge.Item, bool, error) // of a row; false = pass over it
	id     func(*bridge.Item) string                                   // what names an item in a query
}

// page reads what a query asks for. Keys ascend from the oldest item.
func (l list) page(q Query) (Page, error) {
	from, to := l.prefix, after(l.prefix)
	if q.After != "" {
		first, err := l.anchor(q.After)
		if err != nil {
			return Page{}, err
		}
		if q.Oldest {
			from = at(slices.Clone(l.prefix), first+1)
		} else {
			to = at(slices.Clone(l.prefix), first)
		}
	}
	if q.Before != "" {
		first, err := l.anchor(q.Before)
		if err != nil {
			return Page{}, err
		}
		if q.Oldest {
			to = at(slices.Clone(l.prefix), first)
		} else {
			from = at(slices.Clone(l.prefix), first+1)
		}
	}
	upwards := q.HasBefore || q.Before != ""
	page := Page{Total: l.total, Index: -1}
	if err := l.fill(&page, q, from, to, q.Oldest == upwards); err != nil {
		return Page{}, err
	}
	if len(page.Items) == 0 {
		return page, nil
	}
	if upwards {
		slices.Reverse(page.Items)
	}
	top := q.After == "" && !upwards || upwards && q.After == "" && !page.More
	bottom := q.Before == "" && upwards || !upwards && q.Before == "" && !page.More
	switch {
	case top:
		page.Index = 0
	case bottom:
		page.Index = l.total - len(page.Items)
	}
	page.First, page.Last = l.id(&page.Items[0]), l.id(&page.Items[len(page.Items)-1])
	return page, nil
}

// anchor is where the item that a query names stands.
func (l list) anchor(id string) (uint64, error) {
	first, ok, err := l.place(id)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, bridge.Refuse(bridge.ItemNotFound, "there is no item to page from under that id")
	}
	return first, nil
}

// fill reads rows between two keys, from the greatest down when backwards,
// until the page is full.
func (l list) fill(page *Page, q Query, from, to []byte, backwards bool) (err error) {
	if q.Max <= 0 {
		return nil
	}
	it, err := l.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, damaged(it.Error()), it.Close()) }()
	first, next := it.First, it.Next
	if backwards {
		first, next = it.Last, it.Prev
	}
	size := 0
	for ok := first(); ok; ok = next() {
		item, shows, err := l.item(seqOf(it.Key()), it.Value())
		if err != nil {
			return err
		}
		if !shows {
			continue
		}
		size += len(item.Payload)
		full := len(page.Items) == min(q.Max, maxPage)
		if full || q.MaxBytes > 0 && size > q.MaxBytes && len(page.Items) > 0 {
			page.More = true
			return nil
		}
		if page.Items == nil {
			page.Items = make([]bridge.Item, 0, min(q.Max, maxPage, l.total))
		}
		page.Items = append(page.Items, item)
	}
	return nil
}

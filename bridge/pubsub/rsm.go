package pubsub

import (
	"slices"
	"strconv"
	"strings"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// The bounds of one page.
const (
	maxPage      = 500       // items
	maxPageBytes = 200 << 10 // of payload; servers refuse stanzas of 256 KiB or more
	entryBytes   = 128       // of a list's entry, beside its key
)

// paging is what a request says about the page it wants (XEP-0059).
type paging struct {
	asked     bool // there is a <set/>
	max       int  // -1: not said
	after     string
	before    string
	hasAfter  bool
	hasBefore bool
	// newestFirst and oldestFirst say that the UID came from an answer to a
	// request with max_items alone, and where the client is going from there.
	newestFirst bool
	oldestFirst bool
}

// readPaging reads the <set/> inside parent.
func readPaging(parent *xmpp.Element) (paging, error) {
	p := paging{max: -1}
	set := parent.Child(nsRSM, "set")
	if set == nil {
		return p, nil
	}
	p.asked = true
	if max := set.Child(nsRSM, "max"); max != nil {
		n, err := strconv.ParseUint(strings.TrimSpace(max.Text), 10, 31)
		if err != nil {
			return p, bridge.Refuse(bridge.BadRequest, "the <max/> of a result set is a number")
		}
		p.max = int(n)
	}
	if set.Child(nsRSM, "index") != nil {
		return p, bridge.Refuse(bridge.FeatureNotPresent, "pages are asked for with <after/> or <before/>") // XEP-0059 §2.6
	}
	var marked bool
	if after := set.Child(nsRSM, "after"); after != nil {
		p.hasAfter = true
		p.after, marked = readUID(after.Text)
		p.oldestFirst = marked
	}
	if before := set.Child(nsRSM, "before"); before != nil {
		p.hasBefore = true
		p.before, marked = readUID(before.Text)
		p.newestFirst = marked
	}
	if p.hasAfter && p.hasBefore {
		return p, bridge.Refuse(bridge.BadRequest, "ask for what is after or before, not for both")
	}
	return p, nil
}

// The first character of a UID that is not an item's id as it is.
const (
	mark   = "~" // given out with a newest-first page
	escape = "=" // the id itself begins with mark or escape
)

// uid is the UID of an item in a page. Those of a newest-first page are marked.
func uid(id string, marked bool) string {
	switch {
	case marked:
		return mark + id
	case strings.HasPrefix(id, mark), strings.HasPrefix(id, escape):
		return escape + id
	}
	return id
}

// readUID is the item's id in a UID, and whether it was marked.
func readUID(s string) (id string, marked bool) {
	if id, ok := strings.CutPrefix(s, mark); ok {
		return id, true
	}
	return strings.TrimPrefix(s, escape), false
}

// set is the <set/> of an answer.
type set struct {
	first, last string // UIDs; "" on an empty page
	index       int    // of the first item in the whole set; -1: not known
	count       int    // of the whole set
}

func writeSet(w *writer, s set) {
	w.raw("<set xmlns='" + nsRSM + "'>")
	if s.first != "" {
		w.raw("<first")
		if s.index >= 0 {
			w.raw(" index='").number(s.index).raw("'")
		}
		w.raw(">").text(s.first).raw("</first><last>").text(s.last).raw("</last>")
	}
	w.raw("<count>").number(s.count).raw("</count></set>")
}

// window is the page of a list that a request asks for, at most maxPage entries
// and about maxPageBytes. The list is sorted by key; a key that is gone still
// says where it was (XEP-0059 §2.4). whole reports that nothing is left out.
func window[T any](all []T, p paging, key func(*T) string) (page []T, s set, whole bool) {
	from, to := 0, len(all)
	behind := func(k string, or bool) int {
		i := slices.IndexFunc(all, func(e T) bool { return key(&e) > k || or && key(&e) == k })
		if i < 0 {
			return len(all)
		}
		return i
	}
	if p.hasAfter {
		from = behind(p.after, false)
	}
	if p.hasBefore && p.before != "" {
		to = behind(p.before, true)
	}
	size := maxPage
	if p.max >= 0 {
		size = min(size, p.max)
	}
	if p.hasBefore {
		from = max(from, to-size)
	}
	to = max(from, min(to, from+size))
	bytes := 0
	for i := range all[from:to] {
		if bytes += len(key(&all[from+i])) + entryBytes; bytes > maxPageBytes {
			to = from + i
			break
		}
	}
	page = all[from:to]
	s = set{index: from, count: len(all)}
	if len(page) > 0 {
		s.first, s.last = uid(key(&page[0]), false), uid(key(&page[len(page)-1]), false)
	}
	return page, s, len(page) == len(all)
}

// listing answers with the page of a list that a request asks for: an element for
// the list, with the node it is about, if it is about one, and in it what entry
// writes. The set is told to those who asked for one, or do not get all.
func listing[T any](ns, element, node string, all []T, p paging, key func(*T) string, entry func(*writer, *T)) []byte {
	page, set, whole := window(all, p, key)
	return answering(ns, func(w *writer) {
		w.raw("<"+element).optional("node", node).raw(">")
		for i := range page {
			entry(w, &page[i])
		}
		w.raw("</" + element + ">")
		if p.asked || !whole {
			writeSet(w, set)
		}
	})
}

package archive

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"peewit/bridge"
)

// fields is a value being written.
type fields []byte

func (f fields) uint(n uint64) fields { return binary.AppendUvarint(f, n) }

func (f fields) text(s string) fields { return append(f.uint(uint64(len(s))), s...) }

func (f fields) name(n name) fields { return append(f, n[:]...) }

func (f fields) flag(b bool) fields {
	if b {
		return append(f, 1)
	}
	return append(f, 0)
}

// parser is a value being read. After its end, or at a length that cannot be,
// everything is zero and err says so.
type parser struct {
	rest []byte
	bad  bool
}

func parse(value []byte) *parser { return &parser{rest: value} }

func (p *parser) take(n uint64) []byte {
	if n > uint64(len(p.rest)) {
		p.rest, p.bad = nil, true
		return nil
	}
	taken := p.rest[:n]
	p.rest = p.rest[n:]
	return taken
}

func (p *parser) uint() uint64 {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 {
		p.rest, p.bad = nil, true
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

func (p *parser) text() string { return string(p.take(p.uint())) }

func (p *parser) name() (n name) {
	copy(n[:], p.take(uint64(len(n))))
	return n
}

func (p *parser) flag() bool {
	b := p.take(1)
	return len(b) == 1 && b[0] != 0
}

func (p *parser) time() time.Time { return stamp(p.uint()) }

func (p *parser) err() error {
	if p.bad {
		return fmt.Errorf("%w: a value is cut short", ErrUnusable)
	}
	return nil
}

// instant is a time as it is stored: nanoseconds since 1970, 0 = unknown.
func instant(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

// stamp is the time of an instant.
func stamp(instant uint64) time.Time {
	if instant == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(instant)).UTC()
}

// node is a row of N: a living node.
type node struct {
	id   string
	name name
	addr bridge.Addr

	keeps  int    // at most so many items; 0 = none are kept
	open   bool   // anybody may read: its posts show in the timelines
	count  int    // living items
	pushed uint64 // posts that were pushed out and are not yet given up
	purged uint64 // sequence of the last purge
	floor  uint64 // of the last record that left fewer items, or none: see Archive.Item
}

// unbounded is what a node keeps when nothing is pushed out.
const unbounded = math.MaxInt

func (n *node) encode() []byte {
	return fields{}.text(n.id).text(string(n.addr.Service)).text(n.addr.Name).
		uint(uint64(n.keeps)).flag(n.open).uint(uint64(n.count)).uint(n.pushed).uint(n.purged).uint(n.floor)
}

func parseNode(value []byte) (*node, error) {
	p := parse(value)
	n := &node{id: p.text()}
	n.name = nameOf(n.id)
	n.addr = bridge.Addr{Service: bridge.JID(p.text()), Name: p.text()}
	n.keeps, n.open, n.count = int(p.uint()), p.flag(), int(p.uint())
	n.pushed, n.purged, n.floor = p.uint(), p.uint(), p.uint()
	return n, p.err()
}

// place is a row of I: where an item stands, or stood.
type place struct {
	first uint64 // sequence of the first version: the place in the node
	last  uint64 // of the newest version; of a retracted item, of its retraction
	gone  bool   // a stone
	of    uint64 // of a reference: the newest version referred to

	// out says of a stone that the node itself ended the item: a post was pushed
	// out; a reference was pushed out or retracted here, and stays out.
	out bool

	// under is the stone that a retraction left of an earlier post of this id.
	// It comes back when what was pushed out is given up.
	under stone
}

// stone is the first and last of a place that is gone.
type stone struct{ first, last uint64 }

func (p place) encode() []byte {
	return fields{}.uint(p.first).uint(p.last).flag(p.gone).uint(p.of).flag(p.out).uint(p.under.first).uint(p.under.last)
}

func parsePlace(value []byte) (place, error) {
	p := parse(value)
	pl := place{first: p.uint(), last: p.uint(), gone: p.flag(), of: p.uint(), out: p.flag()}
	pl.under = stone{first: p.uint(), last: p.uint()}
	return pl, p.err()
}

// version is a row of H: the current version of an item. A reference has a
// post; everything else has a payload, maybe empty.
type version struct {
	id       string
	last     uint64
	created  uint64 // nanoseconds since 1970
	modified uint64
	key      name // of the record; zero = it has none
	post     post

	publisher bridge.JID
	sent      string
	origin    bridge.Origin
	payload   []byte
}

// post is what a reference refers to.
type post struct {
	nodeID string
	item   string
	first  uint64
}

func (v *version) encode() []byte {
	f := make(fields, 0, len(v.payload)+len(v.id)+len(v.sent)+160)
	f = f.text(v.id).uint(v.last).uint(v.created).uint(v.modified).name(v.key)
	f = f.text(v.post.nodeID).text(v.post.item).uint(v.post.first)
	f = f.text(string(v.publisher)).text(v.sent).text(v.origin.Door).text(v.origin.Site)
	return append(f, v.payload...)
}

// parseVersion reads a row of H; the payload is a part of value.
func parseVersion(value []byte) (*version, error) {
	p := parse(value)
	v := &version{id: p.text(), last: p.uint(), created: p.uint(), modified: p.uint(), key: p.name()}
	v.post = post{nodeID: p.text(), item: p.text(), first: p.uint()}
	v.publisher, v.sent = bridge.JID(p.text()), p.text()
	v.origin = bridge.Origin{Door: p.text(), Site: p.text()}
	v.payload = p.rest
	return v, p.err()
}

// isReference reports whether the version shows a post of another node.
func (v *version) isReference() bool { return v.post.nodeID != "" }

// entry is a row of R: how a post entered a planet's node.
type entry struct {
	nodeID string // the planet's node
	item   string // the id there
}

func (e entry) encode() []byte { return fields{}.text(e.nodeID).text(e.item) }

func parseEntry(value []byte) (entry, error) {
	p := parse(value)
	e := entry{nodeID: p.text(), item: p.text()}
	return e, p.err()
}

// totals is the row T: how many items of open nodes the timelines have.
type totals struct{ all, public int }

func (t totals) encode() []byte { return fields{}.uint(uint64(t.all)).uint(uint64(t.public)) }

func parseTotals(value []byte) (totals, error) {
	p := parse(value)
	t := totals{all: int(p.uint()), public: int(p.uint())}
	return t, p.err()
}

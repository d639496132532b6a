package archive_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
	"peewit/bridge/archive"
)

const (
	domain = bridge.JID("micro.example")
	alice  = bridge.JID("alice@micro.example")
	epoch  = "epoch"
)

// house is an archive, in memory or on disk, with the log it follows.
type house struct {
	testing.TB
	dir     string
	files   *vfs.MemFS // nil = on disk
	archive *archive.Archive
	log     []*bridge.Record
}

func newHouse(t testing.TB) *house {
	h := &house{TB: t, dir: "archive", files: vfs.NewCrashableMem()}
	h.open()
	return h
}

func newHouseOnDisk(t testing.TB) *house {
	h := &house{TB: t, dir: t.TempDir()}
	h.open()
	return h
}

func (h *house) open() {
	h.Helper()
	files := vfs.Default
	if h.files != nil {
		files = h.files
	}
	a, err := archive.OpenOn(h.dir, files, slog.New(slog.DiscardHandler))
	if err != nil {
		h.Fatal(err)
	}
	h.archive = a
	h.Cleanup(func() { h.close(a) })
}

func (h *house) close(a *archive.Archive) {
	h.Helper()
	if err := a.Close(); err != nil {
		h.Error(err)
	}
}

// crash goes on with what a power failure would have left on disk: files as of
// their last fsync.
func (h *house) crash() {
	h.Helper()
	left := h.files.CrashClone(vfs.CrashCloneCfg{})
	h.close(h.archive)
	h.files = left
	h.open()
}

// append logs records and applies them.
func (h *house) append(recs ...bridge.Record) uint64 {
	h.Helper()
	at := len(h.log)
	h.write(recs...)
	h.apply(h.log[at:]...)
	return h.log[len(h.log)-1].Seq
}

// write logs records.
func (h *house) write(recs ...bridge.Record) {
	for _, rec := range recs {
		seq := uint64(1)
		if n := len(h.log); n > 0 {
			seq = h.log[n-1].Seq + 1
		}
		rec.Seq = seq
		rec.Time = time.Unix(1e9+int64(seq), 123456789).UTC()
		h.log = append(h.log, &rec)
	}
}

func (h *house) apply(recs ...*bridge.Record) {
	h.Helper()
	if err := h.archive.Apply(recs, epoch); err != nil {
		h.Fatal(err)
	}
}

// dump is the whole archive as text.
func (h *house) dump() string {
	h.Helper()
	var b strings.Builder
	if err := h.archive.Dump(&b); err != nil {
		h.Fatal(err)
	}
	return b.String()
}

// rebuilt is the house made again from what is left of its log.
func (h *house) rebuilt() *house {
	h.Helper()
	again := newHouse(h.TB)
	again.log = h.log
	again.apply(h.log...)
	return again
}

func (h *house) items(nodeID string, q archive.Query) archive.Page {
	h.Helper()
	page, err := h.archive.Items(nodeID, q)
	if err != nil {
		h.Fatal(err)
	}
	return page
}

// all is the ids in a node, newest first.
func (h *house) all(nodeID string) string {
	h.Helper()
	return ids(h.items(nodeID, archive.Query{Max: 1000}))
}

func (h *house) item(nodeID, id string) (bridge.Item, bool) {
	h.Helper()
	item, ok, err := h.archive.Item(nodeID, id)
	if err != nil {
		h.Fatal(err)
	}
	return item, ok
}

func (h *house) timeline(name string, q archive.Query) archive.Page {
	h.Helper()
	page, err := h.archive.Timeline(name, q)
	if err != nil {
		h.Fatal(err)
	}
	return page
}

func (h *house) dead() []uint64 {
	h.Helper()
	seqs, err := h.archive.Dead(-1)
	if err != nil {
		h.Fatal(err)
	}
	return seqs
}

// erase has the log erase what is dead, and the archive too.
func (h *house) erase() {
	h.Helper()
	dead := h.dead()
	gone := map[uint64]bool{}
	for _, seq := range dead {
		gone[seq] = true
	}
	var left []*bridge.Record
	for _, rec := range h.log {
		if !gone[rec.Seq] {
			left = append(left, rec)
		}
	}
	h.log = left
	if err := h.archive.Scrub(h.Context(), dead...); err != nil {
		h.Fatal(err)
	}
}

func ids(page archive.Page) string {
	var all []string
	for _, item := range page.Items {
		all = append(all, item.ID)
	}
	return strings.Join(all, " ")
}

func payloads(page archive.Page) string {
	var all []string
	for _, item := range page.Items {
		all = append(all, string(item.Payload))
	}
	return strings.Join(all, " ")
}

// microblog is an account's microblog: open, unbounded.
func microblog(id string, service bridge.JID) bridge.Record {
	return bridge.Record{Node: &bridge.Node{
		ID: id, Addr: bridge.Addr{Service: service, Name: bridge.NodeMicroblog}, Owner: service, Config: bridge.MicroblogConfig(),
	}}
}

// node is a node on the domain.
func node(id, name string, change ...func(*bridge.NodeConfig)) bridge.Record {
	n := &bridge.Node{ID: id, Addr: bridge.Addr{Service: domain, Name: name}, Owner: domain, Config: bridge.ServiceConfig()}
	for _, fn := range change {
		fn(&n.Config)
	}
	return bridge.Record{Node: n}
}

func keeping(most int) func(*bridge.NodeConfig) {
	return func(c *bridge.NodeConfig) { c.MaxItems = most }
}

func keepingNothing(c *bridge.NodeConfig) { c.PersistItems = false }

func closed(c *bridge.NodeConfig) { c.AccessModel = bridge.AccessWhitelist }

func removed(rec bridge.Record) bridge.Record {
	n := *rec.Node
	n.Removed = true
	return bridge.Record{Node: &n}
}

func publish(nodeID, id, payload string) bridge.Record {
	return bridge.Record{
		Key:     "key of " + nodeID + " " + id + " " + payload,
		Publish: &bridge.Publish{NodeID: nodeID, Item: id, Payload: payload, Publisher: alice, Sent: "hash of " + payload, Origin: bridge.Origin{Door: "xmpp"}},
	}
}

func retract(nodeID string, items ...string) bridge.Record {
	return bridge.Record{Retract: &bridge.Retract{NodeID: nodeID, Items: items, Actor: alice}}
}

func purge(nodeID string) bridge.Record {
	return bridge.Record{Purge: &bridge.Purge{NodeID: nodeID, Actor: alice}}
}

// refer shows a version of a post in a planet under the same id.
func refer(planet, nodeID, id string, seq uint64) bridge.Record {
	return bridge.Record{
		Key:       fmt.Sprint("reference in ", planet, " to ", nodeID, " ", id, " ", seq),
		Reference: &bridge.Reference{NodeID: planet, Item: id, OfNodeID: nodeID, OfItem: id, OfSeq: seq},
	}
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

package archive_test

import (
	"fmt"
	"strings"
	"testing"

	"peewit/bridge"
	"peewit/bridge/archive"
)

// writer makes posts of a realistic size, and applies them in batches.
type writer struct {
	*house
	payload string
	seq     uint64
	batch   []*bridge.Record
}

func newWriter(b *testing.B, node bridge.Record) *writer {
	w := &writer{
		house:   newHouseOnDisk(b),
		payload: "<entry xmlns='http://www.w3.org/2005/Atom'>" + strings.Repeat("peewit ", 108) + "</entry>", // 800 bytes
	}
	w.seq = w.append(node)
	return w
}

func (w *writer) post(nodeID string) {
	w.seq++
	id := bridge.Hash(fmt.Sprint(w.seq))
	rec := publish(nodeID, id, w.payload)
	rec.Key, rec.Publish.Sent, rec.Seq, rec.Time = id, id, w.seq, w.log[0].Time
	if w.batch = append(w.batch, &rec); len(w.batch) == 256 {
		w.flush()
	}
}

func (w *writer) flush() {
	w.apply(w.batch...)
	w.batch = w.batch[:0]
}

func benchmarkApply(b *testing.B, node bridge.Record) {
	w := newWriter(b, node)
	for b.Loop() {
		w.post("n")
	}
	w.flush()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
}

func BenchmarkApplyMicroblog(b *testing.B) { benchmarkApply(b, microblog("n", alice)) }

// A node that keeps one item pushes one out for each that comes in.
func BenchmarkApplyPEP(b *testing.B) { benchmarkApply(b, node("n", "mood", keeping(1))) }

func BenchmarkPageOf50(b *testing.B) {
	w := newWriter(b, microblog("n", alice))
	for range 100_000 {
		w.post("n")
	}
	w.flush()
	var anchors []string
	for q := (archive.Query{Max: 1000}); len(anchors) < 90; {
		page := w.items("n", q)
		q.After = page.Last
		anchors = append(anchors, page.Last)
	}
	for name, read := range map[string]func(i int) (archive.Page, error){
		"Node": func(i int) (archive.Page, error) {
			return w.archive.Items("n", archive.Query{Max: 50, After: anchors[i%len(anchors)]})
		},
		"Timeline": func(i int) (archive.Page, error) {
			return w.archive.Timeline("all", archive.Query{Max: 50, After: fmt.Sprint(1000 + i*997%99_000)})
		},
	} {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				page, err := read(i)
				if err != nil || len(page.Items) != 50 {
					b.Fatalf("%d items, %v", len(page.Items), err)
				}
			}
		})
	}
}

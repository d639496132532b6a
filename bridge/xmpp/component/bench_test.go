package component

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"peewit/bridge"
)

// mirror is a host that costs next to nothing: it returns pings and forgets
// everything else.
type mirror struct {
	net.Conn // for the methods that nobody calls
	in       *io.PipeReader
	out      *io.PipeWriter
}

func (m *mirror) Read(b []byte) (int, error) { return m.in.Read(b) }

func (m *mirror) Write(b []byte) (int, error) {
	switch {
	case bytes.HasPrefix(b, []byte("<stream:stream")):
		go io.WriteString(m.out, greeting)
	case bytes.HasPrefix(b, []byte("<handshake>")):
		go io.WriteString(m.out, "<handshake/>")
	}
	for rest := b; ; {
		i := bytes.Index(rest, []byte("<iq"))
		if i < 0 {
			return len(b), nil
		}
		rest = rest[i:]
		end := bytes.Index(rest, []byte("</iq>")) + len("</iq>")
		if _, err := m.out.Write(rest[:end]); err != nil {
			return 0, err
		}
		rest = rest[end:]
	}
}

func (m *mirror) Close() error                     { return m.out.Close() }
func (m *mirror) SetReadDeadline(time.Time) error  { return nil }
func (m *mirror) SetWriteDeadline(time.Time) error { return nil }

// BenchmarkFanout is what one event to one recipient costs us, from the record
// to the host's confirmation.
func BenchmarkFanout(b *testing.B) {
	const readers = 1000
	payload := strings.Repeat("x", 600)
	all := events(people(readers)...)
	log := newMemory(0)
	l, err := New(Options{
		Domain: domain, Secret: secret, Router: &router{}, Log: log, Logger: quiet(),
		Events: func(rec *bridge.Record) []Event {
			event := all(rec)[0]
			tail := "' id='" + rec.Publish.Item + "'><body>" + payload + "</body></message>"
			event.Stanza = func(dst []byte, to bridge.JID) []byte {
				dst = append(dst, "<message from='micro.example.org' to='"...)
				dst = append(dst, to...)
				return append(dst, tail...)
			}
			return []Event{event}
		},
		Dial: func(context.Context, string) (net.Conn, error) {
			in, out := io.Pipe()
			return &mirror{in: in, out: out}, nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	go l.Run(ctx)
	want := uint64(0)
	b.ReportAllocs()
	start := time.Now()
	for b.Loop() {
		log.append()
		want++
		for l.position().Seq < want {
			<-time.After(20 * time.Microsecond)
		}
	}
	b.ReportMetric(float64(want*readers)/time.Since(start).Seconds(), "events/s")
}

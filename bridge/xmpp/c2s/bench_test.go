package c2s

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"peewit/bridge/xmpp"
)

// crowd logs in n sessions.
func crowd(b *testing.B, h *house, n int) (sessions []xmpp.Session, clients []*client) {
	b.Helper()
	for i := range n {
		c := h.dial(b)
		c.open()
		c.send(auth("ANONYMOUS", "")).expect("<success*")
		c.framer.Restart()
		c.open()
		c.bind(fmt.Sprint("r", i))
		clients = append(clients, c)
	}
	h.router.mu.Lock()
	defer h.router.mu.Unlock()
	for _, s := range h.router.bound {
		sessions = append(sessions, s)
	}
	return sessions, clients
}

// BenchmarkFanOut sends one 800-byte event to each of 1,000 sessions, whose
// clients read on the same two cores. An op is one event.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := newHouse(b, func(o *Options, _ *house) { o.Limits.Queue = 64 << 20 }).listen(b, false)
			sessions, clients := crowd(b, h, n)
			event := []byte("<message><event>" + strings.Repeat("x", 760) + "</event></message>")
			var heard atomic.Int64
			all := make(chan struct{}, 1)
			total := int64(b.N) * int64(len(event))
			for _, c := range clients {
				c.conn.SetDeadline(time.Time{})
				go func() {
					buf := make([]byte, 32<<10)
					for {
						k, err := c.conn.Read(buf)
						if err != nil {
							return
						}
						if heard.Add(int64(k)) >= total {
							select {
							case all <- struct{}{}:
							default:
							}
						}
					}
				}()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				if err := sessions[i%n].Send(xmpp.Event, event); err != nil {
					b.Fatal(err)
				}
			}
			<-all
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkIdleSession measures what 1,000 idle sessions hold: heap and stacks,
// server and client side of the loopback together, without the kernel.
func BenchmarkIdleSession(b *testing.B) {
	for b.Loop() {
		h := newHouse(b, nil).listen(b, false)
		before := inUse()
		const n = 1000
		conns := make([]net.Conn, 0, n)
		for i := range n {
			conns = append(conns, quietLogin(b, h, i))
		}
		b.ReportMetric(float64(inUse()-before)/n, "B/session")
		for _, c := range conns {
			c.Close()
		}
		eventually(b, "all are gone", func() bool { return h.Sessions() == 0 })
	}
}

// quietLogin logs in with a client that holds nothing but a connection.
func quietLogin(b *testing.B, h *house, i int) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		b.Fatal(err)
	}
	talkTo := func(say, until string) {
		if _, err := io.WriteString(conn, say); err != nil {
			b.Fatal(err)
		}
		var heard []byte
		for !bytes.Contains(heard, []byte(until)) {
			buf := make([]byte, 4096)
			n, err := conn.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			heard = append(heard, buf[:n]...)
		}
	}
	talkTo(hello, "</stream:features>")
	talkTo(auth("ANONYMOUS", ""), "<success")
	talkTo(hello, "</stream:features>")
	talkTo("<iq type='set' id='1'><bind xmlns='"+nsBind+"'><resource>"+fmt.Sprint(i)+"</resource></bind></iq>", "</iq>")
	talkTo("<iq type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq>", "id='2'")
	return conn
}

// inUse is the heap and stacks in use after collections that let stacks shrink.
func inUse() uint64 {
	for range 5 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// BenchmarkSend is the cost of queueing alone: nobody writes.
func BenchmarkSend(b *testing.B) {
	q := newQueue(1 << 20)
	event := bytes.Repeat([]byte("x"), 800)
	for b.Loop() {
		if empty, err := q.add(xmpp.Event, event); err != nil {
			b.Fatal(err)
		} else if empty {
			q.empty(discard{})
		}
	}
}

// discard is a wire to nowhere.
type discard struct{ wire }

func (discard) write(*batch) error { return nil }

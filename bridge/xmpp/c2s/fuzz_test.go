package c2s

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"peewit/bridge/xmpp"
)

// FuzzServer says anything at all to the server in each state of the protocol.
// Whatever it is, the server is done when the client has hung up, and what it
// said is well-formed.
func FuzzServer(f *testing.F) {
	states := []string{
		"",
		hello,
		hello + auth("SCRAM-SHA-256", b64("n,,n=alice,r=abc")),
		hello + auth("PLAIN", b64("\x00alice\x00pencil")) + hello,
		hello + auth("ANONYMOUS", "") + hello + "<iq type='set' id='1'><bind xmlns='" + nsBind + "'/></iq>",
		hello + auth("PLAIN", b64("\x00alice\x00pencil")) + hello + "<iq type='set' id='1'><bind xmlns='" + nsBind + "'><resource>a</resource></bind></iq>",
	}
	for i := range states {
		for _, said := range []string{
			"", hello, "<presence/>", "</stream:stream>", "<a", "<!DOCTYPE a>", "&", "<message from='@'/>", starttls,
			register("1", "<username>bob</username><password>x</password>"), register("2", "<remove/>"),
			"<iq type='set' id='1'><bind xmlns='" + nsBind + "'><resource>/&#x10000;</resource></bind></iq>",
			"<response xmlns='" + nsSASL + "'>" + b64("c=biws,r=abc,p=AAAA") + "</response>",
			strings.Repeat("<a>", 100), "<stream:error/>", "<abort xmlns='" + nsSASL + "'/>", auth("SCRAM-SHA-1", "="),
		} {
			f.Add(byte(i), []byte(said))
		}
	}
	h := newHouse(f, nil)
	f.Fuzz(func(t *testing.T, state byte, said []byte) {
		conn := &monologue{said: strings.NewReader(states[int(state)%len(states)] + string(said))}
		h.handle(context.Background(), newTCP(conn, h.limits.Unauthenticated), address{local: true}, false)()
		if n := h.Sessions(); n != 0 {
			t.Fatalf("%d sessions are left", n)
		}
		conn.mu.Lock()
		defer conn.mu.Unlock()
		wellFormed(t, conn.heard.Bytes())
	})
}

// monologue is the connection of a client that says everything at once and
// hangs up.
type monologue struct {
	net.Conn
	said *strings.Reader

	mu    sync.Mutex
	heard bytes.Buffer
}

func (m *monologue) Read(p []byte) (int, error) { return m.said.Read(p) }
func (m *monologue) CloseWrite() error          { return nil }
func (m *monologue) Close() error               { return nil }

func (m *monologue) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heard.Write(p)
}

// wellFormed checks what the server said: streams, each begun by a header.
func wellFormed(t *testing.T, heard []byte) {
	framer := xmpp.NewFramer(bytes.NewReader(heard), 1<<20)
	for {
		piece, err := framer.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("the server said %q: %v", heard, err)
		}
		switch {
		case bytes.HasPrefix(piece, []byte("<stream:stream")), bytes.HasPrefix(piece, []byte("</")):
		case bytes.HasPrefix(piece, []byte("<success")):
			framer.Restart()
		default:
			if _, err := xmpp.Parse(piece, xmpp.NSClient); err != nil {
				t.Fatalf("the server said %q: %v", piece, err)
			}
		}
	}
}

package component

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"peewit/bridge/xmpp"
)

// canned is a connection on which the host says what it says, whatever we write.
type canned struct {
	io.Reader
	net.Conn // for the methods that nobody calls
	written  bytes.Buffer
}

func (c *canned) Read(b []byte) (int, error)       { return c.Reader.Read(b) }
func (c *canned) Write(b []byte) (int, error)      { return c.written.Write(b) }
func (c *canned) Close() error                     { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

const greeting = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' from='micro.example.org' id='1'>"

// Whatever a host says instead of a handshake, connecting ends with an error or
// a session, and the secret is never written.
func FuzzHandshake(f *testing.F) {
	f.Add([]byte(greeting + "<handshake/>"))
	f.Add([]byte(greeting + "<handshake></handshake><message/>"))
	f.Add([]byte(greeting + "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"))
	f.Add([]byte("<stream:stream/>"))
	f.Add([]byte("<!DOCTYPE x [<!ENTITY a 'b'>]>" + greeting))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		conn := &canned{Reader: bytes.NewReader(said)}
		l, err := New(Options{
			Domain: domain, Secret: secret, Router: &router{}, Log: newMemory(0), Logger: quiet(),
			Dial: func(context.Context, string) (net.Conn, error) { return conn, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.connect(t.Context())
		if (s == nil) == (err == nil) {
			t.Errorf("session %v, error %v", s, err)
		}
		if bytes.Contains(conn.written.Bytes(), []byte(secret)) {
			t.Errorf("the secret was sent: %q", conn.written.Bytes())
		}
	})
}

// Whatever comes over an open stream, reading goes on to its end, an honest
// stanza before it is received, and what we answer is fit to be sent.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("<message from='a@example.org' to='micro.example.org'><body>x</body></message>"))
	f.Add([]byte("<iq type='get' id='1' from='a@example.org' to='alice@micro.example.org'><ping xmlns='urn:xmpp:ping'/></iq>"))
	f.Add([]byte("<iq type='get' id='1' from='" + strings.Repeat("x", 3000) + "@example.org' to='micro.example.org'/>"))
	f.Add([]byte("<iq type='get' id='1' from='a@example.org' to='@micro.example.org'/>"))
	f.Add([]byte("<message type='error' from='multicast.example.org' to='micro.example.org'><error><forbidden/></error></message>"))
	f.Add([]byte("<iq type='get' id='markz' from='micro.example.org' to='micro.example.org'/>"))
	f.Add([]byte("<message from='micro.example.org' to='micro.example.org/mark0'/>"))
	f.Add([]byte("<stream:error><reset/></stream:error>"))
	f.Add([]byte("</stream:stream>"))
	f.Add([]byte("<a"))
	const honest = "<message id='honest' from='honest@example.org' to='micro.example.org'/>"
	f.Fuzz(func(t *testing.T, said []byte) {
		var received atomic.Bool
		var l *Link
		r := &router{receive: func(_ context.Context, st *xmpp.Stanza) {
			if st.From == "honest@example.org" {
				received.Store(true)
			}
			if reply := xmpp.ErrorReply(st, errors.New("no")); reply != nil {
				if err := check(reply, domain); err != nil {
					t.Errorf("the answer %s cannot be sent: %v", reply, err)
				}
			}
		}}
		l, err := New(Options{Domain: domain, Secret: secret, Router: r, Log: newMemory(0), Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		s := &session{l: l, out: newOutbox(), mark: "mark"}
		s.framer = xmpp.NewFramer(io.MultiReader(strings.NewReader(greeting+honest), bytes.NewReader(said)), maxReceived)
		s.lane = newLane(s)
		if _, err := s.framer.Next(); err != nil {
			t.Fatal(err)
		}
		if s.read(t.Context()) == nil {
			t.Error("reading ended without a reason")
		}
		l.inbox.wait()
		if !received.Load() {
			t.Error("the honest stanza was lost")
		}
		for b, last := s.out.take(nil); !last && len(b) > 0; b, last = s.out.take(nil) {
			if _, err := xmpp.Parse(append(append([]byte("<all>"), b...), "</all>"...), xmpp.NSComponent); err != nil {
				t.Errorf("refused with %q: %v", b, err)
			}
		}
	})
}

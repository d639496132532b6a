package c2s

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"

	"peewit/bridge/xmpp"
)

// The namespaces of negotiation.
const (
	nsTLS          = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL         = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind         = "urn:ietf:params:xml:ns:xmpp-bind"
	nsSession      = "urn:ietf:params:xml:ns:xmpp-session"
	nsFraming      = "urn:ietf:params:xml:ns:xmpp-framing"
	nsStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams"

	nsRegister        = "jabber:iq:register"
	nsRegisterFeature = "http://jabber.org/features/iq-register"
	nsForm            = "jabber:x:data"
)

// wire is a client's connection with the framing that belongs to it: TCP
// (RFC 6120 §4) or WebSocket (RFC 7395). next and restart are for the session's
// reader, write for whoever empties its queue.
type wire interface {
	next() ([]byte, error) // a stream header, an element or the stream's end
	setLimit(bytes int)    // how big an element may be
	restart()              // a new stream begins on the connection

	header(piece []byte) (header, error) // reads a stream header
	ends(piece []byte) bool              // the piece is the stream's end
	parse(piece []byte) (*xmpp.Element, error)

	opening(id, from string) []byte // our stream header
	features(inner []byte) []byte
	failing(e *streamError) []byte // the stream error
	closing() []byte               // our stream's end

	write(b *batch) error
	ping(add func([]byte)) // keeps what is on the way from forgetting an idle connection; does not block
	hangUp(last *batch)    // writes last and says that nothing more comes
	drain()                // reads and forgets until the client hangs up too
	kill()                 // closes the connection
}

// header is what a stream header says (RFC 6120 §4.7).
type header struct {
	to, version string
	content     string // namespace of the stanzas to come
}

// tcp is the wire of a TCP connection, encrypted or not.
type tcp struct {
	conn   net.Conn
	framer *xmpp.Framer
}

func newTCP(conn net.Conn, limit int) *tcp {
	return &tcp{conn: conn, framer: xmpp.NewFramer(conn, limit)}
}

func (w *tcp) next() ([]byte, error) { return w.framer.Next() }
func (w *tcp) setLimit(bytes int)    { w.framer.SetLimit(bytes) }
func (w *tcp) restart()              { w.framer.Restart() }

func (w *tcp) header(piece []byte) (header, error) {
	e, err := xmpp.ParseStart(piece)
	if err != nil {
		return header{}, err
	}
	if e.Name.Space != xmpp.NSStream {
		return header{}, refuse("invalid-namespace", "the stream's namespace is %s", xmpp.NSStream) // RFC 6120 §4.8.1
	}
	if e.Name.Local != "stream" {
		return header{}, refuse("bad-format", "a stream begins with <stream:stream>")
	}
	return header{to: e.Attribute("to"), version: e.Attribute("version"), content: e.DefaultNS()}, nil
}

func (w *tcp) ends(piece []byte) bool { return bytes.HasPrefix(piece, []byte("</")) }

func (w *tcp) parse(piece []byte) (*xmpp.Element, error) { return xmpp.Parse(piece, xmpp.NSClient) }

func (w *tcp) opening(id, from string) []byte {
	return fmt.Appendf(nil, "<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' id='%s' from='%s' version='1.0' xml:lang='en'>",
		xmpp.NSClient, xmpp.NSStream, id, from)
}

func (w *tcp) features(inner []byte) []byte {
	return fmt.Appendf(nil, "<stream:features>%s</stream:features>", inner)
}

func (w *tcp) failing(e *streamError) []byte { return e.xml(false) }
func (w *tcp) closing() []byte               { return []byte("</stream:stream>") }

func (w *tcp) write(b *batch) error {
	_, err := w.conn.Write(b.bytes)
	return err
}

func (w *tcp) ping(add func([]byte)) { add([]byte(" ")) } // RFC 6120 §4.6.1

// hangUp closes our half only: closing all of it with bytes of the client
// unread would reset the connection, and the client might never see why.
func (w *tcp) hangUp(last *batch) {
	if w.write(last) != nil {
		w.kill()
		return
	}
	half, ok := w.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		w.kill()
	}
}

// drained is how much of what a client still says is read before it is cut off.
const drained = 1 << 20

func (w *tcp) drain() {
	// Whatever ends this, the connection is of no more use.
	_, _ = io.CopyN(io.Discard, w.conn, drained)
}

// kill is the end; there is nobody left to tell about an error.
func (w *tcp) kill() {
	if t, ok := w.conn.(*tls.Conn); ok {
		_ = t.NetConn().Close() // without an alert, which could block
		return
	}
	_ = w.conn.Close()
}

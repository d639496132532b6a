package c2s

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"

	"peewit/bridge/xmpp"
)

// subprotocol is what a client asks for in Sec-WebSocket-Protocol (RFC 7395 §3.1).
const subprotocol = "xmpp"

// ServeHTTP is the listener for XMPP over WebSocket (RFC 7395). It returns when
// the connection stands. It answers anything but an upgrade with an HTTP error, and pages
// of other origins with 403. The connection counts as encrypted when the request
// came by HTTPS or from this machine, where a proxy has ended TLS.
func (s *Server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if !slices.ContainsFunc(r.Header.Values("Sec-WebSocket-Protocol"), asksForXMPP) {
		http.Error(rw, "this is XMPP over WebSocket (RFC 7395): ask for the subprotocol xmpp", http.StatusBadRequest)
		return
	}
	conn, err := websocket.Accept(rw, r, &websocket.AcceptOptions{
		Subprotocols:   []string{subprotocol},
		OriginPatterns: s.options.Origins,
	})
	if err != nil {
		s.log.DebugContext(r.Context(), "websocket refused", "remote", r.RemoteAddr, "error", err)
		return
	}
	conn.SetReadLimit(-1) // next has its own, which can be answered
	w := &ws{conn: conn, limit: s.limits.Unauthenticated}
	// In a context of its own, because Shutdown ends the session; in a goroutine
	// of its own, because the HTTP server's holds more memory.
	if live := s.handle(context.WithoutCancel(r.Context()), w, remoteOf(r), r.TLS != nil); live != nil {
		go live()
	}
}

func asksForXMPP(value string) bool {
	return slices.ContainsFunc(strings.Split(value, ","), func(p string) bool {
		return strings.EqualFold(strings.TrimSpace(p), subprotocol)
	})
}

// ws is the wire of a WebSocket connection: one message is one element, and it
// carries every namespace declaration it needs.
type ws struct {
	conn  *websocket.Conn
	limit int
}

func (w *ws) next() ([]byte, error) {
	kind, r, err := w.conn.Reader(context.Background()) // hangUp and kill end it
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageText {
		return nil, refuse("bad-format", "messages are text") // RFC 7395 §3.3.3
	}
	piece, err := io.ReadAll(io.LimitReader(r, int64(w.limit)+1))
	if err != nil {
		return nil, err
	}
	if len(piece) > w.limit {
		return nil, fmt.Errorf("%w: %d bytes", xmpp.ErrTooBig, w.limit)
	}
	return piece, nil
}

func (w *ws) setLimit(bytes int) { w.limit = bytes }
func (w *ws) restart()           {}

func (w *ws) header(piece []byte) (header, error) {
	e, err := w.parse(piece)
	if err != nil {
		return header{}, err
	}
	if e.Name.Local != "open" {
		return header{}, refuse("bad-format", "a stream begins with <open/>")
	}
	if e.Name.Space != nsFraming {
		return header{}, refuse("invalid-namespace", "the namespace of <open/> is %s", nsFraming) // RFC 7395 §3.3.2
	}
	return header{to: e.Attribute("to"), version: e.Attribute("version"), content: xmpp.NSClient}, nil
}

// ends recognises <close/>; one that is malformed ends the stream just as well.
func (w *ws) ends(piece []byte) bool {
	return bytes.HasPrefix(piece, []byte("<close")) && bytes.Contains(piece, []byte(nsFraming))
}

// parse reads an element. It should declare its namespaces itself (RFC 7395
// §3.3.3); one without any is taken for a stanza, as other servers do.
func (w *ws) parse(piece []byte) (*xmpp.Element, error) { return xmpp.Parse(piece, xmpp.NSClient) }

func (w *ws) opening(id, from string) []byte {
	return fmt.Appendf(nil, "<open xmlns='%s' id='%s' from='%s' version='1.0' xml:lang='en'/>", nsFraming, id, from)
}

func (w *ws) features(inner []byte) []byte {
	return fmt.Appendf(nil, "<stream:features xmlns:stream='%s'>%s</stream:features>", xmpp.NSStream, inner)
}

func (w *ws) failing(e *streamError) []byte { return e.xml(true) }
func (w *ws) closing() []byte               { return fmt.Appendf(nil, "<close xmlns='%s'/>", nsFraming) }

func (w *ws) write(b *batch) error {
	at := 0
	for _, end := range b.ends {
		if err := w.message(b.bytes[at:end]); err != nil {
			return err
		}
		at = end
	}
	return nil
}

func (w *ws) message(stanza []byte) error {
	return w.conn.Write(context.Background(), websocket.MessageText, selfContained(stanza))
}

// selfContained adds the namespace that a stanza takes from its stream
// (RFC 7395 §3.3.3) to one that does not declare it.
func selfContained(stanza []byte) []byte {
	name := bytes.IndexAny(stanza, " \t\r\n/>")
	if name < 0 || declaresNamespace(stanza[name:]) || bytes.HasPrefix(stanza, []byte("<stream:")) {
		return stanza
	}
	declaration := " xmlns='" + xmpp.NSClient + "'"
	out := make([]byte, 0, len(stanza)+len(declaration))
	out = append(out, stanza[:name]...)
	out = append(out, declaration...)
	return append(out, stanza[name:]...)
}

// declaresNamespace reports whether the attributes of a start tag, up to its
// '>', declare a default namespace.
func declaresNamespace(tag []byte) bool {
	for {
		tag = bytes.TrimLeft(tag, " \t\r\n")
		equals := bytes.IndexAny(tag, "=>")
		if equals < 0 || tag[equals] == '>' {
			return false
		}
		if string(bytes.TrimRight(tag[:equals], " \t\r\n")) == "xmlns" {
			return true
		}
		value := bytes.TrimLeft(tag[equals+1:], " \t\r\n")
		if len(value) == 0 {
			return false
		}
		end := bytes.IndexByte(value[1:], value[0])
		if end < 0 {
			return false
		}
		tag = value[end+2:]
	}
}

// pongTime is how long a client may take to answer a WebSocket ping.
const pongTime = 30 * time.Second

// ping is WebSocket's own: white space between stanzas is not for RFC 7395 (§3.8).
func (w *ws) ping(func([]byte)) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), pongTime)
		defer cancel()
		if w.conn.Ping(ctx) != nil {
			w.kill()
		}
	}()
}

// hangUp closes with the handshake of RFC 6455.
func (w *ws) hangUp(last *batch) {
	if w.write(last) != nil {
		w.kill()
		return
	}
	// The client may be gone before it answers, which is as good.
	_ = w.conn.Close(websocket.StatusNormalClosure, "")
}

func (w *ws) drain() {
	for {
		if _, _, err := w.conn.Reader(context.Background()); err != nil {
			return
		}
	}
}

func (w *ws) kill() { _ = w.conn.CloseNow() }

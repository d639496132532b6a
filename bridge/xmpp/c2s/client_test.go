package c2s

import (
	"encoding/base64"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"mellium.im/sasl"

	"peewit/bridge/xmpp"
)

// client is the other end of a conversation.
type client struct {
	t      testing.TB
	conn   net.Conn
	framer *xmpp.Framer
}

func (h *house) dial(t testing.TB) *client {
	t.Helper()
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	return talk(t, conn)
}

func talk(t testing.TB, conn net.Conn) *client {
	return &client{t: t, conn: conn, framer: xmpp.NewFramer(conn, 1<<20)}
}

func (c *client) send(s string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, s); err != nil {
		c.t.Fatalf("send %s: %v", s, err)
	}
	return c
}

// next is the next piece the server says.
func (c *client) next() string {
	c.t.Helper()
	piece, err := c.framer.Next()
	if err != nil {
		c.t.Fatalf("receive: %v", err)
	}
	return string(piece)
}

// expect reads one piece and compares it with a pattern in which * is any text.
func (c *client) expect(pattern string) string {
	c.t.Helper()
	got := c.next()
	if !matches(pattern, got) {
		c.t.Fatalf("got  %s\nwant %s", got, pattern)
	}
	return got
}

func matches(pattern, got string) bool {
	return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`) + `$`).MatchString(got)
}

// over waits for the end of the connection.
func (c *client) over() {
	c.t.Helper()
	piece, err := c.framer.Next()
	if !errors.Is(err, io.EOF) {
		c.t.Fatalf("got %q, %v; want the end of the connection", piece, err)
	}
}

// failing reads a stream error and the end.
func (c *client) failing(condition string) {
	c.t.Helper()
	c.expect("<stream:error><" + condition + " xmlns='" + nsStreamErrors + "'/>*</stream:error>")
	c.expect("</stream:stream>")
	c.over()
}

const hello = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='micro.example' version='1.0'>"

// open sends a stream header and returns the features.
func (c *client) open() string {
	c.t.Helper()
	c.send(hello)
	c.expect("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='*' from='micro.example' version='1.0' xml:lang='en'>")
	return c.expect("<stream:features>*</stream:features>")
}

func auth(mechanism, text string) string {
	return "<auth xmlns='" + nsSASL + "' mechanism='" + mechanism + "'>" + text + "</auth>"
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// login opens a stream, logs in by PLAIN and opens the next.
func (c *client) login(nick, password string) *client {
	c.t.Helper()
	c.open()
	c.send(auth("PLAIN", b64("\x00"+nick+"\x00"+password)))
	c.expect("<success xmlns='" + nsSASL + "'></success>")
	c.framer.Restart()
	c.open()
	return c
}

// bind binds a resource.
func (c *client) bind(resource string) *client {
	c.t.Helper()
	c.send("<iq type='set' id='b1'><bind xmlns='" + nsBind + "'><resource>" + resource + "</resource></bind></iq>")
	c.expect("<iq type='result' id='b1'><bind xmlns='" + nsBind + "'><jid>*@micro.example/" + resource + "</jid></bind></iq>")
	return c
}

// scram logs in by a SCRAM mechanism with mellium's client.
func (c *client) scram(m sasl.Mechanism, nick, password string) (success bool) {
	c.t.Helper()
	n := sasl.NewClient(m, sasl.Credentials(func() ([]byte, []byte, []byte) { return []byte(nick), []byte(password), nil }))
	_, first, err := n.Step(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(auth(m.Name, base64.StdEncoding.EncodeToString(first)))
	for {
		e, err := xmpp.Parse([]byte(c.next()), xmpp.NSClient)
		if err != nil {
			c.t.Fatal(err)
		}
		if e.Name.Local == "failure" {
			return false
		}
		said, err := base64.StdEncoding.DecodeString(e.Text)
		if err != nil {
			c.t.Fatal(err)
		}
		_, answer, err := n.Step(said)
		if err != nil {
			c.t.Fatalf("%s: %v", e.Name.Local, err)
		}
		if e.Name.Local == "success" {
			c.framer.Restart()
			return true
		}
		c.send("<response xmlns='" + nsSASL + "'>" + base64.StdEncoding.EncodeToString(answer) + "</response>")
	}
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(5 * time.Second)
	defer limit.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

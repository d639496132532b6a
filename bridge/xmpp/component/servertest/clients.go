package servertest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Client is an XMPP client library under the test's control. Its methods fail
// the test when the driver or the server does not do what they ask.
//
// Stanzas are written and read as XML in the namespace jabber:client; what the
// test writes may leave that namespace out.
type Client struct {
	t     testing.TB
	name  string
	in    io.Writer
	lines chan line
	inbox []*Element // received, expected by nobody yet
	jid   string
	ws    bool
}

// line is what a driver prints; testdata/drivers/slixmpp_driver.py says more.
type line struct {
	Answer *answer `json:"answer"`
	Stanza string  `json:"stanza"`
	Closed string  `json:"closed"`
}

type answer struct {
	JID   string `json:"jid"`
	XML   string `json:"xml"`
	Error string `json:"error"`
}

const (
	answerWithin = 30 * time.Second // longer than the drivers' own patience
	// ExpectWithin is how long Expect waits for a stanza.
	ExpectWithin = 15 * time.Second
)

// StartSlixmpp starts a client that speaks XMPP over TCP.
func StartSlixmpp(t testing.TB) *Client {
	t.Helper()
	return startClient(t, "slixmpp", false, "/usr/bin/python3", "-u", inRepository("testdata/drivers/slixmpp_driver.py"))
}

// StartStrophe starts a client that speaks XMPP over WebSocket.
func StartStrophe(t testing.TB) *Client {
	t.Helper()
	return startClient(t, "strophe", true, "node", inRepository("bridge/web/strophe_driver.mjs"))
}

// inRepository finds a file by the place of this one, which is four directories
// below the top.
func inRepository(file string) string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "../../../..", filepath.FromSlash(file))
}

func startClient(t testing.TB, name string, ws bool, program string, args ...string) *Client {
	t.Helper()
	cmd := exec.Command(program, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v (.ci/deps installs it)", name, err)
	}
	c := &Client{t: t, name: name, in: in, lines: make(chan line, 10_000), ws: ws}
	go c.read(out)
	t.Cleanup(func() {
		in.Close() // the driver ends with its input
		kill := time.AfterFunc(stopWithin, func() { cmd.Process.Kill() })
		defer kill.Stop()
		for range c.lines { // until the driver has closed its output
		}
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("%s ended: %v\n%s", name, err, complaints.String())
		}
	})
	return c
}

func (c *Client) read(out io.Reader) {
	defer close(c.lines)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var l line
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			l = line{Closed: fmt.Sprintf("the driver printed %q", lines.Bytes())}
		}
		c.lines <- l
	}
}

// Place is where a client connects: a [Server], or anything else that listens.
type Place struct {
	C2S       string // host:port, for slixmpp
	WebSocket string // URL, for strophe.js
	TLS       bool   // slixmpp: use STARTTLS, with whatever certificate is there
}

// Place is where clients of the server connect.
func (s *Server) Place() Place { return Place{C2S: s.C2S, WebSocket: s.WebSocket} }

func (c *Client) login(do string, p Place, jid, password string) answer {
	c.t.Helper()
	host, port, _ := strings.Cut(p.C2S, ":")
	command := map[string]any{"do": do, "jid": jid, "password": password}
	if c.ws {
		command["ws"] = p.WebSocket
	} else {
		command["host"], command["port"], command["tls"] = host, json.Number(port), p.TLS
	}
	return c.do(command)
}

// Register makes an account before login (XEP-0077 §3.1).
func (c *Client) Register(p Place, jid, password string) {
	c.t.Helper()
	if a := c.login("register", p, jid, password); a.Error != "" {
		c.t.Fatalf("%s: register %s: %s", c.name, jid, a.Error)
	}
}

// RegisterRefused is Register where a refusal is expected; it returns its
// condition.
func (c *Client) RegisterRefused(p Place, jid, password string) string {
	c.t.Helper()
	a := c.login("register", p, jid, password)
	if a.Error == "" {
		c.t.Fatalf("%s: register %s was not refused", c.name, jid)
	}
	return a.Error
}

// Connect logs in; a jid without localpart logs in anonymously. It asks for the
// roster, as every client does: servers tell of presence subscriptions only
// those who have asked (RFC 6121 §2.1.6). No presence is sent.
func (c *Client) Connect(p Place, jid, password string) {
	c.t.Helper()
	a := c.login("connect", p, jid, password)
	if a.Error != "" {
		c.t.Fatalf("%s: connect as %s: %s", c.name, jid, a.Error)
	}
	c.jid = a.JID
	c.Ask(`<iq type='get'><query xmlns='jabber:iq:roster'/></iq>`) // refused to the anonymous
}

// ConnectRefused is Connect where a refusal is expected; it returns its
// condition.
func (c *Client) ConnectRefused(p Place, jid, password string) string {
	c.t.Helper()
	a := c.login("connect", p, jid, password)
	if a.Error == "" {
		c.t.Fatalf("%s: connect as %s was not refused", c.name, jid)
	}
	return a.Error
}

// JID is the full JID the server gave the connected client.
func (c *Client) JID() string { return c.jid }

// Disconnect closes the stream.
func (c *Client) Disconnect() {
	c.t.Helper()
	if a := c.do(map[string]any{"do": "disconnect"}); a.Error != "" {
		c.t.Fatalf("%s: disconnect: %s", c.name, a.Error)
	}
}

// Available sends presence with entity capabilities (XEP-0115) that stand for
// these features, and answers questions about them from then on.
func (c *Client) Available(features ...string) {
	c.t.Helper()
	if features == nil {
		features = []string{}
	}
	if a := c.do(map[string]any{"do": "available", "features": features}); a.Error != "" {
		c.t.Fatalf("%s: send presence: %s", c.name, a.Error)
	}
}

// Send sends a message or presence.
func (c *Client) Send(format string, args ...any) {
	c.t.Helper()
	if a := c.do(map[string]any{"do": "send", "xml": inClient(fmt.Sprintf(format, args...))}); a.Error != "" {
		c.t.Fatalf("%s: send: %s", c.name, a.Error)
	}
}

// Ask sends an IQ get or set and returns the reply, a result or an error. The
// client library chooses the id when xml has none, and matches the reply.
func (c *Client) Ask(format string, args ...any) *Element {
	c.t.Helper()
	xml := inClient(fmt.Sprintf(format, args...))
	a := c.do(map[string]any{"do": "send", "xml": xml})
	if a.Error != "" {
		c.t.Fatalf("%s: ask: %s\n%s", c.name, a.Error, xml)
	}
	return c.parse(a.XML)
}

// Request is Ask where only a result will do.
func (c *Client) Request(format string, args ...any) *Element {
	c.t.Helper()
	reply := c.Ask(format, args...)
	if reply.Attr("type") != "result" {
		c.t.Fatalf("%s: refused: %s\n%s", c.name, fmt.Sprintf(format, args...), reply)
	}
	return reply
}

// Expect waits for a stanza that matches; what says what it is in a failure.
// Stanzas that do not match stay for later calls, and each is returned once.
func (c *Client) Expect(what string, match func(*Element) bool) *Element {
	c.t.Helper()
	for i, e := range c.inbox {
		if match(e) {
			c.inbox = append(c.inbox[:i], c.inbox[i+1:]...)
			return e
		}
	}
	timer := time.NewTimer(ExpectWithin)
	defer timer.Stop()
	for {
		select {
		case l, ok := <-c.lines:
			if !ok || l.Closed != "" {
				c.t.Fatalf("%s (%s): stream closed (%s), wanted %s", c.name, c.jid, l.Closed, what)
			}
			e := c.parse(l.Stanza)
			if match(e) {
				return e
			}
			c.inbox = append(c.inbox, e)
		case <-timer.C:
			c.t.Fatalf("%s (%s): no %s within %s; received instead:\n%s", c.name, c.jid, what, ExpectWithin, c.received())
		}
	}
}

// Received are the stanzas that nobody has expected so far, the oldest first:
// all that came before a request was answered, when called after it.
func (c *Client) Received() []*Element {
	c.t.Helper()
	for {
		select {
		case l, ok := <-c.lines:
			if !ok || l.Closed != "" {
				return c.inbox
			}
			c.inbox = append(c.inbox, c.parse(l.Stanza))
		default:
			return c.inbox
		}
	}
}

func (c *Client) received() string {
	var b strings.Builder
	for _, e := range c.inbox {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

func (c *Client) do(command map[string]any) answer {
	c.t.Helper()
	b, err := json.Marshal(command)
	if err != nil {
		c.t.Fatalf("%s: %v", c.name, err)
	}
	if _, err := c.in.Write(append(b, '\n')); err != nil {
		c.t.Fatalf("%s: %v", c.name, err)
	}
	timer := time.NewTimer(answerWithin)
	defer timer.Stop()
	for {
		select {
		case l, ok := <-c.lines:
			switch {
			case !ok:
				c.t.Fatalf("%s: the driver ended during %s", c.name, command["do"])
			case l.Answer != nil:
				return *l.Answer
			case l.Stanza != "":
				c.inbox = append(c.inbox, c.parse(l.Stanza))
			}
		case <-timer.C:
			c.t.Fatalf("%s: no answer to %s within %s", c.name, command["do"], answerWithin)
		}
	}
}

func (c *Client) parse(xml string) *Element {
	c.t.Helper()
	e, err := ParseElement(xml)
	if err != nil {
		c.t.Fatalf("%s: received %s: %v", c.name, xml, err)
	}
	return e
}

// inClient puts the root element into the namespace of clients' stanzas unless
// it says otherwise: a driver parses the stanza on its own.
func inClient(xml string) string {
	tag, _, _ := strings.Cut(xml, ">")
	if strings.Contains(tag, "xmlns=") {
		return xml
	}
	end := strings.IndexAny(xml, " />")
	return xml[:end] + " xmlns='jabber:client'" + xml[end:]
}

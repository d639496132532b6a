package c2s

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/sasl"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

const domain = bridge.JID("micro.example")

// fakeAccounts is accounts in memory.
type fakeAccounts struct {
	mu           sync.Mutex
	how          string
	tokens       map[string]bool
	by           map[string]bridge.Credential
	registration int // calls of Register
}

// newAccounts has alice with the password "pencil".
func newAccounts(t testing.TB) *fakeAccounts {
	t.Helper()
	alice, err := bridge.NewCredential("alice", "pencil")
	if err != nil {
		t.Fatal(err)
	}
	return &fakeAccounts{how: "open", tokens: map[string]bool{}, by: map[string]bridge.Credential{"alice": alice}}
}

func (f *fakeAccounts) Credential(nick string) (bridge.Credential, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.by[nick]
	return c, ok
}

func (f *fakeAccounts) Registration() string { return f.how }

func (f *fakeAccounts) Register(_ context.Context, nick, password, token string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.registration++
	if f.how == "invite" && !f.tokens[token] {
		return bridge.Refuse(bridge.NotAllowed, "an invitation is needed")
	}
	if err := bridge.CheckNick(nick, "update"); err != nil {
		return err
	}
	if _, taken := f.by[nick]; taken {
		return bridge.Refuse(bridge.Conflict, "taken")
	}
	return f.set(nick, password)
}

func (f *fakeAccounts) set(nick, password string) error {
	c, err := bridge.NewCredential(nick, password)
	if err == nil {
		f.by[nick] = c
	}
	return err
}

func (f *fakeAccounts) SetPassword(_ context.Context, nick, password string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.set(nick, password)
}

func (f *fakeAccounts) Remove(_ context.Context, nick string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.by, nick)
	return nil
}

// fakeRouter answers every IQ get with an empty result and remembers the rest.
type fakeRouter struct {
	mu       sync.Mutex
	bound    map[bridge.JID]xmpp.Session
	received chan *xmpp.Stanza
	full     bool   // Bind refuses
	greet    []byte // sent to each session as it binds
	panics   bool   // Receive panics
}

func newRouter() *fakeRouter {
	return &fakeRouter{bound: map[bridge.JID]xmpp.Session{}, received: make(chan *xmpp.Stanza, 100)}
}

func (r *fakeRouter) Bind(s xmpp.Session) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full {
		return bridge.Refuse(bridge.ResourceConstraint, "too many sessions")
	}
	if old := r.bound[s.JID()]; old != nil {
		old.Close("conflict")
	}
	r.bound[s.JID()] = s
	if r.greet != nil {
		return s.Send(xmpp.Presence, r.greet)
	}
	return nil
}

func (r *fakeRouter) Unbind(s xmpp.Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bound[s.JID()] == s {
		delete(r.bound, s.JID())
	}
}

func (r *fakeRouter) CloseAccount(bare bridge.JID, condition string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for jid, s := range r.bound {
		if jid.Bare() == bare {
			s.Close(condition)
		}
	}
}

func (r *fakeRouter) session(jid bridge.JID) xmpp.Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bound[jid]
}

func (r *fakeRouter) Receive(_ context.Context, st *xmpp.Stanza) {
	if r.panics {
		panic("a bug")
	}
	if st.Kind == "iq" && st.Type == "get" {
		if s := r.session(st.From); s != nil {
			s.Send(xmpp.Result, xmpp.ResultReply(st, nil))
		}
		return
	}
	select {
	case r.received <- st:
	default:
	}
}

func (r *fakeRouter) Refuse(_ context.Context, st *xmpp.Stanza, err error) {
	if s := r.session(st.From); s != nil {
		s.Send(xmpp.Result, xmpp.ErrorReply(st, err))
	}
}

func (r *fakeRouter) Caps(xmpp.Place) []byte {
	return []byte("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/>")
}

// house is a server with its fakes, listening on the loopback.
type house struct {
	*Server
	accounts *fakeAccounts
	router   *fakeRouter
	addr     string
}

// far makes the connections of a listener seem to come from elsewhere.
type far struct {
	net.Listener
}

type farConn struct{ *net.TCPConn }

func (farConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.7:4711"))
}

func (f far) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return farConn{c.(*net.TCPConn)}, nil
}

func newHouse(t testing.TB, change func(*Options, *house)) *house {
	t.Helper()
	h := &house{accounts: newAccounts(t), router: newRouter()}
	o := Options{
		Domain: domain, Accounts: h.accounts, Router: h.router,
		Secret: []byte("0123456789abcdef0123456789abcdef"), Anonymous: true,
		Limits: Limits{Farewell: time.Second},
	}
	if change != nil {
		change(&o, h)
	}
	h.Server = New(o)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return h
}

// listen serves on the loopback; elsewhere says that clients seem to come from
// another machine.
func (h *house) listen(t testing.TB, elsewhere bool) *house {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = ln.Addr().String()
	if elsewhere {
		ln = far{ln}
	}
	done := make(chan error, 1)
	go func() { done <- h.Serve(context.Background(), ln) }()
	t.Cleanup(func() {
		ln.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}

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

// pipe connects a client without a network, as one in a synctest bubble has to.
func (h *house) pipe(t testing.TB) *client {
	t.Helper()
	ours, theirs := net.Pipe()
	go h.handle(context.Background(), newTCP(theirs, h.limits.Unauthenticated), address{local: true}, false)
	return talk(t, ours)
}

// quit ends a house in a bubble.
func (h *house) quit(t testing.TB) {
	t.Helper()
	if err := h.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

func xmppDomain(t testing.TB, s string) bridge.JID {
	t.Helper()
	j, err := bridge.ParseJID(s)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

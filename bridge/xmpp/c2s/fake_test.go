package c2s

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

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

// pipe connects a client without a network, as one in a synctest bubble has to.
func (h *house) pipe(t testing.TB) *client {
	t.Helper()
	ours, theirs := net.Pipe()
	if live := h.handle(context.Background(), newTCP(theirs, h.limits.Unauthenticated), address{local: true}, false); live != nil {
		go live()
	}
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

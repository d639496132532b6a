package xmpp

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
)

const domain = bridge.JID("example.org")

// world is a router among fakes.
type world struct {
	t        *testing.T
	router   *Router
	contacts *contactBook
	far      *wire // the link to everywhere else
}

// newWorld has the accounts alice and bob, who log in, and ellen, whose owner
// lives elsewhere; the bot is update.
func newWorld(t *testing.T) *world {
	book := &contactBook{by: make(map[[2]bridge.JID]bridge.Contact)}
	r := NewRouter(Options{Domain: domain, Version: "1.0", Directory: people{"alice": true, "bob": true, "ellen": false}, Contacts: book})
	r.HandleMessage("update", func(context.Context, *Stanza) {})
	w := &world{t: t, router: r, contacts: book, far: &wire{}}
	r.AddLink(nil, w.far)
	t.Cleanup(r.Close)
	return w
}

// people is who lives on the domain: true for those who can log in.
type people map[string]bool

func (p people) Account(nick string) (bridge.Account, bool) {
	_, ok := p[nick]
	return bridge.Account{Nick: nick}, ok
}

func (p people) Accounts() []bridge.Account {
	var out []bridge.Account
	for nick := range p {
		out = append(out, bridge.Account{Nick: nick})
	}
	return out
}

func (p people) Credential(nick string) (bridge.Credential, bool) {
	return bridge.Credential{Nick: nick}, p[nick]
}

// contactBook is Contacts in memory.
type contactBook struct {
	mu    sync.Mutex
	by    map[[2]bridge.JID]bridge.Contact
	fail  error
	saves int
}

func (b *contactBook) Get(account, jid bridge.JID) (bridge.Contact, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c, ok := b.by[[2]bridge.JID{account, jid}]
	return c, ok
}

func (b *contactBook) List(account bridge.JID) []bridge.Contact {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []bridge.Contact
	for k, c := range b.by {
		if k[0] == account {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b bridge.Contact) int { return strings.Compare(string(a.JID), string(b.JID)) })
	return out
}

func (b *contactBook) Save(_ context.Context, c bridge.Contact) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.saves++
	key := [2]bridge.JID{c.Account, c.JID}
	if c.Removed {
		delete(b.by, key)
	} else {
		b.by[key] = c
	}
	return nil
}

// know makes two of our addresses contacts, seen from account.
func (w *world) know(account, jid bridge.JID, subscription string) {
	w.contacts.by[[2]bridge.JID{account, jid}] = bridge.Contact{Account: account, JID: jid, Subscription: subscription, InRoster: true}
}

// wire takes what is sent to it and shows it in short.
type wire struct {
	mu     sync.Mutex
	got    []string
	ids    []string // of the stanzas got
	err    error
	closed string
}

func (w *wire) take(stanza []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	st, err := ParseStanza(stanza, NSClient)
	if err != nil {
		w.got = append(w.got, fmt.Sprintf("broken %q: %v", stanza, err))
		return nil
	}
	w.got = append(w.got, short(st))
	w.ids = append(w.ids, st.ID)
	return nil
}

// short is a stanza in one line: kind, type, addresses, and what is in it.
func short(st *Stanza) string {
	s := st.Kind
	if st.Type != "" {
		s += ":" + st.Type
	}
	s += fmt.Sprintf(" %s>%s", st.From, st.To)
	for _, c := range st.Children {
		s += " " + shortElement(c)
	}
	return s
}

func shortElement(e *Element) string {
	switch {
	case e.Name.Local == "c":
		return "caps"
	case e.Name.Local == "query" && e.Name.Space == nsRoster:
		s := "roster["
		for i, c := range e.Children {
			if i > 0 {
				s += " "
			}
			s += strings.TrimSuffix(c.Attribute("jid")+"/"+c.Attribute("subscription")+"/"+c.Attribute("ask"), "/")
		}
		return s + "]"
	case e.Name.Local == "error":
		return e.Attribute("type") + "/" + e.Children[0].Name.Local
	case e.Text != "":
		return e.Name.Local + "=" + e.Text
	case e.Attribute("node") != "":
		return e.Name.Local + "(" + e.Attribute("node") + ")"
	}
	return e.Name.Local
}

// all takes away what has come so far.
func (w *wire) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	got := w.got
	w.got = nil
	return got
}

// lastID is the id of the stanza that came last.
func (w *wire) lastID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ids[len(w.ids)-1]
}

func (w *wire) Send(_ bridge.JID, _ Priority, stanza []byte) error { return w.take(stanza) }

// client is a session.
type client struct {
	wire
	w         *world
	jid       bridge.JID
	anonymous bool
	lanes     []Priority // of what it got
}

func (c *client) JID() bridge.JID { return c.jid }
func (c *client) Anonymous() bool { return c.anonymous }

func (c *client) Send(p Priority, stanza []byte) error {
	c.mu.Lock()
	c.lanes = append(c.lanes, p)
	c.mu.Unlock()
	return c.take(stanza)
}

func (c *client) Close(condition string) { c.closed = condition }

// login binds a session.
func (w *world) login(jid bridge.JID) *client {
	c := &client{w: w, jid: jid}
	if err := w.router.Bind(c); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// online is login, a request for the roster, and initial presence; what comes
// in answer is taken away.
func (w *world) online(jid bridge.JID) *client {
	c := w.login(jid)
	c.say("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
	c.say("<presence/>")
	w.quiet()
	c.all()
	return c
}

// say is what the client's transport does with a stanza of its.
func (c *client) say(format string, args ...any) {
	c.w.receive(c.jid, fmt.Sprintf(format, args...))
}

// hear is what a link does with a stanza from elsewhere.
func (w *world) hear(format string, args ...any) { w.receive("", fmt.Sprintf(format, args...)) }

func (w *world) receive(from bridge.JID, raw string) {
	w.t.Helper()
	st, err := ParseStanza([]byte(raw), NSClient)
	if err != nil && st == nil {
		w.t.Fatalf("%s: %v", raw, err)
	}
	if from != "" {
		st.From = from
	}
	if err != nil {
		w.router.Refuse(context.Background(), st, err)
		return
	}
	w.router.Receive(context.Background(), st)
}

// quiet takes away what the link and all sessions got.
func (w *world) quiet() {
	w.far.all()
	w.router.sessions.mu.RLock()
	defer w.router.sessions.mu.RUnlock()
	for _, of := range w.router.sessions.by {
		for _, b := range of {
			b.session.(*client).all()
		}
	}
}

// got checks everything that came to a wire since it was last asked.
func (w *world) got(c interface{ all() []string }, want ...string) {
	w.t.Helper()
	got := c.all()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("(-want +got):\n%s", diff)
	}
}

// inOrder is got with the order.
func (w *world) inOrder(c interface{ all() []string }, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, c.all()); diff != "" {
		w.t.Errorf("(-want +got):\n%s", diff)
	}
}

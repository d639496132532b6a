package pubsub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/eventlog"
	"peewit/bridge/service"
	"peewit/bridge/xmpp"
)

var _ Router = (*xmpp.Router)(nil)

// house is the real service on a log of its own, behind a router that records.
type house struct {
	svc    *service.Service
	router *router
	h      *Handler
}

// tracked is the view of track nodes: one item each.
type tracked struct{ svc *service.Service }

func (v *tracked) Shows(addr bridge.Addr) bool {
	_, ok := v.svc.TrackOf(addr)
	return ok
}

func (v *tracked) Items(_ context.Context, node bridge.Node, _ archive.Query) (archive.Page, error) {
	return archive.Page{Total: 1, First: "7", Last: "7", Items: []bridge.Item{{Addr: bridge.Addr{Service: "bob@" + testDomain, Name: bridge.NodeMicroblog}, First: 7, ID: "match", Publisher: "bob@" + testDomain, Payload: []byte("<x xmlns='urn:x'/>")}}}, nil
}

// newHouse opens a house with the accounts alice, bob and carol, each with one
// session at "phone". Alice's owner elsewhere is alice@home.example.
func newHouse(t testing.TB) *house {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	logger := slog.New(slog.DiscardHandler)
	log, err := eventlog.Open(ctx, eventlog.Options{Dir: t.TempDir(), Sync: "interval", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := service.Open(ctx, service.Options{
		Domain: testDomain, BaseURL: "http://micro.example/", Bot: "update", Registration: "open",
		ArchiveDir: t.TempDir(), Log: log, Logger: logger,
	})
	if err != nil {
		t.Fatal(errors.Join(err, log.Close()))
	}
	r := &router{handlers: map[string]xmpp.IQHandler{}, sessions: map[bridge.JID]*session{}, interest: map[string][]bridge.JID{}}
	h := New(Options{Service: svc, Router: r, Logger: logger, Views: []View{&tracked{svc}}})
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, svc.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	for _, nick := range []string{"alice", "bob", "carol"} {
		var o service.AccountOptions
		if nick == "alice" {
			o.Owners = []bridge.JID{"alice@home.example"}
		}
		if _, err := svc.Accounts.Create(ctx, nick, o); err != nil {
			t.Fatal(err)
		}
		r.login(bridge.JID(nick + "@" + string(testDomain) + "/phone"))
	}
	return &house{svc: svc, router: r, h: h}
}

// say sends an iq and returns the answer. The sender is the stanza's from; "" is
// the account's own address.
func (h *house) say(t testing.TB, from bridge.JID, iq string) string {
	t.Helper()
	st, err := xmpp.ParseStanza([]byte(iq), xmpp.NSClient)
	if err != nil {
		t.Fatalf("%s: %v", iq, err)
	}
	st.From = from
	if st.To == "" {
		st.To = from.Bare() // RFC 6120 §10.3.3
	}
	payload, err := h.router.handle(st)
	if err != nil {
		return string(xmpp.ErrorReply(st, err))
	}
	return string(xmpp.ResultReply(st, payload))
}

// router is a Router whose sessions keep what they are sent.
type router struct {
	handlers map[string]xmpp.IQHandler
	describe xmpp.NodeHandler
	list     xmpp.ItemsHandler
	greet    xmpp.InterestHandler
	end      func(bridge.JID)
	info     [2]xmpp.Info

	mu       sync.Mutex
	sessions map[bridge.JID]*session
	interest map[string][]bridge.JID // by account and node
	remote   []string
}

type session struct {
	jid bridge.JID
	mu  sync.Mutex
	in  []string
}

func (s *session) JID() bridge.JID { return s.jid }
func (s *session) Anonymous() bool { return false }
func (s *session) Close(string)    {}
func (s *session) Send(_ xmpp.Priority, stanza []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in = append(s.in, string(stanza))
	return nil
}

// take is what came in since the last time.
func (s *session) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.in
	s.in = nil
	return in
}

func (r *router) login(full bridge.JID) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &session{jid: full}
	r.sessions[full] = s
	return s
}

func (r *router) HandleIQ(typ, space, local string, h xmpp.IQHandler) {
	r.handlers[typ+" "+space+" "+local] = h
}
func (r *router) HandleNode(h xmpp.NodeHandler)          { r.describe = h }
func (r *router) HandleItems(h xmpp.ItemsHandler)        { r.list = h }
func (r *router) Advertise(p xmpp.Place, info xmpp.Info) { r.info[p] = info }
func (r *router) OnInterest(fn xmpp.InterestHandler)     { r.greet = fn }
func (r *router) OnEnd(fn func(bridge.JID))              { r.end = fn }

// logout ends a session; the handler is told so unless quietly.
func (r *router) logout(full bridge.JID, quietly bool) {
	r.mu.Lock()
	delete(r.sessions, full)
	r.mu.Unlock()
	if !quietly {
		r.end(full)
	}
}

func (r *router) Send(to bridge.JID, _ xmpp.Priority, stanza []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if to.Domain() != testDomain {
		r.remote = append(r.remote, string(stanza))
		return nil
	}
	s := r.sessions[to]
	if s == nil {
		return fmt.Errorf("send to %s: %w", to, xmpp.ErrUnreachable)
	}
	return s.Send(xmpp.Event, stanza)
}

func (r *router) Sessions(bare bridge.JID) []xmpp.Session {
	r.mu.Lock()
	defer r.mu.Unlock()
	var of []xmpp.Session
	for jid, s := range r.sessions {
		if jid.Bare() == bare {
			of = append(of, s)
		}
	}
	return of
}

func (r *router) Interested(account bridge.JID, node string) []bridge.JID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.interest[string(account)+" "+node])
}

func (r *router) handle(st *xmpp.Stanza) ([]byte, error) {
	payload := st.Payload()
	if payload == nil {
		return nil, bridge.Refuse(bridge.BadRequest, "")
	}
	if h := r.handlers[st.Type+" "+payload.Name.Space+" "+payload.Name.Local]; h != nil {
		return h(context.Background(), st)
	}
	q := xmpp.Query{From: st.From, To: st.To, Node: payload.Attribute("node"), Element: payload}
	switch payload.Name.Space {
	case nsInfo:
		info, err := r.describe(context.Background(), q)
		if err != nil || info == nil {
			return nil, orNotFound(err)
		}
		return []byte(discoInfo(q.Node, info)), nil
	case nsItems:
		items, set, claimed, err := r.list(context.Background(), q)
		if err != nil || !claimed {
			return nil, orNotFound(err)
		}
		return []byte(discoItems(q.Node, items, set)), nil
	}
	return nil, bridge.Refuse(bridge.ServiceUnavailable, "")
}

func orNotFound(err error) error {
	if err != nil {
		return err
	}
	return bridge.Refuse(bridge.ItemNotFound, "")
}

func discoInfo(node string, info *xmpp.Info) string {
	w := new(writer)
	w.raw("<query").attr("xmlns", nsInfo).optional("node", node).raw(">")
	for _, i := range info.Identities {
		w.raw("<identity").attr("category", i.Category).attr("type", i.Type).optional("name", i.Name).raw("/>")
	}
	for _, f := range info.Features {
		w.raw("<feature").attr("var", f).raw("/>")
	}
	for _, form := range info.Forms {
		var fields []field
		for _, f := range form.Fields {
			fields = append(fields, field{name: f.Var, kind: f.Kind, label: f.Label, values: f.Values})
		}
		writeForm(w, "result", form.Type, "", fields)
	}
	return string(w.raw("</query>").b)
}

func discoItems(node string, items []xmpp.DiscoItem, set []byte) string {
	w := new(writer)
	w.raw("<query").attr("xmlns", nsItems).optional("node", node).raw(">")
	for _, i := range items {
		w.raw("<item").attr("jid", string(i.JID)).optional("node", i.Node).optional("name", i.Name).raw("/>")
	}
	w.b = append(w.b, set...)
	return string(w.raw("</query>").b)
}

// iq is an iq with an id.
func iq(typ string, to bridge.JID, inner string) string {
	w := new(writer)
	return string(w.raw("<iq id='1'").attr("type", typ).optional("to", string(to)).raw(">").raw(inner).raw("</iq>").b)
}

// ps is an iq with a <pubsub/>.
func ps(typ string, to bridge.JID, inner string) string {
	return iq(typ, to, "<pubsub xmlns='"+nsPubsub+"'>"+inner+"</pubsub>")
}

// own is an iq with an owner's <pubsub/>.
func own(typ string, to bridge.JID, inner string) string {
	return iq(typ, to, "<pubsub xmlns='"+nsOwner+"'>"+inner+"</pubsub>")
}

// must fails the test unless the answer is a result.
func (h *house) must(t testing.TB, from bridge.JID, iq string) string {
	t.Helper()
	answer := h.say(t, from, iq)
	if !strings.HasPrefix(answer, "<iq type='result'") {
		t.Fatalf("%s\nis answered with\n%s", iq, answer)
	}
	return answer
}

const (
	alice = testAccount + "/phone"
	bob   = bridge.JID("bob@micro.example/phone")
	carol = bridge.JID("carol@micro.example/phone")
)

// counting is a router that only counts what its sessions are sent.
type counting struct {
	*router
	by map[bridge.JID]*counter
}

type counter struct {
	session
	n int
}

func (c *counter) Send(_ xmpp.Priority, stanza []byte) error { c.n++; return nil }

func (r *counting) Sessions(bare bridge.JID) []xmpp.Session {
	if c := r.by[bare]; c != nil {
		return []xmpp.Session{c}
	}
	return nil
}

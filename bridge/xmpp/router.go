package xmpp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"peewit/bridge"
)

// Priority orders what waits for one way out: what somebody waits for goes
// first. Stanzas of one priority stay in order.
type Priority int

// The priorities, most urgent first.
const (
	Result Priority = iota // our answers to IQs, and our questions
	// Presence is presence and whatever one client sends another: that must stay
	// in order (RFC 6120 §10.1).
	Presence
	Event // notifications
)

// Link is a way out to other domains. Send never blocks; it returns an error
// when the receiver cannot be reached now.
type Link interface {
	Send(to bridge.JID, p Priority, stanza []byte) error
}

// Session is somebody logged in here.
type Session interface {
	JID() bridge.JID // full
	// Anonymous reports whether nobody stands behind the session (XEP-0175). It
	// may read, and nothing else.
	Anonymous() bool
	// Send queues a stanza and never blocks; it returns an error when the
	// session cannot take it.
	Send(p Priority, stanza []byte) error
	// Close ends the session's stream with a stream error (RFC 6120 §4.9.3). It
	// does not wait for the end.
	Close(condition string)
}

// Directory knows who lives on the domain.
type Directory interface {
	Account(nick string) (bridge.Account, bool)
	Accounts() []bridge.Account
	Credential(nick string) (bridge.Credential, bool)
}

// Contacts keeps the rosters. Save returns when the change is logged and
// applied; a contact saved with Removed is deleted.
type Contacts interface {
	Get(account, jid bridge.JID) (bridge.Contact, bool)
	List(account bridge.JID) []bridge.Contact
	Save(ctx context.Context, c bridge.Contact) error
}

// Options is what a Router is made of.
type Options struct {
	Domain    bridge.JID
	Version   string // of the program, for XEP-0092
	Directory Directory
	Contacts  Contacts
	Logger    *slog.Logger
}

// ErrUnreachable means that nobody took the stanza.
var ErrUnreachable = errors.New("nobody there")

// IQHandler answers an IQ with the payload of a result (nil: an empty result)
// or with an error (see [bridge.AsError]).
type IQHandler func(ctx context.Context, st *Stanza) (payload []byte, err error)

// MessageHandler takes in a message.
type MessageHandler func(ctx context.Context, st *Stanza)

// Router carries stanzas between sessions, handlers and links. Its methods may
// be called from several goroutines; handlers are registered before the first
// stanza.
type Router struct {
	domain    bridge.JID
	version   string
	directory Directory
	contacts  Contacts
	logger    *slog.Logger
	started   time.Time

	sessions  *sessions
	asks      *asks
	locks     *contactLocks
	remotes   *remotes
	caps      *capsTable
	interests *interests
	judging   sync.Mutex // one judgement of interests at a time

	mu         sync.RWMutex // of what is registered
	byHost     map[bridge.JID]Link
	others     Link // to every domain that no link names
	iq         map[iqKey]IQHandler
	messages   map[string]MessageHandler
	bounces    []MessageHandler
	onInterest []InterestHandler
	onEnd      []func(full bridge.JID)
	nodes      []NodeHandler
	items      []ItemsHandler
	places     [places]place
}

type iqKey struct{ typ, space, local string }

// NewRouter returns a router without sessions and links that knows disco,
// rosters, ping, version and time.
func NewRouter(o Options) *Router {
	r := &Router{
		domain:    o.Domain,
		version:   o.Version,
		directory: o.Directory,
		contacts:  o.Contacts,
		logger:    o.Logger,
		started:   time.Now(),
		sessions:  newSessions(),
		asks:      newAsks(),
		locks:     newContactLocks(),
		remotes:   newRemotes(),
		caps:      newCaps(),
		interests: newInterests(),
		byHost:    make(map[bridge.JID]Link),
		iq:        make(map[iqKey]IQHandler),
		messages:  make(map[string]MessageHandler),
	}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	r.handleOwn()
	return r
}

// Domain is the domain whose addresses are ours.
func (r *Router) Domain() bridge.JID { return r.domain }

// Close ends every question still open. The router carries nothing afterwards
// that needs an answer.
func (r *Router) Close() { r.asks.close() }

// HandleIQ registers who answers IQs of a type ("get" or "set") with this
// payload element that are sent to the domain, to an account's bare JID, or to
// the resource /bridge of an account without sessions. All others get
// service-unavailable.
func (r *Router) HandleIQ(typ, space, local string, h IQHandler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.iq[iqKey{typ, space, local}] = h
}

// HandleMessage registers who takes messages (errors excepted) sent to
// local@domain, or to the domain itself when local is "". The address becomes
// one that accepts every presence subscription.
func (r *Router) HandleMessage(local string, h MessageHandler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages[local] = h
}

// HandleBounce registers who is told of messages of type error that come back
// to the domain or to an address without sessions.
func (r *Router) HandleBounce(h MessageHandler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bounces = append(r.bounces, h)
}

// AddLink makes l the way to these domains, or to all that no other link
// names. l must be comparable; a link stays known while it is down.
func (r *Router) AddLink(hosts []bridge.JID, l Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(hosts) == 0 {
		r.others = l
	}
	for _, h := range hosts {
		r.byHost[h] = l
	}
}

func (r *Router) linkTo(host bridge.JID) Link {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if l := r.byHost[host]; l != nil {
		return l
	}
	return r.others
}

// ours reports whether the address is on our domain.
func (r *Router) ours(j bridge.JID) bool { return j.Domain() == r.domain }

// Receive handles or routes a stanza whose From a transport has authenticated.
// It never fails: refusals are answered.
func (r *Router) Receive(ctx context.Context, st *Stanza) {
	if st.From == "" {
		r.logger.WarnContext(ctx, "stanza without a sender", slog.String("kind", st.Kind))
		return
	}
	if err := r.admit(st); err != nil {
		r.Refuse(ctx, st, err)
		return
	}
	switch st.Kind {
	case "iq":
		r.receiveIQ(ctx, st)
	case "message":
		r.receiveMessage(ctx, st)
	case "presence":
		r.receivePresence(ctx, st)
	}
}

// Refuse answers a stanza with an error, unless it must not be answered.
func (r *Router) Refuse(ctx context.Context, st *Stanza, err error) {
	logError(ctx, r.logger, st, err)
	if st.From == "" {
		return
	}
	to := *st
	if to.To == "" {
		to.To = r.addressee(st.From)
	}
	_ = r.reply(ctx, &to, ErrorReply(&to, err)) // nobody is left to be told
}

// addressee is whom a stanza without an address is for: the sender's account
// (RFC 6120 §10.3), or the domain.
func (r *Router) addressee(from bridge.JID) bridge.JID {
	if r.ours(from) && from.Local() != "" {
		return from.Bare()
	}
	return r.domain
}

// reply sends an answer back to where the question came from.
func (r *Router) reply(ctx context.Context, st *Stanza, answer []byte) error {
	if answer == nil {
		return nil
	}
	inTurn(ctx)
	err := r.Send(st.From, Result, answer)
	if err != nil {
		r.logger.DebugContext(ctx, "answer lost", slog.String("to", string(st.From)), slog.Any("error", err))
	}
	return err
}

// Send carries a stanza made by us to an address: to the session with that full
// JID, to the sessions of that account (presence to all that are available,
// everything else to those with a priority of 0 or more), or out through the
// link to its domain. The stanza's own addresses are the caller's business.
func (r *Router) Send(to bridge.JID, p Priority, stanza []byte) error {
	if !r.ours(to) {
		return r.sendOut(to, p, stanza)
	}
	if !to.IsBare() {
		if s := r.sessions.get(to); s != nil {
			return s.session.Send(p, stanza)
		}
		return fmt.Errorf("send to %s: %w", to, ErrUnreachable)
	}
	err := error(fmt.Errorf("send to %s: %w", to, ErrUnreachable))
	for _, s := range r.sessions.of(to) {
		if !s.takes(p) {
			continue
		}
		if e := s.session.Send(p, stanza); e == nil {
			err = nil
		}
	}
	return err
}

// sendOut is the only way through a link.
func (r *Router) sendOut(to bridge.JID, p Priority, stanza []byte) error {
	l := r.linkTo(to.Domain())
	if l == nil {
		return fmt.Errorf("send to %s: %w: no link to its domain", to, ErrUnreachable)
	}
	if err := r.guard(stanza); err != nil {
		r.logger.Error("stanza not sent", slog.String("to", string(to)), slog.Any("error", err))
		return fmt.Errorf("send to %s: %w", to, err)
	}
	return l.Send(to, p, stanza)
}

// guard refuses what would close a whole link: a stanza without a receiver or
// with a sender that is not ours, or bytes that are no XML.
func (r *Router) guard(stanza []byte) error {
	s := string(stanza)
	if err := checkText(s); err != nil {
		return err
	}
	p := parser{raw: stanza, s: s, elements: make([]Element, 0, 1)}
	tag, _, err := p.startTag(stream(NSClient))
	if err != nil {
		return err
	}
	from, err := bridge.ParseJID(tag.Attribute("from"))
	if err != nil || !r.ours(from) {
		return fmt.Errorf("stanza from %q, which is not ours", tag.Attribute("from"))
	}
	if _, err := bridge.ParseJID(tag.Attribute("to")); err != nil {
		return fmt.Errorf("stanza to %q: %w", tag.Attribute("to"), err)
	}
	return nil
}

// Bind makes a session known; from now on stanzas to its full JID reach it. A
// session with the same resource is closed (RFC 6120 §7.7.2.2). The error is a
// [bridge.ResourceConstraint] when the account has too many sessions.
func (r *Router) Bind(s Session) error {
	old, err := r.sessions.add(s)
	if err != nil {
		return err
	}
	if old != nil {
		r.leave(context.Background(), old)
		old.session.Close("conflict")
	}
	return nil
}

// Unbind forgets a session and tells those who saw it. It does nothing when
// another session has taken its place.
func (r *Router) Unbind(s Session) {
	if b := r.sessions.remove(s); b != nil {
		r.leave(context.Background(), b)
	}
}

// OnEnd registers who is told that the session of a full JID has ended.
func (r *Router) OnEnd(fn func(full bridge.JID)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.onEnd = append(r.onEnd, fn)
}

// CloseAccount ends all sessions of an account, as when it is removed.
func (r *Router) CloseAccount(bare bridge.JID, condition string) {
	for _, b := range r.sessions.of(bare) {
		r.Unbind(b.session)
		b.session.Close(condition)
	}
}

// Sessions is the account's sessions that are available with a priority of 0
// or more.
func (r *Router) Sessions(bare bridge.JID) []Session {
	var out []Session
	for _, b := range r.sessions.of(bare) {
		if b.takes(Event) {
			out = append(out, b.session)
		}
	}
	return out
}

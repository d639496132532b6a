package xmpp

import (
	"context"

	"peewit/bridge"
)

// receiveMessage delivers a message (RFC 6121 §8). Nothing is stored for later:
// whoever is not there does not get it, and the sender is told.
func (r *Router) receiveMessage(ctx context.Context, st *Stanza) {
	if st.To == "" { // RFC 6120 §10.3.1
		st.To = r.addressee(st.From)
	}
	switch {
	case !r.ours(st.To):
		r.forward(ctx, st)
	case r.sessions.get(st.To) != nil: // RFC 6121 §8.5.3.1
		r.forward(ctx, st)
	case len(r.sessions.of(st.To.Bare())) > 0:
		r.deliver(ctx, st)
	default:
		r.takeIn(ctx, st)
	}
}

// takeIn hands a message to an address without sessions to its handler.
func (r *Router) takeIn(ctx context.Context, st *Stanza) {
	r.mu.RLock()
	handlers := r.bounces
	if st.Type != "error" {
		handlers = nil
		if h := r.messages[st.To.Local()]; h != nil {
			handlers = []MessageHandler{h}
		}
	}
	r.mu.RUnlock()
	for _, h := range handlers {
		h(ctx, st)
	}
	if len(handlers) == 0 && st.Type != "headline" { // RFC 6121 §8.5.1, §8.5.2.2.1
		r.Refuse(ctx, st, nobody(st.To))
	}
}

// deliver follows the rules for an account with sessions and a message to its
// bare JID, or to a resource that is not there.
func (r *Router) deliver(ctx context.Context, st *Stanza) {
	toBare := st.To.IsBare()
	there := r.Sessions(st.To.Bare())
	switch st.Type {
	case "error": // RFC 6121 §8.5.2.1.1
		return
	case "headline":
		if !toBare { // RFC 6121 §8.5.3.2.1
			return
		}
	case "groupchat":
		there = nil
	case "chat":
	default: // normal
		if !toBare {
			there = nil
		}
	}
	taken := false
	stanza := st.Bytes()
	for _, s := range there {
		if err := s.Send(Presence, stanza); err == nil {
			taken = true
		}
	}
	if !taken && st.Type != "headline" { // RFC 6121 §8.5.2.2.1
		r.Refuse(ctx, st, nobody(st.To))
	}
}

// alwaysThere reports whether a bare address of ours has nobody behind it who
// could log in, and is therefore available always: the domain, an address with
// a message handler, an account without a password.
func (r *Router) alwaysThere(bare bridge.JID) bool {
	nick := bare.Local()
	if nick == "" {
		return bare == r.domain
	}
	r.mu.RLock()
	_, isBot := r.messages[nick]
	r.mu.RUnlock()
	if isBot {
		return true
	}
	if _, ok := r.directory.Account(nick); !ok {
		return false
	}
	_, canLogIn := r.directory.Credential(nick)
	return !canLogIn
}

// exists reports whether a bare address of ours is somebody's.
func (r *Router) exists(bare bridge.JID) bool {
	if r.alwaysThere(bare) {
		return true
	}
	_, ok := r.directory.Account(bare.Local())
	return ok
}

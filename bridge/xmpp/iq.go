package xmpp

import (
	"context"
	"errors"

	"peewit/bridge"
)

// Bridge is the resource of an account that has no sessions.
const Bridge = "bridge"

// receiveIQ answers an IQ, carries it to a session, or sends it on
// (RFC 6120 §8.2.3, RFC 6121 §8).
func (r *Router) receiveIQ(ctx context.Context, st *Stanza) {
	if st.To == "" { // RFC 6120 §10.3.3
		st.To = r.addressee(st.From)
	}
	asks := st.Type == "get" || st.Type == "set"
	switch {
	case !asks && st.Type != "result" && st.Type != "error":
		r.Refuse(ctx, st, bridge.Refuse(bridge.BadRequest, "an iq is a get, a set, a result or an error"))
	case asks && (st.ID == "" || len(st.Children) != 1):
		r.Refuse(ctx, st, bridge.Refuse(bridge.BadRequest, "a request has an id and one child element"))
	case !r.ours(st.To), r.sessions.get(st.To) != nil:
		r.forward(ctx, st)
	case !st.To.IsBare() && (st.To.Resource() != Bridge || !r.alwaysThere(st.To.Bare())):
		r.Refuse(ctx, st, nobody(st.To)) // RFC 6121 §8.5.3.2.3
	case asks:
		r.serve(ctx, st)
	default:
		r.asks.answer(ctx, st)
	}
}

// serve lets the handler of the payload answer.
func (r *Router) serve(ctx context.Context, st *Stanza) {
	name := st.Payload().Name
	r.mu.RLock()
	h := r.iq[iqKey{st.Type, name.Space, name.Local}]
	r.mu.RUnlock()
	if h == nil {
		r.Refuse(ctx, st, bridge.Refuse(bridge.ServiceUnavailable, "%s does not know this request", st.To))
		return
	}
	payload, err := h(ctx, st)
	if err != nil {
		r.Refuse(ctx, st, err)
		return
	}
	if err := r.reply(ctx, st, ResultReply(st, payload)); err != nil { // too big for the link, most likely
		r.Refuse(ctx, st, &bridge.Error{Condition: bridge.ResourceConstraint, Text: "the answer cannot be sent", Err: err})
	}
}

// forward carries a stanza on as it came, from whom it really is. Its sender is
// told when that fails.
func (r *Router) forward(ctx context.Context, st *Stanza) {
	if err := r.carry(st); err != nil {
		r.Refuse(ctx, st, err)
	}
}

// carry is forward without telling the sender.
func (r *Router) carry(st *Stanza) error {
	if !r.ours(st.To) && !r.ours(st.From) {
		return bridge.Refuse(bridge.ServiceUnavailable, "stanzas for other domains are not relayed here")
	}
	if !r.ours(st.To) && r.linkTo(st.To.Domain()) == nil {
		return bridge.Refuse(RemoteServerNotFound, "there is no way to %s from here", st.To.Domain())
	}
	err := r.Send(st.To, Presence, st.Bytes())
	switch {
	case err == nil:
		return nil
	case r.ours(st.To), errors.Is(err, ErrMalformed):
		e := nobody(st.To)
		e.Err = err
		return e
	}
	return &bridge.Error{Condition: RemoteServerTimeout, Text: "the way there is interrupted; try again later", Err: err}
}

// nobody is the refusal for an address behind which nobody is now
// (RFC 6121 §8.5).
func nobody(j bridge.JID) *bridge.Error {
	return bridge.Refuse(bridge.ServiceUnavailable, "%s is not there", j)
}

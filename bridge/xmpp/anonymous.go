package xmpp

import "peewit/bridge"

// admit decides whether a stanza is taken at all. It is the one place that
// knows what an anonymous session (XEP-0175) may do: read, subscribe to nodes
// to be pushed what it reads, answer, and be available to nobody.
func (r *Router) admit(st *Stanza) error {
	if !r.ours(st.From) {
		return nil
	}
	b := r.sessions.get(st.From)
	switch {
	case b == nil: // it was closed while this was on its way
		return bridge.Refuse(bridge.NotAuthorized, "the session has ended")
	case !b.anonymous, st.Type == "error", anonymousMay(st) && (st.To == "" || r.ours(st.To)) && !r.asksClient(st):
		return nil
	}
	return bridge.Refuse(bridge.Forbidden, "an anonymous session may only read")
}

// asksClient reports whether a question goes to somebody's client and not to us.
func (r *Router) asksClient(st *Stanza) bool {
	return st.Type == "get" && st.To.Bare() != st.From.Bare() && r.sessions.get(st.To) != nil
}

func anonymousMay(st *Stanza) bool {
	switch st.Kind + " " + st.Type {
	case "iq get", "iq result":
		return true
	case "iq set":
		return onlySubscribes(st.Payload())
	case "presence ", "presence unavailable":
		return st.To == ""
	}
	return false
}

// onlySubscribes reports whether the payload of a set is one that changes
// nothing but what its sender is told.
func onlySubscribes(e *Element) bool {
	if e == nil || e.Name.Space != "http://jabber.org/protocol/pubsub" || len(e.Children) == 0 {
		return false
	}
	for _, c := range e.Children {
		switch c.Name.Local {
		case "subscribe", "unsubscribe", "options":
		default:
			return false
		}
	}
	return true
}

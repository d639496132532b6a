package xmpp

import "peewit/bridge"

// The presence types that change a subscription (RFC 6121 §3).
const (
	subscribe    = "subscribe"
	subscribed   = "subscribed"
	unsubscribe  = "unsubscribe"
	unsubscribed = "unsubscribed"
)

func changesSubscription(typ string) bool {
	switch typ {
	case subscribe, subscribed, unsubscribe, unsubscribed:
		return true
	}
	return false
}

// outbound is what becomes of a contact when its account sends it a stanza of
// this type, and whether the stanza goes on to the contact
// (RFC 6121 appendix A.2).
func outbound(c bridge.Contact, typ string) (next bridge.Contact, route bool) {
	next = c
	switch typ {
	case subscribe: // §A.2.1
		next.Ask = !c.SeesContact()
		next.InRoster = true
		return next, true
	case unsubscribe: // §A.2.2
		next.Ask = false
		next.Subscription = subscription(false, c.SeenByContact())
		return next, c.Ask || c.SeesContact()
	case subscribed: // §A.2.3
		if !c.PendingIn {
			return c, false
		}
		next.PendingIn, next.InRoster = false, true
		next.Subscription = subscription(c.SeesContact(), true)
		return next, true
	case unsubscribed: // §A.2.4
		next.PendingIn = false
		next.Subscription = subscription(c.SeesContact(), false)
		return next, c.PendingIn || c.SeenByContact()
	}
	return c, false
}

// inbound is what becomes of a contact when it sends its account a stanza of
// this type (RFC 6121 appendix A.3). The account is told exactly when something
// changes.
func inbound(c bridge.Contact, typ string) bridge.Contact {
	switch typ {
	case subscribe: // §A.3.1
		c.PendingIn = !c.SeenByContact()
	case unsubscribe: // §A.3.2
		c.PendingIn = false
		c.Subscription = subscription(c.SeesContact(), false)
	case subscribed: // §A.3.3
		if c.Ask {
			c.Ask = false
			c.Subscription = subscription(true, c.SeenByContact())
		}
	case unsubscribed: // §A.3.4
		c.Ask = false
		c.Subscription = subscription(false, c.SeenByContact())
	}
	return c
}

// subscription is the state in one word.
func subscription(to, from bool) string {
	switch {
	case to && from:
		return "both"
	case to:
		return "to"
	case from:
		return "from"
	}
	return "none"
}

// empty reports whether nothing is left that is worth keeping.
func empty(c bridge.Contact) bool {
	return !c.InRoster && !c.PendingIn && !c.Ask && c.Subscription == "none"
}

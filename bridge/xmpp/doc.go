// Package xmpp routes stanzas and knows no transport.
//
// A transport (the listener in c2s, the link in component) cuts a byte stream
// into pieces with a [Framer], reads a piece with [ParseStanza], stamps who sent
// it, and gives it to [Router.Receive]. From there on everything is addresses:
// a stanza is answered by a handler, goes to a bound [Session], or leaves
// through a [Link] to another domain. A transport never sees an error of
// Receive: a refusal is an error stanza, sent like any other.
//
// What RFC 6121 asks between accounts stands here as well: rosters, presence
// and its subscriptions, the delivery rules for messages. So does what every
// address must be able to say about itself: service discovery (XEP-0030), its
// hash in presence (XEP-0115, XEP-0390), ping, version. Doors add to it with
// [Router.HandleIQ], [Router.HandleMessage], [Router.Advertise] and
// [Router.HandleNode].
//
// Three kinds of address live on the domain. An account with a password has
// sessions, and its owner answers for it. An account without one (its owner
// lives elsewhere), the chat bot and the domain itself have nobody behind
// them: they accept every presence subscription and are always available, from
// the resource /bridge. A session that logged in anonymously may read, and
// nothing else; [Router.Receive] is where that is decided.
//
// Stanzas made here carry no namespace of their own on the root: they take the
// stream's (jabber:client or jabber:component:accept) when they are written. A
// transport whose frames stand alone, as WebSocket messages do, declares it
// there.
package xmpp

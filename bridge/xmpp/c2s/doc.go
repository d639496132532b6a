// Package c2s is the listener for clients: XMPP over TCP (RFC 6120) and over
// WebSocket (RFC 7395).
//
// A connection is a [session] from its first byte: it negotiates (stream, TLS,
// login or registration, resource), is bound to the router, and from then on
// gives the router what the client says, in order: each stanza when the one
// before is dealt with, or when its handler lets the next one begin ([xmpp.Next]),
// so that publishes sent in one go share what they wait for. How bytes become
// elements and back is the wire's business, of which there are two.
// Whatever is wrong with a client's bytes ends its stream with the stream error
// RFC 6120 §4.9.3 has for it, after a stream header of ours, and touches
// nothing else.
//
// What goes to a client waits in a bounded queue without a goroutine: the first
// stanza starts one, which writes until nothing waits. So an idle session is
// one goroutine blocked in a read, and a burst leaves in few writes: between two
// writes of events are some ms, while answers never wait. A client
// that lets more than the limit wait (1 MiB, without what the kernel holds) is
// told resource-constraint and cut off: events lost silently would be worse
// than a connection lost audibly, and it may fetch the history when it returns.
//
// A login is encrypted, or comes from this machine. Accounts prove their
// password by SCRAM from stored keys, or by PLAIN. Without an account a client
// may read, as anon-…@domain, when the operator allows it.
//
// The negotiation is our own and not mellium's, whose JIDs we use (see
// [bridge.ParseJID]): its receiving side has no limits on size and time, closes
// without a stream error, wants passwords where we have keys, allows one
// attempt, and cuts long stanzas into several WebSocket messages.
package c2s

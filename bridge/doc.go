// Package bridge is Peewit's vocabulary: the words every other room speaks.
//
// A [Post] is one microblog entry, Atom on the wire. An [Item] is a post (or
// any other payload) in a node under an item id. A [Node] is a pubsub node,
// addressed by an [Addr]: the JID of its service and its name. An [Account] is
// somebody with a nickname here. A [Source] is something posts are aggregated
// from, a [Planet] a merged node with its sources, a [Track] a standing query
// of an owner, a [Listener] a person on an OpenMicroBlogging site who
// subscribed to one of our accounts.
//
// Everything that happens is a [Record] in one append-only log: a post, its
// edit or retraction, a subscription, a password, a planet. Doors (XMPP, HTTP,
// OMB, feeds) turn requests into records; read models (registry, archive,
// index) are what the records add up to. [Position] says how far a read model
// has come.
//
// The package decides two more things for everybody: what a JID is ([ParseJID])
// and who may do what on a node ([Allow]). It has no state and imports no other
// package of the program.
package bridge

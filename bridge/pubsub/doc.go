// Package pubsub is the door for publish-subscribe: XEP-0060 on the domain,
// XEP-0163 (PEP) on every account, with XEP-0059 paging and the creation order of
// XEP-0413, spoken over the use cases of package service.
//
// It has two halves that share nothing but the wire format.
//
// Requests. [Handler] answers IQs. A file a use case: create and configure
// (owner.go), publish and retract (publish.go), subscribe (subscribe.go),
// retrieve (retrieve.go), discovery (disco.go). It parses, limits, calls the
// service and renders. Who may do what is decided below, by [bridge.Allow]; what
// the XEP calls each refusal is decided here.
//
// Notifications. [Handler.Events] turns a record of the log into events, each
// serialised once for all its recipients; only the address and the message id
// differ ([Event.Stanza]). It is used twice: [Handler.Observe] pushes to the
// sessions of this process at once, from the goroutine that applies the log, and
// a component's lane, which follows the log on its own, asks for the same events
// again and for the recipients elsewhere, in the order of their addresses, after
// the one it sent to last ([Handler.Remote]). The message id is a function of
// record and recipient, so that what a broken link makes a lane send twice can
// be recognised.
//
// # Order
//
// Lists are ascending by creation and pages are strict XEP-0059: what comes
// after `after`, what comes before `before`. One client, Movim, asks for its
// first page with max_items alone, expects the newest first, and takes `before`
// the last for older ones. So a request with max_items and no <set/> is answered
// newest first, and the two UIDs of that answer are marked; a later request that
// brings a marked UID goes on in that direction. UIDs are opaque (XEP-0059
// §2.1), so nobody else notices.
package pubsub

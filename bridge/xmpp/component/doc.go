// Package component links Peewit's domain to the XMPP network through a server
// that is there already: Prosody, ejabberd or any other that accepts external
// components (XEP-0114). The server, called the host here, gives us every stanza
// for an address on our domain and takes every stanza from one.
//
// # One stream for everybody
//
// All our accounts share the stream, so nothing that one stranger sends or one
// handler does may close it, block it or break its order.
//
//   - mellium negotiates ([mellium.im/xmpp/component]); it is given one piece of
//     the stream at a time and never reads ahead. Then the session belongs to us:
//     one goroutine reads, one writes.
//   - The reader only parses and sorts. What one sender sends is handled in the
//     order it came, what different senders send is handled at the same time, and
//     what waits is bounded: a sender who exceeds the bound is refused
//     (resource-constraint), nobody else notices. Answers to our own questions
//     never wait behind questions.
//   - A host closes the stream for a stanza without a proper from and to, or with
//     XML it does not like. So the writer's [Link.Send] parses what it is given
//     and refuses it: one lost stanza instead of one lost stream.
//   - IQ results leave before presence, presence before messages, messages
//     before the lane's events.
//
// # The lane
//
// Notifications of posts must not be lost, and the protocol acknowledges
// nothing: what was written may have been thrown away with the connection. The
// lane therefore follows the log by itself, with a durable cursor, and makes the
// host confirm what it has passed on. After each 50 events goes a ping from our
// domain to our domain. The host routes in order, so when the ping comes back
// everything before it has left the host's input. At most 200 events (or 1 MiB)
// are in flight; that bounds what is sent twice after a broken connection, and
// keeps the host's queue short, which is what an IQ's answer has to stand in.
//
// Where the host offers multicast (XEP-0033) one stanza carries about twenty
// addresses. Multicast is another process in the host, so there a ping confirms
// nothing: our own address, the last of the stanza's, does.
//
// The cursor is (sequence of the record, number of its event, last recipient);
// recipients are told in the order of their addresses, so whoever subscribes or
// leaves meanwhile shifts nothing. It is written at most every 100 ms. Repeats
// are bounded by what was in flight and what the log had not yet written, and
// bear the same message ids: an event has one for each recipient, and one for
// the multicast service, so only what was repeated because a multicast failed
// bears another.
//
// A lease decides which process of a cluster holds the link.
package component

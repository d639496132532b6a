// Package eventlog is the one truth of Peewit: an append-only log of records on
// NATS JetStream. By default the NATS server runs inside the program, reached
// without a port, its data in the data directory; with a URL the same code
// talks to a server or cluster elsewhere.
//
// There are three stores. LOG keeps the records for ever (or for their TTL), in
// one order: a post and the subscription before it cannot overtake each other,
// and several records can be appended as one. WORK keeps the last value of a
// key, for what is not truth: cursors, fetch validators, nonces. LEASE says who
// does what happens once in a cluster.
//
// # Appending
//
// [Log.Append] returns when the log has the records; after kill -9 they are all
// there. A record with a key may be appended again without harm: within [Window]
// the log itself answers with the sequence of the first, after that the archive
// knows the key. A guarded record is refused when its state changed meanwhile.
// Records of one call are all in the log or none is. What is said by an error:
//
//   - conflict: another change came first; nothing was appended;
//   - resource-constraint: the disk is (nearly) full;
//   - service-unavailable: the log did not answer in time. The record may or may
//     not be there: append it again with the same key.
//
// Appends that wait for each other share one commit where each would cost an
// fsync, so that many callers get far more than one fsync's worth; the order of
// the calls is the order in the log. [Log.Submit] lets one caller do the same.
//
// # Following
//
// [Log.Follow] hands out every record in order and starts anew from where it was
// when its connection breaks. A reader keeps its [bridge.Position] beside what it
// made of the records. One that [Log.Confirms] does not know (another epoch, beyond
// the newest record, another time at its sequence) belongs to another log: drop the
// read model and build it again. A cursor of another epoch is set back to
// [Log.Began] when it lies beyond.
//
// # The disk
//
// Below max(1 GiB, 5 %) of free space the log takes no more records, because a
// NATS server that met a full disk takes none until it is started again. Should
// it happen all the same (somebody else filled the disk at once), the embedded
// server is started anew when there is room.
package eventlog

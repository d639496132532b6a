// Package archive is the read model on disk: what is in each node, which post
// a number or a key stands for, and the newest state records, in one Pebble
// database on each peewit node.
//
// It follows the log and can always be made again from it. [Archive.Apply]
// writes a few hundred records and the position behind them as one batch, so
// the two never disagree; Pebble writes no log of its own, because the event
// log is one. After a crash the archive simply stands further back, at an
// earlier position, and is told the records from there again. A directory that
// is damaged or of another format opens as [ErrUnusable]: [Remove] it and
// replay.
//
// # What is kept
//
// An item is alive from its first publish until it is retracted, purged, pushed
// out by max_items, or its node ends. Of a retracted item or one that was
// pushed out a stone is left: the id with its place, so that a reader who paged
// as far as this item can go on from there. An id that is published again is a
// new item with a new place. A purge leaves no stones.
//
// A reference is an item of a planet's node that shows a post of another node.
// It holds no payload; readers get the post as it is now. It ends with its
// post. A post enters a node once: when it was retracted there, pushed out or
// is shown under another id, further references to it mean nothing.
//
// # What is to be erased
//
// The log keeps what nobody may read any more until it is told otherwise.
// [Archive.Dead] lists the sequences whose payloads and secrets have to go;
// when the log has erased them, [Archive.Scrub] makes sure that no file here
// holds their bytes either and takes them off the list. Erasing must not change
// what a rebuild makes of the remaining log. That is why a retraction says where
// its items stood ([bridge.Retract].First), and why a node with bounded items
// gives up the posts it had pushed out when one of its later ones is retracted:
// without the later one, a rebuild would not push the older one out. References
// are not given up, they hold nothing: a planet with bounded items may, made
// again, show an older post instead of one that was erased.
//
// # Keys
//
// A key is a letter and then fixed-length parts: NODE, ITEM, KEY, STATE and
// NICK are the first 16 bytes of SHA-256 of a node's ID, an item's id, a
// record's key, a state key and a nickname, so that no stranger's text, however
// long or odd, can be mistaken for something else; SEQ is a log sequence in 8
// bytes, big-endian. Values are fields with their lengths before them.
//
//	F                    the number of this format
//	P                    position: epoch, sequence, time
//	N NODE               a living node: address, bounds, how many items
//	H NODE SEQ           an item by its first sequence: its current version
//	I NODE ITEM          first and newest sequence, alive or a stone
//	V NODE ITEM SEQ      a version of a post that the log has and H has no more
//	S SEQ                first sequence of an item -> its node and id
//	K KEY                record key -> sequence
//	A SEQ, U SEQ         the timelines "all" and "public", by first sequence
//	T                    how many items of open nodes each timeline has
//	R NODE ITEM NODE     post, planet: the id under which it entered there
//	Z KIND [NODE] STATE  the newest record of a state key, with its sequence
//	D NICK               when an account of this nickname was last removed
//	E SEQ                to be erased -> the keys whose files held its bytes
package archive

// Package query is the one language in which readers ask for posts: in a
// search, in a track, in the filter of a planet.
//
//	xmpp pubsub            both words, in any order
//	"push through pubsub"  the words in this order, side by side
//	xmpp | jabber          either; a comma and OR mean the same
//	xmpp -spam             the first without the second
//	(a | b) c              space binds tighter than |
//	fed*                   words that begin so
//	#tag  @name            a tag, a mention
//	from:alice  from:bob@example.org  source:feed  planet:planet-go
//	site:example.org       where the post was published
//	url:example.org/docs   a link in the post that leads there or below
//	lang:en  has:link  has:image  has:reply
//	since:2026-01-31  until:2026-02-28   until is the first moment not wanted
//
// Case and accents do not matter, no word is too common to count, and words are
// not cut to stems. [Tokens] decides what a word is, for posts and for queries
// alike, so that what stands in a post can always be asked for.
//
// A post becomes a [Document]: its words in order and its marks, which are
// everything else that can be asked for ("#tag", "from:alice"). [Parse] turns
// text into a [Query], a tree of few kinds of node that others translate: the
// index to a search, the matcher to a program. [Query.Match] says what the tree
// means; it is what both are tested against.
package query

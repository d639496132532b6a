// Package track tells owners of standing queries of each new post that matches,
// as it is published.
//
// A [Matcher] holds the queries and answers, for a post, which of them match. It
// does not try them all: each query is filed under the one of its required terms
// that is rarest in the posts seen so far, its anchor, and a post is compared
// only with the queries filed under terms it has. A query of one term needs no
// comparing at all. Alternatives are filed under an anchor each, a phrase under
// its rarest word, a prefix as if it were a term. Queries that mean the same are
// compared once, whoever asks.
//
// The queries lie in two layers: a large one that never changes and a small one
// of what was added since. Both are replaced, never altered, so that any number
// of goroutines may match while one adds and removes; when the small layer has
// grown it is merged into a new large one, with anchors chosen anew.
//
// A [Tracker] follows the log with a cursor of its own, in the log's WORK store:
// what has been pushed is not pushed again after a restart, but for the last
// [cursorEvery]. It sees posts, planets' references to them and tracks in the
// order of the log. A post is pushed once for a track: when it is published, or
// when an edit or a planet's reference first makes it match.
package track

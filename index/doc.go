// Package index finds posts: it keeps a search index on Bleve of every post the
// program knows and answers queries of [peewit/index/query].
//
// An [Index] follows the log by itself. The log says which items changed; what
// they are now is read from the archive, so that a record applied twice changes
// nothing and the index can be deleted at any time: it is built again. One post
// is one document, however many planets show it. Its id is the sequence of the
// post's first version in sixteen hex digits, so that ids sort by age and the
// newest posts are found without sorting anything.
//
// A document holds what [query.Describe] says of the post and keys of our own,
// by which documents are found again when their node, account or planet goes.
// Text is not stored. Hits are read from the archive, which also means that
// what is gone there is not shown, however far behind the index is.
//
// Changes are written in batches, as large as there are changes waiting and no
// larger than [batchSize]. When a batch has returned it is on the disk; after it
// the index writes its position beside it. A position that the log does not
// confirm belongs to another log, and the index is dropped. So it is when it
// breaks: it is moved aside and built anew, oldest posts first, while searches
// are answered with what there is and say so.
//
// Only what everybody may read is found: posts in nodes whose access model is
// open now.
package index

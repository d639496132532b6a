package feed

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"

	"peewit/bridge"
)

// The bounds of one feed.
const (
	// MaxEntries is how many entries are read; feeds put their newest first.
	MaxEntries = 5000

	maxContent = 512 << 10 // bytes of one content
	maxTitle   = 1000      // characters
	maxLinks   = 50        // of one entry
	maxTerms   = 50
	maxPeople  = 20
	maxURL     = 4096 // bytes
	maxID      = 4096
)

// ErrNotFeed says that a document is no feed: a web page, perhaps.
var ErrNotFeed = errors.New("the document is not a feed")

// Document is a feed that was read.
type Document struct {
	Feed  bridge.Feed
	Posts []bridge.Post // in the order of the feed; no two have the same id
	// Broken says that the document had to be repaired and may lack entries.
	Broken bool
}

// Parser reads feeds. It may be used by many goroutines.
type Parser struct{ clean *cleaner }

// NewParser makes a Parser.
func NewParser() *Parser { return &Parser{clean: newCleaner()} }

// Parse reads a feed. contentType is what the server called it; base is the URL
// it came from, against which relative addresses are resolved; both may be "".
// The only error is [ErrNotFeed].
func (p *Parser) Parse(body []byte, contentType, base string) (*Document, error) {
	at, err := url.Parse(base)
	if err != nil || !at.IsAbs() {
		at = nil
	}
	text := legal(toUTF8(body, contentType))
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); bytes.HasPrefix(trimmed, []byte("{")) {
		return p.parseJSON(trimmed, at)
	}
	r := repair(text, at)
	var doc *Document
	switch r.kind {
	case kindAtom:
		doc, err = p.parseAtom(r)
	case kindRSS:
		doc, err = p.parseRSS(r)
	default:
		return nil, ErrNotFeed
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFeed, err)
	}
	doc.Broken = r.broken
	if n := len(doc.Posts); r.unfinished && n > 1 {
		doc.Posts = doc.Posts[:n-1] // it would come again, whole, as an edit
	}
	return p.finish(doc, at), nil
}

// finish gives every post an id of its own and bounds what it carries.
func (p *Parser) finish(doc *Document, at *url.URL) *Document {
	for i := range doc.Posts {
		post := &doc.Posts[i]
		post.Links = bounded(post.Links, maxLinks)
		post.Categories = bounded(post.Categories, maxTerms)
		post.Authors = bounded(post.Authors, maxPeople)
		if len(post.Authors) == 0 && doc.Feed.Author != (bridge.Person{}) && post.Source == nil {
			post.Authors = []bridge.Person{doc.Feed.Author} // RFC 4287 §4.2.1
		}
	}
	doc.Posts = identify(bounded(doc.Posts, MaxEntries), site(doc.Feed, at))
	return doc
}

func bounded[T any](list []T, most int) []T {
	if len(list) > most {
		return list[:most]
	}
	return list
}

package bridge

import "time"

// NodeMicroblog is the node of an account's default microblog (XEP-0277 §2).
const NodeMicroblog = "urn:xmpp:microblog:0"

// Post is one microblog entry, as read from an Atom entry (RFC 4287 §4.1.2) or
// as about to be written as one. What a Post does not name stays in the item's
// payload, which is kept byte for byte.
type Post struct {
	ID         string // atom:id, byte for byte
	Title      Text
	Summary    Text
	Content    []Text // at most one of each type; XEP-0277 sends text and xhtml
	Authors    []Person
	Published  time.Time // zero when unknown
	Updated    time.Time // zero when unknown
	Links      []Link
	Categories []Category
	InReplyTo  []Reply
	Source     *Feed // where the entry was first published, RFC 4287 §4.2.11
	Rights     string
	Lang       string // xml:lang, or ""
}

// Text is a text construct (RFC 4287 §3.1). Type is "text", "html" or "xhtml";
// for xhtml, Body is the <div/> element itself.
type Text struct {
	Type string
	Body string
}

// Person is a person construct (RFC 4287 §3.2).
type Person struct {
	Name  string
	URI   string
	Email string
}

// Link is an atom:link (RFC 4287 §4.2.7).
type Link struct {
	Rel    string // "alternate" when the entry says nothing
	Type   string
	Href   string
	Title  string
	Length string
}

// Category is an atom:category (RFC 4287 §4.2.2); Term is the tag.
type Category struct {
	Term  string
	Label string
}

// Reply names the post this one answers (RFC 4685 §3).
type Reply struct {
	Ref  string // atom:id of the other post
	Href string // where it can be had: an xmpp: or http: URI
}

// Feed is the head of a feed: of the one a post came from (atom:source), or of
// one that is being read or written.
type Feed struct {
	ID      string
	Title   string
	Link    string // the page the feed is about
	Self    string // the feed's own URL
	Updated time.Time
	Author  Person
	Rights  string
}

// Item is one payload in a node, under an id that is unique there.
type Item struct {
	Addr      Addr
	NodeID    string
	ID        string
	Publisher JID       // bare; who published the current version
	First     uint64    // log sequence of the first version: the public notice id
	Last      uint64    // log sequence of the current version
	Created   time.Time // when the log took the first version
	Modified  time.Time // when the log took the current version
	Sent      string    // hash of the content as the publisher sent it
	Origin    Origin
	Payload   []byte // one XML element with every namespace it needs, or nothing
	Retracted bool   // true: only the id is left
	Of        uint64 // First of the post that this item of a planet shows; 0 = its own
}

// Origin says by which door a post came in. It is what keeps a post from going
// back where it came from.
type Origin struct {
	Door string `json:"door"`           // "xmpp", "chat", "api", "web", "omb", "feed", "pubsub"
	Site string `json:"site,omitempty"` // the remote service or feed URL, when there is one
}

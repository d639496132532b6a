// Package atom turns a [bridge.Post] into an Atom entry (RFC 4287) and back.
//
// Reading is tolerant: what is missing, out of order or undated is left zero,
// because strangers write entries. Writing is strict, and shaped by the
// narrowest reader there is, Movim, whose parser knows no namespaces: no
// element has a prefix, every namespace is declared on the element that enters
// it, XHTML is one <div/>, no attribute of it holds an apostrophe.
//
// What a publisher sent is never rewritten. [Append] and [Extend] put elements
// before the end tag of an entry and leave every other byte as it is, so that
// foreign elements, signatures and odd white space survive.
//
// [RenderFeed] writes a feed document around entries.
package atom

// The namespaces of an entry.
const (
	NS       = "http://www.w3.org/2005/Atom"
	NSXHTML  = "http://www.w3.org/1999/xhtml"
	NSThread = "http://purl.org/syndication/thread/1.0" // RFC 4685 §2
	nsXML    = "http://www.w3.org/XML/1998/namespace"
)

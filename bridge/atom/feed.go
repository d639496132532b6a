package atom

import (
	"bytes"

	"peewit/bridge"
)

// RenderFeed writes a feed document (RFC 4287 §4.1.1): its head, more links for
// it (next page, hub, other formats) and entries, each one well-formed element
// as [Render] or a publisher wrote it.
func RenderFeed(head bridge.Feed, links []bridge.Link, entries [][]byte) []byte {
	var b bytes.Buffer
	b.WriteString("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"" + NS + "\">")
	w := writer{b: &b}
	if head.Title == "" {
		w.element("title", "") // required, RFC 4287 §4.1.1
	}
	w.feed(head)
	for _, l := range links {
		w.link(l)
	}
	for _, entry := range entries {
		b.WriteByte('\n')
		b.Write(entry)
	}
	b.WriteString("\n</feed>\n")
	return b.Bytes()
}

package syndicate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html/charset"

	"peewit/bridge"
)

// maxOutlines is how many feeds of an OPML document are read.
const maxOutlines = 10_000

// Outline is a feed in an OPML document.
type Outline struct {
	URL   string // of the feed
	Title string
	Page  string // the page it is about
}

// WriteOPML writes the sources of a planet as OPML 2.0 (opml.org/spec2.opml).
func WriteOPML(planet bridge.Planet, sources []bridge.Source) []byte {
	var b bytes.Buffer
	b.WriteString("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<opml version=\"2.0\"><head>")
	element(&b, "title", or(planet.Title, planet.Name))
	b.WriteString("</head><body>")
	for _, s := range sources {
		title := or(s.Title, s.URL)
		b.WriteByte('\n')
		element(&b, "outline", "", "type", "rss", "text", title, "title", title, "xmlUrl", s.URL)
	}
	b.WriteString("\n</body></opml>\n")
	return b.Bytes()
}

// ErrNotOPML says that a document lists no feeds.
var ErrNotOPML = errors.New("the document is no OPML with feeds in it")

// ParseOPML reads an OPML document of any version: its title and the feeds it
// lists, however they are nested, each URL once. A document that is broken
// further on gives what comes before.
func ParseOPML(doc []byte) (title string, feeds []Outline, err error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.Strict = false
	d.Entity = xml.HTMLEntity
	d.CharsetReader = charset.NewReaderLabel
	seen := make(map[string]bool)
	inTitle := false
	for len(feeds) < maxOutlines {
		var token xml.Token
		if token, err = d.Token(); err != nil {
			break
		}
		switch t := token.(type) {
		case xml.StartElement:
			inTitle = t.Name.Local == "title" && len(feeds) == 0
			if !strings.EqualFold(t.Name.Local, "outline") {
				continue
			}
			if o := outline(t.Attr); o.URL != "" && !seen[o.URL] {
				seen[o.URL] = true
				feeds = append(feeds, o)
			}
		case xml.CharData:
			if inTitle {
				title += string(t)
			}
		case xml.EndElement:
			inTitle = false
		}
	}
	switch {
	case len(feeds) > 0:
		return strings.TrimSpace(title), feeds, nil
	case err == nil || err == io.EOF:
		return "", nil, ErrNotOPML
	}
	return "", nil, fmt.Errorf("%w: %w", ErrNotOPML, err)
}

// outline reads an outline's attributes, whose case programs disagree about.
func outline(attrs []xml.Attr) Outline {
	var o Outline
	var text string
	for _, a := range attrs {
		value := strings.TrimSpace(a.Value)
		switch strings.ToLower(a.Name.Local) {
		case "xmlurl":
			o.URL = strings.Replace(value, "feed://", "http://", 1)
		case "htmlurl":
			o.Page = value
		case "title":
			o.Title = value
		case "text":
			text = value
		}
	}
	o.Title = or(o.Title, text)
	return o
}

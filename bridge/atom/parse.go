package atom

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"peewit/bridge"
)

// ErrNotEntry says that a payload is well-formed but no Atom entry.
var ErrNotEntry = errors.New("not an Atom entry")

// Parse reads an Atom entry. What the entry does not say, or says in a way
// nobody could read, stays zero; the only errors are [ErrNotEntry] and XML that
// is not well-formed.
func Parse(payload []byte) (bridge.Post, error) {
	root, err := parseTree(payload)
	if err != nil {
		return bridge.Post{}, fmt.Errorf("parse Atom entry: %w", err)
	}
	if !root.is(NS, "entry") {
		return bridge.Post{}, ErrNotEntry
	}
	p := bridge.Post{Lang: root.getNS(nsXML, "lang")}
	for _, n := range root.elements() {
		switch n.name.Space {
		case NS:
			parsePart(&p, n)
		case NSThread:
			if n.name.Local == "in-reply-to" { // RFC 4685 §3
				p.InReplyTo = append(p.InReplyTo, bridge.Reply{
					Ref: strings.TrimSpace(n.get("ref")), Href: withoutSpace(n.get("href"))})
			}
		}
	}
	return p, nil
}

// parsePart puts one child of the entry where it belongs. The first of several
// elements that may stand only once counts.
func parsePart(p *bridge.Post, n *node) {
	switch n.name.Local {
	case "id":
		setOnce(&p.ID, n)
	case "title":
		if p.Title.Body == "" {
			p.Title = parseText(n)
		}
	case "summary":
		if p.Summary.Body == "" {
			p.Summary = parseText(n)
		}
	case "content":
		addContent(p, n)
	case "author":
		if a := parsePerson(n); a != (bridge.Person{}) {
			p.Authors = append(p.Authors, a)
		}
	case "published":
		setDate(&p.Published, n)
	case "updated":
		setDate(&p.Updated, n)
	case "link":
		if l := parseLink(n); l.Href != "" {
			p.Links = append(p.Links, l)
		}
	case "category":
		if term := strings.TrimSpace(n.get("term")); term != "" {
			p.Categories = append(p.Categories, bridge.Category{Term: term, Label: n.get("label")})
		}
	case "source":
		if p.Source == nil {
			p.Source = parseSource(n)
		}
	case "rights":
		setOnce(&p.Rights, n)
	}
}

// addContent keeps at most one content of each type; readers refuse two.
func addContent(p *bridge.Post, n *node) {
	c := parseText(n)
	if c.Type == "" || c.Body == "" {
		return
	}
	for _, have := range p.Content {
		if have.Type == c.Type {
			return
		}
	}
	p.Content = append(p.Content, c)
}

// parseText reads a text construct (RFC 4287 §3.1) or a content of a media type
// that is one of its three types by another name (§4.1.3.3). Other media types
// give a Text without type.
func parseText(n *node) bridge.Text {
	switch media, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(n.get("type"))), ";"); media {
	case "", "text", "text/plain":
		return bridge.Text{Type: "text", Body: trimLines(n.text())}
	case "html", "text/html":
		return bridge.Text{Type: "html", Body: strings.TrimSpace(n.text())}
	case "xhtml", "application/xhtml+xml":
		return bridge.Text{Type: "xhtml", Body: divOf(n)}
	}
	return bridge.Text{}
}

// divOf is the content of n as one <div/>: the one that is there
// (RFC 4287 §3.1.1.3), or one around whatever is.
func divOf(n *node) string {
	var b bytes.Buffer
	if e := n.elements(); len(e) == 1 && e[0].is(NSXHTML, "div") {
		e[0].write(&b, "")
		return b.String()
	}
	if len(n.kids) == 0 {
		return ""
	}
	div := node{kids: n.kids}
	div.name.Space, div.name.Local = NSXHTML, "div"
	div.write(&b, "")
	return b.String()
}

// trimLines drops blank lines before and white space after s. The indentation
// of the first line stays: text may be Markdown.
func trimLines(s string) string {
	s = strings.TrimRight(s, " \t\r\n")
	for {
		line, rest, ok := strings.Cut(s, "\n")
		if !ok || strings.TrimSpace(line) != "" {
			return s
		}
		s = rest
	}
}

func parsePerson(n *node) bridge.Person {
	var p bridge.Person
	for _, kid := range n.elements() {
		if kid.name.Space != NS {
			continue
		}
		switch kid.name.Local {
		case "name":
			setOnce(&p.Name, kid)
		case "uri":
			setOnce(&p.URI, kid)
		case "email":
			setOnce(&p.Email, kid)
		}
	}
	return p
}

func parseLink(n *node) bridge.Link {
	rel := strings.TrimSpace(n.get("rel"))
	if rel == "" {
		rel = "alternate" // RFC 4287 §4.2.7.2
	}
	return bridge.Link{
		Rel:    strings.TrimPrefix(rel, "http://www.iana.org/assignments/relation/"), // the same relation, RFC 4287 §4.2.7.2
		Type:   n.get("type"),
		Href:   withoutSpace(n.get("href")),
		Title:  n.get("title"),
		Length: n.get("length"),
	}
}

func parseSource(n *node) *bridge.Feed {
	f := new(bridge.Feed)
	for _, kid := range n.elements() {
		if kid.name.Space != NS {
			continue
		}
		switch kid.name.Local {
		case "id":
			setOnce(&f.ID, kid)
		case "title":
			if f.Title == "" {
				f.Title = Plain(parseText(kid))
			}
		case "link":
			switch l := parseLink(kid); {
			case l.Rel == "self" && f.Self == "":
				f.Self = l.Href
			case l.Rel == "alternate" && f.Link == "":
				f.Link = l.Href
			}
		case "updated":
			setDate(&f.Updated, kid)
		case "author":
			if f.Author == (bridge.Person{}) {
				f.Author = parsePerson(kid)
			}
		case "rights":
			setOnce(&f.Rights, kid)
		}
	}
	return f
}

func setOnce(s *string, n *node) {
	if *s == "" {
		*s = strings.TrimSpace(n.text())
	}
}

func setDate(t *time.Time, n *node) {
	if t.IsZero() {
		*t = ParseTime(n.text())
	}
}

// withoutSpace takes white space out of a URI, where it cannot be meant:
// specifications and some clients break long ones over lines.
func withoutSpace(uri string) string { return strings.Join(strings.Fields(uri), "") }

// timeLayouts are the date construct (RFC 4287 §3.3) and what is written by
// those who almost got it right; without a zone UTC is meant.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00",
	"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04:05Z0700", "2006-01-02",
}

// ParseTime reads a date construct, in UTC; zero when it is none.
func ParseTime(s string) time.Time {
	s = strings.ToUpper(strings.TrimSpace(s))
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

package syndicate

import (
	"bytes"
	"time"

	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/microblog"
)

const rssStart = `<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>`

// RSS writes an RSS 2.0 feed (rssboard.org/rss-specification). Links become
// atom:link elements, as the RSS Best Practices Profile has it.
func RSS(head bridge.Feed, links []bridge.Link, items []bridge.Item) []byte {
	all := posts(items)
	head = completedHead(head, all)
	var b bytes.Buffer
	b.WriteString(rssStart)
	element(&b, "title", head.Title)
	element(&b, "link", head.Link)
	element(&b, "description", head.Title)
	for _, l := range append([]bridge.Link{{Rel: "self", Type: "application/rss+xml", Href: head.Self}}, links...) {
		if l.Href != "" {
			element(&b, "atom:link", "", "rel", l.Rel, "type", l.Type, "href", l.Href)
		}
	}
	element(&b, "lastBuildDate", rssTime(head.Updated))
	if head.Rights != "" {
		element(&b, "copyright", head.Rights)
	}
	for _, p := range all {
		b.WriteString("\n<item>")
		rssItem(&b, p)
		b.WriteString("</item>")
	}
	b.WriteString("\n</channel></rss>\n")
	return b.Bytes()
}

func rssItem(b *bytes.Buffer, p bridge.Post) {
	element(b, "title", microblog.Headline(p))
	if page := microblog.Permalink(p); page != "" {
		element(b, "link", page)
	}
	element(b, "guid", p.ID, "isPermaLink", "false")
	element(b, "pubDate", rssTime(p.Published))
	if text := asHTML(p); text != "" {
		element(b, "description", text)
	}
	for _, a := range p.Authors {
		if a.Name != "" {
			element(b, "dc:creator", a.Name) // RSS's own author is a mail address
		}
	}
	for _, c := range p.Categories {
		element(b, "category", c.Term)
	}
	for _, l := range p.Links {
		if l.Rel == "enclosure" && isWeb(l.Href) {
			element(b, "enclosure", "", "url", l.Href, "length", or(l.Length, "0"), "type", or(l.Type, "application/octet-stream"))
			break // one, says the specification
		}
	}
	if s := p.Source; s != nil && s.Self != "" {
		element(b, "source", s.Title, "url", s.Self)
	}
}

// asHTML is what a post says beyond its title, as HTML.
func asHTML(p bridge.Post) string {
	for _, c := range append(p.Content, p.Summary) {
		switch {
		case c.Body == "":
		case c.Type == "text":
			return atom.Escape(c.Body)
		default:
			return c.Body
		}
	}
	return ""
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func rssTime(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 +0000") }

// element writes an element with text; attributes come in pairs, empty ones are
// left out.
func element(b *bytes.Buffer, name, text string, attrs ...string) {
	b.WriteString("<" + name)
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] != "" {
			b.WriteString(" " + attrs[i] + `="` + atom.Escape(attrs[i+1]) + `"`)
		}
	}
	if text == "" && len(attrs) > 0 {
		b.WriteString("/>")
		return
	}
	b.WriteString(">" + atom.Escape(text) + "</" + name + ">")
}

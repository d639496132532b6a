package feed

import (
	"bytes"
	"cmp"
	"net/url"
	"slices"
	"strings"

	ext "github.com/mmcdole/gofeed/extensions"
	gofeed "github.com/mmcdole/gofeed/rss"

	"peewit/bridge"
)

// parseRSS reads a repaired RSS feed of any version, RDF included. Nothing in
// RSS says which texts are HTML; they are taken by their looks.
func (p *Parser) parseRSS(r *repaired) (*Document, error) {
	in, err := new(gofeed.Parser).Parse(bytes.NewReader(r.doc))
	if err != nil {
		return nil, err
	}
	doc := &Document{Feed: bridge.Feed{
		Title:   line(guess(in.Title, nil)).Body,
		Link:    firstPage(in.Links),
		Self:    extensionLink(in.Extensions, "self"),
		Updated: date(in.LastBuildDate, in.LastBuildDateParsed),
		Rights:  cmp.Or(in.Copyright, value(in.Extensions, "dc", "rights")),
		Author:  person(cmp.Or(in.ManagingEditor, value(in.Extensions, "dc", "creator"), value(in.Extensions, "dc", "author"))),
	}}
	if doc.Feed.Updated.IsZero() {
		doc.Feed.Updated = date(in.PubDate, in.PubDateParsed)
	}
	if doc.Feed.Updated.IsZero() {
		doc.Feed.Updated = date(cmp.Or(value(in.Extensions, "dcterms", "modified"), value(in.Extensions, "dc", "date")), nil)
	}
	if doc.Feed.Link == "" {
		doc.Feed.Link = extensionLink(in.Extensions, "alternate")
	}
	base := r.base
	if base == nil {
		base = resolveURL(nil, doc.Feed.Link)
	}
	for _, item := range in.Items {
		doc.Posts = append(doc.Posts, p.rssItem(item, base))
	}
	return doc, nil
}

func (p *Parser) rssItem(in *gofeed.Item, base *url.URL) bridge.Post {
	post := bridge.Post{
		Title:     line(guess(cmp.Or(in.Title, value(in.Extensions, "dc", "title"), value(in.Extensions, "media", "title")), nil)),
		Published: date(in.PubDate, in.PubDateParsed),
		Rights:    value(in.Extensions, "dc", "rights"),
	}
	if post.Published.IsZero() {
		post.Published = date(cmp.Or(value(in.Extensions, "dc", "date"), value(in.Extensions, "dcterms", "issued"), value(in.Extensions, "atom", "published")), nil)
	}
	post.Updated = date(cmp.Or(value(in.Extensions, "atom", "updated"), value(in.Extensions, "dcterms", "modified")), nil)

	description := guess(cmp.Or(in.Description, value(in.Extensions, "dc", "description")), base)
	if full := guess(in.Content, base); full.body != "" {
		full.html = true // by its specification
		post.Content = p.clean.content(full)
		if short := p.clean.content(description); len(short) > 0 && len(post.Content) > 0 && description.body != full.body {
			post.Summary = short[0]
		}
	}
	if len(post.Content) == 0 {
		post.Content = p.clean.content(description)
	}
	p.rssLinks(&post, in, base)
	post.Authors = appendPerson(post.Authors, person(in.Author))
	for _, creator := range slices.Concat(in.Extensions["dc"]["creator"], in.Extensions["dc"]["author"], in.Extensions["itunes"]["author"]) {
		post.Authors = appendPerson(post.Authors, person(creator.Value))
	}
	for _, a := range in.Extensions["atom"]["author"] {
		post.Authors = appendPerson(post.Authors, bridge.Person{Name: child(a, "name"), URI: clip(child(a, "uri"), maxURL), Email: child(a, "email")})
	}
	for _, c := range in.Categories {
		post.Categories = appendTerm(post.Categories, c.Value, "")
	}
	for _, subject := range in.Extensions["dc"]["subject"] {
		post.Categories = appendTerm(post.Categories, subject.Value, "")
	}
	if s := in.Source; s != nil && s.URL != "" {
		post.Source = &bridge.Feed{Title: line(guess(s.Title, nil)).Body, Self: clip(s.URL, maxURL)}
	}
	return post
}

// rssLinks finds where the item is, what is attached to it, and its id.
func (p *Parser) rssLinks(post *bridge.Post, in *gofeed.Item, base *url.URL) {
	page := firstPage(in.Links)
	if in.GUID != nil {
		post.ID = clip(in.GUID.Value, maxID)
		if page == "" && in.GUID.IsPermalink != "false" && isWeb(in.GUID.Value) {
			page = in.GUID.Value
		}
	}
	if page == "" {
		page = extensionLink(in.Extensions, "alternate")
	}
	post.Links = appendLink(post.Links, bridge.Link{Rel: "alternate", Type: "text/html", Href: page})
	for _, e := range in.Enclosures {
		post.Links = appendLink(post.Links, bridge.Link{Rel: "enclosure", Type: e.Type, Length: e.Length, Href: e.URL})
	}
	for _, m := range in.Extensions["media"]["content"] {
		post.Links = appendLink(post.Links, bridge.Link{Rel: "enclosure", Type: m.Attrs["type"], Length: m.Attrs["fileSize"], Href: m.Attrs["url"]})
	}
	if isWeb(in.Comments) {
		post.Links = appendLink(post.Links, bridge.Link{Rel: "replies", Type: "text/html", Href: in.Comments})
	}
}

// guess is a text that may be HTML.
func guess(s string, base *url.URL) markup {
	return markup{body: strings.TrimSpace(s), html: looksHTML(s), base: base}
}

// firstPage is the first of an element's links that has an address.
func firstPage(links []string) string {
	for _, l := range links {
		if l != "" && len(l) <= maxURL {
			return l
		}
	}
	return ""
}

func extensionLink(e ext.Extensions, rel string) string {
	for _, l := range e["atom"]["link"] {
		if cmp.Or(l.Attrs["rel"], "alternate") == rel && len(l.Attrs["href"]) <= maxURL {
			return l.Attrs["href"]
		}
	}
	return ""
}

func value(e ext.Extensions, space, name string) string {
	if list := e[space][name]; len(list) > 0 {
		return list[0].Value
	}
	return ""
}

func child(e ext.Extension, name string) string {
	if list := e.Children[name]; len(list) > 0 {
		return list[0].Value
	}
	return ""
}

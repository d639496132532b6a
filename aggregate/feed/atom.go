package feed

import (
	"bytes"
	"strings"

	gofeed "github.com/mmcdole/gofeed/atom"

	"peewit/bridge"
)

// parseAtom reads a repaired Atom feed.
func (p *Parser) parseAtom(r *repaired) (*Document, error) {
	in, err := new(gofeed.Parser).Parse(bytes.NewReader(r.doc))
	if err != nil {
		return nil, err
	}
	doc := &Document{Feed: bridge.Feed{
		ID:      clip(r.id, maxID),
		Title:   line(markup{body: in.Title}).Body,
		Link:    atomLink(in.Links, "alternate"),
		Self:    atomLink(in.Links, "self"),
		Updated: date(in.Updated, in.UpdatedParsed),
		Rights:  in.Rights,
	}}
	if len(in.Authors) > 0 {
		doc.Feed.Author = atomPerson(in.Authors[0])
	}
	for i, entry := range in.Entries {
		if i == len(r.entries) {
			break
		}
		doc.Posts = append(doc.Posts, p.atomEntry(entry, &r.entries[i]))
	}
	return doc, nil
}

func (p *Parser) atomEntry(in *gofeed.Entry, kept *construct) bridge.Post {
	post := bridge.Post{
		ID:        clip(kept.id, maxID),
		Title:     line(kept.title),
		Content:   p.clean.content(kept.content),
		Published: date(in.Published, in.PublishedParsed),
		Updated:   date(in.Updated, in.UpdatedParsed),
		Rights:    kept.rights,
	}
	if summary := p.clean.content(kept.summary); len(summary) > 0 {
		if len(post.Content) == 0 {
			post.Content = summary
		} else {
			post.Summary = summary[0]
		}
	}
	for _, a := range in.Authors {
		post.Authors = appendPerson(post.Authors, atomPerson(a))
	}
	for _, l := range in.Links {
		post.Links = appendLink(post.Links, bridge.Link{Rel: l.Rel, Type: l.Type, Href: l.Href, Title: l.Title, Length: l.Length})
	}
	if in.Content != nil && in.Content.Src != "" { // RFC 4287 §4.1.3.2
		post.Links = appendLink(post.Links, bridge.Link{Rel: "alternate", Type: in.Content.Type, Href: in.Content.Src})
	}
	for _, c := range in.Categories {
		post.Categories = appendTerm(post.Categories, c.Term, c.Label)
	}
	for _, reply := range in.Extensions["thr"]["in-reply-to"] { // RFC 4685 §3
		post.InReplyTo = append(post.InReplyTo, bridge.Reply{Ref: reply.Attrs["ref"], Href: reply.Attrs["href"]})
	}
	if s := in.Source; s != nil {
		post.Source = &bridge.Feed{
			ID:     clip(kept.sourceID, maxID),
			Title:  line(markup{body: s.Title}).Body,
			Link:   atomLink(s.Links, "alternate"),
			Self:   atomLink(s.Links, "self"),
			Rights: s.Rights,
		}
		if len(s.Authors) > 0 {
			post.Source.Author = atomPerson(s.Authors[0])
			if len(post.Authors) == 0 { // RFC 4287 §4.2.1
				post.Authors = []bridge.Person{post.Source.Author}
			}
		}
	}
	return post
}

// atomLink is the address of the first link of a relation; for the page a feed
// is about, one to HTML goes first.
func atomLink(links []*gofeed.Link, rel string) string {
	found := ""
	for _, l := range links {
		if l.Rel != rel || l.Href == "" || len(l.Href) > maxURL {
			continue
		}
		if rel == "alternate" && strings.Contains(l.Type, "html") {
			return l.Href
		}
		if found == "" {
			found = l.Href
		}
	}
	return found
}

func atomPerson(p *gofeed.Person) bridge.Person {
	return bridge.Person{Name: line(markup{body: p.Name}).Body, URI: clip(p.URI, maxURL), Email: clip(p.Email, maxURL)}
}

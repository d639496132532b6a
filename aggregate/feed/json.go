package feed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	gofeed "github.com/mmcdole/gofeed/json"

	"peewit/bridge"
)

// parseJSON reads a JSON Feed (jsonfeed.org, versions 1 and 1.1).
func (p *Parser) parseJSON(body []byte, base *url.URL) (*Document, error) {
	in, err := new(gofeed.Parser).Parse(bytes.NewReader(body))
	broken := err != nil
	if broken {
		if in, err = salvageJSON(body); err != nil {
			return nil, err
		}
	}
	if in.Items == nil && !strings.HasPrefix(in.Version, "https://jsonfeed.org/version/") {
		return nil, ErrNotFeed
	}
	doc := &Document{Broken: broken, Feed: bridge.Feed{
		Title: line(markup{body: in.Title}).Body,
		Link:  resolved(base, in.HomePageURL),
		Self:  resolved(base, in.FeedURL),
	}}
	doc.Feed.ID = doc.Feed.Self // JSON Feed 1.1: feed_url identifies the feed
	if authors := jsonAuthors(in.Author, in.Authors, base); len(authors) > 0 {
		doc.Feed.Author = authors[0]
	}
	for _, item := range bounded(in.Items, MaxEntries) {
		if item != nil {
			doc.Posts = append(doc.Posts, p.jsonItem(item, base))
		}
	}
	return p.finish(doc, base), nil
}

func (p *Parser) jsonItem(in *gofeed.Item, base *url.URL) bridge.Post {
	post := bridge.Post{
		ID:        clip(in.ID, maxID),
		Title:     line(markup{body: in.Title}),
		Authors:   jsonAuthors(in.Author, in.Authors, base),
		Published: date(in.DatePublished, nil),
		Updated:   date(in.DateModified, nil),
		Lang:      in.Language,
	}
	post.Content = p.clean.content(markup{body: in.ContentHTML, html: true, base: base})
	if len(post.Content) == 0 {
		post.Content = p.clean.content(markup{body: in.ContentText})
	}
	if summary := p.clean.content(markup{body: in.Summary}); len(summary) > 0 {
		if len(post.Content) == 0 {
			post.Content = summary
		} else {
			post.Summary = summary[0]
		}
	}
	post.Links = appendLink(post.Links, bridge.Link{Rel: "alternate", Type: "text/html", Href: resolved(base, in.URL)})
	post.Links = appendLink(post.Links, bridge.Link{Rel: "related", Href: resolved(base, in.ExternalURL)})
	if in.Attachments != nil {
		for _, a := range *in.Attachments {
			l := bridge.Link{Rel: "enclosure", Type: a.MimeType, Title: a.Title, Href: resolved(base, a.URL)}
			if a.SizeInBytes > 0 {
				l.Length = fmt.Sprint(a.SizeInBytes)
			}
			post.Links = appendLink(post.Links, l)
		}
	}
	for _, tag := range in.Tags {
		post.Categories = appendTerm(post.Categories, tag, "")
	}
	return post
}

func jsonAuthors(one *gofeed.Author, several []*gofeed.Author, base *url.URL) []bridge.Person {
	var out []bridge.Person
	for _, a := range append(several, one) {
		if a != nil {
			out = appendPerson(out, bridge.Person{Name: line(markup{body: a.Name}).Body, URI: clip(resolved(base, a.URL), maxURL)})
		}
	}
	return out
}

// salvageJSON reads a JSON Feed that breaks off or has members of wrong types:
// the head's members that can be read, and the items up to the first that
// cannot be found, each on its own.
func salvageJSON(body []byte) (*gofeed.Feed, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, ErrNotFeed
	}
	head := make(map[string]json.RawMessage)
	var items []*gofeed.Item
	for d.More() {
		key, err := d.Token()
		if err != nil {
			break
		}
		if key == "items" {
			if items, err = salvageItems(d); err != nil {
				break
			}
			continue
		}
		var member json.RawMessage
		if err := d.Decode(&member); err != nil {
			break
		}
		head[fmt.Sprint(key)] = member
	}
	feed := new(gofeed.Feed)
	for key, member := range head { // one at a time: a member of a wrong type costs itself
		one, err := json.Marshal(map[string]json.RawMessage{key: member})
		if err == nil {
			_ = json.Unmarshal(one, feed)
		}
	}
	if feed.Items = items; items == nil {
		return nil, ErrNotFeed
	}
	return feed, nil
}

func salvageItems(d *json.Decoder) ([]*gofeed.Item, error) {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, ErrNotFeed
	}
	items := []*gofeed.Item{}
	for d.More() && len(items) < MaxEntries {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return items, err
		}
		item := new(gofeed.Item)
		if json.Unmarshal(raw, item) == nil {
			items = append(items, item)
		}
	}
	_, err := d.Token()
	return items, err
}

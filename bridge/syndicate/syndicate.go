// Package syndicate writes feeds: the same posts as Atom (RFC 4287), RSS 2.0 and
// JSON Feed 1.1, and the sources of a planet as OPML, which it reads too.
//
// A feed is its head, more links for it (other formats, the next page, a hub)
// and items, newest first. Items whose payload is no Atom entry are left out. A
// pubsub item may carry a post twice, as text and as XHTML; a feed's entry says
// it once, and always has what its format requires: an id, a title, dates.
package syndicate

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/microcosm-cc/bluemonday"

	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/microblog"
)

// The media types of what is written.
const (
	TypeAtom = "application/atom+xml; charset=utf-8"
	TypeRSS  = "application/rss+xml; charset=utf-8"
	TypeJSON = "application/feed+json"
	TypeOPML = "text/x-opml; charset=utf-8"
)

// posts are the items that are posts, completed for a feed.
func posts(items []bridge.Item) []bridge.Post {
	safe := bluemonday.UGCPolicy()
	safe.AllowURLSchemes(schemes...)
	var out []bridge.Post
	for _, item := range items {
		p, err := atom.Parse(item.Payload)
		if err != nil || item.Retracted {
			continue
		}
		p = completed(p, item)
		for i := range p.Content {
			p.Content[i] = sanitised(safe, p.Content[i])
		}
		p.Summary = sanitised(safe, p.Summary)
		p.Title = bridge.Text{Type: "text", Body: atom.Plain(p.Title)}
		out = append(out, p)
	}
	return out
}

// sanitised is a text with nothing in it that runs; markup becomes HTML.
func sanitised(safe *bluemonday.Policy, t bridge.Text) bridge.Text {
	if t.Type != "html" && t.Type != "xhtml" {
		return t
	}
	body := strings.TrimSpace(safe.Sanitize(t.Body))
	if inner, bare := strings.CutPrefix(body, "<div>"); bare && t.Type == "xhtml" {
		body = strings.TrimSuffix(inner, "</div>") // it was there for XML; one that says something stays
	}
	return bridge.Text{Type: "html", Body: body}
}

// completed is a post with all that a feed's entry must have.
func completed(p bridge.Post, item bridge.Item) bridge.Post {
	if p.ID == "" {
		p.ID = microblog.URI(item.Addr, item.ID)
	}
	if p.Title.Body == "" {
		p.Title = bridge.Text{Type: "text", Body: microblog.Headline(p)}
	}
	p.Published = first(p.Published, p.Updated, item.Created, item.Modified)
	p.Updated = first(p.Updated, p.Published)
	p.Content = oneContent(p.Content)
	p.Links = distinctAlternates(slices.DeleteFunc(p.Links, func(l bridge.Link) bool { return !leads(l.Href) }))
	for i := range p.Authors {
		if !leads(p.Authors[i].URI) {
			p.Authors[i].URI = ""
		}
	}
	return p
}

// schemes are those of the addresses in a feed. What has another one, such as
// javascript:, could run where a reader makes a link of it.
var schemes = []string{"http", "https", "mailto", "xmpp"}

// leads reports whether an address does nothing but lead somewhere.
func leads(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "" || slices.Contains(schemes, u.Scheme))
}

func first(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Unix(0, 0).UTC()
}

// oneContent is the content that says most; an entry has at most one
// (RFC 4287 §4.1.2).
func oneContent(all []bridge.Text) []bridge.Text {
	for _, kind := range []string{"xhtml", "html", "text"} {
		for _, c := range all {
			if c.Type == kind && c.Body != "" {
				return []bridge.Text{c}
			}
		}
	}
	return nil
}

// distinctAlternates leaves one alternate link of each type (RFC 4287 §4.1.2),
// a web page before an xmpp: address.
func distinctAlternates(links []bridge.Link) []bridge.Link {
	taken := make(map[string]string)
	for _, l := range links {
		if have, ok := taken[l.Type]; l.Rel == "alternate" && (!ok || !isWeb(have) && isWeb(l.Href)) {
			taken[l.Type] = l.Href
		}
	}
	var out []bridge.Link
	for _, l := range links {
		if l.Rel != "alternate" || taken[l.Type] == l.Href {
			out = append(out, l)
		}
		if l.Rel == "alternate" && taken[l.Type] == l.Href {
			taken[l.Type] = "" // once
		}
	}
	return out
}

func isWeb(u string) bool { return strings.HasPrefix(u, "http://") || strings.HasPrefix(u, "https://") }

// completedHead is a head with the time of its newest post, if it has none.
func completedHead(head bridge.Feed, posts []bridge.Post) bridge.Feed {
	if head.Updated.IsZero() {
		for _, p := range posts {
			if p.Updated.After(head.Updated) {
				head.Updated = p.Updated
			}
		}
		head.Updated = first(head.Updated)
	}
	return head
}

// Atom writes an Atom feed. Head needs an ID; its Self should be where the feed
// is served, its Author is that of posts that have none.
func Atom(head bridge.Feed, links []bridge.Link, items []bridge.Item) []byte {
	all := posts(items)
	head = completedHead(head, all)
	if head.Author == (bridge.Person{}) {
		head.Author.Name = head.Title // RFC 4287 §4.1.1: somebody must be
	}
	entries := make([][]byte, len(all))
	for i, p := range all {
		entries[i] = atom.Render(p)
	}
	return atom.RenderFeed(head, links, entries)
}

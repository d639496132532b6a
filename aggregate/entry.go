package aggregate

import (
	"cmp"
	"reflect"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/microblog"
)

// How much of a post is published. Whoever wants more follows its link.
const (
	maxBody    = 128 << 10 // bytes of an XHTML body
	maxText    = 16 << 10  // bytes of a body that is there as XHTML too
	maxExcerpt = 4000      // characters of what stands for a body that is too big
	maxSummary = 2000      // characters
)

// itemID is the id of a post's item: a hash of the entry's id alone, so that it
// is the same wherever the entry turns up, and a planet shows it once.
func itemID(p bridge.Post) string { return bridge.Hash(p.ID) }

// entry is a feed's post as it is published: its own id, author, dates and
// links, a body as XEP-0277 wants it, once as text and once as XHTML, and the
// feed it came from (RFC 4287 §4.2.11). It depends on nothing but the feed, so
// that the same feed gives the same entry.
func entry(source bridge.Source, head bridge.Feed, addr bridge.Addr, p bridge.Post) bridge.Post {
	out := p
	if out.Title.Body == "" { // Movim and Libervia drop an entry without one
		out.Title = bridge.Text{Type: "text", Body: cmp.Or(microblog.Headline(p), "…")}
	}
	out.Content = body(p)
	out.Summary = bridge.Text{}
	if summary := atom.Plain(p.Summary); summary != "" {
		out.Summary = bridge.Text{Type: "text", Body: shortened(summary, maxSummary)}
	}
	if len(out.Authors) == 0 { // an entry has an author, or its source does
		out.Authors = []bridge.Person{{Name: cmp.Or(head.Title, source.URL), URI: head.Link}}
	}
	out.Links = entryLinks(source, p.Links)
	out.Links = append(out.Links, bridge.Link{Rel: "alternate", Href: microblog.URI(addr, itemID(p))})
	out.Source = origin(source, head, p.Source)
	return out
}

// origin is where an entry was first published: what a feed that is a planet
// itself says of it, or the feed. Its date is left out; it would make every
// entry of a feed new with each change of one.
func origin(source bridge.Source, head bridge.Feed, given *bridge.Feed) *bridge.Feed {
	if given != nil && (given.ID != "" || given.Self != "") {
		kept := *given
		kept.ID = cmp.Or(kept.ID, kept.Self)
		kept.Updated = time.Time{}
		return &kept
	}
	return &bridge.Feed{
		ID: cmp.Or(head.ID, source.URL), Title: head.Title, Link: head.Link, Self: source.URL,
		Author: head.Author, Rights: head.Rights,
	}
}

// body is what a post says: as text and as XHTML.
func body(p bridge.Post) []bridge.Text {
	var text, xhtml bridge.Text
	for _, c := range p.Content {
		switch c.Type {
		case "xhtml":
			xhtml = c
		case "text":
			text = c
		case "html":
			if text.Body == "" {
				text = bridge.Text{Type: "text", Body: atom.Plain(c)}
			}
		}
	}
	switch {
	case len(xhtml.Body) > maxBody:
		return []bridge.Text{{Type: "text", Body: shortened(atom.Plain(xhtml), maxExcerpt)}}
	case xhtml.Body == "" && text.Body == "":
		return nil
	case xhtml.Body == "":
		return []bridge.Text{text}
	case text.Body == "" || len(text.Body) > maxText:
		return []bridge.Text{xhtml}
	}
	return []bridge.Text{text, xhtml}
}

// shortened is a text of at most so many characters.
func shortened(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return strings.TrimSpace(string(r[:most-1])) + "…"
	}
	return s
}

// entryLinks are the links of a feed's entry that mean something outside of it.
// An entry without a page of its own says at least by which feed it came.
func entryLinks(source bridge.Source, links []bridge.Link) []bridge.Link {
	var out []bridge.Link
	page := false
	for _, l := range links {
		switch l.Rel {
		case "alternate":
			if !strings.HasPrefix(l.Href, "http://") && !strings.HasPrefix(l.Href, "https://") {
				continue
			}
			page = true
		case "replies":
			l.Title = "" // Movim takes what is titled "comments" for a node
		case "enclosure", "related", "via", "license":
		default:
			continue
		}
		out = append(out, l)
	}
	if !page {
		out = append(out, bridge.Link{Rel: "via", Href: source.URL})
	}
	return out
}

// dated is a new post with the dates it will keep: its own, unless they are
// missing or still to come, else the day on which it was first seen.
func dated(p bridge.Post, now time.Time) bridge.Post {
	p.Published, p.Updated = past(p.Published, now), past(p.Updated, now)
	switch {
	case p.Published.IsZero() && p.Updated.IsZero():
		p.Published, p.Updated = now, now
	case p.Published.IsZero():
		p.Published = p.Updated
	case p.Updated.IsZero():
		p.Updated = p.Published
	}
	return p
}

func past(t, now time.Time) time.Time {
	if t.After(now) {
		return time.Time{}
	}
	return t
}

// revised is the payload of a new version of a post that was published before,
// or nil when it says what it said then. It keeps its date of publication.
func revised(published []byte, p bridge.Post, now time.Time) []byte {
	before, err := atom.Parse(published)
	if err != nil {
		return atom.Render(dated(p, now))
	}
	after, err := atom.Parse(atom.Render(p))
	if err == nil && reflect.DeepEqual(news(before), news(after)) {
		return nil
	}
	p.Published = before.Published
	if updated := past(p.Updated, now); updated.After(before.Updated) {
		p.Updated = updated
	} else {
		p.Updated = now
	}
	return atom.Render(p)
}

// news is what of a post a reader would call a change: neither its dates, which
// some feeds make anew each time, nor what its feed says of itself.
func news(p bridge.Post) bridge.Post {
	p.Published, p.Updated, p.Source = time.Time{}, time.Time{}, nil
	return p
}

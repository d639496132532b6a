package microblog

import (
	"errors"
	"slices"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/bridge/atom"
)

// FillInput is what the service knows about an entry it is about to log.
type FillInput struct {
	Addr bridge.Addr
	Item string    // the item's id in the node
	Now  time.Time // when it was published, if the entry does not say
	// Author is written when the entry names none. Clients trust an author only
	// whose URI is xmpp: and the item's publisher.
	Author bridge.Person
	// Links are written unless the entry has one of the same relation to the same
	// address: see [Alternates].
	Links []bridge.Link
	// Who says whom a name behind an @ means, a nickname or an address; nil or false:
	// nobody. An entry gets a link to each whom it names.
	Who func(name string) (bridge.JID, bool)
}

// Fill appends to an Atom entry what it lacks to be shown: id, title, dates,
// author, a category for each #tag, links and what it is a reply to, each only
// if absent. The publisher's bytes stay as they are; a payload that is no Atom
// entry is returned unchanged: it is the clients' own affair. One that is not
// well-formed is refused.
func Fill(payload []byte, in FillInput) ([]byte, error) {
	p, err := atom.Parse(payload)
	if errors.Is(err, atom.ErrNotEntry) {
		return payload, nil
	}
	if err != nil {
		refusal := bridge.RefuseFor(bridge.BadRequest, "invalid-payload", "the entry is not well-formed XML") // XEP-0060 §7.1.3.4
		refusal.Err = err
		return nil, refusal
	}
	return atom.Extend(payload, missing(p, in)), nil
}

// missing is a post of just those parts that p lacks.
func missing(p bridge.Post, in FillInput) bridge.Post {
	var m bridge.Post
	if p.ID == "" {
		m.ID = URI(in.Addr, in.Item) // XEP-0060 §12.22
	}
	if p.Title.Body == "" { // Movim and Libervia drop an entry without a title
		if t := Headline(p); t != "" {
			m.Title = bridge.Text{Type: "text", Body: t}
		}
	}
	switch {
	case p.Published.IsZero() && p.Updated.IsZero():
		m.Published, m.Updated = in.Now, in.Now
	case p.Published.IsZero():
		m.Published = p.Updated
	case p.Updated.IsZero():
		m.Updated = p.Published
	}
	if len(p.Authors) == 0 && in.Author != (bridge.Person{}) {
		m.Authors = []bridge.Person{in.Author}
	}
	text := Plain(p)
	m.Links = newLinks(p.Links, slices.Concat(in.Links, mentions(text, in.Who)))
	m.Categories = newCategories(p, text)
	return m
}

func newLinks(have, want []bridge.Link) []bridge.Link {
	var out []bridge.Link
	known := make(map[[2]string]bool)
	for _, l := range have {
		known[[2]string{l.Rel, l.Href}] = true
	}
	for _, l := range want {
		key := [2]string{l.Rel, l.Href}
		if l.Href != "" && !known[key] {
			known[key] = true
			out = append(out, l)
		}
	}
	return out
}

func newCategories(p bridge.Post, text string) []bridge.Category {
	known := make(map[string]bool)
	for _, c := range p.Categories {
		known[strings.ToLower(c.Term)] = true
	}
	var out []bridge.Category
	for _, tag := range Tags(text) {
		if !known[tag] {
			out = append(out, bridge.Category{Term: tag})
		}
	}
	return out
}

// Alternates are the links to the post itself: its page, when it has one, and
// its item (XEP-0277 "Receiving a Post": to be inserted by the server).
func Alternates(a bridge.Addr, item, page string) []bridge.Link {
	links := []bridge.Link{{Rel: "alternate", Href: URI(a, item)}}
	if page != "" {
		links = append([]bridge.Link{{Rel: "alternate", Type: "text/html", Href: page}}, links...)
	}
	return links
}

// mentions are links to the people whom a text names.
func mentions(text string, who func(string) (bridge.JID, bool)) []bridge.Link {
	if who == nil {
		return nil
	}
	var links []bridge.Link
	for _, name := range Mentions(text) {
		if jid, ok := who(name); ok {
			links = append(links, bridge.Link{Rel: "mentioned", Href: personURI(jid)})
		}
	}
	return links
}

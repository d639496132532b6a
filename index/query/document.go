package query

import (
	"slices"
	"strings"
	"time"

	"peewit/bridge"
)

// Document is a post as queries see it.
type Document struct {
	Words []string // of the text, in order; see [Tokens]
	// Marks are everything else that can be asked for, sorted, each once: "#tag",
	// "@name", "from:alice".
	Marks []string
	Time  time.Time // what since: and until: compare, to the second
}

// The bounds of what can be found of one post.
const (
	maxWords   = 20_000
	maxMarks   = 500 // tags, mentions and addresses; who it is from is always there
	maxPersons = 16
)

// Describe makes the document of a post. text is all the post says in plain
// text, planets are the names of the planets that show it.
func Describe(it *bridge.Item, p *bridge.Post, text string, planets ...string) *Document {
	words, marks := Tokens(text)
	var m describer
	m.authors(it, p)
	m.origin(it, p)
	if lang := plainLang(p.Lang); lang != "" {
		m.field("lang", lang)
		if primary, _, ok := strings.Cut(lang, "-"); ok {
			m.field("lang", primary)
		}
	}
	if len(p.InReplyTo) > 0 {
		m.field("has", "reply")
	}
	for _, name := range planets {
		m.field("planet", plainSpace(name))
	}
	m.more(marks...)
	m.tags(p)
	m.links(p)
	if len(words) > maxWords {
		words = words[:maxWords]
	}
	slices.Sort(m.marks)
	m.marks = slices.Compact(m.marks)
	return &Document{Words: words, Marks: m.marks, Time: timeOf(it, p)}
}

// timeOf is when the post was published: as it says, but never later than we
// took it, and not before the time that computers know.
func timeOf(it *bridge.Item, p *bridge.Post) time.Time {
	t := it.Created
	if t.IsZero() {
		t = it.Modified
	}
	if !p.Published.IsZero() && (t.IsZero() || p.Published.Before(t)) {
		t = p.Published
	}
	if t.Unix() < 0 {
		t = time.Unix(0, 0)
	}
	return t.UTC().Truncate(time.Second)
}

// describer collects marks.
type describer struct {
	marks []string
}

func (m *describer) field(name, value string) {
	if value != "" {
		m.marks = append(m.marks, fieldMark(name, value))
	}
}

// more adds marks of which there may be any number, as long as there is room.
func (m *describer) more(marks ...string) {
	m.marks = append(m.marks, marks[:min(len(marks), max(0, maxMarks-len(m.marks)))]...)
}

func (m *describer) tags(p *bridge.Post) {
	for _, c := range p.Categories {
		if tag := plainTag(Fold(c.Term)); tag != "" {
			m.more(cut("#" + tag))
		}
	}
}

// authors marks whom the post is from. What an entry says of its author counts
// only when it was taken in from elsewhere; here it is who published it.
func (m *describer) authors(it *bridge.Item, p *bridge.Post) {
	m.person(it.Publisher)
	if !strings.HasPrefix(it.Addr.Name, bridge.NodeMicroblog+":comments/") {
		m.person(it.Addr.Service)
	}
	if it.Publisher.Local() != "" && it.Origin.Door != "pubsub" {
		return
	}
	for _, a := range p.Authors[:min(len(p.Authors), maxPersons)] {
		m.field("from", plainName(a.Name))
		if path, ok := strings.CutPrefix(a.URI, "xmpp:"); ok {
			path, _, _ = strings.Cut(path, "?")
			if j, err := bridge.ParseJID(path); err == nil {
				m.person(j)
			}
		}
	}
}

// person marks an address by its name and in full. A shadow's local part,
// name\40host, is the address it stands for (XEP-0106).
func (m *describer) person(j bridge.JID) {
	local := j.Local()
	if local == "" {
		return
	}
	if shadow := strings.ReplaceAll(local, `\40`, "@"); shadow != local {
		m.field("from", plainName(shadow))
		local, _, _ = strings.Cut(shadow, "@")
	}
	m.field("from", plainName(local))
	m.field("from", plainName(string(j.Bare())))
	m.site(string(j.Domain()))
}

func (m *describer) site(address string) { m.more(siteMarks(address)...) }

// origin marks the door by which the post came, the feed it is from, and its
// home.
func (m *describer) origin(it *bridge.Item, p *bridge.Post) {
	m.field("source", plainSpace(it.Origin.Door))
	if id, ok := strings.CutPrefix(it.Addr.Name, "feed-"); ok {
		m.field("source", plainSpace(id))
	}
	if it.Origin.Site != "" {
		host, path := splitAddress(plainSpace(it.Origin.Site))
		m.field("source", host)
		m.field("source", host+path)
		m.site(it.Origin.Site)
	}
	if p.Source != nil {
		m.field("source", plainSpace(p.Source.Title))
		m.site(webOnly(p.Source.Link))
	}
	for _, l := range p.Links {
		if l.Rel == "alternate" {
			m.site(webOnly(l.Href))
		}
	}
}

// links marks the addresses in a post, the people it mentions, and whether it
// has links and images.
func (m *describer) links(p *bridge.Post) {
	hasLink := slices.ContainsFunc(m.marks, func(s string) bool { return strings.HasPrefix(s, "url:") })
	for _, l := range p.Links {
		switch l.Rel {
		case "mentioned":
			m.mentioned(l.Href)
			continue
		case "enclosure":
			if strings.HasPrefix(l.Type, "image/") {
				m.field("has", "image")
			}
		}
		m.url(l.Href)
		hasLink = hasLink || l.Rel == "related" || l.Rel == "enclosure"
	}
	for _, c := range append(p.Content[:len(p.Content):len(p.Content)], p.Summary) {
		if c.Type != "html" && c.Type != "xhtml" {
			continue
		}
		for _, href := range attributes(c.Body, "href") {
			m.url(href)
			hasLink = hasLink || webOnly(href) != ""
		}
		if len(attributes(c.Body, "src")) > 0 && strings.Contains(strings.ToLower(c.Body), "<img") {
			m.field("has", "image")
		}
	}
	if hasLink {
		m.field("has", "link")
	}
}

func (m *describer) mentioned(href string) {
	path, ok := strings.CutPrefix(href, "xmpp:")
	if !ok {
		return
	}
	path, _, _ = strings.Cut(path, "?")
	if j, err := bridge.ParseJID(path); err == nil && j.Local() != "" {
		m.more(cut("@"+plainName(j.Local())), cut("@"+plainName(string(j.Bare()))))
	}
}

func (m *describer) url(href string) {
	if u := webOnly(href); u != "" {
		m.more(urlMarks(Fold(u))...)
	}
}

// webOnly is an address of the web, or "".
func webOnly(href string) string {
	if strings.HasPrefix(href, "http://") || strings.HasPrefix(href, "https://") {
		return href
	}
	return ""
}

// attributes are the values of an attribute in markup, at most maxMarks. It
// looks for the name and not at the structure: what it finds can be searched
// for, nothing else.
func attributes(markup, name string) []string {
	var values []string
	for len(values) < maxMarks {
		_, rest, ok := strings.Cut(markup, name+"=")
		if !ok || rest == "" {
			return values
		}
		markup = rest
		quote := rest[:1]
		if quote != `"` && quote != "'" {
			continue
		}
		value, after, ok := strings.Cut(rest[1:], quote)
		if !ok {
			return values
		}
		values, markup = append(values, strings.ReplaceAll(value, "&amp;", "&")), after
	}
	return values
}

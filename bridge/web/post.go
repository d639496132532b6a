package web

import (
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/microblog"
)

// maxMarks bounds how many tags and enclosures of a post are shown.
const maxMarks = 32

// post is a post as a page shows it.
type post struct {
	Title      string // "" when HTML says it
	HTML       template.HTML
	Line       string // all in one line
	Lang       string
	Author     link
	Source     link // the feed it came from
	Published  time.Time
	Page       string // here
	Original   string // where it was published first, or ""
	Tags       []link
	Enclosures []enclosure
}

// link is a text that may lead somewhere.
type link struct {
	Text string
	Href string
	Away bool // to somebody else's site
}

type enclosure struct {
	link
	Type string
}

// away is a link to where a publisher says, if that is on the web.
func away(text, href string) link {
	href = webLink(href)
	return link{Text: text, Href: href, Away: href != ""}
}

func (s *site) showAll(items []bridge.Item) []post {
	posts := make([]post, 0, len(items))
	for _, item := range items {
		if shown, ok := s.show(item); ok {
			posts = append(posts, shown)
		}
	}
	return posts
}

// show turns an item into what the templates print; false when it is no post.
func (s *site) show(item bridge.Item) (post, bool) {
	entry, err := atom.Parse(item.Payload)
	if err != nil {
		return post{}, false
	}
	shown := post{
		Line: microblog.Headline(entry), Lang: entry.Lang,
		Author: s.author(entry, item), Published: published(entry, item),
		Page: noticePath(item), Original: webLink(microblog.Permalink(entry)),
	}
	shown.Title, shown.HTML = s.text(entry)
	if entry.Source != nil && entry.Source.Title != shown.Author.Text {
		shown.Source = away(or(entry.Source.Title, entry.Source.Link), entry.Source.Link)
	}
	for _, c := range entry.Categories[:min(len(entry.Categories), maxMarks)] {
		shown.Tags = append(shown.Tags, tag(c.Term))
	}
	for _, l := range entry.Links {
		if l.Rel == "enclosure" && webLink(l.Href) != "" && len(shown.Enclosures) < maxMarks {
			shown.Enclosures = append(shown.Enclosures, enclosure{away(or(l.Title, l.Href), l.Href), l.Type})
		}
	}
	return shown, true
}

func noticePath(item bridge.Item) string {
	id := item.First
	if item.Of != 0 {
		id = item.Of
	}
	return "/notice/" + strconv.FormatUint(id, 10)
}

// published is when a post was published, by its own account if that can be.
func published(entry bridge.Post, item bridge.Item) time.Time {
	for _, t := range []time.Time{entry.Published, entry.Updated} {
		if t.Year() > 1 {
			return t
		}
	}
	return item.Created
}

// author is who a post is by. A name that an entry claims counts only when the
// entry was taken in from elsewhere; else it is whoever published it.
func (s *site) author(entry bridge.Post, item bridge.Item) link {
	if account, ok := s.svc.Registry().AccountOf(item.Publisher); ok {
		return link{Text: account.Nick, Href: "/" + account.Nick}
	}
	takenIn := item.Publisher.Local() == "" || item.Origin.Door == "pubsub"
	if takenIn && len(entry.Authors) > 0 && entry.Authors[0].Name != "" {
		return away(entry.Authors[0].Name, entry.Authors[0].URI)
	}
	return link{Text: string(item.Publisher)}
}

// tag leads to the posts with the same tag, if a query can ask for it.
func tag(term string) link {
	if !slices.Equal(microblog.Tags("#"+term), []string{strings.ToLower(term)}) {
		return link{Text: term}
	}
	return link{Text: "#" + term, Href: "/search?" + url.Values{"q": {"#" + term}}.Encode()}
}

// text is the title and the content of a post. A microblog post says the same in
// both, and is shown without a title.
func (s *site) text(entry bridge.Post) (title string, content template.HTML) {
	body := entry
	body.Title = bridge.Text{}
	title = atom.Plain(entry.Title)
	said, rest := microblog.Plain(entry), microblog.Plain(body)
	content = s.content(entry)
	switch {
	case content == "":
		return "", paragraphs(said)
	case said == rest:
		return "", content
	case said == title && rest != "": // the content is the title's beginning
		return "", paragraphs(said)
	}
	return title, content
}

// content is what an entry says beyond its title, as HTML that can do no harm;
// "" when nothing of it can be seen.
func (s *site) content(entry bridge.Post) template.HTML {
	for _, kind := range []string{"xhtml", "html", "text"} {
		for _, c := range entry.Content {
			if c.Type != kind {
				continue
			}
			if shown := s.textHTML(c); shown != "" {
				return shown
			}
		}
	}
	return s.textHTML(entry.Summary)
}

func (s *site) textHTML(t bridge.Text) template.HTML {
	if t.Type != "text" && len(t.Body) <= maxMarkup {
		if shown, ok := s.clean(t); ok {
			return shown
		}
	}
	return paragraphs(atom.Plain(t))
}

var (
	webAddress = regexp.MustCompile(`https?://[^\s<>"']+[^\s<>"'.,;:!?)]`)
	blankLines = regexp.MustCompile(`\n\s*\n`)
)

// paragraphs is plain text as HTML: paragraphs and lines kept, web addresses as
// links.
func paragraphs(text string) template.HTML {
	var b strings.Builder
	for _, p := range blankLines.Split(strings.TrimSpace(text), -1) {
		if p == "" {
			continue
		}
		b.WriteString("<p>")
		at := 0
		for _, m := range webAddress.FindAllStringIndex(p, -1) {
			b.WriteString(lines(p[at:m[0]]))
			address := template.HTMLEscapeString(p[m[0]:m[1]])
			b.WriteString(`<a rel="nofollow noreferrer" href="` + address + `">` + address + `</a>`)
			at = m[1]
		}
		b.WriteString(lines(p[at:]) + "</p>")
	}
	return template.HTML(b.String()) // escaped piece by piece
}

func lines(text string) string {
	return strings.ReplaceAll(template.HTMLEscapeString(text), "\n", "<br>")
}

// webLink is href if it is an http or https URL, else "".
func webLink(href string) string {
	u, err := url.Parse(href)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return ""
	}
	return href
}

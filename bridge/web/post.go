package web

import (
	"html/template"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/microcosm-cc/bluemonday"

	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/microblog"
)

// post is a post as a page shows it.
type post struct {
	Title      string
	Headed     bool // Title says something that HTML does not
	HTML       template.HTML
	Author     string
	AuthorURL  string
	Published  time.Time
	Page       string // here
	Original   string // where it was published first, or ""
	Source     string
	Tags       []string
	Enclosures []bridge.Link
}

// policy is what of a publisher's HTML a page keeps.
var policy = newPolicy()

func newPolicy() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	p.AddTargetBlankToFullyQualifiedLinks(false)
	return p
}

func (s *site) showAll(items []bridge.Item) []post {
	posts := make([]post, 0, len(items))
	for _, item := range items {
		posts = append(posts, s.show(item))
	}
	return posts
}

// show turns an item into what the templates print. A payload that is no Atom
// entry is shown by its id.
func (s *site) show(item bridge.Item) post {
	entry, err := atom.Parse(item.Payload)
	if err != nil {
		entry = bridge.Post{Title: bridge.Text{Type: "text", Body: item.ID}}
	}
	shown := post{
		Title:     microblog.Headline(entry),
		Published: entry.Published,
		Original:  webLink(microblog.Permalink(entry)),
		HTML:      body(entry),
	}
	if item.First != 0 {
		shown.Page = "/notice/" + strconv.FormatUint(item.First, 10)
	}
	shown.Headed = !strings.Contains(microblog.Plain(bridge.Post{Content: entry.Content}), shown.Title)
	if shown.HTML == "" {
		shown.HTML, shown.Headed = paragraph(microblog.Plain(entry)), false
	}
	if shown.Published.IsZero() {
		shown.Published = item.Created
	}
	shown.Author, shown.AuthorURL = s.author(entry, item)
	if entry.Source != nil {
		shown.Source = entry.Source.Title
	}
	for _, c := range entry.Categories {
		shown.Tags = append(shown.Tags, c.Term)
	}
	for _, l := range entry.Links {
		if l.Rel == "enclosure" && webLink(l.Href) != "" {
			shown.Enclosures = append(shown.Enclosures, l)
		}
	}
	return shown
}

// author is the name to show and where it leads. A name that an entry claims is
// shown beside the address only of who really published it.
func (s *site) author(entry bridge.Post, item bridge.Item) (name, href string) {
	if len(entry.Authors) > 0 {
		name, href = entry.Authors[0].Name, webLink(entry.Authors[0].URI)
	}
	if account, ok := s.svc.Registry().AccountOf(item.Publisher); ok {
		return account.Nick, "/" + account.Nick
	}
	if name == "" {
		name = string(item.Publisher)
	}
	return name, href
}

// body is the content of an entry as HTML that can do no harm.
func body(entry bridge.Post) template.HTML {
	text := entry.Summary
	for _, c := range entry.Content {
		if text.Body == "" || c.Type != "text" {
			text = c
		}
	}
	switch {
	case text.Body == "":
		return ""
	case text.Type == "html" || text.Type == "xhtml":
		return template.HTML(policy.Sanitize(text.Body)) // sanitised on this line
	}
	return paragraph(text.Body)
}

var webAddress = regexp.MustCompile(`https?://[^\s<>"']+[^\s<>"'.,;:!?)]`)

// paragraph is plain text as HTML: line ends kept, web addresses as links.
func paragraph(text string) template.HTML {
	var b strings.Builder
	at := 0
	for _, m := range webAddress.FindAllStringIndex(text, -1) {
		b.WriteString(template.HTMLEscapeString(text[at:m[0]]))
		href := template.HTMLEscapeString(text[m[0]:m[1]])
		b.WriteString(`<a rel="nofollow noreferrer" href="` + href + `">` + href + `</a>`)
		at = m[1]
	}
	b.WriteString(template.HTMLEscapeString(text[at:]))
	return template.HTML("<p>" + strings.ReplaceAll(b.String(), "\n", "<br>") + "</p>") // escaped above
}

// webLink is href if it is an http or https URL, else "".
func webLink(href string) string {
	u, err := url.Parse(href)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return ""
	}
	return href
}

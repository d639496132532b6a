package web

import (
	"html/template"
	"net/url"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"

	"peewit/bridge"
)

// maxMarkup is how many bytes of markup are shown as such. Of more than that only
// the text is shown.
const maxMarkup = 256 << 10

// newPolicy is what of a publisher's HTML is kept: text, lists, tables, images
// and links to the web, and nothing that runs, looks like part of the page, or
// leads into it (relative URLs, ids).
func newPolicy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements(
		"p", "div", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "address",
		"figure", "figcaption", "details", "summary", "span", "em", "strong", "b", "i", "u", "s", "strike",
		"del", "ins", "mark", "small", "sub", "sup", "code", "kbd", "samp", "var", "tt", "q", "cite", "abbr",
		"dfn", "ruby", "rt", "rp", "bdi", "wbr",
	)
	p.AllowLists()
	p.AllowTables()
	p.AllowImages()
	p.AllowAttrs("href").OnElements("a")
	p.AllowAttrs("alt").OnElements("img")
	p.AllowAttrs("title").Globally()
	p.AllowAttrs("dir").Matching(bluemonday.Direction).Globally()
	p.AllowAttrs("lang").Globally()
	hosted := func(u *url.URL) bool { return u.Host != "" } // "https:x" leads into the page
	p.AllowURLSchemeWithCustomPolicy("http", hosted)
	p.AllowURLSchemeWithCustomPolicy("https", hosted)
	p.AllowURLSchemes("mailto", "xmpp")
	p.AllowRelativeURLs(false)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return p
}

// clean is HTML or XHTML as it may stand in an article of a page: what the policy
// keeps, written anew with every element closed. It is false when nothing of it
// can be seen, or nobody could follow it.
func (s *site) clean(t bridge.Text) (template.HTML, bool) {
	markup := t.Body
	if t.Type == "xhtml" {
		markup = asHTML(markup)
	}
	w := writer{}
	z := html.NewTokenizer(strings.NewReader(s.policy.Sanitize(markup)))
	for z.Next() != html.ErrorToken {
		w.write(z.Token())
	}
	w.end(0)
	return template.HTML(w.String()), w.visible && !w.tooDeep // sanitised, and in order
}

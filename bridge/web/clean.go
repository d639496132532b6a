package web

import (
	"bytes"
	"encoding/xml"
	"html/template"
	"net/url"
	"slices"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

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
// keeps, every element closed where it stands, headings below ours. It is false
// when nothing of it can be seen.
func (s *site) clean(t bridge.Text) (template.HTML, bool) {
	markup := t.Body
	if t.Type == "xhtml" {
		markup = asHTML(markup)
	}
	around := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	nodes, err := html.ParseFragment(strings.NewReader(s.policy.Sanitize(markup)), around)
	if err != nil {
		return "", false // nested too deeply
	}
	var b bytes.Buffer
	visible := false
	for _, n := range nodes {
		visible = dress(n) || visible
		if err := html.Render(&b, n); err != nil {
			return "", false
		}
	}
	return template.HTML(b.String()), visible // sanitised, and written anew by Render
}

// lowered are headings as they stand in an article, whose own is an h2.
var lowered = map[atom.Atom]atom.Atom{
	atom.H1: atom.H3, atom.H2: atom.H4, atom.H3: atom.H5, atom.H4: atom.H6, atom.H5: atom.H6,
}

// dress fits a sanitised element into an article, and reports whether there is
// anything to see in it.
func dress(n *html.Node) bool {
	if level, ok := lowered[n.DataAtom]; ok {
		n.Data, n.DataAtom = level.String(), level
	}
	visible := n.Type == html.TextNode && strings.TrimSpace(n.Data) != ""
	if n.DataAtom == atom.Img {
		visible = true
		n.Attr = append(n.Attr, html.Attribute{Key: "loading", Val: "lazy"})
		if !slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "alt" }) {
			n.Attr = append(n.Attr, html.Attribute{Key: "alt"})
		}
	}
	for kid := range n.ChildNodes() {
		visible = dress(kid) || visible
	}
	return visible
}

// unseen are elements whose content is not markup to a reader of HTML: written
// as HTML they would swallow what follows.
var unseen = []string{
	"script", "style", "title", "textarea", "template", "noscript", "iframe", "noembed", "noframes", "xmp", "plaintext",
}

// void are the HTML elements without an end tag.
var void = []string{"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}

// asHTML writes XHTML as HTML. The two differ where an element is empty: <b/> is
// a whole element in one, the beginning of one in the other.
func asHTML(xhtml string) string {
	var b strings.Builder
	d := xml.NewDecoder(strings.NewReader(xhtml))
	for {
		token, err := d.Token()
		if err != nil {
			return b.String()
		}
		switch t := token.(type) {
		case xml.StartElement:
			if slices.Contains(unseen, strings.ToLower(t.Name.Local)) {
				if d.Skip() != nil {
					return b.String()
				}
				continue
			}
			b.WriteString("<" + t.Name.Local)
			for _, a := range t.Attr {
				if a.Name.Space == "" && a.Name.Local != "xmlns" {
					b.WriteString(" " + a.Name.Local + `="` + html.EscapeString(a.Value) + `"`)
				}
			}
			b.WriteByte('>')
		case xml.EndElement:
			if !slices.Contains(void, strings.ToLower(t.Name.Local)) {
				b.WriteString("</" + t.Name.Local + ">")
			}
		case xml.CharData:
			b.WriteString(html.EscapeString(string(t)))
		}
	}
}

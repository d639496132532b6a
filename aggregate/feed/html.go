package feed

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"golang.org/x/net/html"
	htmlatom "golang.org/x/net/html/atom"

	"peewit/bridge"
	"peewit/bridge/atom"
)

// cleaner makes strangers' HTML safe and well-formed.
type cleaner struct{ policy *bluemonday.Policy }

func newCleaner() *cleaner {
	p := bluemonday.UGCPolicy() // text, links, lists, tables, pictures; nothing that runs, frames or styles
	p.RequireNoFollowOnLinks(false)
	p.AllowElements("figure", "figcaption", "picture")
	p.AllowAttrs("src", "width", "height", "poster").OnElements("audio", "video")
	p.AllowAttrs("controls").OnElements("audio", "video")
	p.AllowAttrs("src", "type").OnElements("source")
	p.AllowURLSchemes("http", "https", "mailto", "xmpp")
	return &cleaner{policy: p}
}

// content is a markup as it is published: safe HTML, and the same as one XHTML
// <div/>. Text that never was HTML stays text, and gets a <div/> too. Nothing
// visible gives nothing.
func (c *cleaner) content(m markup) []bridge.Text {
	if !m.html {
		text := cut(m.body)
		if strings.TrimSpace(text) == "" {
			return nil
		}
		return []bridge.Text{{Type: "text", Body: text}, {Type: "xhtml", Body: divOfText(text)}}
	}
	nodes := c.nodes(cut(m.body), m.base)
	var asHTML, asXHTML bytes.Buffer
	for _, n := range nodes {
		if html.Render(&asHTML, n) != nil {
			return nil
		}
		writeXHTML(&asXHTML, n)
	}
	if asXHTML.Len() == 0 {
		return nil
	}
	return []bridge.Text{
		{Type: "html", Body: asHTML.String()},
		{Type: "xhtml", Body: divStart + asXHTML.String() + "</div>"},
	}
}

// line is a markup as one line of plain text: what titles are.
func line(m markup) bridge.Text {
	text := []rune(strings.Join(strings.Fields(atom.Plain(m.text())), " "))
	if len(text) > maxTitle {
		text = append(text[:maxTitle-1], '…')
	}
	if len(text) == 0 {
		return bridge.Text{}
	}
	return bridge.Text{Type: "text", Body: string(text)}
}

// nodes are the sanitised children of what would be the <div/>.
func (c *cleaner) nodes(body string, base *url.URL) []*html.Node {
	div := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: htmlatom.Div}
	parsed, err := html.ParseFragment(strings.NewReader(c.policy.Sanitize(body)), div)
	if err != nil { // nested deeper than any reader would show
		text := atom.Plain(bridge.Text{Type: "html", Body: body})
		return []*html.Node{{Type: html.TextNode, Data: text}}
	}
	var kept []*html.Node
	for _, n := range parsed {
		if tidy(n, base) {
			kept = append(kept, n)
			div.AppendChild(n)
		}
	}
	keepSpaces(div)
	if len(kept) == 1 && kept[0].DataAtom == htmlatom.Div && len(kept[0].Attr) == 0 { // the <div/> of xhtml
		div = kept[0]
	}
	return slices.Collect(div.ChildNodes())
}

// tidy resolves the addresses in n and drops tracking pixels; false means that n
// itself is one.
func tidy(n *html.Node, base *url.URL) bool {
	if n.Type == html.CommentNode || n.Type == html.DoctypeNode {
		return false
	}
	if n.Type == html.ElementNode {
		attrs := n.Attr[:0]
		for _, a := range n.Attr {
			switch a.Key {
			case "href", "src", "cite", "poster":
				if a.Val = safeURL(base, a.Val); a.Val == "" {
					continue
				}
			}
			attrs = append(attrs, a)
		}
		n.Attr = attrs
		if n.DataAtom == htmlatom.Img && (attr(n, "src") == "" || tiny(attr(n, "width")) && tiny(attr(n, "height"))) {
			return false
		}
	}
	for child := n.FirstChild; child != nil; {
		next := child.NextSibling
		if !tidy(child, base) {
			n.RemoveChild(child)
		}
		child = next
	}
	return true
}

func tiny(size string) bool { return size == "0" || size == "1" }

// safeURL is an address made absolute, or "" when it is none that a reader
// should follow.
func safeURL(base *url.URL, ref string) string {
	ref = resolved(base, ref)
	u, err := url.Parse(ref)
	if err != nil {
		return ""
	}
	switch strings.ToLower(u.Scheme) {
	case "", "http", "https", "mailto", "xmpp":
		return ref
	}
	return ""
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// inline are the elements between which white space is seen.
var inline = map[htmlatom.Atom]bool{
	htmlatom.A: true, htmlatom.Abbr: true, htmlatom.B: true, htmlatom.Cite: true, htmlatom.Code: true, htmlatom.Em: true,
	htmlatom.I: true, htmlatom.Q: true, htmlatom.S: true, htmlatom.Samp: true, htmlatom.Small: true, htmlatom.Span: true,
	htmlatom.Strong: true, htmlatom.Sub: true, htmlatom.Sup: true, htmlatom.U: true,
}

// keepSpaces moves white space that stands alone between two inline elements
// into the first: Movim drops what stands between '>' and '<'.
func keepSpaces(n *html.Node) {
	for child := n.FirstChild; child != nil; {
		next := child.NextSibling
		before := child.PrevSibling
		if child.Type == html.TextNode && strings.TrimSpace(child.Data) == "" &&
			before != nil && inline[before.DataAtom] && next != nil && inline[next.DataAtom] &&
			before.LastChild != nil && before.LastChild.Type == html.TextNode {
			before.LastChild.Data += " "
			n.RemoveChild(child)
		} else {
			keepSpaces(child)
		}
		child = next
	}
}

const divStart = `<div xmlns="` + atom.NSXHTML + `">`

// writeXHTML writes a node as XML. What html.ParseFragment makes of sanitised
// HTML has only plain names.
func writeXHTML(b *bytes.Buffer, n *html.Node) {
	switch n.Type {
	case html.TextNode:
		b.WriteString(atom.Escape(n.Data))
	case html.ElementNode:
		b.WriteString("<" + n.Data)
		for _, a := range n.Attr {
			if a.Namespace == "" {
				b.WriteString(" " + a.Key + `="` + atom.Escape(a.Val) + `"`)
			}
		}
		if void[n.Data] {
			b.WriteString("/>")
			return
		}
		b.WriteByte('>')
		for child := n.FirstChild; child != nil; child = child.NextSibling {
			writeXHTML(b, child)
		}
		b.WriteString("</" + n.Data + ">")
	}
}

// divOfText is plain text as a <div/> with its lines kept.
func divOfText(text string) string {
	return divStart + strings.ReplaceAll(atom.Escape(strings.TrimSpace(text)), "\n", "<br/>") + "</div>"
}

// cut bounds a content, at a character.
func cut(s string) string {
	if len(s) <= maxContent {
		return s
	}
	return strings.ToValidUTF8(s[:maxContent], "")
}

// looksHTML guesses whether a text of which nobody said it is HTML: it has a tag
// or a character reference.
func looksHTML(s string) bool {
	lastEnd := strings.LastIndexByte(s, '>')
	for i := range len(s) - 1 {
		switch next := s[i+1]; {
		case s[i] == '<' && i < lastEnd && (isLetter(next) || next == '/' || next == '!'):
			if tagAt(s[i+1:]) {
				return true
			}
		case s[i] == '&' && (isLetter(next) || next == '#'):
			end := strings.IndexByte(s[i:min(len(s), i+32)], ';')
			if end > 0 && html.UnescapeString(s[i:i+end+1]) != s[i:i+end+1] {
				return true
			}
		}
	}
	return false
}

// tagAt reports whether what follows '<' is a comment or a tag HTML knows.
func tagAt(s string) bool {
	if strings.HasPrefix(s, "!--") {
		return true
	}
	s = strings.TrimPrefix(s, "/")
	end := 0
	for end < len(s) && end < 16 && (isLetter(s[end]) || s[end] >= '0' && s[end] <= '9') {
		end++
	}
	if end == len(s) || !strings.ContainsRune("> /\t\r\n", rune(s[end])) {
		return false
	}
	return htmlatom.Lookup([]byte(strings.ToLower(s[:end]))) != 0
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

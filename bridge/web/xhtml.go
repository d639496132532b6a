package web

import (
	"encoding/xml"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// unseen are elements whose content is not markup to a reader of HTML: written
// as HTML they would swallow what follows.
var unseen = []string{
	"script", "style", "title", "textarea", "template", "noscript", "iframe", "noembed", "noframes", "xmp", "plaintext",
}

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

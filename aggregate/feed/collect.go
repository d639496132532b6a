package feed

import (
	"encoding/base64"
	"encoding/xml"
	"strings"

	"peewit/bridge/atom"
)

// collector collects an Atom text construct (RFC 4287 §3.1; Atom 0.3 §3.1):
// its plain character data, and its markup for the case that it is some.
type collector struct {
	of     *element
	typ    string // lower case, without parameters
	mode   string // of Atom 0.3
	open   []*element
	inner  bool // it has child elements
	plain  strings.Builder
	marked strings.Builder
}

// constructOf is a collector when e is a text construct, or the id, of a feed,
// an entry or a source; else nil.
func (r *repairer) constructOf(e *element, attrs []xml.Attr) *collector {
	if len(r.stack) == 0 {
		return nil
	}
	parent := r.stack[len(r.stack)-1]
	if r.out.kind == kindRSS {
		return rssBody(e, parent)
	}
	if !isAtom(e.space) {
		return nil
	}
	if !isAtom(parent.space) {
		return nil
	}
	inEntry := strings.EqualFold(parent.name.Local, "entry") && len(r.stack) == 2
	inHead := strings.EqualFold(parent.name.Local, "feed") || strings.EqualFold(parent.name.Local, "source")
	switch local := strings.ToLower(e.name.Local); local {
	case "id", "title", "rights", "copyright":
		if !inEntry && !inHead {
			return nil
		}
	case "summary", "content":
		if !inEntry {
			return nil
		}
	default:
		return nil
	}
	c := &collector{of: e}
	for _, a := range attrs {
		switch value := strings.ToLower(strings.TrimSpace(a.Value)); {
		case a.Name.Space != "":
		case a.Name.Local == "type":
			c.typ, _, _ = strings.Cut(value, ";")
		case a.Name.Local == "mode":
			c.mode = value
		case a.Name.Local == "src" && strings.EqualFold(e.name.Local, "content"):
			return nil // content elsewhere, RFC 4287 §4.1.3.2: gofeed keeps the address
		}
	}
	return c
}

// rssBody collects the content of an RSS item that is not content:encoded but
// stands there as XHTML, or as userland's <fullitem/>.
func rssBody(e, parent *element) *collector {
	switch {
	case !parent.entry:
	case e.space == atom.NSXHTML && (e.name.Local == "body" || e.name.Local == "div"):
		return &collector{of: e, typ: "xhtml"}
	case e.space == "" && (e.name.Local == "body" || e.name.Local == "fullitem"):
		return &collector{of: e, typ: "html"}
	}
	return nil
}

func (c *collector) parent() *element {
	if len(c.open) > 0 {
		return c.open[len(c.open)-1]
	}
	return c.of
}

func (c *collector) start(e *element, attrs []xml.Attr) {
	c.inner = true
	if len(c.open) >= maxDepth || c.full() {
		return
	}
	c.open = append(c.open, e)
	c.marked.WriteString("<" + e.name.Local)
	for _, a := range attrs { // HTML has no prefixes
		if a.Name.Space == "" && a.Name.Local != "xmlns" {
			value := a.Value
			if a.Name.Local == "href" || a.Name.Local == "src" {
				value = resolved(e.base, value) // by an xml:base inside, if there is one
			}
			c.marked.WriteString(" " + a.Name.Local + `="` + atom.Escape(value) + `"`)
		}
	}
	c.marked.WriteByte('>')
}

// end closes an element of the construct; true means that it was the construct.
// An end tag of nothing inside is left out.
func (c *collector) end(name xml.Name) bool {
	for i := len(c.open) - 1; i >= 0; i-- {
		if c.open[i].name != name {
			continue
		}
		for j := len(c.open) - 1; j >= i; j-- {
			if local := c.open[j].name.Local; !void[local] {
				c.marked.WriteString("</" + local + ">")
			}
		}
		c.open = c.open[:i]
		return false
	}
	return c.of.name == name
}

func (c *collector) chars(s string) {
	if c.full() {
		return
	}
	c.plain.WriteString(s)
	c.marked.WriteString(atom.Escape(s))
}

// full reports whether there is more than anybody will be shown.
func (c *collector) full() bool { return c.plain.Len() > 2*maxContent || c.marked.Len() > 4*maxContent }

// markup decides what was collected. Those who write markup without saying so
// are taken by their deeds.
func (c *collector) markup() markup {
	plain, base := c.plain.String(), c.of.base
	asMarkup := markup{body: strings.TrimSpace(c.marked.String()), html: true, base: base}
	switch {
	case c.mode == "base64" || c.typ == "application/octet-stream":
		decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(plain), ""))
		if err != nil {
			return markup{}
		}
		text := string(legal(toUTF8(decoded, "")))
		return markup{body: text, html: looksHTML(text), base: base}
	case c.inner:
		return asMarkup
	case c.typ == "xhtml" || c.typ == "application/xhtml+xml" || c.mode == "xml" && c.typ == "text/html":
		return asMarkup
	case c.typ == "html" || c.typ == "text/html":
		return markup{body: strings.TrimSpace(plain), html: true, base: base}
	case c.mode == "escaped" && c.typ == "":
		return markup{body: strings.TrimSpace(plain), html: looksHTML(plain), base: base}
	case c.typ == "" || c.typ == "text" || strings.HasPrefix(c.typ, "text/"):
		return markup{body: strings.TrimSpace(plain), base: base}
	}
	return markup{} // a picture, or what else nobody could show as text
}

// void are the elements of HTML without an end tag.
var void = map[string]bool{
	"area": true, "base": true, "br": true, "col": true, "embed": true, "hr": true, "img": true,
	"input": true, "link": true, "meta": true, "source": true, "track": true, "wbr": true,
}

package atom

import (
	"bytes"
	"strings"
	"time"

	"peewit/bridge"
)

// Render writes a post as an Atom entry. A title is always written, because
// readers drop entries without one; for the rest, what the post does not have
// is not made up.
func Render(p bridge.Post) []byte {
	var b bytes.Buffer
	b.WriteString(`<entry xmlns="` + NS + `"`)
	if p.Lang != "" {
		writeAttr(&b, "xml:lang", p.Lang)
	}
	b.WriteByte('>')
	w := writer{b: &b}
	if p.Title.Body == "" {
		w.element("title", "", "type", "text")
	}
	w.post(p)
	b.WriteString("</entry>")
	return b.Bytes()
}

// FormatTime is t as a date construct (RFC 4287 §3.3), in UTC and seconds.
func FormatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// writer writes elements of the Atom namespace. When declare is set each of
// them says so itself, for a parent whose default namespace is another.
type writer struct {
	b       *bytes.Buffer
	declare bool
}

func (w writer) post(p bridge.Post) {
	w.text("title", p.Title)
	w.simple("id", p.ID)
	w.date("published", p.Published)
	w.date("updated", p.Updated)
	for _, a := range p.Authors {
		w.person(a)
	}
	w.text("summary", p.Summary)
	for _, c := range p.Content {
		w.text("content", c)
	}
	for _, l := range p.Links {
		w.link(l)
	}
	for _, c := range p.Categories {
		w.element("category", "", "term", c.Term, "label", c.Label)
	}
	for _, r := range p.InReplyTo {
		w.reply(r)
	}
	w.simple("rights", p.Rights)
	if p.Source != nil {
		w.open("source")
		inner := writer{b: w.b}
		inner.feed(*p.Source)
		w.b.WriteString("</source>")
	}
}

func (w writer) feed(f bridge.Feed) {
	w.simple("id", f.ID)
	w.simple("title", f.Title)
	w.date("updated", f.Updated)
	w.link(bridge.Link{Rel: "self", Href: f.Self})
	w.link(bridge.Link{Rel: "alternate", Href: f.Link})
	w.person(f.Author)
	w.simple("rights", f.Rights)
}

func (w writer) text(name string, t bridge.Text) {
	if t.Body == "" {
		return
	}
	if t.Type != "xhtml" {
		w.element(name, t.Body, "type", t.Type)
		return
	}
	div, err := parseTree([]byte(t.Body))
	if err != nil { // not XML after all: HTML says as much to a reader
		w.element(name, t.Body, "type", "html")
		return
	}
	w.open(name, "type", "xhtml")
	if !div.is(NSXHTML, "div") {
		inner := div
		div = &node{kids: []any{inner}}
		div.name.Space, div.name.Local = NSXHTML, "div"
	}
	div.write(w.b, NS)
	w.b.WriteString("</" + name + ">")
}

func (w writer) person(p bridge.Person) {
	if p == (bridge.Person{}) {
		return
	}
	name := p.Name
	for _, other := range []string{p.Email, p.URI} {
		if name == "" {
			name = other // atom:name is required, RFC 4287 §3.2.1
		}
	}
	w.open("author")
	inner := writer{b: w.b}
	inner.simple("name", name)
	inner.simple("uri", p.URI)
	inner.simple("email", p.Email)
	w.b.WriteString("</author>")
}

func (w writer) link(l bridge.Link) {
	if l.Href != "" {
		w.element("link", "", "rel", l.Rel, "type", l.Type, "title", l.Title, "length", l.Length, "href", l.Href)
	}
}

// reply writes thr:in-reply-to unprefixed (RFC 4685 §3).
func (w writer) reply(r bridge.Reply) {
	w.b.WriteString(`<in-reply-to xmlns="` + NSThread + `"`)
	if r.Ref != "" {
		writeAttr(w.b, "ref", r.Ref)
	}
	if r.Href != "" {
		writeAttr(w.b, "href", r.Href)
	}
	w.b.WriteString("/>")
}

func (w writer) simple(name, text string) {
	if text != "" {
		w.element(name, text)
	}
}

func (w writer) date(name string, t time.Time) {
	if !t.IsZero() {
		w.element(name, FormatTime(t))
	}
}

// element writes an element with text; attributes come in pairs, empty ones are
// left out.
func (w writer) element(name, text string, attrs ...string) {
	w.open(name, attrs...)
	if text == "" {
		w.b.Truncate(w.b.Len() - 1)
		w.b.WriteString("/>")
		return
	}
	w.b.WriteString(Escape(text))
	w.b.WriteString("</" + name + ">")
}

func (w writer) open(name string, attrs ...string) {
	w.b.WriteString("<" + name)
	if w.declare {
		w.b.WriteString(` xmlns="` + NS + `"`)
	}
	for i := 0; i+1 < len(attrs); i += 2 {
		if value := strings.TrimSpace(attrs[i+1]); value != "" {
			writeAttr(w.b, attrs[i], value)
		}
	}
	w.b.WriteByte('>')
}

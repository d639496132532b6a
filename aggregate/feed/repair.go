package feed

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strings"

	"peewit/bridge"
	"peewit/bridge/atom"
)

// kind is the family of a feed.
type kind int

const (
	kindNone kind = iota
	kindAtom
	kindRSS
)

const nsAtom03 = "http://purl.org/atom/ns#"

// maxDepth is how deep elements may be nested; deeper ones lose their tags.
const maxDepth = 200

// repaired is a feed that gofeed can read, with what gofeed would lose.
type repaired struct {
	kind   kind
	doc    []byte
	base   *url.URL // of the root element; may be nil
	broken bool
	// unfinished says that the document ends within its last entry.
	unfinished bool
	id         string      // of an Atom feed
	entries    []construct // of an Atom feed, in its order
}

// construct is what was kept of one Atom entry.
type construct struct {
	id, rights, sourceID    string
	title, summary, content markup
}

// markup is a text that may be HTML, and the URL that its links are relative to.
type markup struct {
	body string
	html bool
	base *url.URL
}

// repair writes the document anew from its tokens: balanced, without document
// type, comments and processing instructions, addresses resolved, with at most
// MaxEntries entries. It is one pass and never goes back, so that its time is
// that of reading the document once, however broken it is.
func repair(text []byte, base *url.URL) *repaired {
	r := &repairer{out: repaired{base: base}}
	for len(text) > 0 && !r.done {
		d := xml.NewDecoder(bytes.NewReader(text))
		d.Strict = false
		d.Entity = xml.HTMLEntity
		d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 by now
		begin, err := r.read(d)
		if err == io.EOF || err == nil {
			break
		}
		r.out.broken = true
		var syntax *xml.SyntaxError
		if !errors.As(err, &syntax) || syntax.Msg == "unexpected EOF" {
			break
		}
		end := max(d.InputOffset(), begin+1)
		if bad := text[begin:end]; !startsMarkup(bad) {
			r.chars(string(bad)) // a '<' that was meant as itself
		}
		text = text[end:]
	}
	r.out.broken = r.out.broken || len(r.stack) > 0
	r.out.unfinished = r.inEntry()
	for len(r.stack) > 0 {
		r.pop()
	}
	r.out.doc = r.b.Bytes()
	return &r.out
}

// element is an element that is open in the output.
type element struct {
	name   xml.Name          // prefix and local name, as written
	space  string            // its namespace
	spaces map[string]string // prefixes in scope; shared with the parent unless it declares some
	base   *url.URL
	entry  bool // it is an entry of the feed
	uri    bool // its text is an address, collected in text
	text   strings.Builder
}

// repairer writes the output. While it collects a text construct nothing is
// written.
type repairer struct {
	out     repaired
	b       bytes.Buffer
	stack   []*element
	alias   string // a namespace that stands for Atom's
	seen    int    // entries so far
	done    bool
	collect *collector
	skip    int // depth within an element that is left out; 0 = none is
}

// read takes tokens until one cannot be read; begin is where that one is.
func (r *repairer) read(d *xml.Decoder) (begin int64, err error) {
	for !r.done {
		begin = d.InputOffset()
		token, err := d.RawToken()
		if err != nil {
			return begin, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			r.start(t)
		case xml.EndElement:
			r.end(t.Name)
		case xml.CharData:
			r.chars(string(t))
		}
	}
	return begin, nil
}

// startsMarkup reports whether text begins like a tag, a comment or the like.
func startsMarkup(text []byte) bool {
	return len(text) > 1 && text[0] == '<' && (isLetter(text[1]) || bytes.IndexByte([]byte("/!?_:"), text[1]) >= 0)
}

func (r *repairer) start(t xml.StartElement) {
	if r.skip > 0 {
		r.skip++
		return
	}
	e := r.open(t)
	if r.collect != nil {
		r.collect.start(e, t.Attr)
		return
	}
	if len(r.stack) == 0 && !r.root(e) {
		r.done = true
		return
	}
	if len(r.stack) >= maxDepth {
		return
	}
	if n := len(r.stack); n > 0 && r.stack[n-1].entry && e.name == r.stack[n-1].name {
		r.pop() // the one before was not closed
		r.out.broken = true
	}
	if r.isEntry(e) {
		e.entry = true
		if r.seen++; r.seen > MaxEntries {
			r.skip = 1
			return
		}
		if r.out.kind == kindAtom {
			r.out.entries = append(r.out.entries, construct{})
		}
	}
	if c := r.constructOf(e, t.Attr); c != nil {
		r.collect = c
		return
	}
	r.push(e, t.Attr)
}

// root looks at the first element; false ends the reading.
func (r *repairer) root(e *element) bool {
	if r.out.kind != kindNone { // a second root
		return false
	}
	switch strings.ToLower(e.name.Local) {
	case "feed":
		r.out.kind = kindAtom
		if !isAtom(e.space) { // of drafts, and of typing errors
			r.alias, e.space = e.space, atom.NS
		}
	case "rss", "rdf":
		r.out.kind = kindRSS
	default:
		return false
	}
	r.out.base = e.base
	return true
}

func (r *repairer) isEntry(e *element) bool {
	local := strings.ToLower(e.name.Local)
	if r.out.kind == kindAtom {
		return len(r.stack) == 1 && local == "entry" && isAtom(e.space)
	}
	return len(r.stack) <= 2 && local == "item"
}

// inEntry reports whether an entry is open.
func (r *repairer) inEntry() bool {
	for _, e := range r.stack {
		if e.entry {
			return true
		}
	}
	return false
}

func isAtom(space string) bool { return space == atom.NS || space == nsAtom03 || space == "" }

func (r *repairer) push(e *element, attrs []xml.Attr) {
	r.b.WriteByte('<')
	writeName(&r.b, e.name)
	for _, a := range attrs {
		if a.Name.Space == "xml" && a.Name.Local == "base" {
			continue // done here: gofeed would take files for directories
		}
		if prefix, isDecl := declares(a.Name); isDecl {
			space, kept := e.spaces[prefix]
			if !kept {
				continue
			}
			if a.Value = space; space == r.alias && space != "" {
				a.Value = atom.NS
			}
		}
		r.b.WriteByte(' ')
		writeName(&r.b, a.Name)
		r.b.WriteString(`="`)
		value := a.Value
		if a.Name.Space == "" && (a.Name.Local == "href" || a.Name.Local == "src" || a.Name.Local == "url") {
			value = resolved(e.base, value)
		}
		r.b.WriteString(atom.Escape(value))
		r.b.WriteByte('"')
	}
	r.b.WriteByte('>')
	if e.entry && r.out.kind == kindRSS {
		for _, a := range attrs {
			if a.Name.Local == "about" { // what RSS 1.0 has for an id
				r.b.WriteString(`<guid isPermaLink="false">` + atom.Escape(a.Value) + `</guid>`)
			}
		}
	}
	switch strings.ToLower(e.name.Local) {
	case "link", "uri", "url", "icon", "logo", "homepage", "comments":
		e.uri = true
	}
	r.stack = append(r.stack, e)
}

// pop closes the innermost element.
func (r *repairer) pop() {
	e := r.stack[len(r.stack)-1]
	r.stack = r.stack[:len(r.stack)-1]
	if e.uri {
		r.b.WriteString(atom.Escape(resolved(e.base, e.text.String())))
	}
	r.b.WriteString("</")
	writeName(&r.b, e.name)
	r.b.WriteByte('>')
}

// end closes the innermost element of that name and what is open in it. An end
// tag of nothing is left out.
func (r *repairer) end(name xml.Name) {
	switch {
	case r.skip > 0:
		r.skip--
		return
	case r.collect != nil:
		if r.collect.end(name) {
			r.finishConstruct()
			return
		}
		if !r.isOpen(name) {
			return
		}
		r.finishConstruct() // it was not closed, but what is around it now is
		r.out.broken = true
	case !r.isOpen(name):
		r.out.broken = true
		return
	}
	for {
		last := r.stack[len(r.stack)-1].name == name
		r.pop()
		if last {
			break
		}
		r.out.broken = true
	}
	r.done = len(r.stack) == 0
}

func (r *repairer) isOpen(name xml.Name) bool {
	for _, e := range r.stack {
		if e.name == name {
			return true
		}
	}
	return false
}

func (r *repairer) chars(s string) {
	switch {
	case r.skip > 0 || len(r.stack) == 0:
	case r.collect != nil:
		r.collect.chars(s)
	case r.stack[len(r.stack)-1].uri:
		r.stack[len(r.stack)-1].text.WriteString(s)
	case len(s) < 64:
		r.b.WriteString(atom.Escape(s))
	default: // markup, most likely: not to be escaped here and unescaped there
		r.b.WriteString("<![CDATA[" + strings.ReplaceAll(s, "]]>", "]]]]><![CDATA[>") + "]]>")
	}
}

// finishConstruct puts what was collected where it belongs: texts of an entry
// are kept beside the document, others are written as plain text.
func (r *repairer) finishConstruct() {
	c := r.collect
	r.collect = nil
	m := c.markup()
	name := strings.ToLower(c.of.name.Local)
	switch parent := strings.ToLower(r.stack[len(r.stack)-1].name.Local); {
	case r.out.kind == kindRSS:
	case parent == "entry":
		r.out.entries[len(r.out.entries)-1].set(name, m)
		return
	case name == "id" && r.inEntry(): // of its source
		r.out.entries[len(r.out.entries)-1].sourceID = m.body
	case name == "id" && r.out.id == "":
		r.out.id = m.body
	}
	if r.out.kind == kindRSS {
		r.b.WriteString(`<encoded xmlns="http://purl.org/rss/1.0/modules/content/">` + atom.Escape(m.body) + `</encoded>`)
		return
	}
	r.push(c.of, nil)
	r.b.WriteString(atom.Escape(atom.Plain(m.text())))
	r.pop()
}

func (e *construct) set(name string, m markup) {
	switch name {
	case "id":
		if e.id == "" {
			e.id = m.body
		}
	case "title":
		keepFirst(&e.title, m)
	case "summary":
		keepFirst(&e.summary, m)
	case "content":
		keepFirst(&e.content, m)
	case "rights", "copyright":
		if e.rights == "" {
			e.rights = atom.Plain(m.text())
		}
	}
}

func keepFirst(have *markup, m markup) {
	if have.body == "" {
		*have = m
	}
}

func (m markup) text() bridge.Text {
	if m.html {
		return bridge.Text{Type: "html", Body: m.body}
	}
	return bridge.Text{Type: "text", Body: m.body}
}

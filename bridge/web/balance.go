package web

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// maxDepth is how deep elements may stand in each other.
const maxDepth = 100

// writer writes sanitised HTML so that it stays where it is put: every element
// that begins in it ends in it, in order, and nothing else ends. It takes time
// and room in proportion to its input. (Reading the input as a browser does would
// not: an element that is left open is opened anew in each that follows.)
type writer struct {
	strings.Builder
	open    []string // elements that have begun, the innermost last
	visible bool     // there is something to see
	tooDeep bool
}

// void are the HTML elements without an end tag.
var void = []string{"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}

// lowered are headings as they stand in an article, whose own is an h2.
var lowered = map[string]string{"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6"}

func (w *writer) write(t html.Token) {
	if lower, ok := lowered[t.Data]; ok && t.Type != html.TextToken {
		t.Data = lower
	}
	switch t.Type {
	case html.TextToken:
		w.visible = w.visible || strings.TrimSpace(t.Data) != ""
		w.WriteString(t.String())
	case html.StartTagToken, html.SelfClosingTagToken:
		w.begin(t)
	case html.EndTagToken:
		if i := lastIndex(w.open, t.Data); i >= 0 {
			w.end(i)
		}
	}
}

func (w *writer) begin(t html.Token) {
	for n := len(w.open); n > 0 && ends(w.open[n-1], t.Data); n-- {
		w.end(n - 1)
	}
	if len(w.open) == maxDepth {
		w.tooDeep = true
		return
	}
	if t.Data == "img" {
		w.visible = true
		t.Attr = append(t.Attr, html.Attribute{Key: "loading", Val: "lazy"})
		if !slices.ContainsFunc(t.Attr, func(a html.Attribute) bool { return a.Key == "alt" }) {
			t.Attr = append(t.Attr, html.Attribute{Key: "alt"})
		}
	}
	t.Type = html.StartTagToken // "<b/>" begins a <b>
	w.WriteString(t.String())
	if !slices.Contains(void, t.Data) {
		w.open = append(w.open, t.Data)
	}
}

// end ends all open elements from the i-th on.
func (w *writer) end(i int) {
	for _, name := range slices.Backward(w.open[i:]) {
		w.WriteString("</" + name + ">")
	}
	w.open = w.open[:i]
}

func lastIndex(names []string, name string) int {
	for i, n := range slices.Backward(names) {
		if n == name {
			return i
		}
	}
	return -1
}

// ends reports whether the beginning of an element ends the open one, whose end
// tag authors of HTML may leave out (HTML §13.1.2.4).
func ends(open, next string) bool {
	switch open {
	case "p":
		return slices.Contains(blocks, next)
	case "li":
		return next == "li"
	case "dt", "dd":
		return next == "dt" || next == "dd"
	case "td", "th":
		return next == "td" || next == "th" || ends("tr", next)
	case "tr":
		return next == "tr" || ends("tbody", next)
	case "thead", "tbody", "tfoot":
		return next == "thead" || next == "tbody" || next == "tfoot"
	}
	return false
}

// blocks are the elements that no paragraph can hold.
var blocks = []string{
	"p", "div", "ul", "ol", "dl", "li", "dt", "dd", "table", "td", "th", "tr", "tbody", "thead", "tfoot", "blockquote", "pre", "hr",
	"h3", "h4", "h5", "h6", "figure", "figcaption", "address", "details", "summary",
}

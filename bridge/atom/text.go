package atom

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"peewit/bridge"
)

// Plain is a text construct as plain text: markup taken out, blocks on lines of
// their own, white space between words reduced to single spaces. Text that was
// plain keeps its lines.
func Plain(t bridge.Text) string {
	if t.Type == "html" || t.Type == "xhtml" {
		return stripMarkup(t.Body)
	}
	return strings.TrimSpace(t.Body)
}

// hidden are the elements whose text is for machines.
var hidden = map[atom.Atom]bool{
	atom.Script: true, atom.Style: true, atom.Template: true, atom.Noscript: true,
	atom.Iframe: true, atom.Title: true, atom.Textarea: true,
}

// blocks are the elements that begin and end a line.
var blocks = map[atom.Atom]bool{
	atom.Address: true, atom.Article: true, atom.Aside: true, atom.Blockquote: true, atom.Br: true, atom.Dd: true,
	atom.Div: true, atom.Dl: true, atom.Dt: true, atom.Figcaption: true, atom.Figure: true, atom.Footer: true,
	atom.H1: true, atom.H2: true, atom.H3: true, atom.H4: true, atom.H5: true, atom.H6: true, atom.Header: true,
	atom.Hr: true, atom.Li: true, atom.Ol: true, atom.P: true, atom.Pre: true, atom.Section: true,
	atom.Table: true, atom.Tr: true, atom.Ul: true,
}

func stripMarkup(markup string) string {
	z := html.NewTokenizer(strings.NewReader(markup))
	var b strings.Builder
	skipping := 0
	for {
		switch z.Next() {
		case html.ErrorToken:
			return tidyLines(b.String())
		case html.TextToken:
			if skipping == 0 {
				b.WriteString(strings.ReplaceAll(string(z.Text()), "\n", " "))
			}
		case html.StartTagToken:
			name, _ := z.TagName()
			tag := atom.Lookup(name)
			if hidden[tag] {
				skipping++
			}
			breakLine(&b, tag)
		case html.EndTagToken:
			name, _ := z.TagName()
			tag := atom.Lookup(name)
			if hidden[tag] && skipping > 0 {
				skipping--
			}
			breakLine(&b, tag)
		case html.SelfClosingTagToken:
			name, _ := z.TagName()
			breakLine(&b, atom.Lookup(name))
		}
	}
}

func breakLine(b *strings.Builder, tag atom.Atom) {
	if blocks[tag] {
		b.WriteByte('\n')
	}
}

// tidyLines reduces white space and drops empty lines.
func tidyLines(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

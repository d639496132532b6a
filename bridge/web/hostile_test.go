package web

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"peewit/bridge"
	"peewit/index"
)

func xhtml(body string) string {
	return `<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">` + body + `</div></content>`
}

func htmlContent(body string) string {
	return `<content type="html">` + html.EscapeString(body) + `</content>`
}

// hostile are contents of entries and the text that may be seen of them.
var hostile = []struct{ name, content, want string }{
	{"script", htmlContent("a<script>alert(1)</script>b"), "ab"},
	{"script in XHTML", xhtml("a<script>alert(1)</script>b"), "ab"},
	{"empty script in XHTML", xhtml("a<script src='https://evil.example/x.js'/>b"), "ab"},
	{"open script", htmlContent("a<script>alert(1)"), "a"},
	{"handlers", htmlContent(`<p onclick="x()" onmouseover=x()>a</p><img src=x onerror=alert(1)><b ONLOAD='x'>b</b>`), "ab"},
	{"handlers in XHTML", xhtml(`<p onclick="x()">a</p><svg onload="x()"><b>b</b></svg>`), "ab"},
	{"script addresses", htmlContent(`<a href="javascript:alert(1)">a</a><a href=" &#1;jAvA&Tab;script&colon;alert(1)">b</a><a href='data:text/html,x'>c</a>`), "abc"},
	{"script addresses of images", xhtml(`<img src="javascript:alert(1)"/><img src="data:image/svg+xml,x" alt="a"/>b`), "b"},
	{"vbscript", htmlContent(`<a href="vbscript:x">a</a><a href="livescript:x">b</a>`), "ab"},
	{"addresses here", htmlContent(`<a href="/main/logout">a</a><img src="/x"><a href="//evil.example">b</a><a href="#x">c</a><a href="https:x">d</a>`), "abcd"},
	{"style", htmlContent(`<style>body{display:none}</style><p style="position:fixed;top:0" class="site" id="x">a</p>`), "a"},
	{"style in XHTML", xhtml(`<style>body{display:none}</style><p style="position:fixed">a</p>`), "a"},
	{"forms", htmlContent(`<form action="https://evil.example"><input name=password value=x><button>a</button></form>`), "a"},
	{"frames", htmlContent(`a<iframe src="https://evil.example">x</iframe><object data=x>y</object><embed src=x>b`), "ab"},
	{"head elements", htmlContent(`<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=x"><link rel=stylesheet href=x><title>x</title>a`), "a"},
	{"end tags of the page", htmlContent(`a</div></article></main></body></html><h1>b</h1>`), "ab"},
	{"open elements", htmlContent(`<div><b><blockquote><table><tr><td>a`), "a"},
	{"empty elements of XHTML", xhtml(`<b/><i/><p/><a href="https://x.example/"/><br/>a`), "a"},
	{"a wild table", htmlContent(`<table><div>a</table><td>b</td></tr><li>c<p>d</li>`), "abcd"},
	{"an article in it", htmlContent(`<article><header><h1>a</h1></header><footer>b</footer></article><main>c</main><nav>d</nav>`), "abcd"},
	{"comments", htmlContent(`a<!-- <script>x</script> --><!--[if IE]>b<![endif]-->c<![CDATA[d]]>`), "ac"},
	{"foreign markup", htmlContent(`<svg><style><img src=x onerror=alert(1)></style></svg><math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">a`), "a"},
	{"text elements", htmlContent(`<noscript><p title="</noscript><img src=x onerror=alert(1)>">a</noscript><xmp><script>b</script></xmp>`), `">a<script>b</script>`},
	{"text elements in XHTML", xhtml(`<title/><textarea/><noscript/><plaintext/><xmp/><iframe/>a<template><b>c</b></template>b`), "ab"},
	{"attributes without end", htmlContent(`a<a href="https://x.example/><script>alert(1)</script>`), "a"},
	{"broken markup", htmlContent(`a<<b>>b</b <i ="'></i><p"x>c`), "a<>bc"},
	{"deep", htmlContent(strings.Repeat("<div>", 3000) + "a"), "a"},
	{"deep XHTML", xhtml(strings.Repeat("<b>", 60) + "a" + strings.Repeat("</b>", 60)), "a"},
	{"many open formats", htmlContent(strings.Repeat("<b><i>a</b>", 2000)), strings.Repeat("a", 2000)},
	{"formats that would be opened anew", htmlContent("<p>" + openFormats() + "</p>" + strings.Repeat("<div>x</div>", 10_000)), strings.Repeat("x", 10_000)},
	{"huge", htmlContent("<p>" + strings.Repeat("<b>a</b>", maxMarkup/8) + "</p>"), strings.Repeat("a", maxMarkup/8)},
	{"huge text", "<content>" + strings.Repeat("a ", 100_000) + "</content>", strings.TrimSpace(strings.Repeat("a ", 100_000))},
	{"odd characters", htmlContent("a\u202eb\u0085c\u2028d\ufeff"), "a\u202eb c\u2028d\ufeff"},
}

// openFormats opens 90 elements that HTML opens anew in all that follows.
func openFormats() string {
	var b strings.Builder
	for i := range 90 {
		fmt.Fprintf(&b, "<b title=%d>", i)
	}
	return b.String()
}

func TestHostileContent(t *testing.T) {
	h := newHouse(t)
	mallory := h.account("mallory")
	for i, c := range hostile {
		item := h.publish(mallory, blog(mallory), fmt.Sprint(i), "<entry xmlns='http://www.w3.org/2005/Atom'><title/>"+c.content+"</entry>")
		d := h.visit(fmt.Sprint("/notice/", item.First), 200)
		if len(d.source) > 3*len(c.content)+5000 {
			t.Errorf("%s: %d bytes became %d", c.name, len(c.content), len(d.source))
		}
		got := d.find("section.content")
		if len(got) != 1 || strings.Join(strings.Fields(words(got[0])), " ") != strings.Join(strings.Fields(c.want), " ") {
			t.Errorf("%s: %.500s", c.name, d.source)
		}
	}
	h.visit("/mallory", 200)
	h.visit("/", 200)
}

func TestWhatIsKept(t *testing.T) {
	h := newHouse(t)
	for markup, want := range map[string]string{
		`<h1>a</h1><h2>b</h2><h6>c</h6>`:                                            `<h3>a</h3><h4>b</h4><h6>c</h6>`,
		`<p lang="de" dir="rtl" title="Größe: &quot;x&quot;">a<br>b</p>`:            `<p lang="de" dir="rtl" title="Größe: &#34;x&#34;">a<br>b</p>`,
		`<a href="https://x.example/?a=1&amp;b=2">a</a>`:                            `<a href="https://x.example/?a=1&amp;b=2" rel="nofollow noreferrer">a</a>`,
		`<a href="xmpp:a@b.example?;node=n">a</a>`:                                  `<a href="xmpp:a@b.example?;node=n" rel="nofollow noreferrer">a</a>`,
		`<img src="https://x.example/1.png" alt="Nice: a &amp; b" width="9">`:       `<img src="https://x.example/1.png" alt="Nice: a &amp; b" width="9" loading="lazy">`,
		`<img src="http://x.example/1.png">`:                                        `<img src="http://x.example/1.png" loading="lazy" alt="">`,
		`<ul><li>a<li>b</ul><pre>  c &lt; d</pre>`:                                  `<ul><li>a</li><li>b</li></ul><pre>  c &lt; d</pre>`,
		`<table><tr><td colspan="2">a`:                                              `<table><tr><td colspan="2">a</td></tr></table>`,
		`<p>a<p>b<dl><dt>c<dd>d<dt>e</dl><table><tr><td>f<th>g<tr><td><p>h</table>`: `<p>a</p><p>b</p><dl><dt>c</dt><dd>d</dd><dt>e</dt></dl><table><tr><td>f</td><th>g</th></tr><tr><td><p>h</p></td></tr></table>`,
		`</div></p>a<b/>b<i>c</b>d</i></section>`:                                   `a<b>b<i>c</i></b>d`,
	} {
		got, visible := h.site.clean(bridge.Text{Type: "html", Body: markup})
		if string(got) != want || !visible {
			t.Errorf("%s became %s, want %s", markup, got, want)
		}
	}
}

// Titles, names, tags and addresses are text, whatever they look like.
func TestHostileWords(t *testing.T) {
	h := newHouse(t)
	const evil = `&lt;script>alert(1)&lt;/script>"' onload=x &lt;/title>{{.}}`
	const seen = `<script>alert(1)</script>"' onload=x </title>{{.}}`
	planet := h.planet(`"><script>`, `</title>`+seen, `<entry xmlns="http://www.w3.org/2005/Atom" xml:lang='"&gt;&lt;script&gt;'>`+
		`<id>`+evil+`</id><title>`+evil+`</title><author><name>`+evil+`</name><uri>javascript:alert(1)//http://x</uri></author>`+
		`<category term='`+strings.ReplaceAll(evil, "'", "")+`'/><content>`+evil+` and more</content>`+
		`<link rel="alternate" type="text/html" href="javascript:alert(1)"/><link rel="alternate" href="http:javascript"/>`+
		`<link rel="enclosure" href="javascript:alert(1)"/><link rel="enclosure" title="`+strings.ReplaceAll(evil, `"`, "")+`" type="&lt;b>" href="https://x.example/&quot;>&lt;script>"/>`+
		`<source><title>`+evil+`</title><link href="javascript:alert(1)"/></source></entry>`)
	h.index.result = index.Result{Hits: []index.Hit{{Seq: planet[0].First, Item: planet[0]}}, Total: 1, Complete: true}
	for _, path := range []string{"/", "/planet/%22%3E%3Cscript%3E", fmt.Sprint("/notice/", planet[0].First), "/search?q=%3Cscript%3Ealert"} {
		d := h.visit(path, 200)
		if path != "/" && !strings.Contains(words(d.find("article")[0]), seen) {
			t.Errorf("%s does not show the words: %s", path, d.source)
		}
	}
	w := h.ask("GET", "/planet/%22%3E%3Cscript%3E.atom")
	if w.Code != 200 || strings.Contains(w.Body.String(), "<script") {
		t.Errorf("the feed: %d %s", w.Code, w.Body)
	}
}

func TestManyTagsAndEnclosures(t *testing.T) {
	h := newHouse(t)
	mallory := h.account("mallory")
	more := strings.Repeat("<category term='a'/><link rel='enclosure' href='https://x.example/'/>", 5000)
	h.publish(mallory, blog(mallory), "1", entry(1, "x", more))
	d := h.visit("/mallory", 200)
	if n := len(d.find("li")); n != 2*maxMarks {
		t.Errorf("%d tags and enclosures, want %d", n, 2*maxMarks)
	}
}

// A page of huge posts has fewer of them.
func TestHugePages(t *testing.T) {
	h := newHouse(t)
	mallory := h.account("mallory")
	text := strings.Repeat("a ", 100_000)
	for i := range 10 {
		h.publish(mallory, blog(mallory), fmt.Sprint(i), entry(1, "", "<content>"+text+"</content>"))
	}
	seen := 0
	for next := "/mallory"; next != ""; {
		d := h.visit(next, 200)
		if len(d.source) > 3*pageBytes {
			t.Errorf("%s has %d bytes", next, len(d.source))
		}
		seen += len(d.posts())
		next = d.older()
	}
	if seen != 10 {
		t.Errorf("%d posts on the pages, want 10", seen)
	}
}

// Whatever the payload of an item, its pages are as pages are.
func FuzzPayload(f *testing.F) {
	for _, c := range hostile {
		if len(c.content) < 10_000 {
			f.Add([]byte("<entry xmlns='http://www.w3.org/2005/Atom'><title/>" + c.content + "</entry>"))
		}
	}
	f.Add([]byte(feedEntry))
	f.Add([]byte("<entry"))
	f.Add([]byte{})
	h := newHouse(f)
	addr := bridge.Addr{Service: "localhost", Name: "planet-go"}
	f.Fuzz(func(t *testing.T, payload []byte) {
		item := bridge.Item{Addr: addr, ID: "1", Publisher: "localhost", First: 7, Payload: payload}
		shown, ok := h.site.show(item)
		if !ok {
			return
		}
		for name, p := range map[string]page{
			"home": {Title: "x", Body: struct {
				listing
				Planets []link
			}{listing{Posts: []post{shown, shown}}, nil}},
			"notice": {Title: shown.Line, Heading: "x", Body: shown},
		} {
			w := httptest.NewRecorder()
			h.site.render(w, 200, name, p)
			if w.Code != 200 {
				t.Fatalf("%q: status %d", payload, w.Code)
			}
			if problem := read(t, w.Body.String()).problem(); problem != "" {
				t.Fatalf("%q: %s:\n%s", payload, problem, w.Body)
			}
			if !utf8.Valid(w.Body.Bytes()) {
				t.Fatalf("%q: the page is not UTF-8", payload)
			}
		}
	})
}

// asRead is a page with this content, as a browser reads it.
func asRead(t rapid.TB, content string) *document {
	t.Helper()
	root, err := html.Parse(strings.NewReader("<!DOCTYPE html><html lang=en><title>x</title><body><header class=site>x<form></form></header>" +
		"<main><h1>x</h1><article><section class=content>" + content + "</section><footer>x</footer></article></main>"))
	if err != nil {
		t.Fatal(err)
	}
	return &document{root: root}
}

// In whatever order elements begin and end, they stay in their article, and none
// makes what follows longer.
func TestElementsInAnyOrder(t *testing.T) {
	s := &site{policy: newPolicy()}
	name := rapid.SampledFrom(append(theirs, "a href='https://x.example'", "div", "p", "ul", "li", "section", "article", "footer", "select", "svg", "form"))
	piece := rapid.Custom(func(t *rapid.T) string {
		element := name.Draw(t, "element")
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return "x"
		case 1:
			name, _, _ := strings.Cut(element, " ")
			return "</" + name + ">"
		}
		return "<" + element + ">"
	})
	rapid.Check(t, func(t *rapid.T) {
		markup := strings.Join(rapid.SliceOfN(piece, 0, 60).Draw(t, "markup"), "")
		got, ok := s.clean(bridge.Text{Type: "html", Body: markup})
		if !ok {
			return
		}
		if problem := asRead(t, string(got)).problem(); problem != "" {
			t.Fatalf("%s became %s: %s", markup, got, problem)
		}
		if len(got) > 8*len(markup) {
			t.Fatalf("%s became %s", markup, got)
		}
	})
}

// Whatever markup a post holds, what a browser reads of it after cleaning is
// harmless and stays in its article.
func FuzzMarkup(f *testing.F) {
	for _, c := range hostile {
		if len(c.content) < 10_000 {
			f.Add(html.UnescapeString(c.content), strings.Contains(c.content, "xhtml"))
		}
	}
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, markup string, isXHTML bool) {
		kind := "html"
		if isXHTML {
			kind = "xhtml"
		}
		once, ok := h.site.clean(bridge.Text{Type: kind, Body: markup})
		if !ok {
			return
		}
		if problem := asRead(t, string(once)).problem(); problem != "" {
			t.Fatalf("%q became %q: %s", markup, once, problem)
		}
	})
}

package feed

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"peewit/bridge"
	"peewit/bridge/atom"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestParse reads every feed in testdata and compares what it makes of it with
// the golden file beside it.
func TestParse(t *testing.T) {
	files, err := filepath.Glob("testdata/*.[xj]*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	parser := NewParser()
	for _, file := range files {
		if strings.HasSuffix(file, ".golden") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := parser.Parse(body, "", "http://gopher.example.org/blog/atom.xml")
			if err != nil {
				t.Fatal(err)
			}
			safe(t, doc)
			golden(t, file+".golden", doc)
		})
	}
}

func golden(t *testing.T, path string, doc *Document) {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(sparse(doc)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// sparse is v without its zero values, so that golden files show what is there.
func sparse(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return err.Error()
	}
	return pruned(tree)
}

func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			if member = pruned(member); member == nil {
				delete(v, key)
			} else {
				v[key] = member
			}
		}
		if len(v) == 0 {
			return nil
		}
		return v
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
		if len(v) == 0 {
			return nil
		}
		return v
	case string:
		if v == "" || v == "0001-01-01T00:00:00Z" {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	case nil:
		return nil
	}
	return v
}

// runs is the first thing in HTML that runs, frames, styles or submits; "" when
// there is none. It reads tokens, as text may name anything.
func runs(markup string) string {
	for z := html.NewTokenizer(strings.NewReader(markup)); z.Next() != html.ErrorToken; {
		t := z.Token()
		if t.Type == html.TextToken {
			continue
		}
		switch t.Data {
		case "script", "style", "iframe", "object", "embed", "form", "input", "meta", "base", "link", "svg", "math", "template":
			return t.Data
		}
		for _, a := range t.Attr {
			scheme, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(a.Val)), ":")
			leads := a.Key == "href" || a.Key == "src" || a.Key == "cite" || a.Key == "poster"
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" || leads && unsafeScheme(scheme) {
				return a.Key + "=" + a.Val
			}
		}
	}
	return ""
}

// safe checks what holds for every document: nothing that runs, nothing that is
// no XML, ids that are there and differ.
func safe(t *testing.T, doc *Document) {
	t.Helper()
	ids := make(map[string]bool)
	for _, p := range doc.Posts {
		if p.ID == "" || ids[p.ID] {
			t.Errorf("id %q is empty or there twice", p.ID)
		}
		ids[p.ID] = true
		for _, c := range append(p.Content, p.Summary) {
			if found := runs(c.Body); c.Type != "text" && found != "" {
				t.Errorf("%s content has %q: %.200s", c.Type, found, c.Body)
			}
			if c.Type == "xhtml" {
				if err := wellFormed(c.Body); err != nil || !strings.HasPrefix(c.Body, divStart) {
					t.Errorf("no XHTML <div/>: %v in %.200q", err, c.Body)
				}
			}
		}
		if _, err := atom.Parse(atom.Render(p)); err != nil {
			t.Errorf("the post cannot be written: %v", err)
		}
		for _, l := range p.Links {
			if strings.HasPrefix(strings.ToLower(l.Href), "javascript:") {
				t.Errorf("link to %s", l.Href)
			}
		}
	}
}

func wellFormed(s string) error {
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		if _, err := d.Token(); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

func TestNotFeeds(t *testing.T) {
	for _, body := range []string{"", " ", "<", "text", "<!doctype html><html><head><title>x</title></head></html>", "<opml/>", "{}", `{"a":1}`, "{", "[]", "<?xml version='1.0'?>", "\xff\xfe"} {
		if doc, err := NewParser().Parse([]byte(body), "text/html", ""); !errors.Is(err, ErrNotFeed) {
			t.Errorf("%q: %+v, %v", body, doc, err)
		}
	}
}

func TestAShortIDIsOfItsSite(t *testing.T) {
	id := func(page, at, guid string) string {
		t.Helper()
		doc, err := NewParser().Parse([]byte("<rss><channel><link>"+page+"</link><item><guid isPermaLink='false'>"+guid+"</guid></item></channel></rss>"), "", at)
		if err != nil {
			t.Fatal(err)
		}
		return doc.Posts[0].ID
	}
	one := id("http://one.example/", "http://feeds.example/1", "12")
	if one == "12" || one == id("http://two.example/", "http://feeds.example/2", "12") || id("", "http://a/", "12") == id("", "http://b/", "12") {
		t.Error("two sites have the same post")
	}
	if again := id("https://one.example/tag/", "http://feeds.example/3", "12"); again != one {
		t.Errorf("two feeds of a site do not agree: %s, %s", one, again)
	}
	if got := id("http://one.example/", "", "tag:one.example,2026:12"); got != "tag:one.example,2026:12" {
		t.Errorf("the world's id became %s", got)
	}
}

func TestMaxEntries(t *testing.T) {
	for _, format := range []string{
		"<rss><channel>%s</channel></rss>|<item><guid>urn:x:%d</guid></item>",
		"<feed xmlns='http://www.w3.org/2005/Atom'>%s</feed>|<entry><id>urn:x:%d</id></entry>",
		`{"items":[%s{"id":"last"}]}|{"id":"urn:x:%d"},`,
	} {
		doc, entry, _ := strings.Cut(format, "|")
		var b strings.Builder
		for i := range MaxEntries + 10 {
			fmt.Fprintf(&b, entry, i)
		}
		got, err := NewParser().Parse([]byte(fmt.Sprintf(doc, b.String())), "", "")
		if err != nil || len(got.Posts) != MaxEntries || got.Posts[0].ID != "urn:x:0" {
			t.Errorf("%s: %d entries, %v", format, len(got.Posts), err)
		}
	}
}

// TestHostile reads documents that are small to write and would be slow to read
// for a parser that looks at anything more than a few times.
func TestHostile(t *testing.T) {
	const n = 1 << 18
	many := func(s string) string { return strings.Repeat(s, n/len(s)) }
	item := "<rss><channel><item><guid>1</guid>%s</item></channel></rss>"
	entry := "<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>1</id>%s</entry></feed>"
	for name, doc := range map[string]string{
		"comments":            "<rss>" + many("<!--"),
		"tag starts":          fmt.Sprintf(item, "<description><![CDATA["+many("<b ")+"]]></description>"),
		"nested tags":         fmt.Sprintf(item, "<description>"+many("<b>")+"</description>"),
		"nested escaped tags": fmt.Sprintf(item, "<description>"+many("&lt;b&gt;")+"</description>"),
		"nested in atom":      fmt.Sprintf(entry, "<content type='xhtml'>"+many("<b>")+"</content>"),
		"end tags":            fmt.Sprintf(entry, "<content type='xhtml'>"+many("</b>")+"</content>"),
		"bad tags":            fmt.Sprintf(item, many("<1 ")),
		"ampersands":          fmt.Sprintf(item, "<title>"+many("&")+"</title>"),
		"references":          fmt.Sprintf(item, "<title>"+many("&#1")+"</title>"),
		"prefixes":            "<rss " + prefixes(n/20) + "><channel>" + many("<a xmlns:b='c'/>") + "</channel></rss>",
		"attributes":          fmt.Sprintf(item, "<a "+many("b='c' ")+"/>"),
		"links":               fmt.Sprintf(entry, many("<link href='a'/>")),
		"unlike links":        fmt.Sprintf(entry, numbered("<link href='a%d'/>", n/20)),
		"terms":               fmt.Sprintf(item, numbered("<category>a%d</category>", n/30)),
		"titles":              fmt.Sprintf(entry, many("<title>a</title>")),
		"open items":          "<rss><channel>" + many("<item>"),
		"open feeds":          many("<feed>"),
		"JSON arrays":         `{"items":` + many("["),
		"JSON items":          `{"items":[` + many("{},") + "{}]}",
		"open JSON items":     `{"items":[` + many(`{"id":1,`),
		"entities":            "<!DOCTYPE rss [" + many("<!ENTITY a 'b'>") + "]><rss/>",
		"one long name":       "<" + many("a"),
		"spaces":              fmt.Sprintf(item, "<title>"+many("\n")+"</title>"),
		"inline spaces":       fmt.Sprintf(entry, "<content type='html'>"+many("&lt;b>a&lt;/b> ")+"</content>"),
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := NewParser().Parse([]byte(doc), "", "http://f.example/")
			if err == nil {
				safe(t, doc)
			}
		})
	}
}

func prefixes(n int) string { return numbered("xmlns:p%d='u' ", n) }

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestCharset(t *testing.T) {
	for _, tt := range []struct{ in, contentType, want string }{
		{"é", "text/xml; charset=iso-8859-1", "é"}, // bytes go before claims
		{"\xe9", "text/xml; charset=iso-8859-1", "é"},
		{"\xe9", "text/xml; charset=utf-8", "é"},
		{"é\xe9è", "", "é\ufffdè"},
		{"\xe4", "text/xml; charset=koi8-r", "Д"},
		{`<?xml version="1.0" encoding='koi8-r'?>` + "\xe4", "", `<?xml version="1.0" encoding='koi8-r'?>Д`},
		{"\x1b$BF|\x1b(B", "text/xml; charset=iso-2022-jp", "日"},
		{"\xef\xbb\xbfx", "", "x"},
		{"x", "text/xml; charset=utf-16", "x"},
		{"x", "text/xml; charset=nonsense", "x"},
	} {
		if got := string(toUTF8([]byte(tt.in), tt.contentType)); got != tt.want {
			t.Errorf("%q as %q: %q, want %q", tt.in, tt.contentType, got, tt.want)
		}
	}
}

func TestLegal(t *testing.T) {
	for in, want := range map[string]string{
		"a\x00b\x1fc\td": "abc\td", "&#1;&#x1F;&#xFFFF;&#55296;&#9;": "&#9;", "&#x26;&#0;": "&#x26;", "&#99999999;": "",
		"&#;&#x;&#zz;&": "&#;&#x;&#zz;&", "don\u0092t &#146; &#X41; &#x9d;": "don’t ’ &#x41; &#x9d;", "\ufffe": "", "é": "é",
	} {
		if got := string(legal([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestDate(t *testing.T) {
	for in, want := range map[string]string{
		"Sun, 22 Nov 2026 11:00:00 MET":  "2026-11-22T10:00:00Z",
		"Sun, 22 Jul 2026 11:00:00 MEST": "2026-07-22T09:00:00Z",
		"22 Nov 2026 11:00:00 -0330":     "2026-11-22T14:30:00Z",
		"2003":                           "2003-01-01T00:00:00Z",
		"2003-12":                        "2003-12-01T00:00:00Z",
		"2003-12-31T10:14:55.5Z":         "2003-12-31T10:14:55Z",
		"2003-12-31 10:14:55":            "2003-12-31T10:14:55Z",
		"":                               "0001-01-01T00:00:00Z",
		"0001-01-01T00:00:00Z":           "0001-01-01T00:00:00Z",
		"9999-01-01T00:00:00Z":           "0001-01-01T00:00:00Z",
		"Thu, 32 Nov 2026 11:00:00 GMT":  "0001-01-01T00:00:00Z",
	} {
		if got := date(in, nil).Format(time.RFC3339); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestLooksHTML(t *testing.T) {
	for in, want := range map[string]bool{
		"plain": false, "1 < 2 > 0": false, "a <b>c</b>": true, "<template> engines": true, "<foo> bar": false, "x &amp; y": true,
		"AT&T; x": false, "&#233;": true, "x<br/>y": true, "<!-- c -->": true, "</p>": true, "<a": false, "&": false, "<": false, "a<p class='x'>": true,
	} {
		if got := looksHTML(in); got != want {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestPerson(t *testing.T) {
	for in, want := range map[string]bridge.Person{
		"ed@example.org (Ed)": {Name: "Ed", Email: "ed@example.org"},
		"Ed (ed@example.org)": {Name: "Ed", Email: "ed@example.org"},
		"Ed <ed@example.org>": {Name: "Ed", Email: "ed@example.org"},
		"ed@example.org":      {Email: "ed@example.org"},
		"Ed &amp; Co":         {Name: "Ed & Co"},
		"":                    {},
	} {
		if got := person(in); got != want {
			t.Errorf("%q: %+v", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.[xj]*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if !strings.HasSuffix(file, ".golden") {
			f.Add(body, "")
		}
	}
	f.Add([]byte("<rss><channel><item><description>&lt;a href='javascript:x'>&lt;svg onload=x></description></item>"), "text/xml; charset=big5")
	parser := NewParser()
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		doc, err := parser.Parse(body, contentType, "http://f.example/feed")
		if err == nil {
			safe(t, doc)
		} else if !errors.Is(err, ErrNotFeed) {
			t.Fatal(err)
		}
	})
}

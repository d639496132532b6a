package atom

import (
	"encoding/xml"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func fullPost() bridge.Post {
	return bridge.Post{
		ID:      "tag:montague.lit,2008-05-08:posts-1",
		Title:   bridge.Text{Type: "text", Body: "hanging out at the Café <Napolitano> & \"more\""},
		Summary: bridge.Text{Type: "html", Body: "<p>short</p>"},
		Content: []bridge.Text{
			{Type: "text", Body: "    indented\n\n*Markdown*"},
			{Type: "xhtml", Body: `<div xmlns="http://www.w3.org/1999/xhtml"><p title="it’s">a <b>b</b></p></div>`},
		},
		Authors:    []bridge.Person{{Name: "Romeo", URI: "xmpp:romeo@montague.lit"}},
		Published:  time.Date(2008, 5, 8, 18, 30, 2, 0, time.UTC),
		Updated:    time.Date(2008, 5, 8, 18, 31, 2, 0, time.UTC),
		Links:      []bridge.Link{{Rel: "alternate", Type: "text/html", Href: "http://montague.lit/?a=1&b=2"}, {Rel: "enclosure", Type: "audio/ogg", Length: "12", Href: "http://montague.lit/a.ogg"}},
		Categories: []bridge.Category{{Term: "xmpp", Label: "XMPP"}, {Term: "café"}},
		InReplyTo:  []bridge.Reply{{Ref: "tag:a,2008:1", Href: "xmpp:a@b?;node=urn:xmpp:microblog:0;item=1"}},
		Source: &bridge.Feed{ID: "urn:feed", Title: "A feed", Link: "http://montague.lit/", Self: "http://montague.lit/feed",
			Updated: time.Date(2008, 5, 8, 0, 0, 0, 0, time.UTC), Author: bridge.Person{Name: "Nurse", Email: "nurse@montague.lit"}, Rights: "CC"},
		Rights: "CC BY 3.0",
		Lang:   "en",
	}
}

func TestRender(t *testing.T) {
	got := Render(fullPost())
	golden(t, "full.xml", got)
	back, err := Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullPost(), back); diff != "" {
		t.Errorf("the post changed on its way through Atom (-want +got):\n%s", diff)
	}
}

func TestRenderHasNoPrefixes(t *testing.T) {
	p := bridge.Post{Content: []bridge.Text{{Type: "xhtml", Body: `<h:div xmlns:h="http://www.w3.org/1999/xhtml"><h:a href="x?it's" title="it's" h:odd="1">y</h:a>` +
		`<m:math xmlns:m="http://www.w3.org/1998/Math/MathML"><m:mi xml:lang="en">x</m:mi></m:math></h:div>`}}}
	want := `<entry xmlns="http://www.w3.org/2005/Atom"><title type="text"/><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">` +
		`<a href="x?it%27s" title="it’s">y</a><math xmlns="http://www.w3.org/1998/Math/MathML"><mi xml:lang="en">x</mi></math></div></content></entry>`
	if diff := cmp.Diff(want, string(Render(p))); diff != "" {
		t.Error(diff)
	}
}

func TestRenderWritesOnlyXML(t *testing.T) {
	bad := "a\x00\x01\x0b\xff\ufffe\r<b>"
	p := bridge.Post{
		ID: bad, Title: bridge.Text{Type: "text", Body: bad}, Lang: bad,
		Content: []bridge.Text{{Type: "xhtml", Body: "<div>" + bad + "</div>"}, {Type: "html", Body: bad}},
		Authors: []bridge.Person{{URI: bad}}, Links: []bridge.Link{{Rel: bad, Href: bad}},
		Categories: []bridge.Category{{Term: bad}}, InReplyTo: []bridge.Reply{{Ref: bad}}, Source: &bridge.Feed{Title: bad},
	}
	out := Render(p)
	if err := wellFormed(out); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	if got, _ := Parse(out); got.Title.Body != "a\ufffd\r<b>" || got.Authors[0].Name == "" {
		t.Errorf("read back %+v", got)
	}
}

func wellFormed(doc []byte) error {
	d := xml.NewDecoder(strings.NewReader(string(doc)))
	for {
		if _, err := d.Token(); err != nil {
			if err.Error() == "EOF" {
				return nil
			}
			return err
		}
	}
}

func TestParse(t *testing.T) {
	open := `<entry xmlns="http://www.w3.org/2005/Atom" xmlns:thr="http://purl.org/syndication/thread/1.0">`
	date := time.Date(2008, 5, 8, 18, 30, 2, 0, time.UTC)
	for name, tt := range map[string]struct {
		in   string
		want bridge.Post
	}{
		"empty":               {open + "</entry>", bridge.Post{}},
		"prefixed":            {`<a:entry xmlns:a="http://www.w3.org/2005/Atom"><a:id>x</a:id></a:entry>`, bridge.Post{ID: "x"}},
		"foreign elements":    {open + `<id xmlns="urn:other">no</id><thr:total>3</thr:total></entry>`, bridge.Post{}},
		"first of two ids":    {open + "<id>a</id><id>b</id></entry>", bridge.Post{ID: "a"}},
		"title with markup":   {open + "<title>a <b>b</b></title></entry>", bridge.Post{Title: bridge.Text{Type: "text", Body: "a b"}}},
		"relation by its IRI": {open + `<link rel="http://www.iana.org/assignments/relation/via" href="u"/></entry>`, bridge.Post{Links: []bridge.Link{{Rel: "via", Href: "u"}}}},
		"link without rel":    {open + `<link href=" u "/><link rel="x"/></entry>`, bridge.Post{Links: []bridge.Link{{Rel: "alternate", Href: "u"}}}},
		"broken URI":          {open + "<thr:in-reply-to ref='r' href='xmpp:a@b?;\n  node=n;\n  item=i'/></entry>", bridge.Post{InReplyTo: []bridge.Reply{{Ref: "r", Href: "xmpp:a@b?;node=n;item=i"}}}},
		"odd dates":           {open + "<published>2008-05-08T20:30:02+02:00</published><updated>2008-05-08 18:30:02</updated></entry>", bridge.Post{Published: date, Updated: date}},
		"no date":             {open + "<published>yesterday</published></entry>", bridge.Post{}},
		"second text content": {open + "<content>a</content><content type='text/plain'>b</content></entry>", bridge.Post{Content: []bridge.Text{{Type: "text", Body: "a"}}}},
		"other media type":    {open + "<content type='image/png'>AAAA</content></entry>", bridge.Post{}},
		"xhtml without div":   {open + "<content type='xhtml'>a<p xmlns='http://www.w3.org/1999/xhtml'>b</p></content></entry>", bridge.Post{Content: []bridge.Text{{Type: "xhtml", Body: `<div xmlns="http://www.w3.org/1999/xhtml">a<p>b</p></div>`}}}},
		"category":            {open + "<category term=' a '/><category/></entry>", bridge.Post{Categories: []bridge.Category{{Term: "a"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	if _, err := Parse([]byte("<feed xmlns='http://www.w3.org/2005/Atom'/>")); !errors.Is(err, ErrNotEntry) {
		t.Errorf("a feed: %v", err)
	}
	deep := "<entry xmlns='http://www.w3.org/2005/Atom'>" + strings.Repeat("<a>", 300) + strings.Repeat("</a>", 300) + "</entry>"
	for _, in := range []string{"", "text", "<entry", "<entry>&nbsp;</entry>", "<entry xmlns='http://www.w3.org/2005/Atom'/><!-- </x> -->", deep} {
		if _, err := Parse([]byte(in)); err == nil || errors.Is(err, ErrNotEntry) {
			t.Errorf("%.40q: %v", in, err)
		}
	}
}

func TestAppend(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"<entry xmlns='a'> <!-- </entry> --> <x/>\n</entry>\n", "<entry xmlns='a'> <!-- </entry> --> <x/>\n<n/></entry>"},
		{"<a:entry xmlns:a='a'/>", "<a:entry xmlns:a='a'><n/></a:entry>"},
		{"<entry  xmlns='a' />", "<entry  xmlns='a' ><n/></entry>"},
		{"<entry><![CDATA[</x>]]></entry >", "<entry><![CDATA[</x>]]><n/></entry >"},
		{"no element", "no element"},
		{"", ""},
		{"/>", "/>"},
	} {
		if got := string(Append([]byte(tt.in), []byte("<n/>"))); got != tt.want {
			t.Errorf("Append to %q:\n got %q\nwant %q", tt.in, got, tt.want)
		}
	}
}

func TestExtend(t *testing.T) {
	part := bridge.Post{ID: "tag:x", Authors: []bridge.Person{{Name: "A"}}}
	for _, tt := range []struct{ in, want string }{
		{`<entry xmlns="http://www.w3.org/2005/Atom"><foreign xmlns="u" b='1'/></entry>`,
			`<entry xmlns="http://www.w3.org/2005/Atom"><foreign xmlns="u" b='1'/><id>tag:x</id><author><name>A</name></author></entry>`},
		{`<a:entry xmlns:a="http://www.w3.org/2005/Atom"/>`,
			`<a:entry xmlns:a="http://www.w3.org/2005/Atom"><id xmlns="http://www.w3.org/2005/Atom">tag:x</id><author xmlns="http://www.w3.org/2005/Atom"><name>A</name></author></a:entry>`},
	} {
		got := Extend([]byte(tt.in), part)
		if string(got) != tt.want {
			t.Errorf("Extend %s:\n got %s\nwant %s", tt.in, got, tt.want)
		}
		if p, err := Parse(got); err != nil || p.ID != "tag:x" || len(p.Authors) != 1 {
			t.Errorf("Extend %s: reads back as %+v, %v", tt.in, p, err)
		}
	}
}

func TestPlain(t *testing.T) {
	for _, tt := range []struct{ kind, in, want string }{
		{"text", " a\n <b> ", "a\n <b>"},
		{"html", "<p>a  b<br>c</p><script>x()</script><p>d &amp; e</p>", "a b\nc\nd & e"},
		{"xhtml", `<div xmlns="http://www.w3.org/1999/xhtml">a<b> b</b>,<style>p{}</style>c</div>`, "a b,c"},
		{"html", "1 < 2 & <i>so on", "1 < 2 & so on"},
	} {
		if got := Plain(bridge.Text{Type: tt.kind, Body: tt.in}); got != tt.want {
			t.Errorf("Plain(%s %q) = %q, want %q", tt.kind, tt.in, got, tt.want)
		}
	}
}

func TestRenderFeed(t *testing.T) {
	head := bridge.Feed{ID: "urn:planet", Title: "Planet <Go>", Link: "http://d/planet/go", Self: "http://d/planet/go.atom",
		Updated: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	got := RenderFeed(head, []bridge.Link{{Rel: "next", Href: "http://d/planet/go.atom?page=2"}}, [][]byte{Render(bridge.Post{ID: "a"}), Render(bridge.Post{ID: "b"})})
	golden(t, "feed.xml", got)
	if err := wellFormed(got); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Render(fullPost()))
	f.Add([]byte(`<a:entry xmlns:a="http://www.w3.org/2005/Atom"><a:content type="xhtml"><p a:b="c">x</p></a:content></a:entry>`))
	f.Add([]byte("<entry xmlns='http://www.w3.org/2005/Atom'><updated>2008</updated><content type='xhtml'><b xmlns=''/></content></entry>"))
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := Parse(in)
		if err != nil {
			return
		}
		out := Render(p)
		again, err := Parse(out)
		if err != nil {
			t.Fatalf("Render wrote what Parse refuses: %v\n%q", err, out)
		}
		if diff := cmp.Diff(string(out), string(Render(again))); diff != "" {
			t.Fatalf("Render is not stable:\n%s", diff)
		}
		grown, err := Parse(Extend(in, bridge.Post{InReplyTo: []bridge.Reply{{Ref: "appended"}}}))
		if err != nil || len(grown.InReplyTo) != len(p.InReplyTo)+1 {
			t.Fatalf("Extend lost its element: %v", err)
		}
	})
}

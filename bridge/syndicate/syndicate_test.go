package syndicate

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mmcdole/gofeed"

	"peewit/bridge"
	"peewit/bridge/atom"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var day = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func head() bridge.Feed {
	return bridge.Feed{
		ID: "xmpp:d.example?;node=planet-go", Title: "Planet <Go> & \"friends\"", Link: "https://d.example/planet/planet-go",
		Self: "https://d.example/planet/planet-go.atom", Rights: "© various",
	}
}

func links() []bridge.Link {
	return []bridge.Link{
		{Rel: "alternate", Type: "application/feed+json", Href: "https://d.example/planet/planet-go.json"},
		{Rel: "hub", Href: "https://d.example/main/hub"}, {Rel: "next", Href: "https://d.example/planet/planet-go.atom?page=2"},
	}
}

func items() []bridge.Item {
	addr := bridge.Addr{Service: "d.example", Name: "planet-go"}
	full := bridge.Post{
		ID: "tag:a.example,2026:1?x=1&y=2", Title: bridge.Text{Type: "text", Body: "1 < 2 & \"quoted\"\x01"},
		Summary: bridge.Text{Type: "text", Body: "short"},
		Content: []bridge.Text{
			{Type: "text", Body: "*Markdown*"},
			{Type: "xhtml", Body: `<div xmlns="http://www.w3.org/1999/xhtml"><p>a <b>b</b> &amp; ]]&gt; c</p><script>evil()</script></div>`},
		},
		Authors: []bridge.Person{{Name: "Ada <a>", URI: "https://a.example/"}}, Published: day, Updated: day.Add(time.Hour),
		Links: []bridge.Link{
			{Rel: "alternate", Href: "xmpp:d.example?;node=planet-go;item=1"}, {Rel: "alternate", Href: "https://a.example/1?x=1&y=2"},
			{Rel: "enclosure", Type: "audio/ogg", Length: "12", Href: "https://a.example/1.ogg"}, {Rel: "enclosure", Href: "https://a.example/2.ogg"},
			{Rel: "related", Href: "https://b.example/"},
		},
		Categories: []bridge.Category{{Term: "go"}, {Term: "a&b"}}, Lang: "en",
		Source: &bridge.Feed{ID: "https://a.example/feed", Title: "Ada's", Self: "https://a.example/feed"},
	}
	bare := bridge.Post{Content: []bridge.Text{{Type: "text", Body: "only <text>"}}}
	return []bridge.Item{
		{Addr: addr, ID: "1", Payload: atom.Render(full), Created: day, Modified: day},
		{Addr: addr, ID: "2", Payload: []byte("<tune xmlns='http://jabber.org/protocol/tune'/>")},
		{Addr: addr, ID: "3", Retracted: true},
		{Addr: addr, ID: "4", Payload: atom.Render(bare), Created: day.Add(-time.Hour)},
	}
}

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

// TestWriters writes the same feed in each format and lets gofeed read it.
func TestWriters(t *testing.T) {
	for name, write := range map[string]func(bridge.Feed, []bridge.Link, []bridge.Item) []byte{"feed.atom": Atom, "feed.rss": RSS, "feed.json": JSON} {
		t.Run(name, func(t *testing.T) {
			out := write(head(), links(), items())
			golden(t, name, out)
			if strings.Contains(string(out), "evil") {
				t.Error("something that runs was written")
			}
			got, err := gofeed.NewParser().ParseString(string(out))
			if err != nil {
				t.Fatal(err)
			}
			if got.Title != head().Title || len(got.Items) != 2 {
				t.Fatalf("title %q, %d items", got.Title, len(got.Items))
			}
			first, second := got.Items[0], got.Items[1]
			if first.GUID != "tag:a.example,2026:1?x=1&y=2" || first.Title != "1 < 2 & \"quoted\"" || first.Link != "https://a.example/1?x=1&y=2" ||
				!first.PublishedParsed.Equal(day) || len(first.Categories) != 2 || first.Categories[1] != "a&b" ||
				len(first.Authors) != 1 || first.Authors[0].Name != "Ada <a>" || len(first.Enclosures) == 0 || first.Enclosures[0].Length != "12" {
				t.Errorf("%+v", first)
			}
			if body := first.Content + first.Description; !strings.Contains(body, "<p>a <b>b</b> &amp; ]]&gt; c</p>") {
				t.Errorf("content %q", body)
			}
			if second.GUID != "xmpp:d.example?;node=planet-go;item=4" || second.Title != "only <text>" || !second.PublishedParsed.Equal(day.Add(-time.Hour)) {
				t.Errorf("%+v", second)
			}
		})
	}
}

func TestEmptyFeeds(t *testing.T) {
	for name, write := range map[string]func(bridge.Feed, []bridge.Link, []bridge.Item) []byte{"atom": Atom, "rss": RSS, "json": JSON} {
		got, err := gofeed.NewParser().ParseString(string(write(bridge.Feed{ID: "urn:x", Title: "T"}, nil, nil)))
		if err != nil || got.Title != "T" || len(got.Items) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestUpdatedIsThatOfTheNewestPost(t *testing.T) {
	if out := string(Atom(head(), nil, items())); !strings.Contains(out, "<updated>2026-11-22T11:00:00Z</updated><link rel=\"self\"") {
		t.Error(out[:400])
	}
}

func TestTheDivOfXHTMLGoesWholeOrStays(t *testing.T) {
	for in, want := range map[string]string{
		`<div xmlns="http://www.w3.org/1999/xhtml"><p>a</p></div>`:           `<p>a</p>`,
		`<div xmlns="http://www.w3.org/1999/xhtml" dir="rtl"><p>a</p></div>`: `<div dir="rtl"><p>a</p></div>`,
	} {
		entry := `<entry xmlns="http://www.w3.org/2005/Atom"><content type="xhtml">` + in + `</content></entry>`
		got := posts([]bridge.Item{{Payload: []byte(entry)}})
		if len(got) != 1 || len(got[0].Content) != 1 || got[0].Content[0].Body != want {
			t.Errorf("%s: %+v, want %s", in, got, want)
		}
	}
}

func TestOPML(t *testing.T) {
	planet := bridge.Planet{Name: "planet-go"}
	sources := []bridge.Source{{URL: "https://a.example/feed?x=1&y=\"2\"", Title: "A & <b>"}, {URL: "https://b.example/"}}
	out := WriteOPML(planet, sources)
	golden(t, "planet.opml", out)
	title, feeds, err := ParseOPML(out)
	if err != nil || title != "planet-go" {
		t.Errorf("title %q, %v", title, err)
	}
	want := []Outline{{URL: sources[0].URL, Title: "A & <b>"}, {URL: sources[1].URL, Title: sources[1].URL}}
	if diff := cmp.Diff(want, feeds); diff != "" {
		t.Error(diff)
	}
}

func TestParseOPML(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []Outline
	}{
		{"nested, twice, odd case", `<opml version="1.0"><head><title>T</title></head><body><outline text="folder"><outline text="a" XMLURL="feed://a" htmlUrl="p"/></outline>` +
			`<OUTLINE title="b" text="x" xmlUrl=" http://b "/><outline xmlUrl="http://b"/></body></opml>`, []Outline{{"http://a", "a", "p"}, {"http://b", "b", ""}}},
		{"latin 1", "<?xml version='1.0' encoding='iso-8859-1'?><opml><body><outline text='caf\xe9' xmlUrl='http://a'/></body></opml>", []Outline{{"http://a", "café", ""}}},
		{"broken off", `<opml><body><outline xmlUrl="http://a" text="a & b"/><outline xml`, []Outline{{"http://a", "a & b", ""}}},
		{"no feeds", `<opml><body><outline text="x"/></body></opml>`, nil},
		{"no OPML", `{}`, nil},
		{"nothing", ``, nil},
	} {
		_, got, err := ParseOPML([]byte(tt.in))
		if diff := cmp.Diff(tt.want, got); diff != "" || (err != nil) != (tt.want == nil) || err != nil && !errors.Is(err, ErrNotOPML) {
			t.Errorf("%s: %v %s", tt.name, err, diff)
		}
	}
}

func TestParseOPMLIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range maxOutlines + 5 {
		fmt.Fprintf(&b, "<outline xmlUrl='http://a/%d'>", i)
	}
	if _, feeds, err := ParseOPML([]byte(b.String())); err != nil || len(feeds) != maxOutlines {
		t.Errorf("%d feeds, %v", len(feeds), err)
	}
}

func BenchmarkAtom(b *testing.B) {
	list := items()
	for len(list) < 50 {
		list = append(list, list[0])
	}
	for b.Loop() {
		Atom(head(), links(), list)
	}
}

func FuzzParseOPML(f *testing.F) {
	f.Add([]byte(`<opml><head><title>t</title></head><body><outline text="a" xmlUrl="http://a"/></body></opml>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		_, feeds, err := ParseOPML(doc)
		if (err == nil) != (len(feeds) > 0) {
			t.Fatalf("%d feeds, %v", len(feeds), err)
		}
		var sources []bridge.Source
		for _, o := range feeds {
			sources = append(sources, bridge.Source{URL: o.URL})
		}
		if _, again, err := ParseOPML(WriteOPML(bridge.Planet{Name: "p"}, sources)); err == nil && len(again) > len(feeds) {
			t.Fatalf("%d feeds became %d", len(feeds), len(again))
		}
	})
}

// What a stranger writes as an address is no program in anybody's feed reader.
func TestAddressesOnlyLead(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)", "\u00a0javascript:alert(1)",
		"data:text/html,<script>alert(1)</script>", "vbscript:msgbox(1)", "file:///etc/passwd",
	} {
		post := bridge.Post{
			ID: "urn:x:1", Title: bridge.Text{Type: "text", Body: "title"},
			Authors: []bridge.Person{{Name: "Eve", URI: address}},
			Links:   []bridge.Link{{Rel: "alternate", Href: address}, {Rel: "enclosure", Href: address}, {Rel: "alternate", Href: "https://a.example/1"}},
		}
		items := []bridge.Item{{Addr: bridge.Addr{Service: "d.example", Name: "n"}, ID: "1", Payload: atom.Render(post)}}
		_, bare, _ := strings.Cut(strings.TrimSpace(address), ":")
		for name, feed := range map[string][]byte{"Atom": Atom(head(), nil, items), "RSS": RSS(head(), nil, items), "JSON": JSON(head(), nil, items)} {
			if strings.Contains(string(feed), ":"+bare) || strings.Contains(string(feed), ":"+atom.Escape(bare)) {
				t.Errorf("%s has the address %q", name, address)
			}
			if !strings.Contains(string(feed), "https://a.example/1") {
				t.Errorf("%s lost the address beside %q", name, address)
			}
		}
	}
}

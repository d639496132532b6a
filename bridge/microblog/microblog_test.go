package microblog

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
	"peewit/bridge/atom"
)

var (
	romeo = bridge.Addr{Service: "romeo@montague.lit", Name: bridge.NodeMicroblog}
	now   = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
)

const open = `<entry xmlns="http://www.w3.org/2005/Atom">`

func fill(t *testing.T, payload string, in FillInput) bridge.Post {
	t.Helper()
	in.Addr, in.Item, in.Now = romeo, "1", now
	out, err := Fill([]byte(payload), in)
	if err != nil {
		t.Fatal(err)
	}
	if body := strings.TrimSuffix(payload, "</entry>"); !strings.HasPrefix(string(out), body) {
		t.Errorf("the publisher's bytes changed:\n%s\n%s", payload, out)
	}
	p, err := atom.Parse(out)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFillAddsWhatIsAbsent(t *testing.T) {
	got := fill(t, open+`<content>Thé #Xmpp and #tea, @juliet</content></entry>`, FillInput{
		Author: Person("Romeo", "romeo@montague.lit"),
		Links:  Alternates(romeo, "1", "https://montague.lit/notice/1"),
		Who:    func(name string) (bridge.JID, bool) { return bridge.JID(name + "@capulet.lit"), name == "juliet" },
	})
	want := bridge.Post{
		ID:        "xmpp:romeo@montague.lit?;node=urn%3Axmpp%3Amicroblog%3A0;item=1",
		Title:     bridge.Text{Type: "text", Body: "Thé #Xmpp and #tea, @juliet"},
		Content:   []bridge.Text{{Type: "text", Body: "Thé #Xmpp and #tea, @juliet"}},
		Authors:   []bridge.Person{{Name: "Romeo", URI: "xmpp:romeo@montague.lit"}},
		Published: now, Updated: now,
		Links: []bridge.Link{
			{Rel: "alternate", Type: "text/html", Href: "https://montague.lit/notice/1"},
			{Rel: "alternate", Href: "xmpp:romeo@montague.lit?;node=urn%3Axmpp%3Amicroblog%3A0;item=1"},
			{Rel: "mentioned", Href: "xmpp:juliet@capulet.lit"},
		},
		Categories: []bridge.Category{{Term: "xmpp"}, {Term: "tea"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFillKeepsWhatIsThere(t *testing.T) {
	juliet := bridge.Link{Rel: "mentioned", Href: "xmpp:juliet@capulet.lit"}
	entry := open + `<id>tag:x</id><title>a #b</title><published>2008-05-08T18:30:02Z</published>` +
		`<author><name>R</name></author><link rel='mentioned' href='xmpp:juliet@capulet.lit'/><category term='B'/>` +
		`<in-reply-to xmlns='http://purl.org/syndication/thread/1.0' ref='tag:mine'/><x xmlns='urn:foreign'/></entry>`
	got := fill(t, entry, FillInput{Author: Person("Other", "o@o.lit"), Links: []bridge.Link{juliet}})
	published := time.Date(2008, 5, 8, 18, 30, 2, 0, time.UTC)
	want := bridge.Post{ID: "tag:x", Title: bridge.Text{Type: "text", Body: "a #b"}, Published: published, Updated: published,
		Authors: []bridge.Person{{Name: "R"}}, Links: []bridge.Link{juliet},
		Categories: []bridge.Category{{Term: "B"}}, InReplyTo: []bridge.Reply{{Ref: "tag:mine"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFillTwiceIsOnce(t *testing.T) {
	in := FillInput{Addr: romeo, Item: "1", Now: now, Author: Person("R", "romeo@montague.lit"), Links: Alternates(romeo, "1", "https://p")}
	once, err := Fill([]byte(open+"<title>#a</title></entry>"), in)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := Fill(once, in)
	if diff := cmp.Diff(string(once), string(twice)); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestFillPassesOthers(t *testing.T) {
	for _, payload := range []string{"<tune xmlns='http://jabber.org/protocol/tune'/>", "<feed xmlns='http://www.w3.org/2005/Atom'><title>meta</title></feed>"} {
		out, err := Fill([]byte(payload), FillInput{Addr: romeo, Item: "0", Now: now})
		if err != nil || string(out) != payload {
			t.Errorf("%s became %s, %v", payload, out, err)
		}
	}
	for _, payload := range []string{"", "<entry", "<entry xmlns='http://www.w3.org/2005/Atom'><a></entry>"} {
		if _, err := Fill([]byte(payload), FillInput{}); bridge.AsError(err).Reason != "invalid-payload" {
			t.Errorf("%q: %v", payload, err)
		}
	}
}

func TestPlain(t *testing.T) {
	text := func(kind, body string) bridge.Text { return bridge.Text{Type: kind, Body: body} }
	for _, tt := range []struct {
		name string
		post bridge.Post
		want string
	}{
		{"title", bridge.Post{Title: text("text", "a")}, "a"},
		{"the same twice", bridge.Post{Title: text("text", "a b"), Content: []bridge.Text{text("xhtml", "<div>a <b>b</b></div>")}}, "a b"},
		{"cut title", bridge.Post{Title: text("text", "a lon…"), Content: []bridge.Text{text("text", "a long text")}}, "a long text"},
		{"no cut", bridge.Post{Title: text("text", "The"), Content: []bridge.Text{text("text", "There")}}, "The\n\nThere"},
		{"blog post", bridge.Post{Title: text("text", "News"), Content: []bridge.Text{text("xhtml", "<div>x</div>"), text("text", "x *y*")}}, "News\n\nx *y*"},
		{"summary", bridge.Post{Title: text("html", "<b>News</b>"), Summary: text("html", "<p>x</p>")}, "News\n\nx"},
		{"nothing", bridge.Post{}, ""},
	} {
		if got := Plain(tt.post); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestHeadline(t *testing.T) {
	long := bridge.Post{Content: []bridge.Text{{Type: "text", Body: strings.Repeat("é", 200) + "\nmore"}}}
	if got := []rune(Headline(long)); len(got) != 140 || got[139] != '…' {
		t.Errorf("%q has %d characters", string(got), len(got))
	}
}

func TestTagsAndMentions(t *testing.T) {
	for _, tt := range []struct {
		text           string
		tags, mentions []string
	}{
		{"#Go and (#xmpp), #go. #c-base#no", []string{"go", "xmpp", "c-base"}, nil},
		{"http://a/#frag &#39; a#b #1 #", nil, nil},
		{"#café #été2026 #日本", []string{"café", "été2026", "日本"}, nil},
		{"@Bob: hi @carol@example.org. mail me@home @", nil, []string{"bob", "carol@example.org"}},
		{"#" + strings.Repeat("x", 65), nil, nil},
	} {
		if diff := cmp.Diff(tt.tags, Tags(tt.text)); diff != "" {
			t.Errorf("tags of %q: %s", tt.text, diff)
		}
		if diff := cmp.Diff(tt.mentions, Mentions(tt.text)); diff != "" {
			t.Errorf("mentions of %q: %s", tt.text, diff)
		}
	}
}

func TestPermalink(t *testing.T) {
	p := bridge.Post{Links: []bridge.Link{{Rel: "self", Href: "https://s"}, {Rel: "alternate", Href: "xmpp:a@b"},
		{Rel: "alternate", Type: "application/json", Href: "https://j"}, {Rel: "alternate", Type: "text/html", Href: "https://h"}}}
	if got := Permalink(p); got != "https://h" {
		t.Error(got)
	}
	if got := Permalink(bridge.Post{Links: p.Links[:3]}); got != "https://j" {
		t.Error(got)
	}
}

func TestURI(t *testing.T) {
	shadow := bridge.Addr{Service: `bob\40other.org@d.example`, Name: "urn:xmpp:microblog:0:comments/a b;c"}
	for _, tt := range []struct{ got, want string }{
		{URI(shadow, "ü"), "xmpp:bob%5C40other.org@d.example?;node=urn%3Axmpp%3Amicroblog%3A0%3Acomments%2Fa%20b%3Bc;item=%C3%BC"},
		{URI(bridge.Addr{Service: "romeo@montague.lit", Name: CommentsNode("1")}, ""), "xmpp:romeo@montague.lit?;node=urn%3Axmpp%3Amicroblog%3A0%3Acomments%2F1"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

func FuzzFill(f *testing.F) {
	f.Add([]byte(open + "<title>#a</title></entry>"))
	f.Add([]byte(`<a:entry xmlns:a="http://www.w3.org/2005/Atom"><a:content type="html">&lt;p></a:content></a:entry>`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		out, err := Fill(payload, FillInput{Addr: romeo, Item: "1", Now: now, Links: Alternates(romeo, "1", "")})
		if err != nil || bytes.Equal(out, payload) {
			return
		}
		p, err := atom.Parse(out)
		if err != nil || p.ID == "" || p.Updated.IsZero() || p.Published.IsZero() {
			t.Fatalf("%q became %q: %v", payload, out, err)
		}
	})
}

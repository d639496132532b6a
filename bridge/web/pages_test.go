package web

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
	"peewit/bridge/service"
	"peewit/index"
)

const feedEntry = `<entry xmlns="http://www.w3.org/2005/Atom" xml:lang="de"><id>tag:blog.example,2026:1</id>` +
	`<title type="html">Push &amp;amp; &lt;b>pull&lt;/b></title><published>2026-11-20T08:30:00+01:00</published>` +
	`<author><name>Gerda &lt;i>Example&lt;/i></name><uri>https://blog.example/gerda</uri></author>` +
	`<link rel="alternate" type="text/html" href="https://blog.example/push"/>` +
	`<link rel="enclosure" type="audio/ogg" title="The talk" href="https://blog.example/talk.ogg"/>` +
	`<category term="XMPP"/><category term="free software"/>` +
	`<content type="text">Push through pubsub.</content>` +
	`<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><h1>Why</h1><p>Push <b/>through <em>pubsub</em>.</p></div></content>` +
	`<source><id>tag:blog.example,2026:feed</id><title>Gerda's &lt;blog></title><link href="https://blog.example/"/></source></entry>`

func TestPages(t *testing.T) {
	h := newHouse(t)
	alice, bob := h.account("alice"), h.account("bob")
	if _, err := h.svc.Follows.Subscribe(t.Context(), bob, blog(alice), bob); err != nil {
		t.Fatal(err)
	}
	h.publish(alice, blog(alice), "1", entry(1, "hello #world, see http://example.org/a?b=1&amp;c=2.", ""))
	untitled := h.publish(alice, blog(alice), "2", entry(2, "", "<content>First line\n  second line\n\nanother &lt;b>paragraph&lt;/b></content>"))
	item := h.publish(bob, blog(bob), "3", entry(3, "A title of its own", "<content type='html'>&lt;p>and a text&lt;/p></content>"))
	post := h.planet("planet-go", "Planet <Go>", feedEntry)[0]
	h.index.result = index.Result{Hits: []index.Hit{{Seq: item.First, Item: item}}, Total: 21, Cursor: "42", Complete: true}

	for _, p := range []struct{ name, path string }{
		{"home", "/"},
		{"profile", "/alice"},
		{"planet", "/planet/planet-go"},
		{"notice", fmt.Sprintf("/notice/%d", item.First)},
		{"notice-untitled", fmt.Sprintf("/notice/%d", untitled.First)},
		{"notice-feed", fmt.Sprintf("/notice/%d", post.First)},
		{"search", "/search?q=%22a+title%22+%3Cb%3E"},
	} {
		golden(t, p.name+".html", h.visit(p.path, 200).source)
	}
	golden(t, "search-empty.html", h.visit("/search?q=+", 200).source)
	golden(t, "search-malformed.html", h.visit("/search?q=%22%3Cscript%3E", 400).source)
	golden(t, "missing.html", h.visit("/carol", 404).source)
}

// A post shows once on a page, whatever it repeats.
func TestContentShowsOnce(t *testing.T) {
	h := newHouse(t)
	const xhtml = `<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">%s</div></content>`
	for _, c := range []struct{ name, title, more, wantTitle, want string }{
		{"title alone", "one two", "", "", "one two"},
		{"the same content", "one two", "<content>one two</content>", "", "one two"},
		{"both contents", "one two", "<content>one *two*</content>" + fmt.Sprintf(xhtml, "<p>one <b>two</b></p>"), "one two", "one two"},
		{"both contents, no title", "", "<content>one two</content>" + fmt.Sprintf(xhtml, "<p>one <b>two</b></p>"), "", "one two"},
		{"a title that was cut", "one tw…", "<content>one two three</content>", "", "one two three"},
		{"a content that was cut", "one two three", "<content>one</content>", "", "one two three"},
		{"a title of its own", "News", "<content>one two</content>", "News", "one two"},
		{"content before summary", "News", "<summary>one</summary><content>one two</content>", "News", "one two"},
		{"summary alone", "News", "<summary type='html'>&lt;i>one&lt;/i></summary>", "News", "one"},
		{"only a picture", "News", fmt.Sprintf(xhtml, "<img src='https://p.example/1.png'/>"), "News", ""},
		{"a script and a text", "News", "<content>one</content>" + fmt.Sprintf(xhtml, "<script>x()</script>"), "News", "one"},
		{"only a script", "", fmt.Sprintf(xhtml, "<script>x()</script>"), "", ""},
		{"another media type", "News", "<content type='image/png'>aGVsbG8=</content>", "", "News"},
		{"nothing", "", "", "", ""},
	} {
		shown, ok := h.site.show(bridge.Item{Publisher: "localhost", Payload: []byte(entry(1, c.title, c.more))})
		got := words(read(t, string(shown.HTML)).root)
		if !ok || shown.Title != c.wantTitle || got != c.want {
			t.Errorf("%s: title %q, content %q (%s), want %q and %q", c.name, shown.Title, got, shown.HTML, c.wantTitle, c.want)
		}
	}
}

func TestAuthors(t *testing.T) {
	h := newHouse(t)
	h.account("alice")
	if _, err := h.svc.Accounts.Create(t.Context(), "bob", service.AccountOptions{Owners: []bridge.JID{"bob@example.org"}}); err != nil {
		t.Fatal(err)
	}
	claims := entry(1, "x", "<author><name>alice</name><uri>http://localhost:8080/alice</uri></author>")
	for _, c := range []struct {
		name    string
		item    bridge.Item
		payload string
		want    link
	}{
		{"an account", bridge.Item{Publisher: "alice@localhost"}, claims, link{Text: "alice", Href: "/alice"}},
		{"an owner elsewhere", bridge.Item{Publisher: "bob@example.org"}, claims, link{Text: "bob", Href: "/bob"}},
		{"a stranger who claims to be alice", bridge.Item{Publisher: "mallory@example.org"}, claims, link{Text: "mallory@example.org"}},
		{"a feed", bridge.Item{Publisher: "localhost"}, claims, link{Text: "alice", Href: "http://localhost:8080/alice", Away: true}},
		{"a feed with a script", bridge.Item{Publisher: "localhost"}, entry(1, "x", "<author><name>x</name><uri>javascript:alert(1)</uri></author>"), link{Text: "x"}},
		{"a feed without authors", bridge.Item{Publisher: "localhost"}, entry(1, "x", ""), link{Text: "localhost"}},
		{"a remote node", bridge.Item{Publisher: "blog@pubsub.example", Origin: bridge.Origin{Door: "pubsub"}}, claims, link{Text: "alice", Href: "http://localhost:8080/alice", Away: true}},
	} {
		c.item.Payload = []byte(c.payload)
		shown, ok := h.site.show(c.item)
		if diff := cmp.Diff(c.want, shown.Author); !ok || diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// A feed that stands for the author it does not name is not named twice.
func TestSource(t *testing.T) {
	h := newHouse(t)
	for author, want := range map[string]string{"Gerda": "A Blog", "A Blog": ""} {
		payload := entry(1, "x", "<author><name>"+author+"</name></author><source><title>A Blog</title></source>")
		if shown, ok := h.site.show(bridge.Item{Publisher: "localhost", Payload: []byte(payload)}); !ok || shown.Source.Text != want {
			t.Errorf("a post by %s is from %q, want %q", author, shown.Source.Text, want)
		}
	}
}

func TestDates(t *testing.T) {
	h := newHouse(t)
	created := bridge.Item{Publisher: "localhost"}
	created.Created = created.Created.AddDate(2025, 4, 30)
	for dates, want := range map[string]string{
		"":                            "2026-05-31T00:00:00Z",
		"<published>soon</published>": "2026-05-31T00:00:00Z",
		"<published>0001-01-01T00:00:00Z</published>":                                        "2026-05-31T00:00:00Z",
		"<published>0000-01-01T00:00:00Z</published>":                                        "2026-05-31T00:00:00Z",
		"<updated>2008-05-08T18:30:02+02:00</updated>":                                       "2008-05-08T16:30:02Z",
		"<updated>2009-01-01T00:00:00Z</updated><published>2008-12-31T00:00:00Z</published>": "2008-12-31T00:00:00Z",
	} {
		created.Payload = []byte("<entry xmlns='http://www.w3.org/2005/Atom'><title>x</title>" + dates + "</entry>")
		shown, ok := h.site.show(created)
		if got := stamp(shown.Published); !ok || got != want {
			t.Errorf("%q: %s, want %s", dates, got, want)
		}
	}
}

func TestPaging(t *testing.T) {
	h := newHouse(t)
	alice := h.account("alice")
	var entries, want []string
	for i := range 2*pageSize + 3 {
		entries = append(entries, entry(1, fmt.Sprint("post ", i), ""))
		want = append([]string{fmt.Sprint("post ", i)}, want...)
		h.publish(alice, blog(alice), fmt.Sprintf("id/%d?&ü", i), entries[i])
	}
	h.planet("go.dot", "", entries...)
	for _, path := range []string{"/", "/alice", "/planet/go.dot"} {
		var got []string
		pages := 0
		for next := path; next != "" && pages < 5; pages++ {
			d := h.visit(next, 200)
			got = append(got, d.posts()...)
			next = d.older()
		}
		if diff := cmp.Diff(want, got); diff != "" || pages != 3 {
			t.Errorf("%s on %d pages: %s", path, pages, diff)
		}
	}
	h.visit("/alice?after=nowhere", 404)
	if got := h.visit("/?after=1", 200).posts(); len(got) != 0 {
		t.Errorf("posts before the first: %v", got)
	}
}

func TestNotices(t *testing.T) {
	h := newHouse(t)
	alice := h.account("alice")
	kept := h.publish(alice, blog(alice), "kept", entry(1, "kept", ""))
	gone := h.publish(alice, blog(alice), "gone", entry(1, "gone", ""))
	mood := h.publish(alice, bridge.Addr{Service: alice, Name: "urn:example:mood"}, "1", entry(1, "for friends", ""))
	data := h.publish(alice, blog(alice), "data", "<settings xmlns='urn:example'/>")
	if err := h.svc.Posts.Retract(t.Context(), alice, blog(alice), []string{"gone"}, true); err != nil {
		t.Fatal(err)
	}
	notice := func(id uint64) string { return fmt.Sprint("/notice/", id) }
	h.visit(notice(kept.First), 200)
	h.visit(notice(gone.First), 404)
	h.visit(notice(mood.First), 403)
	h.visit(notice(data.First), 404)
	for _, id := range []string{"0", "1", "99999", "18446744073709551615", "18446744073709551616", "-1", "x", "1.atom", "%00"} {
		h.visit("/notice/"+id, 404)
	}
	if got := h.visit("/", 200).posts(); !cmp.Equal(got, []string{"kept"}) {
		t.Errorf("the front page has %v", got)
	}

	post := h.planet("planet-go", "", entry(2, "from a feed", ""))[0]
	planet, err := h.svc.Nodes.Get(bridge.Addr{Service: "localhost", Name: "planet-go"})
	if err != nil {
		t.Fatal(err)
	}
	shown, ok, err := h.svc.Archive().Item(planet.ID, post.ID)
	if err != nil || !ok {
		t.Fatalf("the planet shows nothing: %v", err)
	}
	w := h.ask("GET", notice(shown.First))
	if w.Code != 301 || w.Header().Get("Location") != notice(post.First) {
		t.Errorf("a post in a planet: %d to %s, want its own page %s", w.Code, w.Header().Get("Location"), notice(post.First))
	}
}

func TestClosedMicroblog(t *testing.T) {
	h := newHouse(t)
	alice := h.account("alice")
	item := h.publish(alice, blog(alice), "1", entry(1, "for members", ""))
	cfg := bridge.MicroblogConfig()
	cfg.AccessModel = bridge.AccessWhitelist
	if err := h.svc.Nodes.Configure(t.Context(), alice, blog(alice), cfg); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/alice", fmt.Sprint("/notice/", item.First)} {
		if d := h.visit(path, 403); strings.Contains(d.source, "for members") {
			t.Errorf("%s shows the post", path)
		}
	}
	if w := h.ask("GET", "/alice.atom"); w.Code != 403 || strings.Contains(w.Body.String(), "for members") {
		t.Errorf("the feed: %d %s", w.Code, w.Body)
	}
	if d := h.visit("/", 200); strings.Contains(d.source, "for members") {
		t.Error("the front page shows the post")
	}
}

func TestSearch(t *testing.T) {
	h := newHouse(t)
	alice := h.account("alice")
	item := h.publish(alice, blog(alice), "1", entry(1, "hello", ""))

	h.index.result = index.Result{Hits: []index.Hit{{Seq: item.First, Item: item}}, Total: 30, Cursor: "next&one", Complete: true}
	d := h.visit("/search?q=hello+%23a+%22b%26c%22", 200)
	if got := d.older(); got != "/search?after=next%26one&q=hello+%23a+%22b%26c%22" {
		t.Errorf("older posts are at %s", got)
	}
	if got := d.posts(); !cmp.Equal(got, []string{"hello"}) || strings.Contains(d.source, "being indexed") {
		t.Errorf("found %v on %s", got, d.source)
	}
	h.visit(d.older(), 200)
	if h.index.page.Cursor != "next&one" || h.index.page.Limit != pageSize {
		t.Errorf("asked for %+v", h.index.page)
	}

	h.index.result = index.Result{Complete: false}
	if d := h.visit("/search?q=hello", 200); !strings.Contains(d.source, "being indexed") || !strings.Contains(d.source, "Nothing found") {
		t.Errorf("an index that is behind: %s", d.source)
	}
	h.index.err = bridge.Refuse(bridge.BadRequest, "the cursor is not one of ours")
	h.visit("/search?q=hello&after=x", 400)
	h.index.err = errors.New("disk on fire")
	if d := h.visit("/search?q=hello", 500); strings.Contains(d.source, "fire") {
		t.Error("a stranger is told what only the log should say")
	}
	for _, q := range []string{"%22open", "(", "-only", "%ff", strings.Repeat("a", 1025), "since:never"} {
		if d := h.visit("/search?q="+q, 400); len(d.find("p.problem")) != 1 {
			t.Errorf("%s: no problem is named: %s", q, d.source)
		}
	}
}

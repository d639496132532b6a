//go:build integration

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/mmcdole/gofeed"

	"peewit/bridge/xmpp/component/servertest"
)

// feedSite is a site with one Atom feed.
type feedSite struct {
	mu      sync.Mutex
	entries []string
	asked   int // requests
}

func (s *feedSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	w.Header().Set("Content-Type", "application/atom+xml")
	fmt.Fprintf(w, `<feed xmlns="http://www.w3.org/2005/Atom"><id>urn:feed</id><title>A feed</title><updated>2026-11-22T10:00:00Z</updated>%s</feed>`, strings.Join(s.entries, ""))
}

func (s *feedSite) add(id, title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append([]string{fmt.Sprintf(`<entry><id>urn:entry:%s</id><title>%s</title><updated>2026-11-22T10:00:00Z</updated><link href="/%s"/>`+
		`<content type="html">&lt;p onclick="steal()"&gt;about %s &lt;script&gt;alert(1)&lt;/script&gt;&lt;/p&gt;</content></entry>`, id, title, id, id)}, s.entries...)
}

// A planet is made of a feed; its posts are on the node, live, on the page and
// in the feed, found by search, and pushed to whom they were tracked for.
func TestIntegrationPlanet(t *testing.T) {
	site := &feedSite{}
	site.add("one", "First entry")
	site.add("two", "Second entry about penguins") // above the first, as feeds have it
	server := httptest.NewServer(site)
	defer server.Close()

	p := startPeewit(t, "")
	p.run(password, "account", "add", "alice", "--password-stdin")
	alice := servertest.StartSlixmpp(t)
	alice.Connect(servertest.Place{C2S: p.c2s}, "alice@localhost", password)
	alice.Available()
	p.run("", "track", "add", "alice", "penguins -spam")

	p.run("", "planet", "add", "planet-test", "--title", "A Planet", server.URL+"/feed")
	p.wait("the planet has both posts", func() bool { return strings.Contains(p.run("", "planet", "list"), "2 posts") })
	alice.Expect("the tracked entry", func(e *servertest.Element) bool {
		return e.Name() == "message" && strings.HasPrefix(e.Find("event/items").Attr("node"), "track-") &&
			e.Find("event/items/item/entry/title") != nil && e.Find("event/items/item/entry/title").Text == "Second entry about penguins"
	})
	page := p.get(p.web + "planet/planet-test")
	for _, want := range []string{"<title>A Planet", "Second entry about penguins", "about one", server.URL + "/two"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, danger := range []string{"onclick", "alert(1)"} {
		if strings.Contains(page, danger) {
			t.Errorf("the page has %q", danger)
		}
	}
	feed, err := gofeed.NewParser().ParseString(p.get(p.web + "planet/planet-test.atom"))
	if err != nil || len(feed.Items) != 2 || feed.Items[0].Title != "Second entry about penguins" || feed.Items[0].GUID != "urn:entry:two" {
		t.Errorf("the planet's feed: %+v, %v", feed, err)
	}
	if out := p.run("", "search", "penguins"); !strings.Contains(out, "Second entry about penguins") {
		t.Errorf("search says %s", out)
	}

	// A second planet with the same source has its posts without another fetch,
	// and tells its subscribers of them.
	p.run("", "planet", "add", "planet-other", server.URL+"/feed")
	p.wait("the other planet has both posts", func() bool { return strings.Count(p.run("", "planet", "list"), "2 posts") == 2 })
	if site.asked != 1 {
		t.Errorf("the feed was fetched %d times", site.asked)
	}
	items := alice.Request(`<iq type='get' to='localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='planet-other'/></pubsub></iq>`)
	if n := len(items.All("pubsub/items/item")); n != 2 {
		t.Errorf("the node has %d entries: %s", n, items)
	}
}

package web

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge/syndicate"
)

// atomFeed is what the tests read of an Atom document.
type atomFeed struct {
	XMLName xml.Name `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Updated string   `xml:"updated"`
	Links   []struct {
		Rel  string `xml:"rel,attr"`
		Href string `xml:"href,attr"`
	} `xml:"link"`
	Entries []struct {
		ID      string `xml:"id"`
		Title   string `xml:"title"`
		Content []struct {
			Type string `xml:"type,attr"`
			Body string `xml:",chardata"`
		} `xml:"content"`
		Source struct {
			Title string `xml:"title"`
		} `xml:"source"`
	} `xml:"entry"`
}

func (h *house) feed(path string) atomFeed {
	h.Helper()
	w := h.ask("GET", path)
	if w.Code != 200 || w.Header().Get("Content-Type") != syndicate.TypeAtom {
		h.Fatalf("GET %s: %d %s", path, w.Code, w.Header())
	}
	var f atomFeed
	if err := xml.Unmarshal(w.Body.Bytes(), &f); err != nil {
		h.Fatalf("GET %s: %v", path, err)
	}
	return f
}

func TestPlanetFeeds(t *testing.T) {
	h := newHouse(t)
	h.planet("go.dot", "Planet <Go>", entry(1, "older", "<id>tag:x,1</id>"), feedEntry)

	f := h.feed("/planet/go.dot.atom")
	if f.ID != "xmpp:localhost?;node=go.dot" || f.Title != "Planet <Go>" || len(f.Entries) != 2 {
		t.Fatalf("the Atom feed: %+v", f)
	}
	var links []string
	for _, l := range f.Links {
		links = append(links, l.Rel+" "+l.Href)
	}
	if diff := cmp.Diff([]string{"self http://localhost:8080/planet/go.dot.atom", "alternate http://localhost:8080/planet/go.dot"}, links); diff != "" {
		t.Error(diff)
	}
	newest := f.Entries[0]
	if newest.ID != "tag:blog.example,2026:1" || newest.Title != "Push & pull" || newest.Source.Title != "Gerda's <blog>" || len(newest.Content) != 1 {
		t.Errorf("the newest entry: %+v", newest)
	}

	w := h.ask("GET", "/planet/go.dot.rss")
	var rss struct {
		Channel struct {
			Title string `xml:"title"`
			Items []struct {
				GUID string `xml:"guid"`
			} `xml:"item"`
		} `xml:"channel"`
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &rss); err != nil || w.Header().Get("Content-Type") != syndicate.TypeRSS {
		t.Fatalf("the RSS feed: %v %s", err, w.Header())
	}
	if len(rss.Channel.Items) != 2 || rss.Channel.Items[1].GUID != "tag:x,1" {
		t.Errorf("the RSS feed: %+v", rss)
	}

	w = h.ask("GET", "/planet/go.dot.json")
	var feed struct {
		Home  string `json:"home_page_url"`
		Items []struct {
			URL string `json:"url"`
		} `json:"items"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &feed); err != nil || w.Header().Get("Content-Type") != syndicate.TypeJSON {
		t.Fatalf("the JSON feed: %v %s", err, w.Header())
	}
	if len(feed.Items) != 2 || feed.Items[0].URL != "https://blog.example/push" || feed.Home != "http://localhost:8080/planet/go.dot" {
		t.Errorf("the JSON feed: %+v", feed)
	}

	w = h.ask("GET", "/planet/go.dot.opml")
	title, outlines, err := syndicate.ParseOPML(w.Body.Bytes())
	if err != nil || title != "Planet <Go>" || len(outlines) != 1 || outlines[0].URL != "http://blog.example/feed?of=go.dot" {
		t.Errorf("the OPML: %q %v %v", title, outlines, err)
	}
	for _, path := range []string{"/planet/go", "/planet/go.atom", "/planet/go.dot.txt", "/planet/go.dot.", "/planet/", "/planet/x.atom"} {
		h.visit(path, 404)
	}
}

func TestPlanetNamesInURLs(t *testing.T) {
	h := newHouse(t)
	h.planet(`<"ü'>`, "", entry(1, "x", ""))
	d := h.visit("/planet/%3C%22%C3%BC%27%3E", 200)
	for _, a := range d.find("a") {
		if href := attribute(a, "href"); strings.HasPrefix(href, "/planet/") {
			if w := h.ask("GET", href); w.Code != 200 {
				t.Errorf("the page leads to %s: %d", href, w.Code)
			}
		}
	}
	if f := h.feed("/planet/%3C%22%C3%BC%27%3E.atom"); f.Links[0].Href != "http://localhost:8080/planet/%3C%22%C3%BC%27%3E.atom" {
		t.Errorf("links %v", f.Links)
	}
}

func TestProfileFeeds(t *testing.T) {
	h := newHouse(t)
	alice := h.account("alice")
	h.publish(alice, blog(alice), "1", entry(1, "hello", "<id>tag:x,1</id>"))
	f := h.feed("/alice.atom")
	if f.Title != "alice" || len(f.Entries) != 1 || f.Entries[0].ID != "tag:x,1" {
		t.Errorf("the feed: %+v", f)
	}
	h.visit("/alice.txt", 404)
	h.visit("/bob.atom", 404)
	h.visit("/.atom", 404)
}

func TestFeedSize(t *testing.T) {
	h := newHouse(t)
	var entries []string
	for i := range feedSize + 5 {
		entries = append(entries, entry(1, fmt.Sprint("post ", i), ""))
	}
	h.planet("go", "", entries...)
	f := h.feed("/planet/go.atom")
	if len(f.Entries) != feedSize || f.Entries[0].Title != fmt.Sprint("post ", feedSize+4) {
		t.Errorf("%d entries, the first %q", len(f.Entries), f.Entries[0].Title)
	}
}

func TestUnchangedFeedIsNotSentAgain(t *testing.T) {
	h := newHouse(t)
	items := h.planet("go", "", entry(1, "one", ""))
	for _, path := range []string{"/planet/go.atom", "/planet/go.rss", "/planet/go.json", "/planet/go.opml", "/static/peewit.css"} {
		w := h.ask("GET", path)
		tag := w.Header().Get("ETag")
		if w.Code != 200 || tag == "" || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("GET %s: %d %s", path, w.Code, w.Header())
		}
		for header, want := range map[string]int{tag: 304, `W/` + tag: 304, `"other", ` + tag: 304, `"other"`: 200} {
			if w := h.ask("GET", path, "If-None-Match: "+header); w.Code != want || want == 304 && w.Body.Len() > 0 {
				t.Errorf("GET %s with If-None-Match %s: %d, want %d", path, header, w.Code, want)
			}
		}
		if strings.HasPrefix(path, "/static") || strings.HasSuffix(path, ".opml") {
			continue
		}
		h.publish("localhost", items[0].Addr, fmt.Sprint(path), entry(2, "two", ""))
		item, ok, err := h.svc.Archive().Item(items[0].NodeID, path)
		if !ok || err != nil {
			t.Fatal(err)
		}
		h.refer("go", item)
		if w := h.ask("GET", path, "If-None-Match: "+tag); w.Code != 200 || w.Header().Get("ETag") == tag {
			t.Errorf("GET %s after a new post: %d", path, w.Code)
		}
	}
}

func TestDateOfADocument(t *testing.T) {
	now := time.Now()
	old := now.Add(-time.Hour)
	for _, c := range []struct {
		name     string
		modified time.Time
		since    string
		status   int
		dated    bool
	}{
		{"an old one", old, "", 200, true},
		{"known since", old, old.UTC().Format(time.RFC1123), 200, true}, // RFC 9110 §5.6.7: no date of ours
		{"known", old, old.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), 304, false},
		{"known before", old, old.Add(-time.Minute).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), 200, true},
		{"changed within this second", now, now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), 200, false},
		{"without a date", time.Time{}, now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), 200, false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("If-Modified-Since", c.since)
		w := httptest.NewRecorder()
		send(w, r, "text/plain", c.modified, []byte("x"))
		if dated := w.Header().Get("Last-Modified") != ""; w.Code != c.status || dated != c.dated {
			t.Errorf("%s: %d, dated %t", c.name, w.Code, dated)
		}
	}
}

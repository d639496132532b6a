package aggregate

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"peewit/aggregate/feed"
	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/fetch"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	source = bridge.Source{ID: "abc", URL: "http://site.example/feed"}
	addr   = bridge.Addr{Service: "d.example", Name: "feed-abc"}
	now    = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
)

const atomFeed = `<feed xmlns="http://www.w3.org/2005/Atom"><title>Site</title><id>tag:site,2026:feed</id><updated>2026-11-22T09:59:59Z</updated>
<link rel="self" href="http://lies.example/"/><link href="http://site.example/"/><rights>CC</rights>
<entry><title>Hello</title><id>tag:site,2026:1</id><published>2026-11-20T10:00:00Z</published><updated>2026-11-21T10:00:00Z</updated>
<link href="http://site.example/1"/><link rel="edit" href="http://site.example/edit"/><link rel="replies" title="comments" href="http://site.example/1#c"/>
<link rel="enclosure" type="image/png" href="http://site.example/1.png"/><category term="go"/><summary>sum</summary>
<author><name>Ada</name><uri>http://ada.example/</uri></author>
<content type="html">&lt;p>It&apos;s &lt;b>a&lt;/b> &lt;i title="it's">b&lt;/i>&lt;/p>&lt;script>x&lt;/script></content></entry>
<entry><title/><id>tag:site,2026:2</id><content>Only text, no page</content></entry></feed>`

func TestEntry(t *testing.T) {
	doc, err := feed.NewParser().Parse([]byte(atomFeed), "", source.URL)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, p := range doc.Posts {
		out = append(append(out, atom.Render(dated(entry(source, doc.Feed, addr, p), now))...), '\n')
	}
	if *update {
		if err := os.WriteFile("testdata/entries.xml", out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/entries.xml")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "entries", string(out), string(want))
}

func TestBodies(t *testing.T) {
	div := func(n int) bridge.Text {
		return bridge.Text{Type: "xhtml", Body: `<div xmlns="http://www.w3.org/1999/xhtml">` + strings.Repeat("a ", n) + "</div>"}
	}
	html := func(n int) bridge.Text { return bridge.Text{Type: "html", Body: strings.Repeat("a ", n)} }
	for _, tt := range []struct {
		name  string
		given []bridge.Text
		want  []string
	}{
		{"nothing", nil, nil},
		{"both", []bridge.Text{html(1), div(1)}, []string{"text", "xhtml"}},
		{"long", []bridge.Text{html(maxText), div(maxText)}, []string{"xhtml"}},
		{"too long", []bridge.Text{html(maxBody), div(maxBody)}, []string{"text"}},
		{"text", []bridge.Text{{Type: "text", Body: "a"}}, []string{"text"}},
	} {
		var kinds []string
		for _, c := range body(bridge.Post{Content: tt.given}) {
			kinds = append(kinds, c.Type)
			if len(c.Body) > maxBody {
				t.Errorf("%s: %d bytes", tt.name, len(c.Body))
			}
		}
		equal(t, tt.name, kinds, tt.want)
	}
}

func TestOrigin(t *testing.T) {
	head := bridge.Feed{Title: "T", Updated: now}
	equal(t, "no id", *origin(source, head, nil), bridge.Feed{ID: source.URL, Title: "T", Self: source.URL})
	equal(t, "a planet's entry", *origin(source, head, &bridge.Feed{Self: "http://far/", Title: "F", Updated: now}), bridge.Feed{ID: "http://far/", Self: "http://far/", Title: "F"})
	equal(t, "an empty source", *origin(source, head, &bridge.Feed{Title: "F"}), bridge.Feed{ID: source.URL, Title: "T", Self: source.URL})
}

func TestDated(t *testing.T) {
	day := now.Add(-24 * time.Hour)
	never := time.Time{}
	for _, tt := range []struct{ published, updated, wantPublished, wantUpdated time.Time }{
		{never, never, now, now},
		{day, never, day, day},
		{never, day, day, day},
		{day, now, day, now},
		{now.Add(time.Hour), never, now, now},
		{day, now.Add(time.Hour), day, day},
	} {
		got := dated(bridge.Post{Published: tt.published, Updated: tt.updated}, now)
		if !got.Published.Equal(tt.wantPublished) || !got.Updated.Equal(tt.wantUpdated) {
			t.Errorf("%v, %v: %v, %v", tt.published, tt.updated, got.Published, got.Updated)
		}
	}
}

func TestOldestFirst(t *testing.T) {
	order := func(posts ...bridge.Post) string {
		var b strings.Builder
		for _, p := range oldestFirst(posts) {
			b.WriteString(p.ID)
		}
		return b.String()
	}
	at := func(id string, hour int) bridge.Post {
		return bridge.Post{ID: id, Published: now.Add(time.Duration(hour) * time.Hour)}
	}
	equal(t, "dated", order(at("b", 2), at("a", 1), at("c", 3)), "abc")
	equal(t, "same date", order(at("b", 1), at("a", 1)), "ab")
	equal(t, "one undated", order(at("c", 1), bridge.Post{ID: "b"}, at("a", 3)), "abc")
}

func TestExplain(t *testing.T) {
	for want, err := range map[string]error{
		"there is nothing at this address (Not Found)":                                               &fetch.StatusError{Status: 404},
		"the feed is gone for good, says the server":                                                 &fetch.StatusError{Status: 410},
		"the server asks us to come back later (Too Many Requests)":                                  &fetch.StatusError{Status: 429},
		"the server does not let us in (Forbidden)":                                                  &fetch.StatusError{Status: 403},
		"the feed cannot be fetched: the server answers 500 Internal Server Error":                   &fetch.StatusError{Status: 500},
		"what is at this address is not a feed":                                                      feed.ErrNotFeed,
		"the document is too large":                                                                  fetch.ErrTooLarge,
		"the server redirects in circles, or too often":                                              fetch.ErrRedirects,
		"the address is not an http or https URL, or leads to one that is not":                       fetch.ErrURL,
		"the address is not a public one; allow its network with fetch.allow_private if it is yours": fetch.ErrPrivate,
		"the host name x.example cannot be resolved":                                                 &net.DNSError{Name: "x.example", Err: "no such host"},
		"the server refuses the connection":                                                          &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"the server does not answer in time":                                                         context.DeadlineExceeded,
		"the entries could not be stored here: resource-constraint: full":                            bridge.Refuse(bridge.ResourceConstraint, "full"),
		"the feed cannot be fetched: get: odd":                                                       errors.New("odd"),
	} {
		if got := explain(fmt.Errorf("get: %w", err)); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

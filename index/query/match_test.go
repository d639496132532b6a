package query_test

import (
	"slices"
	"testing"
	"time"

	"peewit/bridge"
	"peewit/index/query"

	"github.com/google/go-cmp/cmp"
)

func TestMatch(t *testing.T) {
	doc := &query.Document{Time: time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)}
	doc.Words, doc.Marks = query.Tokens("Push #Hello through pubsub, @bob! https://www.example.org/docs/a 東京タワー café")
	doc.Marks = append(doc.Marks, "from:alice")
	tests := []struct {
		query string
		want  bool
	}{
		{"hello", true}, {"#hello", true}, {"@hello", false}, {"bob", true}, {"@bob", true},
		{"HELLO", true}, {"cafe", true}, {"CAFÉ", true}, {"caf*", true}, {"af*", false},
		{`"push hello through"`, true}, {`"push through"`, false}, {"pubsub push", true},
		{"example.org", true}, {"example.org/docs", true}, {"example.org/doc", false}, {"url:example.org/docs", true},
		{"url:example.org/docs/a", true}, {"url:other.org", false},
		{"東京", true}, {"京東", false}, {"タワ", true},
		{"push -spam", true}, {"push -bob", false}, {"nope | bob", true}, {"nope, never", false},
		{"from:alice", true}, {"from:bob", false}, {"push -from:alice", false},
		{"push since:2026-02-01", true}, {"push since:2026-02-02", false},
		{"push until:2026-02-01", false}, {"push until:2026-02-02", true},
		{"#he*", true}, {"@bo*", true}, {"#bo*", false},
	}
	for _, tt := range tests {
		q, err := query.Parse(tt.query)
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.query, err)
		} else if q.Match(doc) != tt.want {
			t.Errorf("%q matches: %v", tt.query, !tt.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	logged := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	local := bridge.Addr{Service: "alice@example.net", Name: bridge.NodeMicroblog}
	tests := []struct {
		name    string
		item    bridge.Item
		post    bridge.Post
		text    string
		planets []string
		want    []string
		time    time.Time
	}{
		{
			name: "a local reply with a tag",
			item: bridge.Item{Addr: local, Publisher: "alice@example.net", Origin: bridge.Origin{Door: "xmpp"}, Created: logged},
			post: bridge.Post{
				Authors:    []bridge.Person{{Name: "Mallory"}},
				Categories: []bridge.Category{{Term: "Open Source"}},
				InReplyTo:  []bridge.Reply{{Ref: "x"}},
				Links:      []bridge.Link{{Rel: "mentioned", Href: "xmpp:bob@example.org"}},
				Lang:       "en-GB",
				Published:  logged.Add(time.Hour),
			},
			text: "hi @bob #go",
			want: []string{"#go", "#opensource", "@bob", "@bob@example.org", "from:alice", "from:alice@example.net",
				"has:reply", "lang:en", "lang:en-gb", "site:example.net", "source:xmpp"},
			time: logged,
		},
		{
			name: "a feed's entry in a planet",
			item: bridge.Item{Addr: bridge.Addr{Service: "example.net", Name: "feed-abc"}, Publisher: "example.net",
				Origin: bridge.Origin{Door: "feed", Site: "https://www.blog.org/atom"}, Created: logged},
			post: bridge.Post{
				Authors:   []bridge.Person{{Name: "Jane  Doe"}},
				Links:     []bridge.Link{{Rel: "alternate", Href: "https://blog.org/1"}, {Rel: "enclosure", Type: "image/png", Href: "http://cdn.org/a.png"}},
				Content:   []bridge.Text{{Type: "html", Body: `<a href="http://x.org/?a&amp;b">x</a><img src='y'>`}},
				Published: logged.Add(-time.Hour),
			},
			planets: []string{"Planet-Go"},
			want: []string{"from:jane doe", "has:image", "has:link", "planet:planet-go", "site:blog.org",
				"source:abc", "source:blog.org", "source:blog.org/atom", "source:feed",
				"url:blog.org", "url:blog.org/1", "url:cdn.org", "url:cdn.org/a.png", "url:x.org", "url:x.org/?a&b"},
			time: logged.Add(-time.Hour),
		},
		{
			name: "a shadow",
			item: bridge.Item{Addr: bridge.Addr{Service: `carol\40omb.org@example.net`, Name: bridge.NodeMicroblog}, Origin: bridge.Origin{Door: "omb"}, Created: logged},
			want: []string{"from:carol", "from:carol@omb.org", `from:carol\40omb.org@example.net`, "site:example.net", "source:omb"},
			time: logged,
		},
		{
			name: "a comment",
			item: bridge.Item{Addr: bridge.Addr{Service: "alice@example.net", Name: bridge.NodeMicroblog + ":comments/1"}, Publisher: "dan@example.org", Created: logged},
			want: []string{"from:dan", "from:dan@example.org", "site:example.org"},
			time: logged,
		},
	}
	for _, tt := range tests {
		d := query.Describe(&tt.item, &tt.post, tt.text, tt.planets...)
		if diff := cmp.Diff(tt.want, d.Marks); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if !d.Time.Equal(tt.time) {
			t.Errorf("%s: time %v, want %v", tt.name, d.Time, tt.time)
		}
		if !slices.IsSorted(d.Marks) {
			t.Errorf("%s: the marks are not sorted", tt.name)
		}
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add("text #tag", `<a href="http://x.org/?a&amp;b">x</a><img src='y'>`, "https://a.b/c", "xmpp:bob@example.org?x", "Jane")
	f.Add("@", `href="`, "http://", "xmpp:", `"`)
	f.Fuzz(func(t *testing.T, text, body, href, mention, name string) {
		d := query.Describe(&bridge.Item{Addr: bridge.Addr{Service: "example.net", Name: "feed-1"}, Publisher: "example.net"}, &bridge.Post{
			Content:    []bridge.Text{{Type: "html", Body: body}},
			Links:      []bridge.Link{{Rel: "alternate", Href: href}, {Rel: "mentioned", Href: mention}},
			Authors:    []bridge.Person{{Name: name, URI: mention}},
			Categories: []bridge.Category{{Term: name}},
			Lang:       name,
		}, text, name)
		if len(d.Words) > 20_000 || len(d.Marks) > 600 || !slices.IsSorted(d.Marks) {
			t.Errorf("%d words, %d marks, sorted: %v", len(d.Words), len(d.Marks), slices.IsSorted(d.Marks))
		}
		for _, m := range d.Marks {
			if len(m) > 128 || !query.Term(m).IsMark() {
				t.Errorf("the mark %q", m)
			}
		}
	})
}

package omb

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func TestNotices(t *testing.T) {
	bubble(t, notices)
}

func notices(h *house, p *peer) {
	alice := h.account("alice")
	h.listener(p, "alice", "b1", siteB)
	long := strings.Repeat("long ", 60)
	enclosure := func(href, kind string) string {
		return fmt.Sprintf(`<link rel="enclosure" href="%s" type="%s"/>`, href, kind)
	}
	for _, c := range []struct {
		name, text, more string
		content          string // PAGE is the address of the post
		seeAlso, kind    string
	}{
		{"plain", "né &amp; co, 100% + ~tilde 語 \U0001F426", "", "né & co, 100% + ~tilde 語 \U0001F426", "", ""},
		{"markup", "&lt;b>text&lt;/b>", "", "<b>text</b>", "", ""},
		{"both contents", "", `<content>a *b*</content><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">a <b>b</b></div></content>`, "a *b*", "", ""},
		{"blog post", "News", `<content type="html">&lt;p>a&lt;/p>&lt;p>b&lt;/p></content>`, "News\n\na\nb", "", ""},
		{"long", long, "", strings.Repeat("long ", 20) + "long… PAGE", "", ""},
		{"nothing to say", "", "", "PAGE", "", ""},
		{"enclosure", "a", enclosure("http://p.example/a.png?x=1", "image/png"), "a", "http://p.example/a.png?x=1", "image/png"},
		{"the first of two", "a", enclosure("https://p.example/a.ogg", "") + enclosure("https://p.example/b.ogg", ""), "a", "https://p.example/a.ogg", ""},
		{"enclosure elsewhere", "a", enclosure("xmpp:a@b.example", "x/y") + enclosure("cid:1", ""), "a", "", ""},
		{"addresses that 0.9 refuses", "a", enclosure("http://[::1]/a", "") + enclosure("http://a_b.example/", "") + enclosure("http://p.example/?a=b/c", "") +
			enclosure("http://p.example/ü", "") + enclosure("http://p.example/#a", "") + enclosure("http:a", ""), "a", "", ""},
		{"types that 0.9 refuses", "a", enclosure("http://p.example:81/~a/(b)", "text/html; charset=utf-8"), "a", "http://p.example:81/~a/(b)", ""},
	} {
		item := h.publish(alice, blog(alice), c.name, entry(c.text, c.more), "xmpp")
		synctest.Wait()
		got := p.take()
		if len(got) != 1 {
			h.Errorf("%s: %d notices", c.name, len(got))
			continue
		}
		page := fmt.Sprint(root, "notice/", item.First)
		want := url.Values{
			"omb_version": {Version}, "omb_listenee": {root + "alice"}, "omb_notice": {page}, "omb_notice_url": {page},
			"omb_notice_content": {strings.ReplaceAll(c.content, "PAGE", page)}, "omb_notice_license": {license},
		}
		if c.seeAlso != "" {
			want.Set("omb_seealso", c.seeAlso)
		}
		if c.kind != "" {
			want.Set("omb_seealso_mediatype", c.kind)
		}
		if diff := cmp.Diff(want, got[0].Form); diff != "" {
			h.Errorf("%s: %s", c.name, diff)
		}
	}
}

package feed

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"peewit/bridge"
)

// identify gives every post the best id there is: its own, else its address,
// else one made from what it says (so that an edit makes another post; there is
// nothing else to know it by). When a feed gives many of its entries the same id
// although they have addresses of their own, its ids mean nothing and the
// addresses take their place. Of posts that still share an id the newest stays.
// site makes ids that are none of the world's into such.
func identify(posts []bridge.Post, site string) []bridge.Post {
	if idsMeanNothing(posts) {
		for i := range posts {
			if at := address(posts[i]); at != "" {
				posts[i].ID = at
			}
		}
	}
	var out []bridge.Post
	where := make(map[string]int)
	for _, p := range posts {
		if p.ID == "" {
			p.ID = address(p)
		}
		if p.ID == "" {
			p.ID = contentID(p)
		}
		if u, err := url.Parse(p.ID); err != nil || !u.IsAbs() { // RFC 4287 §4.2.6; a guid may be "12"
			p.ID = uuid("%q%q", site, p.ID)
		}
		if i, twice := where[p.ID]; twice {
			if newer(p, out[i]) {
				out[i] = p
			}
			continue
		}
		where[p.ID] = len(out)
		out = append(out, p)
	}
	return out
}

// idsMeanNothing reports whether more than one in twenty entries repeats the id
// of another one, at another address.
func idsMeanNothing(posts []bridge.Post) bool {
	at := make(map[string]string)
	repeated := 0
	for _, p := range posts {
		if p.ID == "" || address(p) == "" {
			continue
		}
		if first, seen := at[p.ID]; seen && first != address(p) {
			repeated++
		} else if !seen {
			at[p.ID] = address(p)
		}
	}
	return repeated*20 > len(posts)
}

// address is the page of a post.
func address(p bridge.Post) string {
	for _, l := range p.Links {
		if l.Rel == "alternate" {
			return l.Href
		}
	}
	return ""
}

// site is what a feed's short ids belong to: the host of the feed's page, so that
// all feeds of a site agree, or of the feed.
func site(feed bridge.Feed, at *url.URL) string {
	if u, err := url.Parse(feed.Link); err == nil && u.Host != "" {
		return u.Hostname()
	}
	if at != nil {
		return at.Hostname()
	}
	return ""
}

// contentID is made from what a post says.
func contentID(p bridge.Post) string {
	said := []any{p.Title.Body}
	for _, c := range p.Content {
		said = append(said, c.Body)
	}
	return uuid(strings.Repeat("%q", len(said)), said...)
}

// uuid is the same for the same text, and for no other (RFC 9562 §5.8).
func uuid(format string, args ...any) string {
	h := sha256.New()
	fmt.Fprintf(h, format, args...)
	sum := h.Sum(nil)[:16]
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	s := hex.EncodeToString(sum)
	return "urn:uuid:" + s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

func newer(a, b bridge.Post) bool {
	at, bt := a.Updated, b.Updated
	if at.IsZero() {
		at = a.Published
	}
	if bt.IsZero() {
		bt = b.Published
	}
	return at.After(bt)
}

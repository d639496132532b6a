package microblog

import (
	"strings"

	"peewit/bridge"
)

// URI is the address of an item as XEP-0060 §12.22 writes it,
// xmpp:SERVICE?;node=NODE;item=ITEM, with everything but letters, digits and
// "-._~" percent-encoded in the names. Without item it is the node's address.
func URI(a bridge.Addr, item string) string {
	u := personURI(a.Service) + "?;node=" + encode(a.Name, "-._~")
	if item != "" {
		u += ";item=" + encode(item, "-._~")
	}
	return u
}

// CommentsNode is the name of the node that holds the comments on an item
// (XEP-0277 "Post Comments"). It stands at the author's own address.
func CommentsNode(item string) string { return bridge.NodeMicroblog + ":comments/" + item }

// Person is an author as clients trust it: named, with its JID as URI.
func Person(name string, who bridge.JID) bridge.Person {
	return bridge.Person{Name: name, URI: personURI(who)}
}

// personURI is the xmpp: URI of a JID (RFC 5122 §2.2).
func personURI(j bridge.JID) string { return "xmpp:" + encode(string(j), "-._~!$()*+,=:@/") }

func encode(s, keep string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

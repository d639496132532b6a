package microblog

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"peewit/bridge"
)

// URI is the address of an item as XEP-0060 §12.22 writes it,
// xmpp:SERVICE?;node=NODE;item=ITEM, with everything but letters, digits and
// "-._~" percent-encoded in the names. Without item it is the node's address.
func URI(a bridge.Addr, item string) string {
	return address(a, item, "-._~")
}

// ReplyURI is URI for the href of an in-reply-to: ':', '/' and '@', which a URI
// may hold there, stay as they are, because Movim compares without decoding.
func ReplyURI(a bridge.Addr, item string) string {
	return address(a, item, "-._~:/@")
}

// CommentsNode is the name of the node that holds the comments on an item
// (XEP-0277 "Post Comments"). It stands at the author's own address.
func CommentsNode(item string) string { return bridge.NodeMicroblog + ":comments/" + item }

// CommentsLink leads from an entry to the node that holds its comments
// (XEP-0277 "Comments": rel, title and href as they must be).
func CommentsLink(service bridge.JID, item string) bridge.Link {
	return bridge.Link{Rel: "replies", Title: "comments",
		Href: URI(bridge.Addr{Service: service, Name: CommentsNode(item)}, "")}
}

// Person is an author as clients trust it: named, with its JID as URI.
func Person(name string, who bridge.JID) bridge.Person {
	return bridge.Person{Name: name, URI: personURI(who)}
}

// JIDOf is the JID a person construct's URI names, bare; ok is false when it
// names none.
func JIDOf(p bridge.Person) (jid bridge.JID, ok bool) {
	path, ok := strings.CutPrefix(p.URI, "xmpp:")
	if !ok {
		return "", false
	}
	path, _, _ = strings.Cut(path, "?")
	jid, err := parseJID(path)
	return jid.Bare(), err == nil
}

func address(a bridge.Addr, item, keep string) string {
	u := personURI(a.Service) + "?;node=" + encode(a.Name, keep)
	if item != "" {
		u += ";item=" + encode(item, keep)
	}
	return u
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

var errNotPubsub = errors.New("no xmpp: URI of a pubsub node")

// ParseURI reads the address of a node or an item, encoded or not, in either
// form of XEP-0060 §12.22 (with or without "pubsub;action=…").
func ParseURI(uri string) (a bridge.Addr, item string, err error) {
	uri = strings.Join(strings.Fields(uri), "")
	path, query, ok := strings.Cut(uri, "?")
	rest, isXMPP := strings.CutPrefix(path, "xmpp:")
	if !ok || !isXMPP {
		return a, "", errNotPubsub
	}
	if a.Service, err = parseJID(rest); err != nil {
		return bridge.Addr{}, "", err
	}
	for pair := range strings.SplitSeq(query, ";") {
		key, value, _ := strings.Cut(pair, "=")
		if decoded, err := url.PathUnescape(value); err == nil {
			value = decoded
		}
		switch key {
		case "node":
			a.Name = value
		case "item":
			item = value
		}
	}
	if a.Name == "" {
		return bridge.Addr{}, "", errNotPubsub
	}
	return a, item, nil
}

func parseJID(path string) (bridge.JID, error) {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return "", fmt.Errorf("parse xmpp: URI: %w", err)
	}
	return bridge.ParseJID(decoded)
}

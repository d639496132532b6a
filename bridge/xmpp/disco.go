package xmpp

import (
	"bytes"
	"context"
	"strings"

	"peewit/bridge"
)

const (
	nsItems = "http://jabber.org/protocol/disco#items"
	nsCaps  = "http://jabber.org/protocol/caps"
	nsCaps2 = "urn:xmpp:caps"
	nsHash  = "urn:xmpp:hashes:2"

	// capsNode names this program in caps (XEP-0115 §4).
	capsNode = "urn:x-peewit"
)

// DiscoItem is one item of a disco#items answer.
type DiscoItem struct {
	JID        bridge.JID
	Node, Name string
}

// Query is a disco question.
type Query struct {
	From, To bridge.JID
	Node     string
	Element  *Element // the <query/>, for a <set/> (XEP-0059) in it
}

// Place is a kind of address, as far as disco is concerned.
type Place int

// The places.
const (
	OnDomain   Place = iota // the domain
	OnAccount               // bare JIDs of accounts and of the bot
	OnResource              // the resource /bridge of those without sessions
	places
)

// NodeHandler describes the node q.Node, never "", at q.To. It returns nil, nil
// when the node is not its own.
type NodeHandler func(ctx context.Context, q Query) (*Info, error)

// ItemsHandler lists what is at (q.To, q.Node). set is an XEP-0059 <set/> to go
// with the answer, or nil; claimed is false when the address or node is not its
// own.
type ItemsHandler func(ctx context.Context, q Query) (items []DiscoItem, set []byte, claimed bool, err error)

// place is one kind of address with what is said about it.
type place struct {
	info Info
	caps []byte // the two <c/>
	vers map[string]bool
}

// Advertise adds identities, features and forms to what all addresses of a kind
// say about themselves. Everything is advertised before the first stanza, so
// that a hash once told stays true.
func (r *Router) Advertise(p Place, info Info) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := &r.places[p]
	at.info.add(info)
	at.info.tidy()
	ver, ver2 := at.info.sha1(), at.info.sha256()
	at.vers = map[string]bool{capsNode + "#" + ver: true, nsCaps2 + "#sha-256." + ver2: true}
	var b bytes.Buffer
	b.WriteString("<c xmlns='" + nsCaps + "' hash='sha-1' node='" + capsNode + "' ver='" + ver + "'/>")
	b.WriteString("<c xmlns='" + nsCaps2 + "'><hash xmlns='" + nsHash + "' algo='sha-256'>" + ver2 + "</hash></c>")
	at.caps = b.Bytes()
}

// Caps is the two <c/> elements (XEP-0115, XEP-0390) that stand for what an
// address says about itself. c2s puts those of the domain into its stream
// features.
func (r *Router) Caps(p Place) []byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.places[p].caps
}

// HandleNode adds somebody who describes nodes.
func (r *Router) HandleNode(h NodeHandler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes = append(r.nodes, h)
}

// HandleItems adds somebody who lists items.
func (r *Router) HandleItems(h ItemsHandler) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items = append(r.items, h)
}

// placeOf is which kind of address j is.
func (r *Router) placeOf(j bridge.JID) (Place, error) {
	switch {
	case j == r.domain:
		return OnDomain, nil
	case !r.exists(j.Bare()):
		return 0, nobody(j)
	case j.IsBare():
		return OnAccount, nil
	}
	return OnResource, nil
}

// discoInfo answers what an address or node is (XEP-0030 §3).
func (r *Router) discoInfo(ctx context.Context, st *Stanza) ([]byte, error) {
	q := Query{From: st.From, To: st.To, Node: st.Payload().Attribute("node"), Element: st.Payload()}
	info, err := r.describe(ctx, q)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("<query xmlns='" + nsInfo + "'")
	attribute(&b, "node", q.Node) // XEP-0030 §3.2: the node is named again
	b.WriteByte('>')
	info.append(&b)
	b.WriteString("</query>")
	return b.Bytes(), nil
}

func (r *Router) describe(ctx context.Context, q Query) (*Info, error) {
	if r.anonymousAccount(q.To) && q.Node == "" { // XEP-0175 §2
		return &Info{Identities: []Identity{{Category: "account", Type: "anonymous"}},
			Features: []string{nsInfo, nsItems}}, nil
	}
	p, unknown := r.placeOf(q.To)
	r.mu.RLock()
	at, nodes := r.places[p], r.nodes
	r.mu.RUnlock()
	if unknown == nil && (q.Node == "" || at.vers[q.Node]) {
		return &at.info, nil
	}
	if q.Node != "" {
		for _, h := range nodes {
			if info, err := h(ctx, q); info != nil || err != nil {
				return info, err
			}
		}
	}
	if unknown != nil {
		return nil, unknown
	}
	return nil, noNode(q.Node)
}

// discoItems answers what is at an address or node (XEP-0030 §4).
func (r *Router) discoItems(ctx context.Context, st *Stanza) ([]byte, error) {
	q := Query{From: st.From, To: st.To, Node: st.Payload().Attribute("node"), Element: st.Payload()}
	r.mu.RLock()
	handlers := r.items
	r.mu.RUnlock()
	var b bytes.Buffer
	b.WriteString("<query xmlns='" + nsItems + "'")
	attribute(&b, "node", q.Node)
	b.WriteByte('>')
	anybody := false
	for _, h := range handlers {
		items, set, claimed, err := h(ctx, q)
		if err != nil {
			return nil, err
		}
		anybody = anybody || claimed
		for _, i := range items {
			b.WriteString("<item")
			attribute(&b, "jid", string(i.JID))
			attribute(&b, "node", i.Node)
			attribute(&b, "name", i.Name)
			b.WriteString("/>")
		}
		b.Write(set)
	}
	b.WriteString("</query>")
	if anybody {
		return b.Bytes(), nil
	}
	if _, err := r.placeOf(q.To); err != nil && !r.anonymousAccount(q.To) {
		return nil, err
	}
	if q.Node != "" {
		return nil, noNode(q.Node)
	}
	return b.Bytes(), nil
}

func noNode(node string) error {
	return bridge.Refuse(bridge.ItemNotFound, "there is no node %s", strings.ToValidUTF8(node, ""))
}

// anonymousAccount reports whether a bare JID is that of an anonymous session.
func (r *Router) anonymousAccount(j bridge.JID) bool {
	for _, b := range r.sessions.of(j) {
		if b.anonymous {
			return true
		}
	}
	return false
}

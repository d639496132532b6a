package xmpp

import (
	"context"

	"peewit/bridge"
)

// Info is what an address or node says about itself (XEP-0030 §3).
type Info struct {
	Identities []Identity
	Features   []string
	Forms      []Form // XEP-0128
}

// Identity is a disco identity.
type Identity struct{ Category, Type, Lang, Name string }

// Form is a data form of type result in a disco answer. Its Type is the value
// of its FORM_TYPE field.
type Form struct {
	Type   string
	Fields []Field
}

// Field is one field of a Form. Kind is its XEP-0004 type, "" for none.
type Field struct {
	Var, Kind, Label string
	Values           []string
}

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

// Place is a kind of address that [Router.Advertise] speaks of.
type Place int

// The places.
const (
	OnDomain   Place = iota // the domain
	OnAccount               // bare JIDs of accounts
	OnResource              // the resource /bridge of accounts without sessions
)

// Advertise adds identities, features and forms to what all addresses of a kind
// say about themselves. It is called before the first stanza.
func (r *Router) Advertise(p Place, info Info) {}

// HandleNode registers who describes nodes: it is asked about q.Node (never "")
// at q.To, and returns nil, nil when the node is not its own.
func (r *Router) HandleNode(h func(ctx context.Context, q Query) (*Info, error)) {}

// HandleItems registers who lists what is at (q.To, q.Node). set is an
// XEP-0059 <set/> to go with the answer, or nil. claimed is false when the
// address or node is not its own.
func (r *Router) HandleItems(h func(ctx context.Context, q Query) (items []DiscoItem, set []byte, claimed bool, err error)) {
}

// Caps is the <c/> elements (XEP-0115 and XEP-0390) that stand for what the
// address says about itself: c2s puts those of the domain into its stream
// features.
func (r *Router) Caps(p Place) []byte { return nil }

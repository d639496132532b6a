package registry

import (
	"maps"
	"slices"

	"peewit/bridge"
)

// node is a living node with what hangs on it.
type node struct {
	bridge.Node
	affiliations map[bridge.JID]role // RoleNone too, for its sequence
	subscribers  subscribers
}

type role struct {
	bridge.Role
	seq uint64
}

func (r *Registry) applyNode(n *bridge.Node) {
	old := r.services[n.Addr.Service][n.Addr.Name]
	if old != nil && (n.Removed || old.ID != n.ID) {
		r.dropNode(old)
		old = nil
	}
	switch {
	case n.Removed:
		return
	case old == nil:
		old = &node{}
		r.nodes[n.ID] = old
		putUnder(r.services, n.Addr.Service, n.Addr.Name, old, false)
	case old.Owner != n.Owner:
		putUnder(r.owned, old.Owner, old.ID, nil, true)
	}
	old.Node = *n
	if n.Owner != n.Addr.Service {
		putUnder(r.owned, n.Owner, n.ID, old, false)
	}
}

// dropNode forgets a node, its affiliations and its subscriptions.
func (r *Registry) dropNode(n *node) {
	delete(r.nodes, n.ID)
	putUnder(r.services, n.Addr.Service, n.Addr.Name, nil, true)
	putUnder(r.owned, n.Owner, n.ID, nil, true)
	for jid := range n.affiliations {
		putUnder(r.roles, jid, n.ID, nil, true)
	}
	for row := range n.subscribers.all() {
		r.unfollow(row.jid.Bare(), n)
	}
}

// Node is the node at an address.
func (r *Registry) Node(a bridge.Addr) (bridge.Node, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.services[a.Service][a.Name]; n != nil {
		return n.Node, true
	}
	return bridge.Node{}, false
}

// NodeByID is the living node with an ID.
func (r *Registry) NodeByID(id string) (bridge.Node, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.nodes[id]; n != nil {
		return n.Node, true
	}
	return bridge.Node{}, false
}

// Nodes is all nodes of a service by name.
func (r *Registry) Nodes(service bridge.JID) []bridge.Node {
	r.mu.RLock()
	defer r.mu.RUnlock()
	nodes := sorted(r.services[service])
	all := make([]bridge.Node, len(nodes))
	for i, n := range nodes {
		all[i] = n.Node
	}
	return all
}

func (r *Registry) applyAffiliation(a *bridge.Affiliation, seq uint64) {
	n := r.nodes[a.NodeID]
	if n == nil {
		return
	}
	if known, ok := n.affiliations[a.JID]; ok && known.seq >= seq {
		return
	}
	if n.affiliations == nil {
		n.affiliations = map[bridge.JID]role{}
	}
	n.affiliations[a.JID] = role{Role: a.Role, seq: seq}
	putUnder(r.roles, a.JID, n.ID, n, false)
}

// role is what a bare JID is on a node: what was recorded, else owner when the
// node is its own, else nothing.
func (n *node) role(jid bridge.JID) bridge.Role {
	if a, ok := n.affiliations[jid]; ok {
		return a.Role
	}
	if jid == n.Owner {
		return bridge.RoleOwner
	}
	return bridge.RoleNone
}

// Role is a bare JID's role on a node. The node's Owner is its owner unless
// recorded otherwise; owners elsewhere of an account are for the caller to
// translate ([Registry.AccountOf]).
func (r *Registry) Role(nodeID string, jid bridge.JID) bridge.Role {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if n := r.nodes[nodeID]; n != nil {
		return n.role(jid)
	}
	return bridge.RoleNone
}

// Affiliations is everybody with a role on a node, by JID.
func (r *Registry) Affiliations(nodeID string) []bridge.Affiliation {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := r.nodes[nodeID]
	if n == nil {
		return nil
	}
	jids := slices.Collect(maps.Keys(n.affiliations))
	if _, recorded := n.affiliations[n.Owner]; !recorded {
		jids = append(jids, n.Owner)
	}
	slices.Sort(jids)
	return n.roles(jids...)
}

// AffiliationsOf is the roles of a bare JID on all nodes, by address.
func (r *Registry) AffiliationsOf(jid bridge.JID) []bridge.Affiliation {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var all []bridge.Affiliation
	for _, n := range r.services[jid] {
		all = append(all, n.roles(jid)...)
	}
	for _, set := range []map[string]*node{r.owned[jid], r.roles[jid]} {
		for _, n := range set {
			if n.Addr.Service != jid {
				all = append(all, n.roles(jid)...)
			}
		}
	}
	slices.SortFunc(all, func(a, b bridge.Affiliation) int { return compareAddr(a.Addr, b.Addr) })
	return slices.Compact(all)
}

// roles is the affiliations of those of jids that have one.
func (n *node) roles(jids ...bridge.JID) []bridge.Affiliation {
	var all []bridge.Affiliation
	for _, jid := range jids {
		if role := n.role(jid); role != bridge.RoleNone {
			all = append(all, bridge.Affiliation{NodeID: n.ID, Addr: n.Addr, JID: jid, Role: role})
		}
	}
	return all
}

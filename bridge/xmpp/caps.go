package xmpp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"slices"
	"strings"
	"sync"

	"peewit/bridge"
)

// Limits on what others say about themselves.
const (
	maxHashes  = 4096 // verified ones remembered
	maxWaiting = 1024 // who wait for one hash to be verified
	maxNotify  = 256  // nodes that one client wants to hear of
	maxCapsLen = 1024 // bytes of a caps node or ver
	notify     = "+notify"
)

// claim is what a presence says its sender can do: a hash, and where to ask for
// what it stands for. Two claims with the same key stand for the same.
type claim struct {
	key  string // "" = nothing is claimed
	node string // to ask for
}

// capsTable is who wants which nodes' events, as far as it is known. Answers
// that were verified against their hash count for everybody who claims that
// hash; others only for who gave them (XEP-0115 §5.4).
type capsTable struct {
	mu       sync.Mutex
	verified map[string][]string // key: nodes
	of       map[bridge.JID]*state
	waiting  map[string][]waiter // key being asked about: who else claims it
}

// state is what is known of one full JID.
type state struct {
	claim claim
	asked bool     // it was asked itself
	nodes []string // that it wants
}

// waiter is somebody who can be asked about a claim, and by whom.
type waiter struct {
	contact, asker bridge.JID
	claim          claim
}

func newCaps() *capsTable {
	return &capsTable{verified: make(map[string][]string), of: make(map[bridge.JID]*state), waiting: make(map[string][]waiter)}
}

// wants is the nodes whose events a full JID wants.
func (t *capsTable) wants(contact bridge.JID) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.of[contact]; s != nil {
		return s.nodes
	}
	return nil
}

func (t *capsTable) forget(contact bridge.JID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, contact)
}

// note takes in a claim. It reports whether what its sender wants is known to be
// different now, and whether the sender should be asked.
func (t *capsTable) note(w waiter) (changed, ask bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.of[w.contact]
	nodes, known := t.verified[w.claim.key]
	others, running := t.waiting[w.claim.key]
	same := before != nil && before.claim == w.claim
	if same && (known && slices.Equal(before.nodes, nodes) || !known && (before.asked || before.nodes != nil || running)) {
		return false, false
	}
	t.of[w.contact] = &state{claim: w.claim, nodes: nodes}
	if known || w.claim.key == "" {
		return true, false
	}
	if !running {
		t.waiting[w.claim.key] = []waiter{}
		t.of[w.contact].asked = true
		return true, true
	}
	if len(others) < maxWaiting {
		t.waiting[w.claim.key] = append(others, w)
	}
	return true, false
}

// verify takes in what one contact answered (info nil: nothing) and returns
// whose wants have changed, and whom to ask next about the same claim.
func (t *capsTable) verify(w waiter, info *Info, ok bool) (changed []bridge.JID, next waiter, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.of[w.contact]; s != nil && s.claim == w.claim && info != nil {
		s.nodes = wanted(info.Features)
		changed = append(changed, w.contact)
	}
	others := t.waiting[w.claim.key]
	if !ok {
		for len(others) > 0 {
			next, others = others[0], others[1:]
			if s := t.of[next.contact]; s != nil && s.claim.key == w.claim.key {
				s.asked = true
				t.waiting[w.claim.key] = others
				return changed, next, true
			}
		}
		delete(t.waiting, w.claim.key)
		return changed, waiter{}, false
	}
	nodes := info.wantedByHash(w.claim)
	delete(t.waiting, w.claim.key)
	for key := range t.verified {
		if len(t.verified) < maxHashes {
			break
		}
		delete(t.verified, key) // any: who still claims it is asked again
	}
	t.verified[w.claim.key] = nodes
	for _, o := range append(others, w) {
		if s := t.of[o.contact]; s != nil && s.claim.key == w.claim.key {
			s.nodes = nodes
			if o.contact != w.contact {
				changed = append(changed, o.contact)
			}
		}
	}
	return changed, waiter{}, false
}

// wanted is the nodes that features with +notify name (XEP-0163 §4).
func wanted(features []string) []string {
	nodes := []string{}
	for _, f := range features {
		if node, ok := strings.CutSuffix(f, notify); ok && node != "" && len(nodes) < maxNotify {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// wantedByHash is wanted for an answer that counts for everybody with the same
// hash. The string behind a hash of XEP-0115 does not say what of it is a
// feature: somebody could give an answer with the same hash that hides features
// in a form. So every part of the string counts, wherever it stood.
func (i *Info) wantedByHash(c claim) []string {
	if strings.HasPrefix(c.key, nsCaps2) {
		return wanted(i.Features)
	}
	return wanted(strings.Split(i.hashInput(), "<"))
}

// matches reports whether the info hashes to what was claimed.
func (i *Info) matches(c claim) bool {
	switch {
	case strings.HasPrefix(c.key, nsCaps2):
		return c.key == nsCaps2+"#sha-256."+i.sha256()
	case strings.HasPrefix(c.key, "sha-1#"):
		return c.key == "sha-1#"+i.sha1()
	}
	return false
}

// claimOf reads the caps in a presence from a full JID.
func claimOf(presence *Element, contact bridge.JID) claim {
	if c := presence.Child(nsCaps, "c"); c != nil {
		node, ver := c.Attribute("node"), c.Attribute("ver")
		switch {
		case ver == "" || len(node) > maxCapsLen || len(ver) > maxCapsLen:
		case c.Attribute("hash") == "sha-1":
			return claim{key: "sha-1#" + ver, node: node + "#" + ver}
		default:
			// XEP-0115 §5.4, items 1 and 2: what cannot be verified counts for its
			// sender alone.
			return claim{key: "of " + string(contact) + " " + ver, node: node + "#" + ver}
		}
	}
	for _, h := range presence.Child(nsCaps2, "c").children() {
		value := strings.TrimSpace(h.Text)
		if h.Name.Local == "hash" && h.Name.Space == nsHash && h.Attribute("algo") == "sha-256" &&
			len(value) <= 2*sha256.Size {
			node := nsCaps2 + "#sha-256." + value // XEP-0390 §4.3
			return claim{key: node, node: node}
		}
	}
	return claim{}
}

func (e *Element) children() []*Element {
	if e == nil {
		return nil
	}
	return e.Children
}

// noteCaps takes in the caps of a presence that a full JID sent. asker is the
// address of ours that it was sent to: one that the sender lets ask back.
func (r *Router) noteCaps(ctx context.Context, contact, asker bridge.JID, presence *Element) {
	w := waiter{contact: contact, asker: asker, claim: claimOf(presence, contact)}
	changed, ask := r.caps.note(w)
	if !r.available(contact) { // it left meanwhile: nobody would forget it
		r.caps.forget(contact)
	}
	if ask {
		r.askCaps(ctx, w)
	}
	if changed {
		r.judgeAll(ctx, contact)
	}
}

// available reports whether a full JID is available to any of us.
func (r *Router) available(contact bridge.JID) bool {
	if !r.ours(contact) {
		return len(r.remotes.accounts(contact)) > 0
	}
	b := r.sessions.get(contact)
	return b != nil && b.body() != nil
}

// askCaps asks a contact what its claim stands for; while it does, nobody else
// is asked about the same claim. When the answer does not prove it, others who
// claim the same are asked in turn.
func (r *Router) askCaps(ctx context.Context, w waiter) {
	for more := true; more; {
		var q bytes.Buffer
		q.WriteString("<query xmlns='" + nsInfo + "'")
		attribute(&q, "node", w.claim.node)
		q.WriteString("/>")
		asked := w
		_, err := r.ask(w.asker, w.contact, q.Bytes(), func(ctx context.Context, st *Stanza) {
			if next, more := r.capsAnswered(ctx, asked, st); more {
				r.askCaps(ctx, next)
			}
		})
		if err == nil {
			return
		}
		w, more = r.capsAnswered(ctx, w, nil)
	}
}

// capsAnswered takes in an answer, nil when there was none, and says whom to
// ask next.
func (r *Router) capsAnswered(ctx context.Context, w waiter, st *Stanza) (next waiter, more bool) {
	var info *Info
	proved := false
	if st != nil && st.Type == "result" {
		if q := st.Child(nsInfo, "query"); q != nil {
			got, wellFormed := readInfo(q)
			info, proved = &got, wellFormed && got.matches(w.claim)
		}
	}
	changed, next, more := r.caps.verify(w, info, proved)
	for _, contact := range changed {
		r.judgeAll(ctx, contact)
	}
	return next, more
}

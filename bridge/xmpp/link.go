package xmpp

import (
	"cmp"
	"context"
	"slices"
	"time"

	"peewit/bridge"
)

// probeEvery spaces what is said when a link comes up: behind it are servers
// that would slow down everything if it came at once.
const probeEvery = 20 * time.Millisecond

// LinkUp tells that a link can carry stanzas again. What was known of presence
// behind it is worth nothing: contacts there are told who of ours is available,
// and asked whether they are, 50 a second, domain by domain. LinkUp returns when
// all is said or ctx ends.
func (r *Router) LinkUp(ctx context.Context, l Link) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for _, c := range r.contactsBehind(l) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.introduce(ctx, c)
	}
}

// introduce says to a contact elsewhere what it should know after an outage.
func (r *Router) introduce(ctx context.Context, c bridge.Contact) {
	there := c.SeenByContact() && r.show(ctx, c.Account, c.JID)
	if c.SeesContact() && (there || r.alwaysThere(c.Account) || len(r.Sessions(c.Account)) > 0) {
		r.sendPresence(ctx, c.JID, Wrap("presence", "probe", "", c.Account, c.JID, nil))
	}
	if c.Ask { // RFC 6121 §3.1.2 lets a request be sent again
		r.tell(ctx, subscribe, c.Account, c.JID, nil)
	}
}

// LinkDown tells that a link is lost: nobody behind it counts as available any
// more, and sessions are told so.
func (r *Router) LinkDown(l Link) {
	ctx := context.Background()
	behind := r.remotes.behind(func(host bridge.JID) bool { return r.linkTo(host) == l })
	for _, full := range behind {
		for _, account := range r.remotes.accounts(full) {
			r.remoteGone(full, account)
			r.sendPresence(ctx, account, addressed("unavailable", full, account, []byte(noBody)))
		}
	}
}

// Farewell tells contacts behind a link that who is always there is not any
// more. It is for an orderly stop, before the link is closed; nobody else would
// tell them. It ends with ctx.
func (r *Router) Farewell(ctx context.Context, l Link) {
	for _, c := range r.contactsBehind(l) {
		if ctx.Err() != nil {
			return
		}
		if c.SeenByContact() && r.alwaysThere(c.Account) {
			r.hide(ctx, c.Account, c.JID)
		}
	}
}

// contactsBehind is the contacts of all our addresses on domains behind a link,
// sorted by domain.
func (r *Router) contactsBehind(l Link) []bridge.Contact {
	ours := []bridge.JID{r.domain}
	for _, a := range r.directory.Accounts() {
		ours = append(ours, bridge.JID(a.Nick)+"@"+r.domain)
	}
	r.mu.RLock()
	for local := range r.messages {
		if local != "" {
			ours = append(ours, bridge.JID(local)+"@"+r.domain)
		}
	}
	r.mu.RUnlock()
	var out []bridge.Contact
	for _, account := range ours {
		for _, c := range r.contacts.List(account) {
			if !r.ours(c.JID) && r.linkTo(c.JID.Domain()) == l {
				out = append(out, c)
			}
		}
	}
	slices.SortFunc(out, func(a, b bridge.Contact) int {
		return cmp.Or(cmp.Compare(a.JID.Domain(), b.JID.Domain()), cmp.Compare(a.JID, b.JID), cmp.Compare(a.Account, b.Account))
	})
	return out
}

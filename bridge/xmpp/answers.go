package xmpp

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"peewit/bridge"
)

// The small questions that every address answers.
const (
	nsPing    = "urn:xmpp:ping"     // XEP-0199
	nsVersion = "jabber:iq:version" // XEP-0092
	nsTime    = "urn:xmpp:time"     // XEP-0202
	nsLast    = "jabber:iq:last"    // XEP-0012
)

// handleOwn registers what the router answers itself, and says so in disco.
func (r *Router) handleOwn() {
	r.HandleIQ("get", nsInfo, "query", r.discoInfo)
	r.HandleIQ("get", nsItems, "query", r.discoItems)
	r.HandleIQ("get", nsRoster, "query", r.rosterGet)
	r.HandleIQ("set", nsRoster, "query", r.rosterSet)
	r.HandleIQ("get", nsPing, "ping", r.ping)
	r.HandleIQ("get", nsVersion, "query", r.tellVersion)
	r.HandleIQ("get", nsTime, "time", r.tellTime)
	r.HandleIQ("get", nsLast, "query", r.tellUptime)
	r.Advertise(OnDomain, Info{
		Identities: []Identity{{Category: "server", Type: "im", Name: "Peewit"}},
		Features:   []string{nsInfo, nsItems, nsCaps, nsCaps2, nsPing, nsVersion, nsTime, nsLast},
	})
	r.Advertise(OnAccount, Info{
		Identities: []Identity{{Category: "account", Type: "registered"}},
		Features:   []string{nsInfo, nsItems, nsPing},
	})
	r.Advertise(OnResource, Info{
		Identities: []Identity{{Category: "client", Type: "bot", Name: "Peewit"}},
		Features:   []string{nsInfo, nsItems, nsCaps, nsCaps2, nsPing, nsVersion, nsTime},
	})
}

func (r *Router) ping(_ context.Context, st *Stanza) ([]byte, error) {
	if _, err := r.placeOf(st.To); err != nil && !r.anonymousAccount(st.To) {
		return nil, err
	}
	return nil, nil
}

// tellVersion names the program, for the addresses at which it answers itself.
func (r *Router) tellVersion(_ context.Context, st *Stanza) ([]byte, error) {
	if err := r.speaksForItself(st.To); err != nil {
		return nil, err
	}
	version := r.version
	if version == "" {
		version = "unknown"
	}
	return []byte("<query xmlns='" + nsVersion + "'><name>peewit</name><version>" + Escape(version) + "</version></query>"), nil
}

func (r *Router) tellTime(_ context.Context, st *Stanza) ([]byte, error) {
	if err := r.speaksForItself(st.To); err != nil {
		return nil, err
	}
	now := time.Now().UTC().Format("2006-01-02T15:04:05Z")
	return []byte("<time xmlns='" + nsTime + "'><tzo>+00:00</tzo><utc>" + now + "</utc></time>"), nil
}

// tellUptime answers for the domain alone (XEP-0012 §5).
func (r *Router) tellUptime(_ context.Context, st *Stanza) ([]byte, error) {
	if st.To != r.domain {
		return nil, bridge.Refuse(bridge.ServiceUnavailable, "only the domain tells this")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "<query xmlns='%s' seconds='%d'/>", nsLast, int(time.Since(r.started).Seconds()))
	return b.Bytes(), nil
}

// speaksForItself refuses for bare JIDs of accounts: such questions are about a
// program that runs somewhere, and an account is none.
func (r *Router) speaksForItself(j bridge.JID) error {
	if p, err := r.placeOf(j); err != nil {
		return err
	} else if p == OnAccount {
		return bridge.Refuse(bridge.ServiceUnavailable, "an account does not tell this")
	}
	return nil
}

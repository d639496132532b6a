package component

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

const (
	nsAddress    = "http://jabber.org/protocol/address"
	nsDiscoInfo  = "http://jabber.org/protocol/disco#info"
	nsDiscoItems = "http://jabber.org/protocol/disco#items"

	// groupSize is how many recipients share a stanza; with our own address it
	// makes the twenty that ejabberd allows a sender it takes for remote.
	groupSize = 19

	discoverWithin = 10 * time.Second
	mostServices   = 50 // of a host's services that are asked
)

// multicast is the host's multicast service, "" when there is none in use.
func (n *lane) multicast() bridge.JID {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.service
}

// findMulticast asks the host for a multicast service (XEP-0033 §2.2): it may be
// one itself or have one among its services.
func (n *lane) findMulticast(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, discoverWithin)
	defer cancel()
	host := n.s.l.o.Hosts[0]
	services := []bridge.JID{host}
	if items := n.disco(ctx, host, nsDiscoItems); items != nil {
		for _, item := range items.Children {
			jid, err := bridge.ParseJID(item.Attribute("jid"))
			// Our own domain is among the host's services as well.
			if err == nil && item.Name.Local == "item" && jid != n.s.l.o.Domain && len(services) < mostServices {
				services = append(services, jid)
			}
		}
	}
	for _, service := range services {
		info := n.disco(ctx, service, nsDiscoInfo)
		if info == nil || !slices.ContainsFunc(info.Children, func(c *xmpp.Element) bool {
			return c.Name.Local == "feature" && c.Attribute("var") == nsAddress
		}) {
			continue
		}
		n.mu.Lock()
		n.service = service
		n.mu.Unlock()
		n.s.l.o.Logger.Info("component link uses multicast", slog.String("service", string(service)))
		return
	}
}

// disco is the answer's <query/>, nil when there is none.
func (n *lane) disco(ctx context.Context, whom bridge.JID, ns string) *xmpp.Element {
	st, err := n.s.l.o.Router.Ask(ctx, n.s.l.o.Domain, whom, []byte("<query xmlns='"+ns+"'/>"))
	if err != nil || st == nil || st.Type != "result" {
		return nil
	}
	return st.Child(ns, "query")
}

// abandonMulticast goes on without multicast until the next connection, from
// where the host has confirmed.
func (n *lane) abandonMulticast(why string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.service == "" {
		return
	}
	n.s.l.o.Logger.Warn("component link stops using multicast", slog.String("service", string(n.service)), slog.String("reason", why))
	n.service = ""
	if n.restart != nil {
		n.restart(errRestart)
	}
}

// sendGroup sends an event to the recipients gathered for one stanza.
func (n *lane) sendGroup(ctx context.Context, event Event) error {
	group, at, service := n.group, n.grouped, n.multicast()
	n.group = n.group[:0]
	if len(group) == 0 {
		return nil
	}
	if len(group) == 1 || service == "" {
		for _, to := range group {
			at.To = to
			if err := n.direct(ctx, event, to, at); err != nil {
				return err
			}
		}
		return nil
	}
	stanza := event.Stanza(nil, service)
	size := len(stanza) * len(group) // of what the host makes of it
	if !n.room(len(group), size) {
		if err := n.wait(ctx, len(group), size); err != nil {
			return err
		}
	}
	n.mu.Lock()
	st := n.current()
	st.echoes++
	number := n.number + uint64(len(n.steps)) - 1
	full := n.count(st, len(group), size, at)
	n.mu.Unlock()
	n.batch = appendMulticast(n.batch, stanza, append(group, n.s.own(number)))
	if full {
		n.close()
	}
	return nil
}

// appendMulticast makes one stanza for many of an event's message: XEP-0033 §3,
// with blind copies so that nobody sees who else follows.
func appendMulticast(dst, stanza []byte, to []bridge.JID) []byte {
	// No '>' stands in an attribute: they are escaped.
	tag := bytes.IndexByte(stanza, '>') + 1
	dst = append(dst, stanza[:tag]...)
	dst = append(dst, "<addresses xmlns='"+nsAddress+"'>"...)
	for _, jid := range to {
		dst = fmt.Appendf(dst, "<address type='bcc' jid='%s'/>", xmpp.Escape(string(jid)))
	}
	dst = append(dst, "</addresses>"...)
	return append(dst, stanza[tag:]...)
}

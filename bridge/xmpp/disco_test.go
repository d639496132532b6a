package xmpp

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"

	"peewit/bridge"
)

// ask is what an IQ get to an address is answered with.
func (w *world) ask(to bridge.JID, payload string) *Stanza {
	w.t.Helper()
	raw := &lastOf{}
	asker := &client{w: w, jid: "bob@example.org/asker"}
	if err := w.router.Bind(session{asker, raw}); err != nil {
		w.t.Fatal(err)
	}
	w.receive(asker.jid, "<iq type='get' id='1' to='"+string(to)+"'>"+payload+"</iq>")
	st, err := ParseStanza(raw.stanza, NSClient)
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

// session is a client that keeps the last stanza whole.
type session struct {
	*client
	last *lastOf
}

type lastOf struct{ stanza []byte }

func (s session) Send(_ Priority, stanza []byte) error { s.last.stanza = stanza; return nil }

func TestDiscoInfoMatchesItsHash(t *testing.T) {
	w := newWorld(t)
	w.router.Advertise(OnDomain, Info{
		Identities: []Identity{{Category: "pubsub", Type: "service"}},
		Features:   []string{"http://jabber.org/protocol/pubsub"},
		Forms:      []Form{{Type: "http://jabber.org/network/serverinfo", Fields: []Field{{Var: "abuse-addresses", Kind: "list-multi", Values: []string{"xmpp:b@x", "mailto:a@x"}}}}},
	})
	w.router.Advertise(OnAccount, Info{Identities: []Identity{{Category: "pubsub", Type: "pep"}}})
	for to, place := range map[bridge.JID]Place{"example.org": OnDomain, "ellen@example.org/bridge": OnResource, "update@example.org/bridge": OnResource} {
		caps := string(w.router.Caps(place))
		ver := regexp.MustCompile(`ver='([^']+)'`).FindStringSubmatch(caps)[1]
		ver2 := regexp.MustCompile(`sha-256'>([^<]+)<`).FindStringSubmatch(caps)[1]
		for _, node := range []string{"", capsNode + "#" + ver, nsCaps2 + "#sha-256." + ver2} {
			attr := ""
			if node != "" {
				attr = " node='" + node + "'"
			}
			st := w.ask(to, "<query xmlns='"+nsInfo+"'"+attr+"/>")
			if st.Type != "result" || st.From != to || st.Payload().Attribute("node") != node {
				t.Fatalf("%s is answered with %s", to, st.Raw)
			}
			info, wellFormed := readInfo(st.Payload())
			if !wellFormed || info.sha1() != ver || info.sha256() != ver2 {
				t.Errorf("%s, asked for %q, answers what does not hash to what it claims: %s", to, node, st.Raw)
			}
		}
	}
	if !contains(string(w.ask("ellen@example.org", "<query xmlns='"+nsInfo+"'/>").Raw), "category='pubsub' type='pep'") {
		t.Error("the account is no pubsub service")
	}
}

func TestDiscoOfNodesAndItems(t *testing.T) {
	w := newWorld(t)
	w.router.HandleNode(func(_ context.Context, q Query) (*Info, error) {
		switch q.Node {
		case "planet":
			return &Info{Identities: []Identity{{Category: "pubsub", Type: "leaf"}},
				Forms: []Form{{Type: "http://jabber.org/protocol/pubsub#meta-data", Fields: []Field{{Var: "pubsub#title", Label: "Title", Values: []string{"<Planet>"}}}}}}, nil
		case "secret":
			return nil, bridge.Refuse(bridge.Forbidden, "no")
		}
		return nil, nil
	})
	w.router.HandleItems(func(_ context.Context, q Query) ([]DiscoItem, []byte, bool, error) {
		switch {
		case q.To == "example.org" && q.Node == "":
			return []DiscoItem{{JID: "example.org", Node: "planet", Name: "A & B"}}, []byte("<set xmlns='http://jabber.org/protocol/rsm'/>"), true, nil
		case q.Node == "secret":
			return nil, nil, false, bridge.Refuse(bridge.Forbidden, "no")
		}
		return nil, nil, false, nil
	})
	info := func(node string) string { return "<query xmlns='" + nsInfo + "' node='" + node + "'/>" }
	items := func(node string) string { return "<query xmlns='" + nsItems + "' node='" + node + "'/>" }
	for _, tt := range []struct {
		to      bridge.JID
		payload string
		want    string
	}{
		{"example.org", info("planet"), "<value>&lt;Planet&gt;</value>"},
		{"example.org", info("secret"), "<forbidden "},
		{"example.org", info("none"), "<item-not-found "},
		{"nobody@example.org", info("none"), "<service-unavailable "},
		{"nobody@example.org", info(""), "<service-unavailable "},
		{"example.org", info(capsNode + "#old"), "<item-not-found "},
		{"example.org", items(""), "<item jid='example.org' node='planet' name='A &amp; B'/><set xmlns='http://jabber.org/protocol/rsm'/></query>"},
		{"alice@example.org", items(""), "<query xmlns='" + nsItems + "'></query>"},
		{"example.org", items("secret"), "<forbidden "},
		{"example.org", items("none"), "<item-not-found "},
		{"nobody@example.org", items(""), "<service-unavailable "},
	} {
		if got := string(w.ask(tt.to, tt.payload).Raw); !contains(got, tt.want) {
			t.Errorf("%s asked %s\nanswers %s\nwithout %s", tt.to, tt.payload, got, tt.want)
		}
	}
}

func TestDiscoOfAnonymousAccounts(t *testing.T) {
	w := newWorld(t)
	if err := w.router.Bind(&client{w: w, jid: "x@example.org/y", anonymous: true}); err != nil {
		t.Fatal(err)
	}
	if got := string(w.ask("x@example.org", "<query xmlns='"+nsInfo+"'/>").Raw); !contains(got, "category='account' type='anonymous'") {
		t.Errorf("it says %s", got)
	}
	if got := string(w.ask("x@example.org", "<query xmlns='"+nsItems+"'/>").Raw); !contains(got, "type='result'") {
		t.Errorf("it says %s", got)
	}
}

// Everything that is advertised works.
func TestAdvertisedQuestionsAreAnswered(t *testing.T) {
	w := newWorld(t)
	questions := map[string]string{
		nsInfo: "query", nsItems: "query", nsPing: "ping", nsVersion: "query", nsTime: "time", nsLast: "query",
	}
	for to, place := range map[bridge.JID]Place{"example.org": OnDomain, "alice@example.org": OnAccount, "ellen@example.org/bridge": OnResource} {
		for _, f := range w.router.places[place].info.Features {
			local, isQuestion := questions[f]
			if !isQuestion {
				if !slices.Contains([]string{nsCaps, nsCaps2}, f) {
					t.Errorf("nothing tries the feature %s", f)
				}
				continue
			}
			if st := w.ask(to, "<"+local+" xmlns='"+f+"'/>"); st.Type != "result" {
				t.Errorf("%s advertises %s and answers %s", to, f, st.Raw)
			}
		}
	}
	if got := string(w.ask("example.org", "<query xmlns='jabber:iq:version'/>").Raw); !strings.Contains(got, "<name>peewit</name><version>1.0</version>") {
		t.Errorf("the version is %s", got)
	}
}

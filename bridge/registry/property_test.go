package registry_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/registry"
)

// everybody is the addresses of the property test: bare and full, here and
// elsewhere, and one that sorts between another's bare and full address.
var everybody = []bridge.JID{
	"alice@micro.example", "bob@micro.example", "bob@micro.example/phone", "bob@micro.example.org",
	"carol@example.org", "carol@example.org/home", "micro.example",
}

// author makes up a log.
type author struct {
	*rapid.T
	log   []*bridge.Record
	nodes []string // IDs, dead ones too
}

func (a *author) nick() string { return rapid.SampledFrom([]string{"alice", "bob"}).Draw(a.T, "nick") }

func (a *author) jid() bridge.JID { return rapid.SampledFrom(everybody).Draw(a.T, "jid") }

func (a *author) word() string { return rapid.SampledFrom([]string{"x", "y"}).Draw(a.T, "word") }

func (a *author) ends() bool { return rapid.IntRange(0, 2).Draw(a.T, "ends") == 0 }

func (a *author) nodeID() string {
	return rapid.SampledFrom(append(a.nodes, "never")).Draw(a.T, "node")
}

func (a *author) write(rec bridge.Record) {
	rec.Seq = uint64(len(a.log) + 1)
	rec.Time = time.Unix(int64(rec.Seq), 0)
	a.log = append(a.log, &rec)
}

// record writes one record of any kind.
func (a *author) record() {
	switch rapid.IntRange(0, 12).Draw(a.T, "kind") {
	case 0:
		a.write(bridge.Record{Account: &bridge.Account{Nick: a.nick(), Owners: []bridge.JID{a.jid().Bare()}, Removed: a.ends()}})
	case 1:
		a.write(bridge.Record{Credential: &bridge.Credential{Nick: a.nick(), SHA1: bridge.SCRAMKey{Iterations: len(a.log)}, Removed: a.ends()}})
	case 2:
		a.write(bridge.Record{Invite: &bridge.Invite{Token: a.word(), Removed: a.ends()}})
	case 3:
		a.write(bridge.Record{Contact: &bridge.Contact{
			Account: bridge.JID(a.nick()) + "@" + domain, JID: a.jid().Bare(), Groups: []string{a.word()}, Removed: a.ends(),
		}})
	case 4, 5:
		a.node()
	case 6:
		a.write(bridge.Record{Affiliation: &bridge.Affiliation{
			NodeID: a.nodeID(), JID: a.jid().Bare(),
			Role: rapid.SampledFrom([]bridge.Role{bridge.RoleOwner, bridge.RolePublisher, bridge.RoleNone}).Draw(a.T, "role"),
		}})
	case 7, 8:
		a.write(bridge.Record{Subscription: &bridge.Subscription{
			NodeID: a.nodeID(), JID: a.jid(), SubID: a.word(), Created: time.Unix(int64(len(a.log)), 0).UTC(), Removed: a.ends(),
		}})
	case 9:
		a.write(bridge.Record{Source: &bridge.Source{ID: a.word(), Title: fmt.Sprint(len(a.log)), Removed: a.ends()}})
	case 10:
		a.write(bridge.Record{Planet: &bridge.Planet{Name: a.word(), Sources: []string{a.word()}, Removed: a.ends()}})
	case 11:
		a.write(bridge.Record{Track: &bridge.Track{ID: a.word(), Owner: a.nick(), Removed: a.ends()}})
	case 12:
		nick, uri, ends := a.nick(), a.word(), a.ends()
		a.write(bridge.Record{Listener: &bridge.Listener{Listenee: nick, URI: uri, Removed: ends}})
		a.write(bridge.Record{ListenerSecret: &bridge.ListenerSecret{Listenee: nick, URI: uri, Secret: fmt.Sprint(len(a.log)), Removed: ends}})
	}
}

// node makes a node, changes the one at an address, or ends it.
func (a *author) node() {
	n := bridge.Node{
		Addr:    bridge.Addr{Service: rapid.SampledFrom([]bridge.JID{domain, "alice@micro.example"}).Draw(a.T, "service"), Name: a.word()},
		Owner:   a.jid().Bare(),
		Removed: a.ends(),
	}
	for i := len(a.log) - 1; i >= 0; i-- {
		if old := a.log[i].Node; old != nil && old.Addr == n.Addr {
			if !old.Removed && rapid.Bool().Draw(a.T, "same") {
				n.ID = old.ID
			}
			break
		}
	}
	if n.ID == "" {
		n.ID = fmt.Sprintf("n%d", len(a.nodes))
		a.nodes = append(a.nodes, n.ID)
	}
	a.write(bridge.Record{Node: &n})
}

// picture is everything a registry says about the author's world.
func (a *author) picture(r *registry.Registry) string {
	var b strings.Builder
	say := func(what string, values ...any) { fmt.Fprintln(&b, what, values) }
	say("accounts", r.Accounts())
	for _, nick := range []string{"alice", "bob"} {
		account, ok := r.Account(nick)
		say("account", nick, account, ok)
		credential, ok := r.Credential(nick)
		say("credential", nick, credential, ok)
		say("listeners", nick, r.Listeners(nick))
		for _, uri := range []string{"x", "y"} {
			secret, ok := r.ListenerSecret(nick, uri)
			say("secret", nick, uri, secret, ok)
		}
	}
	for _, jid := range everybody {
		account, ok := r.AccountOf(jid)
		say("account of", jid, account, ok)
		say("contacts", jid, r.Contacts(jid))
		for _, other := range everybody {
			contact, ok := r.Contact(jid, other)
			say("contact", jid, other, contact, ok)
		}
		say("affiliations of", jid, r.AffiliationsOf(jid))
		say("subscriptions of", jid, r.SubscriptionsOf(jid))
		say("nodes", jid, r.Nodes(jid))
	}
	for _, id := range append(a.nodes, "never") {
		node, ok := r.NodeByID(id)
		say("node", id, node, ok)
		say("affiliations", id, r.Affiliations(id))
		say("subscriptions", id, r.Subscriptions(id))
		for _, jid := range everybody {
			say("role", id, jid, r.Role(id, jid))
		}
	}
	say("sources", r.Sources())
	say("planets", r.Planets())
	say("tracks", r.Tracks())
	for _, word := range []string{"x", "y"} {
		invite, ok := r.Invite(word)
		say("invite", word, invite, ok)
		for _, service := range everybody {
			node, ok := r.Node(bridge.Addr{Service: service, Name: word})
			say("node at", service, word, node, ok)
		}
	}
	for _, rec := range a.log {
		say("sequence", strings.ReplaceAll(rec.StateKey(), "\x00", " "), r.StateSeq(rec))
	}
	return b.String()
}

// A registry is the same whether it was told everything once or again and
// again, and when it was loaded from the newest states alone.
func TestHoweverItIsToldARegistryIsTheSame(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a := &author{T: r}
		for range rapid.IntRange(0, 60).Draw(r, "records") {
			a.record()
		}
		once, often := registry.New(domain), registry.New(domain)
		for i, rec := range a.log {
			once.Apply(rec)
			for _, old := range a.log[rapid.IntRange(0, i).Draw(r, "from") : i+1] {
				often.Apply(old)
			}
		}
		want := a.picture(once)
		if diff := cmp.Diff(want, a.picture(often)); diff != "" {
			r.Errorf("told again and again (-once +often):\n%s", diff)
		}
		if diff := cmp.Diff(want, a.picture(loaded(t, a.log))); diff != "" {
			r.Errorf("loaded (-once +loaded):\n%s", diff)
		}
	})
}

// loaded is the registry that a start makes of an archive.
func loaded(t *testing.T, log []*bridge.Record) *registry.Registry {
	arc, err := archive.Open(t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := arc.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := arc.Apply(log, "epoch"); err != nil {
		t.Fatal(err)
	}
	r := registry.New(domain)
	err = arc.States(func(rec *bridge.Record) error {
		r.Apply(rec)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Many subscriptions split and empty blocks; the list stays sorted and whole.
func TestManySubscriptions(t *testing.T) {
	r := story(node("n", domain, "big", domain))
	const many = 5000
	seq := uint64(1)
	apply := func(rec bridge.Record) {
		seq++
		rec.Seq = seq
		r.Apply(&rec)
	}
	who := func(i int) bridge.JID { return bridge.JID(fmt.Sprintf("u%04d@example.org", i*7919%many)) }
	for i := range many {
		apply(subscribe("n", who(i), "s"))
	}
	list := r.Subscriptions("n")
	if len(list) != many {
		t.Fatalf("there are %d, want %d", len(list), many)
	}
	for i, s := range list {
		if want := fmt.Sprintf("u%04d@example.org", i); string(s.JID) != want {
			t.Fatalf("at %d is %s, want %s", i, s.JID, want)
		}
	}
	for i := range many {
		if i%10 != 0 {
			apply(unsubscribe("n", who(i), "s"))
		}
	}
	if n := len(r.Subscriptions("n")); n != many/10 {
		t.Errorf("%d are left, want %d", n, many/10)
	}
	for i := range many {
		want := 0
		if i%10 == 0 {
			want = 1
		}
		if got := len(r.SubscriptionsOf(who(i))); got != want {
			t.Errorf("%s has %d subscriptions, want %d", who(i), got, want)
		}
	}
}

package registry_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
	"peewit/bridge/registry"
)

const domain = bridge.JID("micro.example")

// story applies records with the sequences 1, 2, 3 …
func story(recs ...bridge.Record) *registry.Registry {
	r := registry.New(domain)
	for i := range recs {
		recs[i].Seq = uint64(i + 1)
		r.Apply(&recs[i])
	}
	return r
}

func account(nick string, owners ...bridge.JID) bridge.Record {
	return bridge.Record{Account: &bridge.Account{Nick: nick, Owners: owners}}
}

func noAccount(nick string) bridge.Record {
	return bridge.Record{Account: &bridge.Account{Nick: nick, Removed: true}}
}

func node(id string, service bridge.JID, name string, owner bridge.JID) bridge.Record {
	return bridge.Record{Node: &bridge.Node{ID: id, Addr: bridge.Addr{Service: service, Name: name}, Owner: owner}}
}

func noNode(id string, service bridge.JID, name string) bridge.Record {
	rec := node(id, service, name, service)
	rec.Node.Removed = true
	return rec
}

func role(nodeID string, jid bridge.JID, r bridge.Role) bridge.Record {
	return bridge.Record{Affiliation: &bridge.Affiliation{NodeID: nodeID, JID: jid, Role: r}}
}

func subscribe(nodeID string, jid bridge.JID, subID string) bridge.Record {
	return bridge.Record{Subscription: &bridge.Subscription{NodeID: nodeID, JID: jid, SubID: subID,
		Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)}}
}

func unsubscribe(nodeID string, jid bridge.JID, subID string) bridge.Record {
	rec := subscribe(nodeID, jid, subID)
	rec.Subscription.Removed = true
	return rec
}

func contact(account, jid bridge.JID, groups ...string) bridge.Record {
	return bridge.Record{Contact: &bridge.Contact{Account: account, JID: jid, Groups: groups, Subscription: "both"}}
}

// subscribers is who is on a node, as "jid subid".
func subscribers(r *registry.Registry, nodeID string) []string {
	var all []string
	for _, s := range r.Subscriptions(nodeID) {
		all = append(all, string(s.JID)+" "+s.SubID)
	}
	return all
}

// places is where a JID is subscribed, as "node jid subid".
func places(r *registry.Registry, jid bridge.JID) []string {
	var all []string
	for _, s := range r.SubscriptionsOf(jid) {
		all = append(all, s.NodeID+" "+string(s.JID)+" "+s.SubID)
	}
	return all
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAccountsAndTheirOwners(t *testing.T) {
	r := story(
		account("alice", "alice@example.org", "alice@example.net"),
		account("bob", "bob@example.org", "alice@example.net"),
		account("alice", "alice@example.com", "alice@example.net"),
		account("carol", "carol@example.org"),
		noAccount("carol"),
	)
	for jid, want := range map[bridge.JID]string{
		"alice@micro.example":       "alice",
		"alice@micro.example/phone": "alice",
		"alice@example.com/phone":   "alice",
		"alice@example.net":         "alice", // the first by nickname of two
		"bob@example.org":           "bob",
		"alice@example.org":         "", // given up
		"alice@elsewhere.example":   "",
		"carol@example.org":         "",
		"carol@micro.example":       "",
		"micro.example":             "",
	} {
		a, ok := r.AccountOf(jid)
		if a.Nick != want || ok != (want != "") {
			t.Errorf("AccountOf(%s) = %q, %t, want %q", jid, a.Nick, ok, want)
		}
	}
	var nicks []string
	for _, a := range r.Accounts() {
		nicks = append(nicks, a.Nick)
	}
	same(t, "nicknames", nicks, []string{"alice", "bob"})
}

func TestAnAccountTakesWhatIsItsAlong(t *testing.T) {
	r := story(
		account("alice", "alice@example.org"),
		bridge.Record{Credential: &bridge.Credential{Nick: "alice", SHA1: bridge.SCRAMKey{Salt: []byte("salt")}}},
		contact("alice@micro.example", "bob@example.org"),
		bridge.Record{Track: &bridge.Track{ID: "1", Owner: "alice"}},
		bridge.Record{Track: &bridge.Track{ID: "2", Owner: "bob"}},
		bridge.Record{Listener: &bridge.Listener{Listenee: "alice", URI: "http://bob.example/"}},
		bridge.Record{ListenerSecret: &bridge.ListenerSecret{Listenee: "alice", URI: "http://bob.example/"}},
		noAccount("alice"),
		account("alice"),
	)
	if _, ok := r.Account("alice"); !ok {
		t.Error("the account made anew is missing")
	}
	if _, ok := r.AccountOf("alice@example.org"); ok {
		t.Error("an owner outlived the account")
	}
	if _, ok := r.Credential("alice"); ok {
		t.Error("the old password opens the new account")
	}
	if all := r.Contacts("alice@micro.example"); len(all) != 0 {
		t.Errorf("contacts outlived the account: %v", all)
	}
	if _, ok := r.ListenerSecret("alice", "http://bob.example/"); ok || len(r.Listeners("alice")) != 0 {
		t.Error("a listener outlived the account")
	}
	if all := r.Tracks(); len(all) != 1 || all[0].ID != "2" {
		t.Errorf("tracks are %v, want bob's alone", all)
	}
	old := contact("alice@micro.example", "bob@example.org")
	if seq := r.StateSeq(&old); seq != 3 {
		t.Errorf("a compare-and-set on the old contact would expect %d, want 3", seq)
	}
}

func TestANodeTakesWhatHangsOnItAlong(t *testing.T) {
	for name, end := range map[string][]bridge.Record{
		"removed":    {noNode("n1", "alice@micro.example", "blog")},
		"made anew":  {node("n2", "alice@micro.example", "blog", "alice@micro.example")},
		"late words": {noNode("n1", "alice@micro.example", "blog"), subscribe("n1", "dave@example.org", "s"), role("n1", "dave@example.org", bridge.RoleMember)},
	} {
		t.Run(name, func(t *testing.T) {
			r := story(append([]bridge.Record{
				node("n1", "alice@micro.example", "blog", "alice@micro.example"),
				subscribe("n1", "bob@example.org", "s1"),
				role("n1", "carol@example.org", bridge.RolePublisher),
			}, end...)...)
			if _, ok := r.NodeByID("n1"); ok {
				t.Error("the old node lives")
			}
			same(t, "subscriptions", subscribers(r, "n1"), []string(nil))
			for _, jid := range []bridge.JID{"bob@example.org", "dave@example.org"} {
				same(t, "subscriptions of "+string(jid), places(r, jid), []string(nil))
				same(t, "affiliations of "+string(jid), r.AffiliationsOf(jid), []bridge.Affiliation(nil))
			}
			same(t, "the role", r.Role("n1", "carol@example.org"), bridge.RoleNone)
			same(t, "affiliations of carol", r.AffiliationsOf("carol@example.org"), []bridge.Affiliation(nil))
			old := subscribe("n1", "bob@example.org", "s1")
			if seq := r.StateSeq(&old); seq != 0 {
				t.Errorf("StateSeq of a dead node's subscription is %d, want 0", seq)
			}
		})
	}
}

func TestNodes(t *testing.T) {
	r := story(
		node("n1", domain, "planet-b", "alice@micro.example"),
		node("n2", domain, "planet-a", domain),
		node("n3", "alice@micro.example", bridge.NodeMicroblog, "alice@micro.example"),
		node("n1", domain, "planet-b", "bob@micro.example"),
	)
	var names []string
	for _, n := range r.Nodes(domain) {
		names = append(names, n.Addr.Name)
	}
	same(t, "names", names, []string{"planet-a", "planet-b"})
	n, ok := r.Node(bridge.Addr{Service: domain, Name: "planet-b"})
	if !ok || n.ID != "n1" || n.Owner != "bob@micro.example" {
		t.Errorf("planet-b is %v, %t", n, ok)
	}
	if _, ok := r.Node(bridge.Addr{Service: domain, Name: bridge.NodeMicroblog}); ok {
		t.Error("a node shows at another service")
	}
}

func TestRoles(t *testing.T) {
	r := story(
		node("n1", domain, "planet", "alice@micro.example"),
		node("n2", "alice@micro.example", "blog", "alice@micro.example"),
		role("n1", "bob@example.org", bridge.RoleMember),
		role("n1", "bob@example.org", bridge.RolePublisher),
		role("n1", "carol@example.org", bridge.RoleOutcast),
		role("n1", "dave@example.org", bridge.RoleMember),
		role("n1", "dave@example.org", bridge.RoleNone),
		role("n2", "alice@micro.example", bridge.RolePublisher),
	)
	planet := bridge.Addr{Service: domain, Name: "planet"}
	blog := bridge.Addr{Service: "alice@micro.example", Name: "blog"}
	same(t, "roles on the planet", r.Affiliations("n1"), []bridge.Affiliation{
		{NodeID: "n1", Addr: planet, JID: "alice@micro.example", Role: bridge.RoleOwner},
		{NodeID: "n1", Addr: planet, JID: "bob@example.org", Role: bridge.RolePublisher},
		{NodeID: "n1", Addr: planet, JID: "carol@example.org", Role: bridge.RoleOutcast},
	})
	same(t, "alice's roles", r.AffiliationsOf("alice@micro.example"), []bridge.Affiliation{
		{NodeID: "n2", Addr: blog, JID: "alice@micro.example", Role: bridge.RolePublisher},
		{NodeID: "n1", Addr: planet, JID: "alice@micro.example", Role: bridge.RoleOwner},
	})
	same(t, "dave's roles", r.AffiliationsOf("dave@example.org"), []bridge.Affiliation(nil))
	same(t, "dave's role", r.Role("n1", "dave@example.org"), bridge.RoleNone)
	gone := role("n1", "dave@example.org", bridge.RoleMember)
	if seq := r.StateSeq(&gone); seq != 7 {
		t.Errorf("StateSeq of dave's lost role is %d, want 7", seq)
	}
}

func TestSubscriptionsAreSortedAndOneJIDsAreTogether(t *testing.T) {
	r := story(
		node("n1", domain, "b", domain),
		node("n2", domain, "a", domain),
		subscribe("n1", "bob@example.org/phone", "s3"),
		subscribe("n1", "bob@example.org.uk", "s4"), // sorts between bob's bare and full JID
		subscribe("n1", "bob@example.org", "s2"),
		subscribe("n1", "bob@example.org", "s1"),
		subscribe("n1", "alice@example.org", "s5"),
		subscribe("n2", "bob@example.org", "s6"),
		subscribe("n1", "eve@example.org", "s7"),
		unsubscribe("n1", "eve@example.org", "s7"),
		unsubscribe("n1", "nobody@example.org", "s8"),
	)
	same(t, "on n1", subscribers(r, "n1"), []string{
		"alice@example.org s5", "bob@example.org s1", "bob@example.org s2", "bob@example.org.uk s4", "bob@example.org/phone s3",
	})
	same(t, "of bob", places(r, "bob@example.org"), []string{
		"n2 bob@example.org s6", "n1 bob@example.org s1", "n1 bob@example.org s2", "n1 bob@example.org/phone s3",
	})
	same(t, "of eve", places(r, "eve@example.org"), []string(nil))
	first := r.Subscriptions("n2")[0]
	same(t, "a subscription", first, bridge.Subscription{
		NodeID: "n2", Addr: bridge.Addr{Service: domain, Name: "a"}, JID: "bob@example.org", SubID: "s6",
		Created: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
	})
	gone := unsubscribe("n1", "eve@example.org", "s7")
	if seq := r.StateSeq(&gone); seq != 10 {
		t.Errorf("StateSeq of eve's lost subscription is %d, want 10", seq)
	}
}

func TestASnapshotStaysAsItWas(t *testing.T) {
	r := story(node("n1", domain, "b", domain), subscribe("n1", "bob@example.org", "s"))
	before := r.Subscriptions("n1")
	rec := subscribe("n1", "alice@example.org", "s")
	rec.Seq = 3
	r.Apply(&rec)
	if len(before) != 1 || before[0].JID != "bob@example.org" {
		t.Errorf("an old snapshot became %v", before)
	}
	same(t, "now", subscribers(r, "n1"), []string{"alice@example.org s", "bob@example.org s"})
}

func TestWhatIsHandedOutIsACopy(t *testing.T) {
	mine := account("alice", "alice@example.org")
	key := bridge.Record{Credential: &bridge.Credential{Nick: "alice", SHA256: bridge.SCRAMKey{Salt: []byte("salt")}}}
	friend := contact("alice@micro.example", "bob@example.org", "friends")
	planet := bridge.Record{Planet: &bridge.Planet{Name: "p", Sources: []string{"s1"}}}
	r := story(mine, key, friend, planet)

	spoil := func() {
		a, _ := r.Account("alice")
		a.Owners[0] = "mallory@example.org"
		a, _ = r.AccountOf("alice@micro.example")
		a.Owners[0] = "mallory@example.org"
		r.Accounts()[0].Owners[0] = "mallory@example.org"
		c, _ := r.Credential("alice")
		c.SHA256.Salt[0] = 'S'
		k, _ := r.Contact("alice@micro.example", "bob@example.org")
		k.Groups[0] = "enemies"
		r.Contacts("alice@micro.example")[0].Groups[0] = "enemies"
		p, _ := r.Planet("p")
		p.Sources[0] = "s2"
		r.Planets()[0].Sources[0] = "s2"
	}
	spoil()
	mine.Account.Owners[0] = "mallory@example.org"
	key.Credential.SHA256.Salt[0] = 'S'
	friend.Contact.Groups[0] = "enemies"
	planet.Planet.Sources[0] = "s2"

	a, _ := r.Account("alice")
	c, _ := r.Credential("alice")
	k, _ := r.Contact("alice@micro.example", "bob@example.org")
	p, _ := r.Planet("p")
	got := []string{string(a.Owners[0]), string(c.SHA256.Salt), k.Groups[0], p.Sources[0]}
	same(t, "after spoiling every copy", got, []string{"alice@example.org", "salt", "friends", "s1"})
}

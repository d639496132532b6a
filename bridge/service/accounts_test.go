package service

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"peewit/bridge"
)

func TestOwnersElsewhere(t *testing.T) {
	s, _ := open(t, t.TempDir())
	owner := bridge.JID("alice@example.org")
	if _, err := s.Accounts.Create(t.Context(), "alice", AccountOptions{Owners: []bridge.JID{owner}}); err != nil {
		t.Fatal(err)
	}
	item := publish(t, s, owner, blog("alice@localhost"), "one", entry("from elsewhere"))
	if item.Publisher != owner {
		t.Errorf("publisher %s", item.Publisher)
	}
	_, err := s.Posts.Publish(t.Context(), Publish{Actor: "mallory@example.org", Addr: blog("alice@localhost"), Items: []NewItem{{Payload: entry("x")}}})
	refused(t, err, bridge.Forbidden)
	_, err = s.Accounts.Create(t.Context(), "alice2", AccountOptions{Owners: []bridge.JID{owner}})
	refused(t, err, bridge.Conflict)
	_, err = s.Accounts.Create(t.Context(), "alice2", AccountOptions{Owners: []bridge.JID{"nobodyyet@localhost"}})
	refused(t, err, bridge.NotAcceptable)
	if _, err := s.Nodes.Create(t.Context(), owner, bridge.Addr{Service: "localhost", Name: "club"}, nil); err != nil {
		t.Errorf("an owner elsewhere creates a node: %v", err)
	}
	_, err = s.Nodes.Create(t.Context(), "mallory@example.org", bridge.Addr{Service: "localhost", Name: "club2"}, nil)
	refused(t, err, bridge.Forbidden)
}

func TestOneNickname(t *testing.T) {
	s, _ := open(t, t.TempDir())
	const tries = 20
	results := make(chan error, tries)
	for range tries {
		go func() {
			_, err := s.Accounts.Create(context.WithoutCancel(t.Context()), "alice", AccountOptions{})
			results <- err
		}()
	}
	made := 0
	for range tries {
		if err := <-results; err == nil {
			made++
		} else {
			refused(t, err, bridge.Conflict)
		}
	}
	if made != 1 {
		t.Errorf("%d accounts of one nickname", made)
	}
	for _, nick := range []string{"", "Alice", "a b", "ä", "update", "public", "api", strings.Repeat("a", 65)} {
		_, err := s.Accounts.Create(t.Context(), nick, AccountOptions{})
		refused(t, err, bridge.NotAcceptable)
	}
}

// Somebody else's change that is applied while a plan looks is not overwritten.
func TestNoLostUpdate(t *testing.T) {
	s, _ := open(t, t.TempDir())
	alice := account(t, s, "alice")
	first := true
	err := s.change(t.Context(), func() ([]bridge.Draft, error) {
		node, _ := s.reg.Node(blog(alice))
		if first {
			first = false
			theirs := node.Config
			theirs.Title = "theirs"
			if err := s.Nodes.Configure(t.Context(), alice, blog(alice), theirs); err != nil {
				return nil, err
			}
		}
		node.Config.Description = "ours"
		return []bridge.Draft{s.guarded(bridge.Record{Node: &node})}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if node, _ := s.reg.Node(blog(alice)); node.Config.Title != "theirs" || node.Config.Description != "ours" {
		t.Errorf("a change is lost: %+v", node.Config)
	}
}

func TestRegistration(t *testing.T) {
	s, _ := open(t, t.TempDir())
	s.opts.Registration = "closed"
	refused(t, s.Accounts.Register(t.Context(), "alice", "secret", ""), bridge.NotAllowed)
	s.opts.Registration = "invite"
	refused(t, s.Accounts.Register(t.Context(), "alice", "secret", "guess"), bridge.NotAllowed)
	invite, err := s.Accounts.Invite(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Accounts.Register(t.Context(), "alice", "secret", invite.Token); err != nil {
		t.Fatal(err)
	}
	refused(t, s.Accounts.Register(t.Context(), "bob", "secret", invite.Token), bridge.NotAllowed)
	if !s.Accounts.Verify("alice", "secret") || s.Accounts.Verify("alice", "wrong") || s.Accounts.Verify("bob", "secret") {
		t.Error("passwords are not told apart")
	}
	if err := s.Accounts.SetPassword(t.Context(), "alice", "new"); err != nil {
		t.Fatal(err)
	}
	if s.Accounts.Verify("alice", "secret") || !s.Accounts.Verify("alice", "new") {
		t.Error("the new password is not the password")
	}
}

func TestAnInvitationIsForOne(t *testing.T) {
	s, _ := open(t, t.TempDir())
	s.opts.Registration = "invite"
	invite, err := s.Accounts.Invite(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const tries = 8
	results := make(chan error, tries)
	for i := range tries {
		go func() {
			results <- s.Accounts.Register(context.WithoutCancel(t.Context()), fmt.Sprintf("guest%d", i), "secret", invite.Token)
		}()
	}
	made := 0
	for range tries {
		if err := <-results; err == nil {
			made++
		} else {
			refused(t, err, bridge.NotAllowed)
		}
	}
	if made != 1 {
		t.Errorf("one invitation made %d accounts", made)
	}
}

func TestNobodyInheritsANickname(t *testing.T) {
	s, _ := open(t, t.TempDir())
	account(t, s, "alice")
	if err := s.Accounts.Remove(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	refused(t, s.Accounts.Register(t.Context(), "alice", "secret", ""), bridge.Conflict)
	account(t, s, "alice") // the operator may
}

func TestRemovedAccount(t *testing.T) {
	s, _ := open(t, t.TempDir())
	alice, bob := account(t, s, "alice"), account(t, s, "bob")
	publish(t, s, alice, blog(alice), "one", entry("hello"))
	if _, err := s.Follows.Subscribe(t.Context(), bob, blog(alice), bob); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tracks.Add(t.Context(), "alice", "xmpp"); err != nil {
		t.Fatal(err)
	}
	listener := bridge.Listener{Listenee: "alice", URI: "http://remote.example/user/1", PostNotice: "http://remote.example/post", Token: "t", Created: time.Now()}
	if err := s.Listeners.Add(t.Context(), listener, "secret"); err != nil {
		t.Fatal(err)
	}
	if err := s.Accounts.Remove(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	refused(t, s.Accounts.Remove(t.Context(), "alice"), bridge.ItemNotFound)
	account(t, s, "alice")
	if got := ids(t, s, "", blog(alice)); len(got) != 0 {
		t.Errorf("somebody who took the nickname has the posts %v", got)
	}
	if _, known := s.reg.ListenerSecret("alice", listener.URI); known || len(s.Listeners.List("alice")) > 0 || len(s.Tracks.List("alice")) > 0 || len(s.Follows.Of(bob)) > 0 {
		t.Error("listeners, tracks or followers are still there")
	}
}

func TestRemovedAccountTakesAllItsNodes(t *testing.T) {
	s, _ := open(t, t.TempDir())
	alice := account(t, s, "alice")
	if _, err := s.Tracks.Add(t.Context(), "alice", "xmpp"); err != nil {
		t.Fatal(err)
	}
	nodes := make([]bridge.Record, maxNodesPerAccount-1)
	for i := range nodes {
		node := newNode(bridge.Addr{Service: alice, Name: fmt.Sprint(i)}, alice, bridge.PEPConfig())
		nodes[i].Node = &node
	}
	if _, err := s.commit(t.Context(), s.guardAll(nodes)...); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Nodes.Create(t.Context(), alice, bridge.Addr{Service: "localhost", Name: "club"}, nil); err != nil {
		t.Fatal(err)
	}
	applied(t, s)
	if err := s.Accounts.Remove(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	applied(t, s)
	if own, there := s.Nodes.List(alice), s.Nodes.List("localhost"); len(own) > 0 || len(there) > 0 {
		t.Errorf("%d nodes of the account and %d on the domain are still there", len(own), len(there))
	}
}

func TestRostersAreBounded(t *testing.T) {
	s, _ := open(t, t.TempDir())
	alice := account(t, s, "alice")
	for i := range maxContacts {
		for _, owner := range []bridge.JID{alice, "localhost"} {
			s.reg.Apply(&bridge.Record{Seq: 1, Contact: &bridge.Contact{Account: owner, JID: bridge.JID(fmt.Sprintf("c%d@example.org", i))}})
		}
	}
	refused(t, s.Contacts.Save(t.Context(), bridge.Contact{Account: alice, JID: "one@example.org"}), bridge.ResourceConstraint)
	if err := s.Contacts.Save(t.Context(), bridge.Contact{Account: alice, JID: "c1@example.org", Name: "known"}); err != nil {
		t.Error(err)
	}
	if err := s.Contacts.Save(t.Context(), bridge.Contact{Account: "localhost", JID: "one@example.org"}); err != nil {
		t.Errorf("the domain has room for more followers: %v", err)
	}
}

package archive_test

import (
	"fmt"
	"testing"

	"peewit/bridge"
)

// states is what States says, a line each.
func (h *house) states() []string {
	h.Helper()
	var all []string
	err := h.archive.States(func(rec *bridge.Record) error {
		line := fmt.Sprintf("%d %s", rec.Seq, rec.Kind())
		if rec.Removed() {
			line += " removed"
		}
		all = append(all, line)
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
	return all
}

func subscription(nodeID string, jid bridge.JID, removed bool) bridge.Record {
	return bridge.Record{Subscription: &bridge.Subscription{NodeID: nodeID, JID: jid, SubID: "s", Removed: removed}}
}

func account(nick string, removed bool) bridge.Record {
	return bridge.Record{Account: &bridge.Account{Nick: nick, Removed: removed}}
}

func TestStatesAreTheNewestOfEachKey(t *testing.T) {
	h := newHouse(t)
	h.append(
		bridge.Record{Planet: &bridge.Planet{Name: "planet", Title: "old"}},
		account("alice", false),
		microblog("n", alice),
		subscription("n", "bob@example.org", false),
		subscription("n", "carol@example.org", false),
		bridge.Record{Planet: &bridge.Planet{Name: "planet", Title: "new"}},
		subscription("n", "bob@example.org", true),
	)
	// Accounts and nodes come first; the others in no particular order.
	all := h.states()
	if len(all) != 5 {
		t.Fatalf("there are %d: %v", len(all), all)
	}
	same(t, "accounts and nodes", all[:2], []string{"2 account", "3 node"})
	said := map[string]bool{}
	for _, line := range all[2:] {
		said[line] = true
	}
	same(t, "the others", said, map[string]bool{"7 subscription removed": true, "5 subscription": true, "6 planet": true})
	err := h.archive.States(func(rec *bridge.Record) error {
		if rec.Planet != nil {
			same(t, "the planet", rec.Planet.Title, "new")
			same(t, "its time", rec.Time, h.log[5].Time)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	failure := fmt.Errorf("enough")
	if err := h.archive.States(func(*bridge.Record) error { return failure }); err == nil {
		t.Error("an error of the reader is lost")
	}
}

func TestADeadNodesSubscriptionsAreNoStates(t *testing.T) {
	h := newHouse(t)
	h.append(microblog("n", alice), subscription("n", "bob@example.org", false), removed(microblog("n", alice)),
		subscription("n", "carol@example.org", false), microblog("m", alice))
	same(t, "states", h.states(), []string{"5 node"})
}

// An account made anew has neither the password nor the contacts of the one
// that was removed, though nobody took them away one by one.
func TestARemovedAccountsStatesStayRemoved(t *testing.T) {
	h := newHouse(t)
	h.append(
		account("alice", false), credential("alice", "old"),
		bridge.Record{Contact: &bridge.Contact{Account: alice, JID: "bob@example.org"}},
		account("alice", true), account("alice", false),
		bridge.Record{Contact: &bridge.Contact{Account: alice, JID: "carol@example.org"}},
	)
	said := map[string]bool{}
	for _, line := range h.states() {
		said[line] = true
	}
	same(t, "states", said, map[string]bool{"5 account": true, "2 credential removed": true, "3 contact removed": true, "6 contact": true})
}

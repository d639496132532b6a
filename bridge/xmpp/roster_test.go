package xmpp

import (
	"fmt"
	"strings"
	"testing"
)

func TestRosterIsPushedToWhoAskedForIt(t *testing.T) {
	w := newWorld(t)
	alice, second := w.online("alice@example.org/a"), w.login("alice@example.org/b")
	alice.say(`<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='Carol@Far.Example/x' name='C &amp; D'><group>Friends</group></item></query></iq>`)
	w.inOrder(alice,
		"iq:set alice@example.org>alice@example.org/a roster[carol@far.example/none]",
		"iq:result alice@example.org>alice@example.org/a")
	w.got(second)
	c, _ := w.contacts.Get("alice@example.org", "carol@far.example")
	if c.Name != "C & D" || len(c.Groups) != 1 || c.Groups[0] != "Friends" || !c.InRoster {
		t.Errorf("saved is %+v", c)
	}
	second.say(`<iq type='get' id='2'><query xmlns='jabber:iq:roster'/></iq>`)
	w.got(second, "iq:result alice@example.org>alice@example.org/b roster[carol@far.example/none]")
}

func TestRosterRemoveCancelsBothWays(t *testing.T) {
	w := newWorld(t)
	w.know("alice@example.org", "bob@example.org", "both")
	w.know("bob@example.org", "alice@example.org", "both")
	alice, bob := w.online("alice@example.org/a"), w.online("bob@example.org/b")
	w.quiet()
	remove := `<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='bob@example.org' subscription='remove'/></query></iq>`
	alice.say("%s", remove)
	w.got(alice,
		"iq:set alice@example.org>alice@example.org/a roster[bob@example.org/remove]",
		"presence:unavailable bob@example.org/b>alice@example.org",
		"iq:result alice@example.org>alice@example.org/a")
	w.got(bob,
		"presence:unsubscribe alice@example.org>bob@example.org",
		"iq:set bob@example.org>bob@example.org/b roster[alice@example.org/to]",
		"presence:unsubscribed alice@example.org>bob@example.org",
		"iq:set bob@example.org>bob@example.org/b roster[alice@example.org/none]",
		"presence:unavailable alice@example.org/a>bob@example.org")
	if _, ok := w.contacts.Get("alice@example.org", "bob@example.org"); ok {
		t.Error("the contact is still there")
	}
	alice.say("%s", remove)
	w.got(alice, "iq:error alice@example.org>alice@example.org/a cancel/item-not-found")
}

func TestRosterRefuses(t *testing.T) {
	groups := ""
	for i := range maxGroups + 1 {
		groups += fmt.Sprintf("<group>g%d</group>", i)
	}
	tests := []struct{ name, to, query, want string }{
		{"another's roster", "bob@example.org", "<item jid='c@d'/>", "auth/forbidden"},
		{"the domain's roster", "example.org", "<item jid='c@d'/>", "auth/forbidden"},
		{"no item", "", "", "modify/bad-request"},
		{"two items", "", "<item jid='c@d'/><item jid='e@d'/>", "modify/bad-request"},
		{"no address", "", "<item/>", "modify/jid-malformed"},
		{"a bad address", "", "<item jid='a@@b'/>", "modify/jid-malformed"},
		{"itself", "", "<item jid='alice@example.org/x'/>", "cancel/not-allowed"},
		{"a long name", "", "<item jid='c@d' name='" + strings.Repeat("n", 1024) + "'/>", "modify/not-acceptable"},
		{"a long group", "", "<item jid='c@d'><group>" + strings.Repeat("n", 1024) + "</group></item>", "modify/not-acceptable"},
		{"an empty group", "", "<item jid='c@d'><group/></item>", "modify/not-acceptable"},
		{"a group twice", "", "<item jid='c@d'><group>a</group><group>a</group></item>", "modify/bad-request"},
		{"too many groups", "", "<item jid='c@d'>" + groups + "</item>", "modify/not-acceptable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			alice := w.online("alice@example.org/a")
			to := tt.to
			if to == "" {
				to = "alice@example.org"
			}
			alice.say("<iq type='set' id='1' to='%s'><query xmlns='jabber:iq:roster'>%s</query></iq>", to, tt.query)
			w.got(alice, "iq:error "+to+">alice@example.org/a "+tt.want)
			if w.contacts.saves != 0 {
				t.Error("something is saved")
			}
		})
	}
}

func TestStrangersAreBounded(t *testing.T) {
	w := newWorld(t)
	alice := w.online("alice@example.org/a")
	for i := range maxPending + 5 {
		w.hear("<presence type='subscribe' from='stranger%d@far.example' to='alice@example.org'/>", i)
	}
	if got := len(alice.all()); got != maxPending {
		t.Errorf("%d strangers get through", got)
	}
	alice.say("<presence type='subscribe' to='more@far.example'/>")
	if c, ok := w.contacts.Get("alice@example.org", "more@far.example"); !ok || !c.Ask {
		t.Error("they keep alice from asking somebody")
	}
}

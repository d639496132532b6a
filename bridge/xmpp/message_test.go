package xmpp

import (
	"context"
	"testing"

	"peewit/bridge"
)

// The rules of RFC 6121 §8.5, row by row: bob has two sessions that take
// messages and one with a negative priority.
func TestMessageRules(t *testing.T) {
	type row struct {
		typ, to       string
		b1, b2, error bool
	}
	const bare, full, gone = "bob@example.org", "bob@example.org/b1", "bob@example.org/gone"
	tests := []row{
		{"", bare, true, true, false},
		{"normal", bare, true, true, false},
		{"chat", bare, true, true, false},
		{"headline", bare, true, true, false},
		{"groupchat", bare, false, false, true},
		{"error", bare, false, false, false},
		{"strange", bare, true, true, false},
		{"", full, true, false, false},
		{"chat", full, true, false, false},
		{"headline", full, true, false, false},
		{"groupchat", full, true, false, false},
		{"error", full, true, false, false},
		{"", gone, false, false, true},
		{"chat", gone, true, true, false},
		{"headline", gone, false, false, false},
		{"groupchat", gone, false, false, true},
		{"error", gone, false, false, false},
		{"", "nobody@example.org", false, false, true},
		{"headline", "nobody@example.org", false, false, false},
		{"error", "nobody@example.org", false, false, false},
		{"chat", "ellen@example.org", false, false, true},
		{"chat", "example.org", false, false, true},
		{"headline", "example.org", false, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.typ+" to "+tt.to, func(t *testing.T) {
			w := newWorld(t)
			b1, b2 := w.online("bob@example.org/b1"), w.online("bob@example.org/b2")
			shy := w.login("bob@example.org/shy")
			shy.say("<presence><priority>-1</priority></presence>")
			silent := w.login("bob@example.org/silent")
			alice := w.online("alice@example.org/a")
			w.quiet()
			typ := tt.typ
			if typ != "" {
				typ = " type='" + typ + "'"
			}
			alice.say("<message%s to='%s' from='forged@far.example' id='m'><body>hi</body></message>", typ, tt.to)
			line := "message"
			if tt.typ != "" {
				line += ":" + tt.typ
			}
			line += " alice@example.org/a>" + tt.to + " body=hi"
			for c, reached := range map[*client]bool{b1: tt.b1, b2: tt.b2, shy: false, silent: false} {
				if reached {
					w.got(c, line)
				} else {
					w.got(c)
				}
			}
			if tt.error {
				w.got(alice, "message:error "+tt.to+">alice@example.org/a cancel/service-unavailable")
			} else {
				w.got(alice)
			}
		})
	}
}

func TestMessageToNobodyAvailable(t *testing.T) {
	w := newWorld(t)
	alice := w.online("alice@example.org/a")
	shy := w.login("bob@example.org/shy")
	shy.say("<presence><priority>-1</priority></presence>")
	shy.all()
	alice.say("<message type='chat' to='bob@example.org'><body>hi</body></message>")
	w.got(alice, "message:error bob@example.org>alice@example.org/a cancel/service-unavailable")
	alice.say("<message type='headline' to='bob@example.org'><body>hi</body></message>")
	w.got(alice)
	w.got(shy)
}

func TestMessageWithoutAddressIsForOneself(t *testing.T) {
	w := newWorld(t)
	a, b := w.online("alice@example.org/a"), w.online("alice@example.org/b")
	w.quiet()
	a.say("<message><body>note</body></message>")
	w.got(a, "message alice@example.org/a>alice@example.org body=note")
	w.got(b, "message alice@example.org/a>alice@example.org body=note")
}

func TestMessagesToTheBotAndBounces(t *testing.T) {
	w := newWorld(t)
	var heard []string
	note := func(what string) MessageHandler {
		return func(_ context.Context, st *Stanza) { heard = append(heard, what+" "+short(st)) }
	}
	w.router.HandleMessage("update", note("bot"))
	w.router.HandleMessage("", note("domain"))
	w.router.HandleBounce(note("bounce"))
	alice := w.online("alice@example.org/a")
	alice.say("<message to='update@example.org' type='chat'><body>help</body></message>")
	alice.say("<message to='update@example.org/bridge'><body>help</body></message>")
	w.hear("<message from='pubsub.far.example' to='example.org' type='headline'><event xmlns='http://jabber.org/protocol/pubsub#event'/></message>")
	w.hear("<message from='carol@far.example' to='ellen@example.org' type='error'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
	want := []string{
		"bot message:chat alice@example.org/a>update@example.org body=help",
		"bot message alice@example.org/a>update@example.org/bridge body=help",
		"domain message:headline pubsub.far.example>example.org event",
		"bounce message:error carol@far.example>ellen@example.org cancel/gone",
	}
	w.inOrder(taken(heard), want...)
	w.got(alice)
	w.got(w.far)
}

type taken []string

func (t taken) all() []string { return t }

func TestMessagesOutAndIn(t *testing.T) {
	w := newWorld(t)
	alice := w.online("alice@example.org/a")
	alice.say(`<message xmlns:x="urn:x" to='carol@far.example' xml:lang='en' x:y='z'><body xmlns="jabber:client">hi</body><x:z/></message>`)
	w.got(w.far, "message alice@example.org/a>carol@far.example body=hi z")
	w.hear("<message from='carol@far.example/c' to='alice@example.org' type='chat'><body>hi</body></message>")
	w.got(alice, "message:chat carol@far.example/c>alice@example.org body=hi")

	w.far.err = ErrUnreachable
	alice.say("<message to='carol@far.example'><body>hi</body></message>")
	w.got(alice, "message:error carol@far.example>alice@example.org/a wait/remote-server-timeout")
	w.far.err = nil
	w.hear("<message from='carol@far.example' to='dave@other.example'><body>relay?</body></message>")
	w.got(w.far)
}

func TestNoWayOut(t *testing.T) {
	w := newWorld(t)
	w.router.others = nil
	alice := w.online("alice@example.org/a")
	near := &wire{}
	w.router.AddLink([]bridge.JID{"near.example"}, near)
	for _, stanza := range []string{
		"<message to='c@far.example'/>", "<iq type='get' id='1' to='c@far.example'><q xmlns='q'/></iq>",
		"<presence to='c@far.example'/>", "<presence type='subscribe' to='c@far.example'/>",
	} {
		alice.say("%s", stanza)
		if got := alice.all(); len(got) != 1 || !contains(got[0], "cancel/remote-server-not-found") {
			t.Errorf("%s is answered with %q", stanza, got)
		}
	}
	alice.say("<message to='c@near.example'/>")
	w.got(near, "message alice@example.org/a>c@near.example")
}

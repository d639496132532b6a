package xmpp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

func TestIQsFindTheirWay(t *testing.T) {
	w := newWorld(t)
	w.router.HandleIQ("get", "urn:q", "q", func(_ context.Context, st *Stanza) ([]byte, error) {
		return []byte("<q xmlns='urn:q' node='" + string(st.To) + "'/>"), nil
	})
	w.router.HandleIQ("set", "urn:q", "q", func(context.Context, *Stanza) ([]byte, error) {
		return nil, &bridge.Error{Condition: bridge.NotAllowed, Reason: "closed-node", Text: "no", Err: errors.New("secret")}
	})
	w.router.HandleIQ("get", "urn:q", "broken", func(context.Context, *Stanza) ([]byte, error) {
		return nil, errors.New("disk on fire")
	})
	tests := []struct{ iq, want string }{
		{"<iq type='get' id='1'><q xmlns='urn:q'/></iq>", "iq:result alice@example.org>alice@example.org/a q(alice@example.org)"},
		{"<iq type='get' id='1' to='example.org'><q xmlns='urn:q'/></iq>", "iq:result example.org>alice@example.org/a q(example.org)"},
		{"<iq type='get' id='1' to='bob@example.org'><q xmlns='urn:q'/></iq>", "iq:result bob@example.org>alice@example.org/a q(bob@example.org)"},
		{"<iq type='get' id='1' to='ellen@example.org/bridge'><q xmlns='urn:q'/></iq>", "iq:result ellen@example.org/bridge>alice@example.org/a q(ellen@example.org/bridge)"},
		{"<iq type='get' id='1' to='bob@example.org/bridge'><q xmlns='urn:q'/></iq>", "iq:error bob@example.org/bridge>alice@example.org/a cancel/service-unavailable"},
		{"<iq type='get' id='1' to='ellen@example.org/other'><q xmlns='urn:q'/></iq>", "iq:error ellen@example.org/other>alice@example.org/a cancel/service-unavailable"},
		{"<iq type='get' id='1' to='bob@example.org/gone'><q xmlns='urn:q'/></iq>", "iq:error bob@example.org/gone>alice@example.org/a cancel/service-unavailable"},
		{"<iq type='set' id='1'><q xmlns='urn:q'/></iq>", "iq:error alice@example.org>alice@example.org/a cancel/not-allowed"},
		{"<iq type='get' id='1'><broken xmlns='urn:q'/></iq>", "iq:error alice@example.org>alice@example.org/a cancel/internal-server-error"},
		{"<iq type='get' id='1'><q xmlns='urn:other'/></iq>", "iq:error alice@example.org>alice@example.org/a cancel/service-unavailable"},
		{"<iq type='get'><q xmlns='urn:q'/></iq>", "iq:error alice@example.org>alice@example.org/a modify/bad-request"},
		{"<iq type='get' id='1'/>", "iq:error alice@example.org>alice@example.org/a modify/bad-request"},
		{"<iq type='get' id='1'><q xmlns='urn:q'/><q xmlns='urn:q'/></iq>", "iq:error alice@example.org>alice@example.org/a modify/bad-request"},
		{"<iq type='ask' id='1'><q xmlns='urn:q'/></iq>", "iq:error alice@example.org>alice@example.org/a modify/bad-request"},
		{"<iq id='1'><q xmlns='urn:q'/></iq>", "iq:error alice@example.org>alice@example.org/a modify/bad-request"},
		{"<iq type='get' id='1' to='@'><q xmlns='urn:q'/></iq>", "iq:error alice@example.org>alice@example.org/a modify/jid-malformed"},
		{"<iq type='result' id='1' to='@'/>", ""},
		{"<iq type='result' id='1'/>", ""},
		{"<iq type='error' id='1'><error type='cancel'/></iq>", ""},
		{"<iq type='error' id='1' to='bob@example.org/gone'/>", ""},
		{"<iq type='result' id='1' to='bob@example.org/gone'/>", ""},
	}
	for _, tt := range tests {
		alice := w.online("alice@example.org/a")
		alice.say("%s", tt.iq)
		got := strings.Join(alice.all(), " | ")
		if got != tt.want {
			t.Errorf("%s\nis answered with %s\nwant             %s", tt.iq, got, tt.want)
		}
	}
}

// An answer that no link takes is not the end of it: every request is answered
// (RFC 6120 §8.2.3).
func TestAnswerThatCannotBeSent(t *testing.T) {
	w := newWorld(t)
	w.router.HandleIQ("get", "urn:q", "q", func(context.Context, *Stanza) ([]byte, error) {
		return []byte("<q xmlns='urn:q'>\x01</q>"), nil
	})
	w.hear("<iq type='get' id='1' from='eve@far.org/x' to='example.org'><q xmlns='urn:q'/></iq>")
	w.got(w.far, "iq:error example.org>eve@far.org/x wait/resource-constraint")
}

func TestErrorReplyTellsOnlyTheText(t *testing.T) {
	st, err := ParseStanza([]byte("<iq type='set' id='a&lt;' from='a@b/c' to='d@e'><q xmlns='q'/></iq>"), NSClient)
	if err != nil {
		t.Fatal(err)
	}
	got := string(ErrorReply(st, fmt.Errorf("publish: %w", &bridge.Error{Condition: bridge.FeatureNotPresent,
		Reason: "unsupported", Feature: "publish-options", Text: "not <here>\x00", Err: errors.New("secret")})))
	want := "<iq type='error' id='a&lt;' from='d@e' to='a@b/c'><error type='cancel'>" +
		"<feature-not-implemented xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" +
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>not &lt;here&gt;</text>" +
		"<unsupported xmlns='http://jabber.org/protocol/pubsub#errors' feature='publish-options'/></error></iq>"
	if got != want {
		t.Errorf("the reply is\n%s, want\n%s", got, want)
	}
	if got := string(ErrorReply(st, errors.New("secret"))); contains(got, "secret") || !contains(got, "internal-server-error") {
		t.Errorf("an error of ours is told as %s", got)
	}
	if got := string(ErrorReply(st, bridge.Refuse("invented", ""))); !contains(got, "<undefined-condition ") {
		t.Errorf("an unknown condition is told as %s", got)
	}
	for condition, typ := range errorTypes {
		if got := string(ErrorReply(st, bridge.Refuse(condition, ""))); !contains(got, "<error type='"+typ+"'><"+string(condition)+" ") {
			t.Errorf("%s is told as %s", condition, got)
		}
	}
}

func TestIQsBetweenSessions(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.online("alice@example.org/a"), w.online("bob@example.org/b")
	alice.say("<iq type='get' id='v' to='bob@example.org/b'><query xmlns='jabber:iq:version'/></iq>")
	w.got(bob, "iq:get alice@example.org/a>bob@example.org/b query")
	bob.say("<iq type='result' id='v' to='alice@example.org/a'/>")
	w.got(alice, "iq:result bob@example.org/b>alice@example.org/a")
	bob.err = ErrUnreachable
	alice.say("<iq type='get' id='v' to='bob@example.org/b'><query xmlns='jabber:iq:version'/></iq>")
	w.got(alice, "iq:error bob@example.org/b>alice@example.org/a cancel/service-unavailable")
	alice.say("<iq type='get' id='v' to='carol@far.example/c'><query xmlns='jabber:iq:version'/></iq>")
	w.got(w.far, "iq:get alice@example.org/a>carol@far.example/c query")
	w.hear("<iq type='error' id='v' from='carol@far.example/c' to='alice@example.org/a'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
	w.got(alice, "iq:error carol@far.example/c>alice@example.org/a cancel/gone")
}

func TestOwnAnswers(t *testing.T) {
	w := newWorld(t)
	alice := w.online("alice@example.org/a")
	for _, tt := range []struct{ to, payload, want string }{
		{"example.org", "<ping xmlns='urn:xmpp:ping'/>", ""},
		{"alice@example.org", "<ping xmlns='urn:xmpp:ping'/>", ""},
		{"ellen@example.org/bridge", "<ping xmlns='urn:xmpp:ping'/>", ""},
		{"nobody@example.org", "<ping xmlns='urn:xmpp:ping'/>", "cancel/service-unavailable"},
		{"example.org", "<query xmlns='jabber:iq:version'/>", "query"},
		{"ellen@example.org/bridge", "<query xmlns='jabber:iq:version'/>", "query"},
		{"alice@example.org", "<query xmlns='jabber:iq:version'/>", "cancel/service-unavailable"},
		{"example.org", "<time xmlns='urn:xmpp:time'/>", "time"},
		{"example.org", "<query xmlns='jabber:iq:last'/>", "query"},
		{"ellen@example.org", "<query xmlns='jabber:iq:last'/>", "cancel/service-unavailable"},
	} {
		alice.say("<iq type='get' id='1' to='%s'>%s</iq>", tt.to, tt.payload)
		got := alice.all()
		if len(got) != 1 || !strings.HasSuffix(got[0], strings.TrimSpace(">alice@example.org/a "+tt.want)) {
			t.Errorf("%s asked for %s answers %q", tt.to, tt.payload, got)
		}
	}
}

func TestAskMatchesIDAndSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		answers := make(chan string, 1)
		ask := func() {
			st, err := w.router.Ask(t.Context(), "ellen@example.org", "pubsub.far.example", []byte("<q xmlns='q'/>"))
			if err != nil {
				answers <- err.Error()
				return
			}
			answers <- short(st)
		}
		go ask()
		synctest.Wait()
		w.got(w.far, "iq:get ellen@example.org>pubsub.far.example q")
		id := w.far.lastID()
		if len(id) != 32 {
			t.Errorf("the id %q has not 128 bits", id)
		}
		for _, forged := range []string{
			"<iq type='result' id='%s' from='evil.example' to='ellen@example.org'/>",
			"<iq type='result' id='%s' from='pubsub.far.example/x' to='ellen@example.org'/>",
			"<iq type='result' id='%s' from='pubsub.far.example' to='example.org'/>",
			"<iq type='get' id='%s' from='pubsub.far.example' to='ellen@example.org'><q xmlns='q'/></iq>",
		} {
			w.hear(forged, id)
		}
		synctest.Wait()
		if len(answers) != 0 {
			t.Fatalf("a forged answer counts: %s", <-answers)
		}
		w.hear("<iq type='result' id='%s' from='pubsub.far.example' to='ellen@example.org'><ok xmlns='q'/></iq>", id)
		if got := <-answers; got != "iq:result pubsub.far.example>ellen@example.org ok" {
			t.Errorf("the answer is %s", got)
		}

		go ask()
		start := time.Now()
		if got := <-answers; !contains(got, "remote-server-timeout") || time.Since(start) != askTimeout {
			t.Errorf("after %v: %s", time.Since(start), got)
		}
		w.far.err = ErrUnreachable
		ask()
		if got := <-answers; !contains(got, ErrUnreachable.Error()) {
			t.Errorf("a question that cannot be sent ends with %s", got)
		}
		if n := len(w.router.asks.open); n != 0 {
			t.Errorf("%d questions are still open", n)
		}
	})
}

func TestAskIsBounded(t *testing.T) {
	w := newWorld(t)
	for range maxAsks {
		if _, err := w.router.ask("example.org", "far.example", nil, func(context.Context, *Stanza) {}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.router.ask("example.org", "far.example", nil, func(context.Context, *Stanza) {}); !bridge.Is(err, bridge.ResourceConstraint) {
		t.Errorf("one more ends with %v", err)
	}
}

func TestGuard(t *testing.T) {
	w := newWorld(t)
	tests := []struct {
		name, stanza string
		ok           bool
	}{
		{"right", "<message from='example.org' to='c@far.example'>a &gt; b</message>", true},
		{"empty", "<presence from='a@example.org/b' to='c@far.example'/>", true},
		{"no sender", "<message to='c@far.example'/>", false},
		{"foreign sender", "<message from='example.com' to='c@far.example'/>", false},
		{"sender below the domain", "<message from='sub.example.org' to='c@far.example'/>", false},
		{"malformed sender", "<message from='@example.org' to='c@far.example'/>", false},
		{"no receiver", "<message from='example.org'/>", false},
		{"malformed receiver", "<message from='example.org' to='a@@b'/>", false},
		{"a control character", "<message from='example.org' to='c@far.example'>\x0b</message>", false},
		{"no UTF-8", "<message from='example.org' to='c@far.example'>\xe9</message>", false},
		{"U+FFFE", "<message from='example.org' to='c@far.example'>\ufffe</message>", false},
		{"no tag", "from='example.org' to='c@far.example'", false},
	}
	for _, tt := range tests {
		err := w.router.Send("c@far.example", Event, []byte(tt.stanza))
		if got := len(w.far.all()); (got == 1) != tt.ok || (err == nil) != tt.ok {
			t.Errorf("%s: %d sent, error %v", tt.name, got, err)
		}
	}
}

func TestAnonymousMayOnlyRead(t *testing.T) {
	const pubsub = "<pubsub xmlns='http://jabber.org/protocol/pubsub'>%s</pubsub>"
	set := func(s string) string {
		return "<iq type='set' id='1' to='example.org'>" + fmt.Sprintf(pubsub, s) + "</iq>"
	}
	tests := []struct {
		name, stanza string
		ok           bool
	}{
		{"disco", "<iq type='get' id='1' to='example.org'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", true},
		{"items", "<iq type='get' id='1' to='example.org'>" + fmt.Sprintf(pubsub, "<items node='n'/>") + "</iq>", true},
		{"its own roster", "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>", true},
		{"subscribe", set("<subscribe node='n' jid='x@example.org/y'/>"), true},
		{"subscribe with options", set("<subscribe node='n' jid='x@example.org/y'/><options/>"), true},
		{"unsubscribe", set("<unsubscribe node='n' jid='x@example.org/y'/>"), true},
		{"an answer", "<iq type='result' id='1' to='example.org'/>", true},
		{"presence", "<presence/>", true},
		{"absence", "<presence type='unavailable'/>", true},
		{"publish", set("<publish node='n'><item/></publish>"), false},
		{"publish beside subscribe", set("<subscribe node='n' jid='x@example.org/y'/><publish node='n'><item/></publish>"), false},
		{"create", set("<create node='n'/>"), false},
		{"nothing", set(""), false},
		{"retract", set("<retract node='n'><item id='1'/></retract>"), false},
		{"owner", "<iq type='set' id='1' to='example.org'><pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><delete node='n'/></pubsub></iq>", false},
		{"a roster change", "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='c@d'/></query></iq>", false},
		{"a message", "<message to='alice@example.org'><body>spam</body></message>", false},
		{"directed presence", "<presence to='alice@example.org'/>", false},
		{"a subscription to presence", "<presence type='subscribe' to='alice@example.org'/>", false},
		{"a question to somebody's client", "<iq type='get' id='1' to='alice@example.org/a'><ping xmlns='urn:xmpp:ping'/></iq>", false},
		{"an iq to elsewhere", "<iq type='get' id='1' to='far.example'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			served := false
			for _, typ := range []string{"get", "set"} {
				for _, ns := range []string{"http://jabber.org/protocol/pubsub", "http://jabber.org/protocol/pubsub#owner"} {
					w.router.HandleIQ(typ, ns, "pubsub", func(context.Context, *Stanza) ([]byte, error) { served = true; return nil, nil })
				}
			}
			alice := w.online("alice@example.org/a")
			anon := &client{w: w, jid: "x@example.org/y", anonymous: true}
			if err := w.router.Bind(anon); err != nil {
				t.Fatal(err)
			}
			anon.say("%s", tt.stanza)
			got := strings.Join(anon.all(), " | ")
			if contains(got, "auth/forbidden") == tt.ok {
				t.Errorf("it is answered with %s", got)
			}
			if !tt.ok && served {
				t.Error("it reached a handler")
			}
			w.got(alice)
			w.got(w.far)
		})
	}
}

func TestSessionsThatEndedSayNothing(t *testing.T) {
	w := newWorld(t)
	bob := w.online("bob@example.org/b")
	alice := w.online("alice@example.org/a")
	w.router.Unbind(alice)
	alice.say("<message to='bob@example.org'><body>late</body></message>")
	w.got(bob)
	w.router.Receive(context.Background(), &Stanza{Element: &Element{}, Kind: "message", To: "bob@example.org"})
	w.got(bob)
}

// What strangers write as addresses must not hurt anybody else.
func TestOddAddresses(t *testing.T) {
	w := newWorld(t)
	alice := w.online("alice@example.org/a")
	long := strings.Repeat("x", 1023)
	local := []string{long, "Ǆ", "ｆｕｌｌ", "i\u0307", "ß", "\u202e", "a\u0301", "😀", "\u0345", "שלום", "*", ">", "a.b", "\\40", "..", "a b", "a\u00adb", strings.Repeat("é", 600)}
	answered := 0
	for _, l := range local {
		for _, j := range []string{l + "@far.example", l + "@far.example/" + l, "carol@far.example/" + l, l, "carol@" + l} {
			w.far.all()
			w.hear("<presence type='subscribe' from='%s' to='alice@example.org'/>", Escape(j))
			w.hear("<presence from='%s' to='alice@example.org'/>", Escape(j))
			w.hear("<message from='%s' to='alice@example.org'><body>x</body></message>", Escape(j))
			w.hear("<iq type='get' id='1' from='%s' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>", Escape(j))
			w.hear("<iq type='get' id='1' from='carol@far.example' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>", Escape(l+"@example.org/"+l))
			for _, s := range append(w.far.all(), alice.all()...) {
				if strings.HasPrefix(s, "broken") {
					t.Errorf("%q makes us send %s", j, s)
				}
				answered++
			}
			alice.say("<iq type='get' id='1' to='example.org'><ping xmlns='urn:xmpp:ping'/></iq>")
			w.got(alice, "iq:result example.org>alice@example.org/a")
		}
	}
	if answered == 0 {
		t.Error("none of them was an address")
	}
}

// What one client sends another takes one lane, or a message could be overtaken
// by the IQ sent after it (RFC 6120 §10.1).
func TestWhatOneSaysStaysInOrder(t *testing.T) {
	w := newWorld(t)
	alice, bob := w.online("alice@example.org/a"), w.online("bob@example.org/b")
	bob.lanes = nil
	alice.say("<message to='bob@example.org'><body>1</body></message>")
	alice.say("<message to='bob@example.org/b'><body>2</body></message>")
	alice.say("<iq type='get' id='3' to='bob@example.org/b'><q xmlns='q'/></iq>")
	alice.say("<presence to='bob@example.org/b'/>")
	alice.say("<presence type='subscribe' to='bob@example.org'/>")
	bob.say("<presence type='subscribed' to='alice@example.org'/>") // bob's own roster push follows
	if diff := cmp.Diff([]Priority{Presence, Presence, Presence, Presence, Presence, Presence}, bob.lanes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

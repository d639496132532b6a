package xmpp

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
)

// xep115Complex is the example of XEP-0115 §5.3.
const xep115Complex = `<query xmlns='http://jabber.org/protocol/disco#info' node='http://psi-im.org#q07IKJEyjvHSyhy//CH0CxmKi8w='>
<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/><identity xml:lang='el' category='client' name='&#936; 0.11' type='pc'/>
<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/>
<feature var='http://jabber.org/protocol/disco#items'/><feature var='http://jabber.org/protocol/muc'/>
<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
<field var='ip_version' type='text-multi'><value>ipv4</value><value>ipv6</value></field><field var='os'><value>Mac</value></field>
<field var='os_version'><value>10.5.1</value></field><field var='software'><value>Psi</value></field>
<field var='software_version'><value>0.11</value></field></x></query>`

// xep115Simple is the example of XEP-0115 §5.2.
const xep115Simple = `<query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' type='pc' name='Exodus 0.9.1'/>
<feature var='http://jabber.org/protocol/muc'/><feature var='http://jabber.org/protocol/disco#items'/>
<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/></query>`

func readQuery(t *testing.T, s string) (Info, bool) {
	t.Helper()
	e, err := Parse([]byte(strings.TrimSpace(s)), NSClient)
	if err != nil {
		t.Fatal(err)
	}
	return readInfo(e)
}

func TestHashes(t *testing.T) {
	file := func(name string) string {
		b, err := os.ReadFile("testdata/caps/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, tt := range []struct{ name, query, sha1, sha256 string }{
		{"XEP-0115 §5.2", xep115Simple, "QgayPKawpkPSDYmwT/WM94uAlu0=", ""},
		{"XEP-0115 §5.3", xep115Complex, "q07IKJEyjvHSyhy//CH0CxmKi8w=", ""},
		{"XEP-0390, simple", file("simple.xml"), "", "kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8="},
		{"XEP-0390, complex", file("complex.xml"), "", "u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY="},
	} {
		info, wellFormed := readQuery(t, tt.query)
		if !wellFormed {
			t.Errorf("%s is not well-formed", tt.name)
		}
		if got := info.sha1(); tt.sha1 != "" && got != tt.sha1 {
			t.Errorf("%s: sha-1 is %s, want %s", tt.name, got, tt.sha1)
		}
		if got := info.sha256(); tt.sha256 != "" && got != tt.sha256 {
			t.Errorf("%s: sha-256 is %s, want %s", tt.name, got, tt.sha256)
		}
	}
}

func TestIllFormedAnswers(t *testing.T) {
	const form = "<x xmlns='jabber:x:data'><field var='FORM_TYPE' type='hidden'>%s</field></x>"
	for name, tt := range map[string]struct {
		in string
		ok bool
	}{
		"two identities alike":     {"<identity category='c' type='t'/><identity category='c' type='t'/>", false},
		"identities that differ":   {"<identity category='c' type='t' xml:lang='en'/><identity category='c' type='t'/>", true},
		"two features alike":       {"<feature var='f'/><feature var='f'/>", false},
		"two forms alike":          {fmt.Sprintf(form+form, "<value>a</value>", "<value>a</value>"), false},
		"two forms":                {fmt.Sprintf(form+form, "<value>a</value>", "<value>b</value>"), true},
		"two types of one form":    {fmt.Sprintf(form, "<value>a</value><value>b</value>"), false},
		"one type said twice":      {fmt.Sprintf(form, "<value>a</value><value>a</value>"), true},
		"a form of no hidden type": {"<x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>a</value></field></x>", true},
	} {
		info, wellFormed := readQuery(t, "<query xmlns='"+nsInfo+"'>"+tt.in+"</query>")
		if wellFormed != tt.ok {
			t.Errorf("%s: well-formed is %v", name, wellFormed)
		}
		if name == "a form of no hidden type" && len(info.Forms) != 0 {
			t.Error("a form of no hidden type counts")
		}
	}
}

// microblog is the features of a client that wants to be told of microblogs.
var microblog = Info{
	Identities: []Identity{{Category: "client", Type: "pc", Name: "Movim"}},
	Features:   []string{"http://jabber.org/protocol/disco#info", "urn:xmpp:microblog:0", "urn:xmpp:microblog:0+notify"},
}

// caps is the presence child that claims a hash of XEP-0115.
func caps(ver string) string {
	return "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='http://movim.eu' ver='" + ver + "'/>"
}

// answer is the query element with an info.
func answer(info Info) string {
	b := new(strings.Builder)
	b.WriteString("<query xmlns='" + nsInfo + "'>")
	for _, i := range info.Identities {
		fmt.Fprintf(b, "<identity category='%s' type='%s' name='%s'/>", i.Category, i.Type, i.Name)
	}
	for _, f := range info.Features {
		fmt.Fprintf(b, "<feature var='%s'/>", f)
	}
	for _, f := range info.Forms {
		fmt.Fprintf(b, "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>%s</value></field></x>", f.Type)
	}
	return b.String() + "</query>"
}

// interest collects what OnInterest is told.
func (w *world) interest() *taken {
	told := new(taken)
	w.router.OnInterest(func(_ context.Context, account, contact bridge.JID, nodes []string) {
		*told = append(*told, fmt.Sprintf("%s>%s %s", account, contact, strings.Join(nodes, ",")))
	})
	return told
}

func (w *world) interested(account bridge.JID, want ...bridge.JID) {
	w.t.Helper()
	got := w.router.Interested(account, "urn:xmpp:microblog:0")
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("interested in %s (-want +got):\n%s", account, diff)
	}
}

func TestInterestOfSessions(t *testing.T) {
	w := newWorld(t)
	told := w.interest()
	w.know("alice@example.org", "bob@example.org", "from")
	w.know("bob@example.org", "alice@example.org", "to")
	w.know("bob@example.org", "ellen@example.org", "to")
	w.know("ellen@example.org", "bob@example.org", "from")
	bob := w.login("bob@example.org/b")
	bob.say("<presence>%s</presence>", caps(microblog.sha1()))
	got := bob.all()
	question := "iq:get example.org>bob@example.org/b query(http://movim.eu#" + microblog.sha1() + ")"
	if !slices.Contains(got, question) {
		t.Fatalf("bob is asked %q, not %s", got, question)
	}
	w.interested("alice@example.org")
	bob.say("<iq type='result' id='%s' to='example.org'>%s</iq>", bob.lastID(), answer(microblog))
	w.interested("alice@example.org", "bob@example.org/b")
	w.interested("ellen@example.org", "bob@example.org/b")
	w.interested("bob@example.org", "bob@example.org/b")
	w.got(told,
		"alice@example.org>bob@example.org/b urn:xmpp:microblog:0",
		"bob@example.org>bob@example.org/b urn:xmpp:microblog:0",
		"ellen@example.org>bob@example.org/b urn:xmpp:microblog:0")
	*told = nil

	// The same hash again: nobody is asked, and nobody is told again.
	bob.say("<presence><show>away</show>%s</presence>", caps(microblog.sha1()))
	second := w.login("bob@example.org/b2")
	second.say("<presence>%s</presence>", caps(microblog.sha1()))
	if got := append(bob.all(), second.all()...); slices.ContainsFunc(got, func(s string) bool { return contains(s, "iq:get") }) {
		t.Errorf("a known hash is asked for: %q", got)
	}
	w.got(told,
		"alice@example.org>bob@example.org/b2 urn:xmpp:microblog:0",
		"bob@example.org>bob@example.org/b2 urn:xmpp:microblog:0",
		"ellen@example.org>bob@example.org/b2 urn:xmpp:microblog:0")

	w.router.Unbind(second)
	w.interested("alice@example.org", "bob@example.org/b")
	// alice lets bob see her no more
	alice := w.online("alice@example.org/a")
	alice.say("<presence type='unsubscribed' to='bob@example.org'/>")
	w.interested("alice@example.org")
	w.interested("ellen@example.org", "bob@example.org/b")
	bob.say("<presence>%s</presence>", "") // no caps any more
	w.interested("ellen@example.org")
	bob.say("<presence type='unavailable'/>")
	w.interested("bob@example.org")
	if n := len(w.router.caps.of) + len(w.router.interests.by) + len(w.router.interests.of); n != 1 { // alice's session is left
		t.Errorf("%d entries are left behind", n)
	}
}

func TestInterestOfContactsElsewhere(t *testing.T) {
	w := newWorld(t)
	told := w.interest()
	w.know("ellen@example.org", "carol@far.example", "both")
	w.know("update@example.org", "carol@far.example", "to")
	presence := "<presence from='carol@far.example/c' to='ellen@example.org'>" + caps(microblog.sha1()) + "</presence>"
	w.hear("%s", presence)
	w.got(w.far, "iq:get ellen@example.org>carol@far.example/c query(http://movim.eu#"+microblog.sha1()+")")
	w.hear("<presence from='carol@far.example/c' to='update@example.org'>%s</presence>", caps(microblog.sha1()))
	w.got(w.far)
	w.hear("<iq type='result' id='%s' from='carol@far.example/c' to='ellen@example.org'>%s</iq>", w.far.lastID(), answer(microblog))
	w.interested("ellen@example.org", "carol@far.example/c")
	w.interested("update@example.org") // carol does not see it
	w.got(told, "ellen@example.org>carol@far.example/c urn:xmpp:microblog:0")

	w.hear("<presence type='unavailable' from='carol@far.example/c' to='ellen@example.org'/>")
	w.interested("ellen@example.org")
	w.hear("%s", presence)
	w.interested("ellen@example.org", "carol@far.example/c")
	w.router.LinkDown(w.far)
	w.interested("ellen@example.org")
	if n := len(w.router.caps.of) + len(w.router.remotes.by) + w.router.remotes.count; n != 0 {
		t.Errorf("%d entries are left behind", n)
	}
	// a stranger is not remembered
	w.hear("<presence from='mallory@far.example/c' to='ellen@example.org'>%s</presence>", caps(microblog.sha1()))
	if n := len(w.router.caps.of) + len(w.router.remotes.by); n != 0 {
		t.Errorf("a stranger is remembered")
	}
}

func TestFollowerBecomesInterested(t *testing.T) {
	w := newWorld(t)
	w.hear("<presence type='subscribe' from='carol@far.example' to='ellen@example.org'/>")
	w.hear("<presence type='subscribed' from='carol@far.example' to='ellen@example.org'/>")
	w.quiet()
	w.hear("<presence from='carol@far.example/c' to='ellen@example.org'>%s</presence>", caps(microblog.sha1()))
	w.hear("<iq type='result' id='%s' from='carol@far.example/c' to='ellen@example.org'>%s</iq>", w.far.lastID(), answer(microblog))
	w.interested("ellen@example.org", "carol@far.example/c")
	w.hear("<presence type='unsubscribe' from='carol@far.example' to='ellen@example.org'/>")
	w.interested("ellen@example.org")
}

// Who answers with something that does not hash to what was claimed counts for
// themselves alone; the next one who claims it is asked.
func TestPoisoningFails(t *testing.T) {
	w := newWorld(t)
	for _, who := range []bridge.JID{"mallory@far.example", "carol@far.example", "dave@far.example"} {
		w.know("ellen@example.org", who, "both")
	}
	for _, who := range []string{"mallory", "carol", "dave"} {
		w.hear("<presence from='%s@far.example/x' to='ellen@example.org'>%s</presence>", who, caps(microblog.sha1()))
	}
	question := func(who string) string {
		return "iq:get ellen@example.org>" + who + "@far.example/x query(http://movim.eu#" + microblog.sha1() + ")"
	}
	w.got(w.far, question("mallory")) // one question at a time
	lie := Info{Features: []string{"urn:xmpp:microblog:0+notify", "urn:other+notify"}}
	w.hear("<iq type='result' id='%s' from='mallory@far.example/x' to='ellen@example.org'>%s</iq>", w.far.lastID(), answer(lie))
	w.got(w.far, question("carol"))
	w.interested("ellen@example.org", "mallory@far.example/x")
	if got := w.router.Interested("ellen@example.org", "urn:other"); len(got) != 1 {
		t.Errorf("the lie counts for %v", got)
	}
	w.hear("<iq type='error' id='%s' from='carol@far.example/x' to='ellen@example.org'/>", w.far.lastID())
	w.got(w.far, question("dave"))
	w.hear("<iq type='result' id='%s' from='dave@far.example/x' to='ellen@example.org'>%s</iq>", w.far.lastID(), answer(microblog))
	w.got(w.far)
	w.interested("ellen@example.org", "dave@far.example/x", "mallory@far.example/x")
	w.hear("<presence from='carol@far.example/x' to='ellen@example.org'>%s</presence>", caps(microblog.sha1()))
	w.interested("ellen@example.org", "carol@far.example/x", "dave@far.example/x", "mallory@far.example/x")
	if len(w.router.caps.waiting) != 0 {
		t.Error("a question is thought to be open still")
	}
}

// The hash of XEP-0115 is the same when a feature is dressed up as a form: that
// must not hide what an honest client wants.
func TestPoisoningByForm(t *testing.T) {
	w := newWorld(t)
	w.know("ellen@example.org", "mallory@far.example", "both")
	w.know("ellen@example.org", "carol@far.example", "both")
	disguised := microblog
	disguised.Features = microblog.Features[:2]
	disguised.Forms = []Form{{Type: microblog.Features[2]}}
	if disguised.sha1() != microblog.sha1() {
		t.Fatal("the disguise does not work")
	}
	w.hear("<presence from='mallory@far.example/x' to='ellen@example.org'>%s</presence>", caps(microblog.sha1()))
	w.hear("<iq type='result' id='%s' from='mallory@far.example/x' to='ellen@example.org'>%s</iq>", w.far.lastID(), answer(disguised))
	w.hear("<presence from='carol@far.example/x' to='ellen@example.org'>%s</presence>", caps(microblog.sha1()))
	w.interested("ellen@example.org", "carol@far.example/x", "mallory@far.example/x")
}

func TestClaims(t *testing.T) {
	const c2 = "<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-512'>x</hash><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'> abc= </hash></c>"
	for _, tt := range []struct{ in, key, node string }{
		{"", "", ""},
		{caps("abc"), "sha-1#abc", "http://movim.eu#abc"},
		{caps("abc") + c2, "sha-1#abc", "http://movim.eu#abc"},
		{c2, "urn:xmpp:caps#sha-256.abc=", "urn:xmpp:caps#sha-256.abc="},
		{"<c xmlns='http://jabber.org/protocol/caps' node='n' ver='1.0' ext='a b'/>", "of c@d/e 1.0", "n#1.0"},
		{"<c xmlns='http://jabber.org/protocol/caps' hash='md5' node='n' ver='1.0'/>", "of c@d/e 1.0", "n#1.0"},
		{"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n'/>", "", ""},
		{caps(strings.Repeat("x", 2000)), "", ""},
	} {
		e, err := Parse([]byte("<presence>"+tt.in+"</presence>"), NSClient)
		if err != nil {
			t.Fatal(err)
		}
		if got := claimOf(e, "c@d/e"); got != (claim{tt.key, tt.node}) {
			t.Errorf("%s claims %+v", tt.in, got)
		}
	}
}

func TestCapsOfXEP0390(t *testing.T) {
	w := newWorld(t)
	w.know("ellen@example.org", "carol@far.example", "both")
	w.hear("<presence from='carol@far.example/c' to='ellen@example.org'><c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>%s</hash></c></presence>", microblog.sha256())
	w.got(w.far, "iq:get ellen@example.org>carol@far.example/c query(urn:xmpp:caps#sha-256."+microblog.sha256()+")")
	w.hear("<iq type='result' id='%s' from='carol@far.example/c' to='ellen@example.org'>%s</iq>", w.far.lastID(), answer(microblog))
	w.interested("ellen@example.org", "carol@far.example/c")
	if len(w.router.caps.verified) != 1 {
		t.Error("the hash is not verified")
	}
}

func TestWhoDoesNotAnswerDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, who := range []bridge.JID{"slow@far.example", "carol@far.example"} {
			w.know("ellen@example.org", who, "both")
			w.hear("<presence from='%s/x' to='ellen@example.org'>%s</presence>", who, caps(microblog.sha1()))
		}
		if got := len(w.far.all()); got != 1 {
			t.Fatalf("%d are asked at once", got)
		}
		<-time.After(askTimeout) // in the bubble's time
		synctest.Wait()
		w.got(w.far, "iq:get ellen@example.org>carol@far.example/x query(http://movim.eu#"+microblog.sha1()+")")
	})
}

func TestVerifiedHashesAreBounded(t *testing.T) {
	table := newCaps()
	for i := range maxHashes + 100 {
		info := Info{Features: []string{fmt.Sprintf("f%d+notify", i)}}
		w := waiter{contact: "c@d/e", claim: claim{key: "sha-1#" + info.sha1()}}
		if _, ask := table.note(w); !ask {
			t.Fatal("a new hash is not asked for")
		}
		table.verify(w, &info, true)
	}
	if got := len(table.verified); got != maxHashes {
		t.Errorf("%d hashes are remembered", got)
	}
	if got := table.wants("c@d/e"); len(got) != 1 || got[0] != fmt.Sprintf("f%d", maxHashes+99) {
		t.Errorf("the last one wants %q", got)
	}
}

func TestResourcesElsewhereAreBounded(t *testing.T) {
	w := newWorld(t)
	w.know("ellen@example.org", "carol@far.example", "both")
	for i := range maxResources + 10 {
		w.hear("<presence from='carol@far.example/%d' to='ellen@example.org'/>", i)
	}
	if got := w.router.remotes.count; got != maxResources {
		t.Errorf("%d resources are remembered", got)
	}
}

func BenchmarkInterested(b *testing.B) {
	t := newInterests()
	for i := range 1000 {
		t.set("alice@example.org", bridge.JID(fmt.Sprintf("c%d@far.example/x", i)), []string{"urn:xmpp:microblog:0", "other"})
	}
	b.ReportAllocs()
	for b.Loop() {
		if len(t.list("alice@example.org", "urn:xmpp:microblog:0")) != 1000 {
			b.Fatal("some are missing")
		}
	}
}

package c2s

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLoginAndTalk(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	c := h.dial(t)
	features := c.open()
	want := "<mechanisms xmlns='" + nsSASL + "'><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism>" +
		"<mechanism>PLAIN</mechanism><mechanism>ANONYMOUS</mechanism></mechanisms><register xmlns='http://jabber.org/features/iq-register'/>"
	if !strings.Contains(features, want) || strings.Contains(features, "starttls") {
		t.Fatalf("features %s", features)
	}
	c.send(auth("PLAIN", b64("alice@micro.example\x00alice\x00pencil"))).expect("<success xmlns='" + nsSASL + "'></success>")
	c.framer.Restart()
	want = "<stream:features><bind xmlns='" + nsBind + "'><required/></bind><session xmlns='" + nsSession + "'><optional/></session>" +
		"<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/></stream:features>"
	if features = c.open(); features != want {
		t.Fatalf("features %s", features)
	}
	c.bind("desk")
	c.send("<iq type='set' id='s1'><session xmlns='" + nsSession + "'/></iq>").expect("<iq type='result' id='s1' to='alice@micro.example/desk'/>")
	c.send("<iq type='get' id='p1' to='micro.example'><ping xmlns='urn:xmpp:ping'/></iq>").
		expect("<iq type='result' id='p1' from='micro.example' to='alice@micro.example/desk'/>")
	c.send(" \n <message to='bob@micro.example'><body>hi</body></message>")
	if st := <-h.router.received; st.From != "alice@micro.example/desk" || st.To != "bob@micro.example" || st.Child("", "body").Text != "hi" {
		t.Errorf("received %+v", st)
	}
	c.send("</stream:stream>").expect("</stream:stream>")
	c.over()
	eventually(t, "the session is gone", func() bool { return h.Sessions() == 0 && h.router.session("alice@micro.example/desk") == nil })
}

// Each of these is the first thing a client says; the answer is a stream header
// and the stream error.
func TestBadStreams(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	header := func(old, new string) string { return strings.Replace(hello, old, new, 1) }
	for _, tt := range []struct{ name, said, condition string }{
		{"another stream namespace", header("etherx.jabber.org", "example.org"), "invalid-namespace"},
		{"another content namespace", header("jabber:client", "jabber:server"), "invalid-namespace"},
		{"no content namespace", header("xmlns='jabber:client' ", ""), "invalid-namespace"},
		{"not a stream", "<stream:flow xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'>", "bad-format"},
		{"another host", header("micro.example", "elsewhere.example"), "host-unknown"},
		{"a malformed host", header("micro.example", "@"), "host-unknown"},
		{"no host", header("to='micro.example' ", ""), "improper-addressing"},
		{"no version", header(" version='1.0'>", ">"), "unsupported-version"},
		{"version 0.9", header("1.0'>", "0.9'>"), "unsupported-version"},
		{"a version that is none", header("1.0'>", "x'>"), "unsupported-version"},
		{"undeclared prefix", "<stream:stream to='micro.example'>", "not-well-formed"},
		{"duplicate attribute", header("to=", "to='x' to="), "not-well-formed"},
		{"DOCTYPE", "<!DOCTYPE x [<!ENTITY a 'b'>]>" + hello, "restricted-xml"},
		{"comment", "<!-- hi -->" + hello, "restricted-xml"},
		{"processing instruction", "<?php evil ?>", "restricted-xml"},
		{"HTTP", "GET / HTTP/1.1\r\nHost: micro.example\r\n\r\n", "not-well-formed"},
		{"TLS at once", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "not-well-formed"},
		{"an empty element", "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/>", "not-well-formed"},
		{"an endless header", "<stream:stream " + strings.Repeat("a='b' ", 3000), "policy-violation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := h.dial(t)
			c.send(tt.said)
			c.expect("<stream:stream xmlns='jabber:client'*id='*'*>")
			c.failing(tt.condition)
		})
	}
}

// Each of these comes before the login.
func TestBadBeforeLogin(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	for _, tt := range []struct{ name, said, condition string }{
		{"message", "<message to='alice@micro.example'><body>hi</body></message>", "not-authorized"},
		{"presence", "<presence/>", "not-authorized"},
		{"iq", "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "not-authorized"},
		{"bind", "<iq type='set' id='1'><bind xmlns='" + nsBind + "'/></iq>", "not-authorized"},
		{"unknown element", "<hello xmlns='urn:example'/>", "unsupported-stanza-type"},
		{"response without challenge", "<response xmlns='" + nsSASL + "'/>", "unsupported-stanza-type"},
		{"stanza instead of response", auth("PLAIN", "") + "<presence/>", "not-authorized"},
		{"stanza above the limit", "<message><body>" + strings.Repeat("x", 10_000) + "</body></message>", "policy-violation"},
		{"text", "hello", "not-well-formed"},
		{"tags that do not match", "<auth xmlns='" + nsSASL + "'></ahut>", "not-well-formed"},
		{"not UTF-8", "<auth xmlns='" + nsSASL + "'>\xff</auth>", "not-well-formed"},
		{"another entity", "<auth xmlns='" + nsSASL + "'>&x;</auth>", "restricted-xml"},
		{"comment", "<auth xmlns='" + nsSASL + "'><!-- --></auth>", "restricted-xml"},
		{"depth", strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200), "policy-violation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := h.dial(t)
			c.open()
			c.send(tt.said)
			if strings.HasPrefix(tt.said, "<auth xmlns='"+nsSASL+"' mechanism='PLAIN'>") {
				c.expect("<challenge xmlns='" + nsSASL + "'></challenge>")
			}
			c.failing(tt.condition)
		})
	}
}

func TestBadAfterLogin(t *testing.T) {
	h := newHouse(t, func(o *Options, _ *house) { o.Limits.Authenticated = 20_000 }).listen(t, false)
	for _, tt := range []struct{ name, said, condition string }{
		{"somebody else", "<message from='bob@micro.example' to='alice@micro.example'/>", "invalid-from"},
		{"another resource", "<message from='alice@micro.example/other'/>", "invalid-from"},
		{"a malformed sender", "<message from='@'/>", "invalid-from"},
		{"another namespace", "<message xmlns='jabber:server'/>", "invalid-namespace"},
		{"unknown element", "<hello/>", "unsupported-stanza-type"},
		{"authentication again", auth("PLAIN", ""), "unsupported-stanza-type"},
		{"above the limit", "<message><body>" + strings.Repeat("x", 20_000) + "</body></message>", "policy-violation"},
		{"not well-formed", "<message></body></message>", "not-well-formed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := h.dial(t).login("alice", "pencil").bind("desk")
			c.send("<message from='alice@micro.example'><body>" + strings.Repeat("x", 15_000) + "</body></message>")
			<-h.router.received
			c.send(tt.said)
			c.failing(tt.condition)
		})
	}
}

func TestStanzaErrorsLeaveTheStream(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	c := h.dial(t).login("alice", "pencil").bind("desk")
	c.send("<iq type='get' id='1' to='@'><x xmlns='y'/></iq>").expect("<iq type='error' id='1' to='alice@micro.example/desk'>*<jid-malformed*</iq>")
	c.send("<iq type='set' id='2'><bind xmlns='" + nsBind + "'/></iq>").expect("<iq type='error' id='2'*<not-allowed*</iq>")
	c.send("<stream:error><bad-format xmlns='" + nsStreamErrors + "'/></stream:error>").expect("</stream:stream>")
	c.over()
}

func TestBeforeBind(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	c := h.dial(t).login("alice", "pencil")
	c.send("<iq type='set' id='1'><bind xmlns='" + nsBind + "'><resource>" + strings.Repeat("x", 1100) + "</resource></bind></iq>").
		expect("<iq type='error' id='1'><error type='modify'><bad-request*</iq>")
	c.send("<iq type='set' id='2'><bind xmlns='" + nsBind + "'/></iq>").
		expect("<iq type='result' id='2'><bind xmlns='" + nsBind + "'><jid>alice@micro.example/*</jid></bind></iq>")
	h.router.full = true
	c = h.dial(t).login("alice", "pencil")
	c.send("<iq type='set' id='3'><bind xmlns='" + nsBind + "'/></iq>").expect("<iq type='error' id='3'>*<resource-constraint*</iq>")
	c.send("<presence/>").failing("not-authorized")
}

// The answer to bind comes before what the router sends to the new session.
func TestBindAnswersFirst(t *testing.T) {
	h := newHouse(t, func(_ *Options, h *house) { h.router.greet = []byte("<presence from='bob@micro.example/x'/>") }).listen(t, false)
	c := h.dial(t).login("alice", "pencil").bind("desk")
	c.expect("<presence from='bob@micro.example/x'/>")
}

func TestSameResourceTwice(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	old := h.dial(t).login("alice", "pencil").bind("desk")
	h.dial(t).login("alice", "pencil").bind("desk")
	old.failing("conflict")
	eventually(t, "the old connection is gone", func() bool { return h.Sessions() == 1 })
	if h.router.session("alice@micro.example/desk") == nil {
		t.Error("the old session took the new one with it")
	}
}

func TestSASLFailures(t *testing.T) {
	h := newHouse(t, func(o *Options, _ *house) { o.Limits.Attempts = 100 }).listen(t, false)
	c := h.dial(t)
	c.open()
	for _, tt := range []struct{ name, said, condition string }{
		{"no mechanism", auth("", ""), "invalid-mechanism"},
		{"unknown mechanism", auth("DIGEST-MD5", ""), "invalid-mechanism"},
		{"channel binding", auth("SCRAM-SHA-256-PLUS", b64("p=tls-exporter,,n=alice,r=x")), "invalid-mechanism"},
		{"not base64", auth("PLAIN", "!"), "incorrect-encoding"},
		{"no data", auth("PLAIN", "="), "malformed-request"},
		{"two parts", auth("PLAIN", b64("\x00alice")), "malformed-request"},
		{"wrong password", auth("PLAIN", b64("\x00alice\x00pen")), "not-authorized"},
		{"no such account", auth("PLAIN", b64("\x00nobody\x00pencil")), "not-authorized"},
		{"a malformed account", auth("PLAIN", b64("\x00a@b\x00pencil")), "not-authorized"},
		{"somebody else", auth("PLAIN", b64("bob@micro.example\x00alice\x00pencil")), "invalid-authzid"},
		{"malformed SCRAM", auth("SCRAM-SHA-256", b64("x")), "malformed-request"},
	} {
		c.send(tt.said)
		if got, want := c.next(), "<failure xmlns='"+nsSASL+"'><"+tt.condition+"/></failure>"; got != want {
			t.Errorf("%s: %s, want %s", tt.name, got, want)
		}
	}
	c.send(auth("SCRAM-SHA-1", "")).expect("<challenge xmlns='" + nsSASL + "'></challenge>")
	c.send("<abort xmlns='" + nsSASL + "'/>").expect("<failure xmlns='" + nsSASL + "'><aborted/></failure>")
	c.send(auth("PLAIN", "")).expect("<challenge xmlns='" + nsSASL + "'></challenge>")
	c.send("<response xmlns='" + nsSASL + "'>" + b64("\x00alice\x00pencil") + "</response>").expect("<success xmlns='" + nsSASL + "'></success>")
}

func TestTooManyFailures(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	c := h.dial(t)
	c.open()
	for range 5 {
		c.send(auth("PLAIN", b64("\x00alice\x00wrong"))).expect("<failure xmlns='" + nsSASL + "'><not-authorized/></failure>")
	}
	c.failing("policy-violation")
}

// A wrong password does not make an anonymous session of its owner.
func TestNotAnonymousAfterAPassword(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	c := h.dial(t)
	c.open()
	c.send(auth("PLAIN", b64("\x00alice\x00wrong"))).expect("<failure xmlns='" + nsSASL + "'><not-authorized/></failure>")
	c.send(auth("ANONYMOUS", "")).expect("<failure xmlns='" + nsSASL + "'><not-authorized/></failure>")
	c.send(auth("PLAIN", b64("\x00alice\x00pencil"))).expect("<success*")
}

func TestAnonymous(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	c := h.dial(t)
	c.open()
	c.send(auth("ANONYMOUS", "")).expect("<success xmlns='" + nsSASL + "'></success>")
	c.framer.Restart()
	c.open()
	c.send("<iq type='set' id='1'><bind xmlns='" + nsBind + "'><resource>r</resource></bind></iq>")
	c.expect("<iq type='result' id='1'><bind xmlns='" + nsBind + "'><jid>anon-*@micro.example/r</jid></bind></iq>")
	h.router.mu.Lock()
	for _, s := range h.router.bound {
		if !s.Anonymous() {
			t.Error("the router does not know that the session is anonymous")
		}
	}
	h.router.mu.Unlock()

	closed := newHouse(t, func(o *Options, _ *house) { o.Anonymous = false }).listen(t, false)
	c = closed.dial(t)
	if features := c.open(); strings.Contains(features, "ANONYMOUS") {
		t.Errorf("features %s", features)
	}
	c.send(auth("ANONYMOUS", "")).expect("<failure xmlns='" + nsSASL + "'><invalid-mechanism/></failure>")
}

func TestLoginTakesTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		c := h.pipe(t)
		start := time.Now()
		c.open()
		c.expect("<stream:error><connection-timeout*</stream:error>")
		c.expect("</stream:stream>")
		c.over()
		if waited := time.Since(start); waited != 2*time.Minute {
			t.Errorf("after %v", waited)
		}
		h.quit(t)
	})
}

func TestAPanicEndsOneSession(t *testing.T) {
	h := newHouse(t, func(_ *Options, h *house) { h.router.panics = true }).listen(t, false)
	c := h.dial(t).login("alice", "pencil").bind("desk")
	c.send("<presence/>").failing("internal-server-error")
	h.dial(t).login("alice", "pencil").bind("desk")
}

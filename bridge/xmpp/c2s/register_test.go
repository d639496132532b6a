package c2s

import (
	"strings"
	"testing"
)

// register is a set of XEP-0077.
func register(id, inner string) string {
	return "<iq type='set' id='" + id + "'><query xmlns='jabber:iq:register'>" + inner + "</query></iq>"
}

func TestRegister(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	c := h.dial(t)
	c.open()
	c.send("<iq type='get' id='r1' to='micro.example'><query xmlns='jabber:iq:register'/></iq>").
		expect("<iq type='result' id='r1'*><query xmlns='jabber:iq:register'><instructions>*</instructions><username/><password/></query></iq>")
	for _, tt := range []struct{ name, said, condition string }{
		{"no password", register("e", "<username>bob</username>"), "not-acceptable"},
		{"an empty password", register("e", "<username>bob</username><password/>"), "not-acceptable"},
		{"no name", register("e", "<password>x</password>"), "not-acceptable"},
		{"a name with a hyphen", register("e", "<username>anon-bob</username><password>x</password>"), "not-acceptable"},
		{"a malformed name", register("e", "<username>b@b</username><password>x</password>"), "not-acceptable"},
		{"a name with a resource", register("e", "<username>bob@micro.example/x</username><password>x</password>"), "not-acceptable"},
		{"a name in use", register("e", "<username>Alice</username><password>x</password>"), "conflict"},
		{"remove", register("e", "<remove/>"), "unexpected-request"},
		{"another host", strings.Replace(register("e", ""), "<iq", "<iq to='else.example'", 1), "item-not-found"},
		{"a malformed host", strings.Replace(register("e", ""), "<iq", "<iq to='@'", 1), "item-not-found"},
		{"no type", "<iq id='e'><query xmlns='jabber:iq:register'/></iq>", "bad-request"},
	} {
		c.send(tt.said)
		if got := c.next(); !matches("<iq type='error' id='e'*><error type='*'><"+tt.condition+" *</iq>", got) || strings.Contains(got, "password>") {
			t.Errorf("%s: %s", tt.name, got)
		}
	}
	c.send(register("r2", "<username>Bob</username><password>s3cret</password>")).expect("<iq type='result' id='r2'/>")
	c.send(register("r3", "<username>carol</username><password>s3cret</password>")).expect("<iq type='error' id='r3'>*<not-acceptable*</iq>")
	c.send(auth("PLAIN", b64("\x00bob\x00s3cret"))).expect("<success xmlns='" + nsSASL + "'></success>")
}

func TestRegisterByInvitation(t *testing.T) {
	h := newHouse(t, func(_ *Options, h *house) {
		h.accounts.how = "invite"
		h.accounts.tokens["good"] = true
	}).listen(t, false)
	c := h.dial(t)
	c.open()
	c.send("<iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>").
		expect("<iq type='result' id='r1'><query *<username/><password/><key/><x xmlns='jabber:x:data' type='form'>*var='token'*</x></query></iq>")
	c.send(register("r2", "<username>bob</username><password>x</password>")).expect("<iq type='error' id='r2'>*<not-allowed*</iq>")
	form := func(token string) string {
		field := func(name, value string) string {
			return "<field var='" + name + "'><value>" + value + "</value></field>"
		}
		return "<x xmlns='jabber:x:data' type='submit'><field var='empty'/>" + field("FORM_TYPE", "jabber:iq:register") +
			field("username", "bob") + field("password", "x") + field("token", token) + "</x>"
	}
	c.send(register("r3", form("bad"))).expect("<iq type='error' id='r3'>*<not-allowed*</iq>")
	c.send(register("r4", form(" good "))).expect("<iq type='result' id='r4'/>")
	c = h.dial(t)
	c.open()
	c.send(register("r5", "<username>carol</username><password>x</password><key>good</key>")).expect("<iq type='result' id='r5'/>")
}

func TestRegistrationClosed(t *testing.T) {
	h := newHouse(t, func(_ *Options, h *house) { h.accounts.how = "closed" }).listen(t, false)
	c := h.dial(t)
	if features := c.open(); strings.Contains(features, "register") {
		t.Errorf("features %s", features)
	}
	c.send("<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>").expect("<iq type='error' id='1'>*<service-unavailable*</iq>")
	c.send(register("2", "<username>bob</username><password>x</password>")).expect("<iq type='error' id='2'>*<service-unavailable*</iq>")
	if h.accounts.registration != 0 {
		t.Error("registration was tried")
	}
}

func TestTooManyRegistrations(t *testing.T) {
	change, pool := withTLS(t)
	h := newHouse(t, change).listen(t, true)
	for i := range 6 {
		c := h.dial(t)
		c.open()
		c = c.upgrade(pool)
		c.open()
		c.send(register("r", "<username>bob"+strings.Repeat("x", i)+"</username><password>x</password>"))
		if i < 5 {
			c.expect("<iq type='result' id='r'/>")
		} else {
			c.expect("<iq type='error' id='r'><error type='wait'><resource-constraint*</iq>")
		}
	}
}

func TestChangePassword(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	c := h.dial(t).login("alice", "pencil").bind("desk")
	c.send("<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>").
		expect("<iq type='result' id='1'*><query xmlns='jabber:iq:register'><registered/><username>alice</username><password/></query></iq>")
	c.send(register("2", "<username>alice</username>")).expect("<iq type='error' id='2'*<bad-request*</iq>")
	c.send(register("3", "<username>bob</username><password>x</password>")).expect("<iq type='error' id='3'*<not-allowed*</iq>")
	c.send(register("4", "<username>alice</username><password>new</password>")).expect("<iq type='result' id='4' to='alice@micro.example/desk'/>")
	h.dial(t).login("alice", "new")
	c = h.dial(t)
	c.open()
	c.send(auth("PLAIN", b64("\x00alice\x00pencil"))).expect("<failure xmlns='" + nsSASL + "'><not-authorized/></failure>")
}

func TestRemoveAccount(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	other := h.dial(t).login("alice", "pencil").bind("pocket")
	c := h.dial(t).login("alice", "pencil").bind("desk")
	c.send(register("1", "<remove/><username>alice</username>")).expect("<iq type='error' id='1'*<bad-request*</iq>")
	c.send(register("2", "<remove/>")).expect("<iq type='result' id='2' to='alice@micro.example/desk'/>")
	c.failing("not-authorized")
	other.failing("not-authorized")
	if _, ok := h.accounts.Credential("alice"); ok {
		t.Error("the account is still there")
	}
}

func TestAnonymousHasNoAccount(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	c := h.dial(t)
	c.open()
	c.send(auth("ANONYMOUS", "")).expect("<success*")
	c.framer.Restart()
	c.open()
	c.bind("r")
	c.send(register("1", "<remove/>")).expect("<iq type='error' id='1'*<forbidden*</iq>")
}

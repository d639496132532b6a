package xmpp

import (
	"errors"
	"strings"
	"testing"

	"peewit/bridge"
)

func TestParseStanza(t *testing.T) {
	st, err := ParseStanza([]byte(`<message type='chat' id='i' xml:lang='de' from='Alice@Example.org/P' to='bob@example.org'><body/></message>`), NSClient)
	if err != nil {
		t.Fatal(err)
	}
	if st.Kind != "message" || st.Type != "chat" || st.ID != "i" || st.Lang != "de" || st.From != "alice@example.org/P" || st.To != "bob@example.org" {
		t.Errorf("read as %+v", st)
	}
	for _, raw := range []string{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "<message xmlns='urn:other'/>", "<Message/>", "<stream:error/>"} {
		if st, err := ParseStanza([]byte(raw), NSClient); st != nil || !errors.Is(err, ErrNotStanza) {
			t.Errorf("%s is read as %v, %v", raw, st, err)
		}
	}
	st, err = ParseStanza([]byte("<iq to='@' from='carol@far.example'/>"), NSClient)
	if st == nil || !bridge.Is(err, bridge.MalformedJID) || st.From != "carol@far.example" || st.To != "" {
		t.Errorf("a malformed address is read as %+v, %v", st, err)
	}
	for _, empty := range []string{"<iq to=''/>", "<iq from=''/>"} {
		if _, err := ParseStanza([]byte(empty), NSClient); !bridge.Is(err, bridge.MalformedJID) {
			t.Errorf("%s: %v", empty, err)
		}
	}
}

func TestBytes(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"addresses are replaced, the rest stays",
			`<message to='Bob@example.org' from="evil@x" id='&lt;1' type='chat' xml:lang='de'> <body>a&amp;b<![CDATA[<]]></body></message>`,
			`<message type='chat' id='&lt;1' from='alice@example.org/a' to='bob@example.org' xml:lang='de'> <body>a&amp;b<![CDATA[<]]></body></message>`},
		{"prefixes declared on the root go along",
			`<message xmlns:p='urn:p' xmlns='jabber:client' to='bob@example.org'><p:x/></message>`,
			`<message from='alice@example.org/a' to='bob@example.org' xmlns:p='urn:p'><p:x/></message>`},
		{"the stream's namespace does not",
			`<message to='bob@example.org'><body xmlns='jabber:client'>1</body><x xmlns='urn:x'><body xmlns='jabber:client'/></x><body id='>' xmlns="jabber:client">2</body></message>`,
			`<message from='alice@example.org/a' to='bob@example.org'><body>1</body><x xmlns='urn:x'><body xmlns='jabber:client'/></x><body id='>'>2</body></message>`},
		{"nothing inside", `<message to='bob@example.org'/>`, `<message from='alice@example.org/a' to='bob@example.org'></message>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st, err := ParseStanza([]byte(tt.in), NSClient)
			if err != nil {
				t.Fatal(err)
			}
			st.From = "alice@example.org/a"
			if got := string(st.Bytes()); got != tt.want {
				t.Errorf("Bytes is\n%s, want\n%s", got, tt.want)
			}
		})
	}
}

func TestWrap(t *testing.T) {
	if got := string(Wrap("iq", "set", "a'b", "", "c@d/é", nil)); got != "<iq type='set' id='a&apos;b' to='c@d/é'/>" {
		t.Errorf("Wrap is %s", got)
	}
	if got := string(Wrap("message", "", "", "a@b", "c@d", []byte("<body/>"))); got != "<message from='a@b' to='c@d'><body/></message>" {
		t.Errorf("Wrap is %s", got)
	}
}

// FuzzParseStanza checks that a stanza can always be answered and carried on,
// and that what leaves is well-formed and from whom we say.
func FuzzParseStanza(f *testing.F) {
	for _, b := range corpus(f) {
		f.Add(b)
	}
	f.Add([]byte("<iq type='get' id='\t&#10;' from='a@b' to='@'><q xmlns:p='u'/></iq>"))
	f.Add([]byte("<message from='a@b' xmlns:p='u'><body xmlns='jabber:client' p:a=''/></message>"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		st, err := ParseStanza(raw, NSClient)
		if st == nil {
			return
		}
		if err != nil && !bridge.Is(err, bridge.MalformedJID) {
			t.Fatalf("a stanza and the error %v", err)
		}
		if st.From == "" {
			return
		}
		refusal := err
		if refusal == nil {
			refusal = bridge.Refuse(bridge.BadRequest, "no: %q", raw)
		}
		if reply := ErrorReply(st, refusal); reply != nil {
			back, err := ParseStanza(reply, NSClient)
			if err != nil || back.To != st.From || back.From != st.To || back.ID != st.ID || back.Answerable() {
				t.Errorf("%q is answered with %q: %v", raw, reply, err)
			}
		}
		if st.Name.Space != st.streamNS || strings.Contains(string(raw), "jabber:") {
			return // what the sender did with our namespace need not come through unchanged
		}
		on, err := ParseStanza(st.Bytes(), NSClient)
		if err != nil || on.From != st.From || on.To != st.To || on.ID != st.ID || len(on.Children) != len(st.Children) {
			t.Errorf("%q is carried on as %q: %v", raw, st.Bytes(), err)
		}
	})
}

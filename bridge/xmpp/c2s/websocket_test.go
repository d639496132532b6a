package c2s

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"peewit/bridge/xmpp"
)

// browser is a client by WebSocket.
type browser struct {
	t    testing.TB
	conn *websocket.Conn
}

// web serves WebSocket over HTTP on the loopback.
func (h *house) web(t testing.TB) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func browse(t testing.TB, s *httptest.Server, o *websocket.DialOptions) *browser {
	t.Helper()
	if o == nil {
		o = &websocket.DialOptions{}
	}
	o.Subprotocols = []string{"xmpp"}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	conn, _, err := websocket.Dial(ctx, strings.Replace(s.URL, "http", "ws", 1), o)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { conn.CloseNow() })
	return &browser{t, conn}
}

func (b *browser) send(s string) *browser {
	b.t.Helper()
	if err := b.conn.Write(context.Background(), websocket.MessageText, []byte(s)); err != nil {
		b.t.Fatalf("send %s: %v", s, err)
	}
	return b
}

// expect reads one message, which must be one element that declares all its
// namespaces, and compares it with a pattern.
func (b *browser) expect(pattern string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, data, err := b.conn.Read(ctx)
	if err != nil {
		b.t.Fatalf("receive: %v", err)
	}
	if !matches(pattern, string(data)) {
		b.t.Fatalf("got  %s\nwant %s", data, pattern)
	}
	e, err := xmpp.Parse(data, "")
	if err != nil || e.Name.Space == "" || strings.HasPrefix(string(data), "<stream:") && !strings.Contains(string(data), " xmlns:stream=") {
		b.t.Fatalf("%s does not stand alone: %v", data, err)
	}
	return string(data)
}

const wsOpen = "<open xmlns='" + nsFraming + "' to='micro.example' version='1.0'/>"

func (b *browser) open() string {
	b.t.Helper()
	b.send(wsOpen).expect("<open xmlns='" + nsFraming + "' id='*' from='micro.example' version='1.0' xml:lang='en'/>")
	return b.expect("<stream:features xmlns:stream='" + xmpp.NSStream + "'>*</stream:features>")
}

func (b *browser) login() *browser {
	b.t.Helper()
	b.open()
	b.send(auth("PLAIN", b64("\x00alice\x00pencil"))).expect("<success xmlns='" + nsSASL + "'></success>")
	b.open()
	b.send("<iq xmlns='jabber:client' type='set' id='1'><bind xmlns='" + nsBind + "'><resource>web</resource></bind></iq>")
	b.expect("<iq xmlns='jabber:client' type='result' id='1'><bind xmlns='" + nsBind + "'><jid>alice@micro.example/web</jid></bind></iq>")
	return b
}

// failing reads a stream error, <close/> and the end.
func (b *browser) failing(condition string) {
	b.t.Helper()
	b.expect("<stream:error xmlns:stream='" + xmpp.NSStream + "'><" + condition + " xmlns='" + nsStreamErrors + "'/>*</stream:error>")
	b.over()
}

func (b *browser) over() {
	b.t.Helper()
	b.expect("<close xmlns='" + nsFraming + "'/>")
	if _, data, err := b.conn.Read(context.Background()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		b.t.Fatalf("got %q, %v; want the closing handshake", data, err)
	}
}

func TestWebSocket(t *testing.T) {
	h := newHouse(t, nil)
	b := browse(t, h.web(t), nil)
	if features := b.open(); strings.Contains(features, "starttls") || !strings.Contains(features, "SCRAM-SHA-256") {
		t.Errorf("features %s", features)
	}
	b = browse(t, h.web(t), nil).login()
	s := h.router.session("alice@micro.example/web")
	long := strings.Repeat("x", 100_000)
	s.Send(xmpp.Event, []byte("<message id='1'><body>"+long+"</body></message>"))
	b.expect("<message xmlns='jabber:client' id='1'><body>" + long + "</body></message>")
	for _, stanza := range []string{"<presence/>", "<message xmlns='jabber:client'/>", "<message\n id='>'/>"} {
		s.Send(xmpp.Event, []byte(stanza))
	}
	b.expect("<presence xmlns='jabber:client'/>")
	b.expect("<message xmlns='jabber:client'/>")
	b.expect("<message xmlns='jabber:client'\n id='>'/>")
	b.send("<message xmlns='jabber:client'><body>" + long + "</body></message>")
	if st := <-h.router.received; st.Child(xmpp.NSClient, "body").Text != long {
		t.Error("the message is cut")
	}
	b.send("<iq type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq>").expect("<iq xmlns='jabber:client' type='result' id='2' *>")
	b.send("<close xmlns='" + nsFraming + "'/>").over()
	eventually(t, "the session is gone", func() bool { return h.router.session("alice@micro.example/web") == nil })
}

func TestBadWebSocketStreams(t *testing.T) {
	h := newHouse(t, nil)
	s := h.web(t)
	for _, tt := range []struct{ name, said, condition string }{
		{"a TCP header", strings.TrimPrefix(hello, "<?xml version='1.0'?>"), "not-well-formed"},
		{"another namespace", strings.Replace(wsOpen, "framing", "farming", 1), "invalid-namespace"},
		{"another element", "<presence xmlns='jabber:client'/>", "bad-format"},
		{"another host", strings.Replace(wsOpen, "micro", "macro", 1), "host-unknown"},
		{"no version", strings.Replace(wsOpen, "version='1.0'", "", 1), "unsupported-version"},
		{"two elements", wsOpen + wsOpen, "not-well-formed"},
		{"an XML declaration", "<?xml version='1.0'?>" + wsOpen, "restricted-xml"},
		{"DOCTYPE", "<!DOCTYPE x>", "restricted-xml"},
		{"white space", " ", "not-well-formed"},
		{"too much", strings.Repeat(" ", 10_001), "policy-violation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := browse(t, s, nil)
			b.send(tt.said).expect("<open *>")
			b.failing(tt.condition)
		})
	}
	b := browse(t, s, nil)
	if err := b.conn.Write(context.Background(), websocket.MessageBinary, []byte(wsOpen)); err != nil {
		t.Fatal(err)
	}
	b.expect("<open *>")
	b.failing("bad-format")
}

func TestBadWebSocketStanzas(t *testing.T) {
	h := newHouse(t, nil)
	s := h.web(t)
	for _, tt := range []struct{ name, said, condition string }{
		{"another namespace", "<message xmlns='jabber:server'/>", "invalid-namespace"},
		{"half a stanza", "<message xmlns='jabber:client'>", "not-well-formed"},
		{"too much", "<message xmlns='jabber:client'>" + strings.Repeat("x", 256<<10) + "</message>", "policy-violation"},
		{"somebody else", "<message xmlns='jabber:client' from='bob@micro.example'/>", "invalid-from"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			browse(t, s, nil).login().send(tt.said).failing(tt.condition)
		})
	}
}

func TestWebSocketShutdown(t *testing.T) {
	h := newHouse(t, nil)
	b := browse(t, h.web(t), nil).login()
	done := make(chan error, 1)
	go func() { done <- h.Shutdown(context.Background()) }()
	b.failing("system-shutdown")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWebSocketHandshake(t *testing.T) {
	h := newHouse(t, func(o *Options, _ *house) { o.Origins = []string{"https://pages.example"} })
	s := h.web(t)
	for _, tt := range []struct {
		name, origin, protocol string
		want                   int
	}{
		{"a native client", "", "xmpp", http.StatusSwitchingProtocols},
		{"the same host", s.URL, "xmpp", http.StatusSwitchingProtocols},
		{"a configured page", "https://pages.example", "xmpp", http.StatusSwitchingProtocols},
		{"a configured page in the clear", "http://pages.example", "xmpp", http.StatusForbidden},
		{"another page", "https://evil.example", "xmpp", http.StatusForbidden},
		{"several protocols", "", "chat, xmpp", http.StatusSwitchingProtocols},
		{"another protocol", "", "chat", http.StatusBadRequest},
		{"no protocol", "", "", http.StatusBadRequest},
	} {
		r, err := http.NewRequest("GET", s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {b64("0123456789abcdef")}}
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if tt.protocol != "" {
			r.Header.Set("Sec-WebSocket-Protocol", tt.protocol)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %s, want %d", tt.name, resp.Status, tt.want)
		}
		if tt.want == http.StatusSwitchingProtocols && resp.Header.Get("Sec-WebSocket-Protocol") != "xmpp" {
			t.Errorf("%s: subprotocol %q", tt.name, resp.Header.Get("Sec-WebSocket-Protocol"))
		}
	}
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a page view: %s", resp.Status)
	}
}

// From elsewhere a client has to come by HTTPS.
func TestWebSocketIsPrivate(t *testing.T) {
	h := newHouse(t, nil)
	elsewhere := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = "192.0.2.7:4711"
		h.ServeHTTP(w, r)
	})
	plain := httptest.NewServer(elsewhere)
	defer plain.Close()
	b := browse(t, plain, nil)
	b.send(wsOpen).expect("<open *>")
	b.failing("policy-violation")

	secure := httptest.NewTLSServer(elsewhere)
	defer secure.Close()
	browse(t, secure, &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}}).login()
}

func TestSelfContained(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"<iq/>", "<iq xmlns='jabber:client'/>"},
		{"<iq>x</iq>", "<iq xmlns='jabber:client'>x</iq>"},
		{"<iq id=\"1\">x</iq>", "<iq xmlns='jabber:client' id=\"1\">x</iq>"},
		{"<iq id='1' xmlns = 'jabber:client'/>", "<iq id='1' xmlns = 'jabber:client'/>"},
		{"<iq id='> xmlns=' a='1'/>", "<iq xmlns='jabber:client' id='> xmlns=' a='1'/>"},
		{"<iq xmlns:a='b'><c xmlns='d'/></iq>", "<iq xmlns='jabber:client' xmlns:a='b'><c xmlns='d'/></iq>"},
		{"<stream:error xmlns:stream='x'/>", "<stream:error xmlns:stream='x'/>"},
		{"<iq a=", "<iq xmlns='jabber:client' a="},
		{"<iq a='", "<iq xmlns='jabber:client' a='"},
		{"<iq", "<iq"},
	} {
		if got := string(selfContained([]byte(tt.in))); got != tt.want {
			t.Errorf("selfContained(%s) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

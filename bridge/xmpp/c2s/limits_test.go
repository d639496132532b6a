package c2s

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"peewit/bridge/xmpp"
)

func TestTooManyConnections(t *testing.T) {
	h := newHouse(t, func(o *Options, _ *house) { o.Limits.Connections = 2 }).listen(t, false)
	h.dial(t).open()
	h.dial(t).open()
	c := h.dial(t)
	c.expect("<stream:stream*>")
	c.failing("resource-constraint")
}

func TestTooManyFromOneAddress(t *testing.T) {
	change, _ := withTLS(t)
	h := newHouse(t, func(o *Options, h *house) {
		change(o, h)
		o.Limits.PerAddress = 2
	}).listen(t, true)
	first := h.dial(t)
	first.open()
	h.dial(t).open()
	c := h.dial(t)
	c.expect("<stream:stream*>")
	c.failing("policy-violation")
	first.send("</stream:stream>").expect("</stream:stream>")
	first.over()
	eventually(t, "two places are free", func() bool { return h.Sessions() == 1 })
	h.dial(t).open()
}

// A client that does not read is cut off when too much waits, and nobody who
// sends to it ever waits.
func TestSlowReader(t *testing.T) {
	h := newHouse(t, func(o *Options, _ *house) { o.Limits.Farewell = 50 * time.Millisecond }).listen(t, false)
	c := h.dial(t).login("alice", "pencil").bind("desk")
	s := h.router.session("alice@micro.example/desk")
	stanza := []byte("<message><body>" + strings.Repeat("x", 10_000) + "</body></message>")
	var err error
	for n := 0; err == nil; n++ {
		if n > 10_000 {
			t.Fatal("100 MB are waiting for a client that does not read")
		}
		err = s.Send(xmpp.Event, stanza)
	}
	if !errors.Is(err, errSlow) {
		t.Errorf("send: %v", err)
	}
	eventually(t, "the client is cut off", func() bool { return h.Sessions() == 0 })
	if err := s.Send(xmpp.Event, stanza); !errors.Is(err, errEnding) {
		t.Errorf("send to a client that is gone: %v", err)
	}
	c.conn.Close()
}

// One that reads again in time learns why it was cut off.
func TestSlowReaderIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(o *Options, _ *house) { o.Limits.Queue = 1000 })
		c := h.pipe(t).login("alice", "pencil").bind("desk")
		s := h.router.session("alice@micro.example/desk")
		stanza := []byte("<message><body>" + strings.Repeat("x", 600) + "</body></message>")
		s.Send(xmpp.Event, stanza)
		synctest.Wait() // that one is being written
		var err error
		for err == nil {
			err = s.Send(xmpp.Event, stanza)
		}
		c.expect("<message>*</message>")
		c.expect("<stream:error><resource-constraint *</stream:error>")
		c.expect("</stream:stream>")
		c.over()
		h.quit(t)
	})
}

func TestStuckWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.pipe(t).login("alice", "pencil").bind("desk")
		start := time.Now()
		h.router.session("alice@micro.example/desk").Send(xmpp.Event, []byte("<message/>"))
		for h.Sessions() > 0 {
			<-time.After(time.Second)
			synctest.Wait()
		}
		if waited := time.Since(start); waited < time.Minute || waited > 80*time.Second {
			t.Errorf("cut off after %v", waited)
		}
		h.quit(t)
	})
}

func TestSilentClientIsPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		c := h.pipe(t).login("alice", "pencil").bind("desk")
		buf := make([]byte, 10)
		for range 2 {
			start := time.Now()
			n, err := c.conn.Read(buf)
			if string(buf[:n]) != " " || err != nil {
				t.Fatalf("%q, %v", buf[:n], err)
			}
			if waited := time.Since(start); waited < 2*time.Minute || waited > 4*time.Minute {
				t.Errorf("pinged after %v", waited)
			}
		}
		go c.conn.Close()
		h.quit(t)
	})
}

func TestShutdown(t *testing.T) {
	h := newHouse(t, nil).listen(t, false)
	bound := h.dial(t).login("alice", "pencil").bind("desk")
	opened := h.dial(t)
	opened.open()
	silent := h.dial(t)
	eventually(t, "all are connected", func() bool { return h.Sessions() == 3 })
	done := make(chan error, 1)
	go func() { done <- h.Shutdown(context.Background()) }()
	bound.failing("system-shutdown")
	opened.failing("system-shutdown")
	silent.expect("<stream:stream*>")
	silent.failing("system-shutdown")
	for _, c := range []*client{bound, opened, silent} {
		c.conn.Close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if h.router.session("alice@micro.example/desk") != nil {
		t.Error("the session is still bound")
	}
	if _, err := net.Dial("tcp", h.addr); err == nil {
		t.Error("still accepting")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Serve(context.Background(), ln); err != nil {
		t.Errorf("serve after shutdown: %v", err)
	}
}

// Clients that do not hang up are cut off when the time is over.
func TestShutdownDeadline(t *testing.T) {
	h := newHouse(t, func(o *Options, _ *house) { o.Limits.Farewell = time.Hour }).listen(t, false)
	h.dial(t).login("alice", "pencil").bind("desk")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
	if n := h.Sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(s string) address { return address{ip: netip.MustParseAddr(s)} }
		th := newThrottle(2, time.Minute)
		steps := []struct {
			from string
			want bool
		}{
			{"192.0.2.1", true}, {"192.0.2.1", true}, {"192.0.2.1", false},
			{"192.0.2.2", true},
			{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false}, {"2001:db8:0:1::1", true},
			{"127.0.0.1", true}, {"127.0.0.1", true}, {"127.0.0.1", true}, {"::1", true},
		}
		for i, s := range steps {
			if open := th.open(at(s.from)); open != s.want {
				t.Errorf("step %d: open to %s: %v", i, s.from, open)
			}
			if got := th.take(at(s.from)); got != s.want {
				t.Errorf("step %d: %s: %v", i, s.from, got)
			}
		}
		<-time.After(time.Minute)
		if !th.take(at("192.0.2.1")) || th.take(at("192.0.2.1")) {
			t.Error("not one more after the interval")
		}
		for i := range maxThrottled + 10 {
			th.take(at(fmt.Sprintf("198.18.%d.%d", i/256, i%256)))
		}
		if len(th.by) > maxThrottled {
			t.Errorf("%d networks are remembered", len(th.by))
		}
		<-time.After(time.Hour)
		th.take(at("203.0.113.1"))
		if len(th.by) > 10 {
			t.Errorf("%d networks are remembered after an hour", len(th.by))
		}
	})
}

func TestRemoteOf(t *testing.T) {
	for _, tt := range []struct {
		remote, forwarded, ip string
		local                 bool
	}{
		{"192.0.2.1:1234", "", "192.0.2.1", false},
		{"192.0.2.1:1234", "198.51.100.7", "192.0.2.1", false},
		{"127.0.0.1:1234", "", "127.0.0.1", true},
		{"[::ffff:127.0.0.1]:1234", "", "127.0.0.1", true},
		{"127.0.0.1:1234", "10.0.0.1, 198.51.100.7", "198.51.100.7", true},
		{"127.0.0.1:1234", "nonsense", "127.0.0.1", true},
		{"@", "", "invalid IP", true},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = tt.remote
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if a := remoteOf(r); a.ip.String() != tt.ip || a.local != tt.local {
			t.Errorf("%s for %q: %v, local %v", tt.remote, tt.forwarded, a.ip, a.local)
		}
	}
}

// lines collects what is logged.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// The trace shows the conversation, and no secret of it.
func TestTraceHasNoSecrets(t *testing.T) {
	var log lines
	h := newHouse(t, func(o *Options, _ *house) {
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: LevelTrace}))
	}).listen(t, false)
	c := h.dial(t)
	c.open()
	c.send(register("1", "<username>bob</username><password>hunter2</password>")).expect("<iq type='result' id='1'/>")
	c.send(auth("PLAIN", b64("\x00bob\x00hunter2"))).expect("<success*")
	c.framer.Restart()
	c.open()
	c.bind("desk")
	c.send(register("2", "<username>bob</username><password>hunter3</password>")).expect("<iq*result*")
	c.send("<message><body>good morning</body></message>")
	<-h.router.received
	got := log.String()
	for _, secret := range []string{"hunter2", "hunter3", b64("\x00bob\x00hunter2")} {
		if strings.Contains(got, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	for _, want := range []string{"good morning", "conn=c1", "account registered", "logged in", "session bound"} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

func TestMask(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"<message><body>hi</body></message>", "<message><body>hi</body></message>"},
		{"<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>secret</auth>", "<auth xmlns='" + nsSASL + "' mechanism='PLAIN'>***</auth>"},
		{"<x xmlns='" + nsRegister + "'>a<b>c</b>d", "<x xmlns='" + nsRegister + "'>***<b>***</b>***"},
		{"<x xmlns='" + nsRegister + "'/", "<x xmlns='" + nsRegister + "'/"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-s&#97;sl'>secret</auth>", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-s&#97;sl'>***</auth>"},
	} {
		if got := mask([]byte(tt.in)); got != tt.want {
			t.Errorf("mask(%s) = %s", tt.in, got)
		}
	}
}

package component

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

func TestHandshake(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("  "+secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{"secret": {Secret: secret}, "secret_file": {SecretFile: file}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls []string
				o.Router = &router{told: func(what string, l xmpp.Link) {
					calls = append(calls, what)
					err := l.Send("bob@example.org", xmpp.Presence, message("<body>"+what+"</body>"))
					if wantErr := what == "down"; (err != nil) != wantErr {
						t.Errorf("send when %s: %v", what, err)
					}
				}}
				h := &host{}
				l, stop := start(t, h, newMemory(0), o)
				synctest.Wait()
				if st := l.Status(); !st.Connected || st.Error != "" {
					t.Errorf("status %+v", st)
				}
				stop()
				if diff := cmp.Diff([]string{"up", "farewell", "down"}, calls); diff != "" {
					t.Error(diff)
				}
				synctest.Wait()
				if n := h.count(); n != 2 {
					t.Errorf("%d messages arrived, want what was said first and last", n)
				}
				if diff := cmp.Diff([]string{"tag"}, h.ended); diff != "" {
					t.Errorf("the stream was not ended in good order: %s", diff)
				}
				if err := l.Send("a@example.org", xmpp.Event, message("")); !errors.Is(err, ErrDown) {
					t.Errorf("send after the end: %v", err)
				}
			})
		})
	}
}

func TestRefused(t *testing.T) {
	tests := []struct {
		name string
		host *host
		want string
	}{
		{"wrong secret", &host{secret: "other"}, "not-authorized: the secret is not the one"},
		{"conflict", &host{refuse: "conflict"}, "conflict: another connection holds this domain"},
		{"unknown", &host{refuse: "reset"}, "the host closed the stream: reset"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				l, stop := start(t, tt.host, newMemory(0), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
				pass(time.Hour)
				if st := l.Status(); st.Connected || !strings.Contains(st.Error, tt.want) {
					t.Errorf("status %+v, want error %q", st, tt.want)
				}
				stop()
				if n := strings.Count(log.String(), "\n"); n > 7 {
					t.Errorf("an hour of the same trouble makes %d lines:\n%s", n, &log)
				}
				if strings.Contains(log.String(), secret) || !strings.Contains(log.String(), tt.want) {
					t.Errorf("log:\n%s", &log)
				}
				if n := len(tt.host.dialed()); n < 55 || n > 130 {
					t.Errorf("%d attempts in an hour", n)
				}
			})
		})
	}
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{refuse: "system-shutdown"}
		_, stop := start(t, h, newMemory(0), Options{})
		pass(20 * time.Minute)
		stop()
		pause := firstPause
		for i := 1; i < len(h.dialed()); i++ {
			got := h.dialed()[i].Sub(h.dialed()[i-1])
			if got < pause/2 || got > pause {
				t.Errorf("pause %d is %s, want %s to %s", i, got, pause/2, pause)
			}
			pause = min(2*pause, mostPause)
		}
	})
}

func TestGoodConnectionResetsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{refuse: "reset"}
		_, stop := start(t, h, newMemory(0), Options{})
		pass(10 * time.Minute)
		h.change(func() { h.refuse = "" })
		pass(mostPause)
		pass(steady)
		broke := time.Now()
		h.change(func() { h.conns[len(h.conns)-1].Close() })
		pass(mostPause)
		if got := h.dialed()[len(h.dialed())-1].Sub(broke); got > firstPause {
			t.Errorf("the first attempt after a good connection came after %s", got)
		}
		stop()
	})
}

// A host that says nothing, not even in answer to a ping, is gone.
func TestDeadHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{silent: true}
		_, stop := start(t, h, newMemory(0), Options{}) // no lane: only the asking tells
		pass(deadAfter - time.Second)
		if len(h.dialed()) != 1 {
			t.Fatalf("%d connections", len(h.dialed()))
		}
		pass(time.Second + firstPause)
		if len(h.dialed()) != 2 {
			t.Errorf("%d connections after %s of silence", len(h.dialed()), deadAfter)
		}
		h.change(func() { h.silent = false })
		pass(2 * deadAfter)
		if len(h.dialed()) > 3 {
			t.Errorf("a host that answers pings was left: %d connections", len(h.dialed()))
		}
		stop()
	})
}

func message(extra string) []byte {
	return []byte("<message from='alice@" + string(domain) + "' to='bob@example.org'>" + extra + "</message>")
}

func TestGuard(t *testing.T) {
	from := " from='alice@" + string(domain) + "'"
	good := []string{
		"<message" + from + " to='a@example.org'><body>hé &#9; &amp; 🐦</body></message>",
		"<iq" + from + " to='example.org' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
		"<presence from='" + string(domain) + "' to='a@example.org/r'/>",
	}
	bad := map[string]string{
		"no from":             "<message to='a@example.org'/>",
		"no to":               "<message" + from + "/>",
		"foreign from":        "<message from='alice@example.org' to='a@example.org'/>",
		"from a subdomain":    "<message from='alice@x." + string(domain) + "' to='a@example.org'/>",
		"malformed to":        "<message" + from + " to='@@'/>",
		"control character":   "<message" + from + " to='a@example.org'><body>\x01</body></message>",
		"reference to one":    "<message" + from + " to='a@example.org'><body>&#1;</body></message>",
		"U+FFFE":              "<message" + from + " to='a@example.org'><body>\uFFFE</body></message>",
		"no UTF-8":            "<message" + from + " to='a@example.org'><body>\xff</body></message>",
		"not closed":          "<message" + from + " to='a@example.org'><body></message>",
		"two stanzas":         "<message" + from + " to='a@example.org'/><message" + from + " to='a@example.org'/>",
		"comment":             "<message" + from + " to='a@example.org'><!-- x --></message>",
		"entity":              "<message" + from + " to='a@example.org'><body>&nbsp;</body></message>",
		"undeclared prefix":   "<message" + from + " to='a@example.org'><x:y/></message>",
		"other namespace":     "<message xmlns='jabber:client'" + from + " to='a@example.org'/>",
		"no stanza":           "<starttls" + from + " to='a@example.org'/>",
		"end of the stream":   "</stream:stream>",
		"nothing":             "",
		"bigger than allowed": "<message" + from + " to='a@example.org'><body>" + strings.Repeat("x", maxSent) + "</body></message>",
	}
	for _, s := range good {
		if err := check([]byte(s), domain); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		h := &host{}
		l, stop := start(t, h, newMemory(0), Options{})
		synctest.Wait()
		for name, s := range bad {
			if err := l.Send("a@example.org", xmpp.Event, []byte(s)); err == nil {
				t.Errorf("%s: sent", name)
			}
		}
		if err := l.Send("bob@example.org", xmpp.Event, message("")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		stop()
		if n := l.Status().Refused; n != uint64(len(bad)) {
			t.Errorf("%d refused, want %d", n, len(bad))
		}
		if h.count() != 1 || len(h.dialed()) != 1 {
			t.Errorf("%d messages over %d connections", h.count(), len(h.dialed()))
		}
	})
}

// Stanzas of one sender are handled in order while those of others run beside
// them; an answer does not wait behind its own question.
func TestOrderOfReceiving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []string
		answered := make(chan struct{})
		r := &router{receive: func(ctx context.Context, st *xmpp.Stanza) {
			if st.Type == "result" {
				close(answered)
				return
			}
			if st.ID == "a0" { // as a handler that asks the sender something
				<-answered
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, st.ID)
		}}
		h := &host{heard: func(w io.Writer, st *xmpp.Stanza) {
			if st.ID != "go" {
				return
			}
			for i := range 20 {
				fmt.Fprintf(w, "<iq type='set' id='a%d' from='a@example.org/%d' to='%s'><x xmlns='y'/></iq>", i, i, domain)
			}
			fmt.Fprintf(w, "<message id='b' from='b@example.org' to='%s'/>", domain)
			go func() {
				<-time.After(time.Second)
				fmt.Fprintf(w, "<iq type='result' id='q' from='a@example.org/0' to='%s'/>", domain)
			}()
		}}
		l, stop := start(t, h, newMemory(0), Options{Router: r})
		synctest.Wait()
		if err := l.Send("example.org", xmpp.Event, []byte("<message id='go' from='"+domain+"' to='example.org'/>")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mu.Lock()
		early := slices.Clone(got)
		mu.Unlock()
		if diff := cmp.Diff([]string{"b"}, early); diff != "" {
			t.Errorf("while a's first request waits: %s", diff)
		}
		pass(2 * time.Second)
		stop()
		want := []string{"b"}
		for i := range 20 {
			want = append(want, fmt.Sprintf("a%d", i))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Results leave before presence, presence before messages.
func TestOrderOfSending(t *testing.T) {
	o := newOutbox()
	put := func(p xmpp.Priority, s string) {
		if err := o.put(p, []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.putLane([]byte("lane1 ")); err != nil {
		t.Fatal(err)
	}
	put(xmpp.Event, "event1 ")
	put(xmpp.Presence, "presence ")
	put(xmpp.Event, "event2 ")
	put(xmpp.Result, "result ")
	if got, _ := o.take(nil); string(got) != "result presence event1 event2 lane1 " {
		t.Errorf("%q", got)
	}
	// A result waits for one write at most, however much is queued.
	for range 100 {
		put(xmpp.Event, strings.Repeat("x", 1000))
	}
	got, _ := o.take(nil)
	if len(got) > atOnce+1000 {
		t.Errorf("%d bytes at once", len(got))
	}
	put(xmpp.Result, "result")
	if got, _ = o.take(nil); !bytes.HasPrefix(got, []byte("result")) {
		t.Errorf("a result waited behind events: %.20q", got)
	}
	// What nobody takes is bounded.
	var err error
	for range 3 * waitingOut / 1000 {
		if err = o.put(xmpp.Event, make([]byte, 1000)); err != nil {
			break
		}
	}
	if !errors.Is(err, errFull) {
		t.Errorf("a full queue: %v", err)
	}
}

// One sender who sends faster than is handled is refused; nobody else notices.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		var mu sync.Mutex
		handled := map[bridge.JID]int{}
		r := &router{receive: func(ctx context.Context, st *xmpp.Stanza) {
			if st.From.Local() == "flood" {
				<-free
			}
			mu.Lock()
			defer mu.Unlock()
			handled[st.From]++
		}}
		refused := 0
		h := &host{heard: func(w io.Writer, st *xmpp.Stanza) {
			switch {
			case st.ID == "go":
				for i := range 3 * waitingOfOne {
					fmt.Fprintf(w, "<iq type='get' id='%d' from='flood@example.org' to='%s'><x xmlns='y'/></iq>", i, domain)
				}
				fmt.Fprintf(w, "<iq type='get' id='1' from='other@example.org' to='%s'><x xmlns='y'/></iq>", domain)
			case st.Type == "error" && st.To == "flood@example.org" && st.Child("", "error").Child(xmpp.NSStanzas, "resource-constraint") != nil:
				refused++
			}
		}}
		l, stop := start(t, h, newMemory(0), Options{Router: r})
		synctest.Wait()
		if err := l.Send("example.org", xmpp.Event, []byte("<message id='go' from='"+domain+"' to='example.org'/>")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mu.Lock()
		if handled["other@example.org"] != 1 {
			t.Error("another sender had to wait")
		}
		mu.Unlock()
		close(free)
		synctest.Wait()
		stop()
		if got := handled["flood@example.org"]; got+refused != 3*waitingOfOne || got < waitingOfOne || refused == 0 {
			t.Errorf("%d handled, %d refused", got, refused)
		}
	})
}

// A handler that panics loses its stanza and nothing else.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		r := &router{receive: func(ctx context.Context, st *xmpp.Stanza) {
			if st.ID == "1" {
				panic("oops")
			}
			got = append(got, st.ID)
		}}
		var replies []string
		h := &host{heard: func(w io.Writer, st *xmpp.Stanza) {
			if st.ID == "go" {
				for i := range 3 {
					fmt.Fprintf(w, "<iq type='get' id='%d' from='a@example.org' to='%s'><x xmlns='y'/></iq>", i, domain)
				}
			} else if st.Type == "error" {
				replies = append(replies, st.ID)
			}
		}}
		l, stop := start(t, h, newMemory(0), Options{Router: r})
		synctest.Wait()
		if err := l.Send("example.org", xmpp.Event, []byte("<message id='go' from='"+domain+"' to='example.org'/>")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stop()
		if diff := cmp.Diff([]string{"0", "2"}, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"1"}, replies); diff != "" {
			t.Error(diff)
		}
	})
}

// Whatever strangers make the host send, the stream stays and the next stanza is
// handled.
func TestHostileInput(t *testing.T) {
	long := strings.Repeat("ä", 1500)
	inputs := []string{
		"<iq type='get' id='1' from='" + long + "@example.org' to='%s'><x xmlns='y'/></iq>",
		"<iq type='get' id='1' from='a@example.org/" + long + "' to='%s'><x xmlns='y'/></iq>",
		"<message from='a@example.org' to='" + long + "@%s'/>",
		"<message from='\u202e\u200b@example.org' to='%s'/>",
		"<message from='a@xn--a' to='%s'/>",
		"<message from='a@example.org/\U0001F426\u0301\u200d' to='%s'/>",
		"<message from='\uFB03\u01C5@EXAMPLE.org' to='%s'/>",
		"<message from='' to='%s'/>",
		"<message to='%s'/>",
		"<message from='a@example.org'/>",
		"<message from='a@example.org' to='b@elsewhere.org'/>",
		"<message from='alice@%[1]s' to='bob@%[1]s'><body>loop</body></message>",
		"<iq type='result' id='pwAAAA-0' from='%[1]s' to='%[1]s'/>",
		"<iq from='a@example.org' to='%s'/>",
		"<iq type='nonsense' from='a@example.org' to='%s'/>",
		"<presence type='error' from='a@example.org' to='%s'/>",
		"<message from='a@example.org' to='%s'><x:y/></message>",
		"<message from='a@example.org' to='%s'><a b='1' b='2'/></message>",
		"<message from='a@example.org' to='%s'><body>&nbsp;</body></message>",
		"<message from='a@example.org' to='%s'><body>\x01\uFFFE</body></message>",
		"<message from='a@example.org' to='%s'><body>\xff\xc0</body></message>",
		"<message from='a@example.org' to='%s'>" + strings.Repeat("<a>", 5000) + strings.Repeat("</a>", 5000) + "</message>",
		"<message from='a@example.org' to='%s'>" + strings.Repeat("<a/>", 200_000) + "</message>",
		"<message from='a@example.org' to='%s'><body>" + strings.Repeat("x", 8<<20) + "</body></message>",
		"<message type='error' from='a@example.org' to='%s'><error/></message>",
		"<message type='error' from='a@example.org' to='%s'/>",
		"<unknown xmlns='urn:example'/>",
		"<stream:features/>",
		" \n ",
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []string
		r := &router{receive: func(ctx context.Context, st *xmpp.Stanza) {
			mu.Lock()
			defer mu.Unlock()
			if st.Kind == "message" && st.Type == "" && st.ID != "" {
				got = append(got, st.ID)
			}
		}}
		h := &host{heard: func(w io.Writer, st *xmpp.Stanza) {
			if st.ID == "go" {
				for i, input := range inputs {
					if strings.Contains(input, "%") {
						input = fmt.Sprintf(input, domain)
					}
					io.WriteString(w, input)
					fmt.Fprintf(w, "<message id='%d' from='honest@example.org' to='%s'/>", i, domain)
				}
			}
		}}
		l, stop := start(t, h, newMemory(0), Options{Router: r})
		synctest.Wait()
		if err := l.Send("example.org", xmpp.Event, []byte("<message id='go' from='"+domain+"' to='example.org'/>")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		st := l.Status()
		stop()
		if len(h.dialed()) != 1 || !st.Connected {
			t.Errorf("%d connections, status %+v", len(h.dialed()), st)
		}
		for i := range inputs {
			if !slices.Contains(got, fmt.Sprint(i)) {
				t.Errorf("the stanza behind %.100q was not handled", inputs[i])
			}
		}
	})
}

func TestNew(t *testing.T) {
	if _, err := New(Options{Domain: domain, Router: &router{}, Logger: quiet()}); err == nil {
		t.Error("a link without secret")
	}
	if _, err := New(Options{Domain: "localhost", Secret: secret, Router: &router{}, Logger: quiet()}); err == nil {
		t.Error("a link that cannot know its host")
	}
	l, err := New(Options{Domain: domain, Secret: secret, Router: &router{}, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]bridge.JID{"example.org"}, l.Hosts()); diff != "" {
		t.Error(diff)
	}
}

package component

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

func TestHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []string
		r := &router{told: func(what string, l xmpp.Link) {
			calls = append(calls, what)
			err := l.Send("bob@example.org", xmpp.Presence, message("<body>"+what+"</body>"))
			if wantErr := what == "down"; (err != nil) != wantErr {
				t.Errorf("send when %s: %v", what, err)
			}
		}}
		h := &host{}
		l, stop := start(t, h, newMemory(0), Options{Router: r})
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
	if diff := cmp.Diff([]bridge.JID{"example.org"}, l.o.Hosts); diff != "" {
		t.Error(diff)
	}
}

package omb

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
	"peewit/bridge/fetch"
)

// The endpoints of two sites.
const (
	siteB = "http://b.example/index.php"
	siteC = "http://c.example:8081/postnotice"
)

// bubble runs a scenario against a peer in fake time: the log, the service and
// the outbox are real, and an hour costs a second.
func bubble(t *testing.T, scenario func(h *house, p *peer)) {
	t.Helper()
	outsideClock(t)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		h := start(t, dir, p)
		defer h.close()
		scenario(h, p)
	})
}

// drain lets time pass until nothing waits in the outbox any more.
func (h *house) drain() {
	h.Helper()
	const most = time.Hour
	for begin := time.Now(); ; {
		synctest.Wait()
		waiting := h.box.Status()
		if len(waiting) == 0 {
			return
		}
		if time.Since(begin) > most {
			h.Fatalf("after %s the outbox still has %+v", most, waiting)
		}
		<-time.After(10 * time.Second)
	}
}

// expect waits until nothing moves and compares what the peer got: in order for
// each endpoint and account; these go side by side.
func (h *house) expect(p *peer, want ...string) []notice {
	h.Helper()
	synctest.Wait()
	got := p.take()
	slices.SortStableFunc(got, func(a, b notice) int {
		return strings.Compare(a.Endpoint+" "+a.Form.Get("omb_listenee"), b.Endpoint+" "+b.Form.Get("omb_listenee"))
	})
	if diff := cmp.Diff(want, contents(got)); diff != "" {
		h.Errorf("notices (-want +got):\n%s", diff)
	}
	return got
}

func TestOneNoticeForEachEndpoint(t *testing.T) {
	bubble(t, func(h *house, p *peer) {
		alice, bob := h.account("alice"), h.account("bob")
		h.listener(p, "alice", "b1", siteB+"?action=postnotice")
		h.listener(p, "alice", "b2", siteB+"?action=postnotice")
		h.listener(p, "alice", "c1", siteC)
		h.listener(p, "alice", "c2", siteC+"/own?user=c2")
		h.listener(p, "bob", "b3", siteB+"?action=postnotice")

		item := h.post(alice, "1", "hello")
		got := h.expect(p,
			siteB+" b1 hello: 0.7.4-ok",
			siteC+" c1 hello: 0.7.4-ok",
			siteC+"/own c2 hello: 0.7.4-ok")
		if len(got) != 3 {
			t.FailNow()
		}
		page := fmt.Sprint(root, "notice/", item.First)
		want := url.Values{
			"action": {"postnotice"}, "omb_version": {Version}, "omb_listenee": {root + "alice"}, "omb_notice": {page},
			"omb_notice_url": {page}, "omb_notice_content": {"hello"}, "omb_notice_license": {license},
		}
		if diff := cmp.Diff(want, got[0].Form); diff != "" {
			t.Error(diff)
		}
		if got[2].Form.Get("user") != "c2" || got[1].Form.Has("user") || got[1].Form.Has("action") {
			t.Errorf("the query of an endpoint: %v and %v", got[1].Form, got[2].Form)
		}
		h.post(bob, "1", "from bob")
		h.expect(p, siteB+" b3 from bob: 0.7.4-ok")
	})
}

// A site says that a subscription is gone as its version does; the next token is
// used, and what is gone is forgotten.
func TestNextTokenWhenTheFirstIsGone(t *testing.T) {
	for _, gone := range []string{
		"0.6.4.3-after-unsubscribe", "0.6.4.3-unknown-token",
		"0.7.4-after-unsubscribe", "0.7.4-unknown-token",
		"0.9.5-after-unsubscribe", "0.9.5-unknown-token",
	} {
		t.Run(gone, func(t *testing.T) {
			bubble(t, func(h *house, p *peer) {
				alice := h.account("alice")
				for _, name := range []string{"b1", "b2", "b3"} {
					h.listener(p, "alice", name, siteB)
					<-time.After(time.Second)
				}
				p.answer(siteB, gone, "0.7.4-ok", "0.7.4-ok", gone, gone)
				h.post(alice, "1", "one")
				h.expect(p, siteB+" b1 one: "+gone, siteB+" b2 one: 0.7.4-ok")
				if diff := cmp.Diff([]string{"b2", "b3"}, h.listeners("alice")); diff != "" {
					t.Errorf("listeners: %s", diff)
				}
				h.post(alice, "2", "two")
				h.expect(p, siteB+" b2 two: 0.7.4-ok")
				h.post(alice, "3", "three")
				h.expect(p, siteB+" b2 three: "+gone, siteB+" b3 three: "+gone)
				if left := h.listeners("alice"); len(left) > 0 {
					t.Errorf("listeners are left: %v", left)
				}
				h.post(alice, "4", "four")
				h.expect(p)
				h.listener(p, "alice", "b4", siteB)
				h.post(alice, "5", "five")
				h.expect(p, siteB+" b4 five: 0.7.4-ok")
			})
		})
	}
}

// Nobody loses a subscription because a site is ill.
func TestOtherAnswersForgetNobody(t *testing.T) {
	bubble(t, func(h *house, p *peer) {
		alice := h.account("alice")
		h.listener(p, "alice", "b1", siteB)
		for i, answer := range []string{
			"0.6.4.3-content-141", "0.7.4-dup-2-same", "0.9.5-dup-2-same", "0.9.5-content-141", "0.7.4-wrong-version",
			"500", "503", "refuse", "hang", "0.7.4-bad-signature",
		} {
			p.answer(siteB, answer)
			h.post(alice, fmt.Sprint(i), answer)
			h.drain()
			if left := h.listeners("alice"); len(left) != 1 {
				t.Fatalf("after %s the listeners are %v", answer, left)
			}
		}
	})
}

func TestFailuresAreRetriedInOrder(t *testing.T) {
	bubble(t, func(h *house, p *peer) {
		alice, bob := h.account("alice"), h.account("bob")
		h.listener(p, "alice", "b1", siteB)
		h.listener(p, "alice", "c1", siteC)
		h.listener(p, "bob", "b2", siteB)
		p.answer(siteB, "500", "hang", "refuse", "0.6.4.3-bad-signature", "503")
		begin := time.Now()
		for i := range 3 {
			h.post(alice, fmt.Sprint(i), fmt.Sprint("alice ", i))
		}
		h.expect(p,
			siteB+" b1 alice 0: 500",
			siteC+" c1 alice 0: 0.7.4-ok",
			siteC+" c1 alice 1: 0.7.4-ok",
			siteC+" c1 alice 2: 0.7.4-ok")
		h.post(bob, "0", "bob 0")
		h.drain()
		got := h.expect(p,
			siteB+" b1 alice 0: hang",
			siteB+" b1 alice 0: refuse",
			siteB+" b1 alice 0: 0.6.4.3-bad-signature",
			siteB+" b1 alice 0: 503",
			siteB+" b1 alice 0: 0.7.4-ok",
			siteB+" b1 alice 1: 0.7.4-ok",
			siteB+" b1 alice 2: 0.7.4-ok",
			siteB+" b2 bob 0: 0.7.4-ok")
		last := begin
		for i, n := range got[:min(5, len(got))] {
			pause := n.At.Sub(last)
			if least := 30 * time.Second << i; pause < least || i == 4 && pause < 10*time.Minute {
				t.Errorf("attempt %d came after %s", i+2, pause)
			}
			last = n.At
		}
	})
}

func TestWhatIsNotSent(t *testing.T) {
	bubble(t, func(h *house, p *peer) {
		alice, bob := h.account("alice"), h.account("bob")
		h.post(alice, "early", "before the subscription")
		h.listener(p, "alice", "b1", siteB)
		h.expect(p)

		h.post(alice, "1", "one")
		h.expect(p, siteB+" b1 one: 0.7.4-ok")
		h.post(alice, "1", "one") // the same again
		h.post(alice, "1", "one, edited")
		h.post(alice, "early", "before the subscription, edited after it")
		if err := h.svc.Posts.Retract(h.Context(), alice, blog(alice), []string{"1"}, true); err != nil {
			t.Fatal(err)
		}
		h.post(bob, "1", "of somebody without listeners")
		h.publish(alice, blog(alice), "in", entry("from another site", ""), "omb")
		h.publish(alice, blog(alice), "data", "<settings xmlns='urn:example'/>", "xmpp")
		h.publish(alice, bridge.Addr{Service: alice, Name: "urn:xmpp:microblog:0:comments/1"}, "c", entry("a comment", ""), "xmpp")
		h.publish(alice, bridge.Addr{Service: alice, Name: "urn:example:diary"}, "d", entry("for friends", ""), "xmpp")
		cfg := bridge.MicroblogConfig()
		cfg.AccessModel = bridge.AccessWhitelist
		if err := h.svc.Nodes.Configure(h.Context(), alice, blog(alice), cfg); err != nil {
			t.Fatal(err)
		}
		h.post(alice, "closed", "for members")
		h.expect(p)

		cfg.AccessModel = bridge.AccessOpen
		if err := h.svc.Nodes.Configure(h.Context(), alice, blog(alice), cfg); err != nil {
			t.Fatal(err)
		}
		h.post(alice, "1", "an id that is used again")
		h.expect(p, siteB+" b1 an id that is used again: 0.7.4-ok")
	})
}

// What is taken back or changed while a site is away arrives as it is then.
func TestChangesWhileASiteIsAway(t *testing.T) {
	bubble(t, func(h *house, p *peer) {
		alice := h.account("alice")
		h.listener(p, "alice", "b1", siteB)
		p.answer(siteB, "refuse")
		h.post(alice, "1", "one")
		h.expect(p, siteB+" b1 one: refuse")
		h.post(alice, "2", "two")
		h.post(alice, "3", "three")
		h.post(alice, "3", "three, edited")
		h.post(alice, "4", "four")
		if err := h.svc.Posts.Retract(h.Context(), alice, blog(alice), []string{"1", "4"}, true); err != nil {
			t.Fatal(err)
		}
		h.drain()
		h.expect(p, siteB+" b1 two: 0.7.4-ok", siteB+" b1 three, edited: 0.7.4-ok")
		if err := h.svc.Accounts.Remove(h.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		h.expect(p)
	})
}

// A listener who subscribes again while the site refuses the old token keeps the
// new one.
func TestSubscribedAgainMeanwhile(t *testing.T) {
	bubble(t, func(h *house, p *peer) {
		alice := h.account("alice")
		h.listener(p, "alice", "b1", siteB)
		old := h.svc.Listeners.List("alice")[0]
		anew := old
		anew.Token = "b1-anew"
		p.mu.Lock()
		p.secrets["b1-anew"] = "another"
		p.mu.Unlock()
		if err := h.svc.Listeners.Add(h.Context(), anew, "another"); err != nil {
			t.Fatal(err)
		}
		relay := NewRelay(h.svc, p, license, discard)
		if err := relay.forget(h.Context(), old, &goneError{"403"}); err != nil {
			t.Fatal(err)
		}
		h.post(alice, "1", "one")
		h.expect(p, siteB+" b1-anew one: 0.7.4-ok")
	})
}

// A replay of the whole log sends nothing.
func TestReplaySendsNothing(t *testing.T) {
	outsideClock(t)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := newPeer(t)
		h := start(t, dir, p)
		defer func() { h.close() }()
		alice, bob := h.account("alice"), h.account("bob")
		h.post(alice, "early", "before the subscriptions")
		h.listener(p, "alice", "b1", siteB)
		h.listener(p, "alice", "b2", siteB)
		h.listener(p, "alice", "c1", siteC)
		h.listener(p, "bob", "c2", siteC)
		const posts = 80
		for i := range posts {
			h.post(alice, fmt.Sprint(i), fmt.Sprint("alice ", i))
			h.post(bob, fmt.Sprint(i), fmt.Sprint("bob ", i))
		}
		h.post(alice, "7", "edited")
		synctest.Wait()
		if n := len(p.take()); n != 3*posts {
			t.Fatalf("%d notices, want %d", n, 3*posts)
		}
		h.close()

		for range 2 {
			forgetDerived(t, dir)
			h = start(t, dir, p)
			<-time.After(time.Minute)
			synctest.Wait()
			if got := p.take(); len(got) > 0 {
				t.Fatalf("a replay sent %d notices: %v …", len(got), contents(got)[0])
			}
			if last, err := h.svc.Log().Last(t.Context()); err != nil || h.box.Seq() != last.Seq || h.svc.Archive().Position().Seq != last.Seq {
				t.Fatalf("the replay went to %d of %d (%v)", h.box.Seq(), last.Seq, err)
			}
			h.post(alice, fmt.Sprint("new", time.Now()), "new")
			h.expect(p, siteB+" b1 new: 0.7.4-ok", siteC+" c1 new: 0.7.4-ok")
			h.close()
		}
	})
}

// What was not sent before the end is sent after the next start, once, whether
// the queue is still there or not.
func TestRestart(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("queue lost %t", lost), func(t *testing.T) {
			outsideClock(t)
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				p := newPeer(t)
				h := start(t, dir, p)
				defer func() { h.close() }()
				alice := h.account("alice")
				h.listener(p, "alice", "b1", siteB)
				h.listener(p, "alice", "c1", siteC)
				p.answer(siteB, "0.7.4-ok", "refuse…")
				for i := range 3 {
					h.post(alice, fmt.Sprint(i), fmt.Sprint("post ", i))
				}
				synctest.Wait()
				h.close()
				p.take()
				if lost {
					forgetDerived(t, dir)
				}
				p.answer(siteB)
				h = start(t, dir, p)
				h.drain()
				h.expect(p, siteB+" b1 post 1: 0.7.4-ok", siteB+" b1 post 2: 0.7.4-ok")
			})
		})
	}
}

// One notice over a real connection, through the guarded client.
func TestOverTheWire(t *testing.T) {
	p := newPeer(t)
	server := httptest.NewServer(p)
	defer server.Close()
	client := fetch.New(fetch.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	defer client.Close()
	done := make(chan struct{}, 10)
	h := start(t, t.TempDir(), told{client, done})
	defer h.close()
	alice := h.account("alice")
	h.listener(p, "alice", "b1", server.URL+"/index.php?action=postnotice")
	for i := range 3 {
		h.post(alice, fmt.Sprint(i), fmt.Sprintf("né %d &amp; ä", i))
		<-done
	}
	endpoint := server.URL + "/index.php"
	if diff := cmp.Diff([]string{endpoint + " b1 né 0 & ä: 0.7.4-ok", endpoint + " b1 né 1 & ä: 0.7.4-ok", endpoint + " b1 né 2 & ä: 0.7.4-ok"}, contents(p.take())); diff != "" {
		t.Error(diff)
	}
}

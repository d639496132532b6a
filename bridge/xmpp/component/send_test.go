package component

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"peewit/bridge/xmpp"
)

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

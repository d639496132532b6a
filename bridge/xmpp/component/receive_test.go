package component

import (
	"context"
	"fmt"
	"io"
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
		"<message from='a@example.org' to='%s'><body>" + strings.Repeat("x", maxReceived) + "</body></message>",
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

package c2s

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"peewit/bridge/xmpp"
)

// logger is a router whose handler lets the next stanza begin, and then waits.
type logger struct {
	*fakeRouter
	logged chan struct{}
	panics bool
}

func (l *logger) Receive(ctx context.Context, st *xmpp.Stanza) {
	if st.Type == "set" {
		xmpp.Next(ctx)
	}
	l.received <- st
	<-l.logged
	if l.panics {
		panic("a bug")
	}
	l.session(st.From).Send(xmpp.Result, xmpp.ResultReply(st, nil))
}

// bubble runs a scenario of one client and a logger, in fake time.
func bubble(t *testing.T, scenario func(c *client, l *logger)) {
	synctest.Test(t, func(t *testing.T) {
		l := &logger{logged: make(chan struct{})}
		h := newHouse(t, func(o *Options, h *house) {
			l.fakeRouter = h.router
			o.Router = l
		})
		scenario(h.pipe(t).login("alice", "pencil").bind("desk"), l)
		h.quit(t)
	})
}

const question = "<iq type='%s' id='%d' to='micro.example'><q xmlns='urn:q'/></iq>"

func TestStanzasBeginWhenTheOneBeforeLetsThem(t *testing.T) {
	bubble(t, func(c *client, l *logger) {
		go func() { // a pipe takes no more than is read
			for i, typ := range []string{"set", "set", "set", "get", "set"} {
				c.send(fmt.Sprintf(question, typ, i))
			}
		}()
		synctest.Wait()
		if begun := len(l.received); begun != 4 {
			t.Errorf("%d stanzas have begun, want 4: the fourth lets nobody pass", begun)
		}
		close(l.logged)
		synctest.Wait()
		if begun := len(l.received); begun != 5 {
			t.Errorf("%d stanzas have begun in the end, want 5", begun)
		}
		for range 5 {
			c.expect("<iq type='result'*")
		}
	})
}

func TestOnlySoManyStanzasBegin(t *testing.T) {
	bubble(t, func(c *client, l *logger) {
		go func() {
			for i := range maxAhead + 2 {
				c.send(fmt.Sprintf(question, "set", i))
			}
		}()
		synctest.Wait()
		if begun := len(l.received); begun != maxAhead {
			t.Errorf("%d stanzas have begun, want %d", begun, maxAhead)
		}
		close(l.logged)
		for range maxAhead + 2 {
			c.expect("<iq type='result'*")
		}
	})
}

// TestTheEndWaitsForAnswers: a client may say goodbye behind its last publish.
func TestTheEndWaitsForAnswers(t *testing.T) {
	bubble(t, func(c *client, l *logger) {
		c.send(fmt.Sprintf(question, "set", 1)).send("</stream:stream>")
		synctest.Wait() // nothing is said yet
		close(l.logged)
		c.expect("<iq type='result'*")
		c.expect("</stream:stream>")
		c.over()
	})
}

func TestALatePanicEndsTheSession(t *testing.T) {
	bubble(t, func(c *client, l *logger) {
		l.panics = true
		c.send(fmt.Sprintf(question, "set", 1))
		synctest.Wait()
		close(l.logged)
		c.failing("internal-server-error")
	})
}

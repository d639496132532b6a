package xmpp

import (
	"context"
	"testing"
	"testing/synctest"
)

// TestAnswersLeaveInOrder: the handler of the first stanza lets the second one
// begin, which is answered at once, behind the first.
func TestAnswersLeaveInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		logged := make(chan struct{})
		w.router.HandleIQ("set", "urn:q", "slow", func(ctx context.Context, _ *Stanza) ([]byte, error) {
			Next(ctx)
			Next(ctx) // twice is once
			<-logged
			return nil, nil
		})
		w.router.HandleIQ("set", "urn:q", "quick", func(ctx context.Context, _ *Stanza) ([]byte, error) { return nil, nil })
		alice := w.online("alice@example.org/a")
		var turn *Turn
		for _, name := range []string{"slow", "quick"} {
			st, err := ParseStanza([]byte("<iq type='set' id='"+name+"' to='example.org'><"+name+" xmlns='urn:q'/></iq>"), NSClient)
			if err != nil {
				t.Fatal(err)
			}
			st.From = alice.jid
			turn = turn.Then()
			mine := turn
			go func() {
				w.router.Receive(mine.Context(t.Context()), st)
				mine.End()
			}()
			synctest.Wait()
		}
		select {
		case <-turn.Passed():
			t.Error("the second handler did not call Next")
		default:
		}
		w.got(alice)
		close(logged)
		synctest.Wait()
		w.got(alice, "iq:result example.org>alice@example.org/a", "iq:result example.org>alice@example.org/a")
		if last := alice.lastID(); last != "quick" {
			t.Errorf("the last answer is to %s", last)
		}
	})
}

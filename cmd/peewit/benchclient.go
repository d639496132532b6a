package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"peewit/bridge/xmpp"
)

// benchClient is the smallest XMPP client that can publish and count: it must
// cost less than what it measures.
type benchClient struct {
	conn   net.Conn
	frames *xmpp.Framer
	nick   string
}

const benchPassword = "bench"

// login registers nick in-band and logs in.
func login(ctx context.Context, addr, nick string) (*benchClient, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &benchClient{conn: conn, frames: xmpp.NewFramer(conn, 1<<20), nick: nick}
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + nick + "\x00" + benchPassword))
	const header = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>"
	for _, step := range []struct{ say, hear string }{
		{header, "<stream:stream"}, {"", "<stream:features"},
		{"<iq type='set' id='r'><query xmlns='jabber:iq:register'><username>" + nick + "</username><password>" + benchPassword + "</password></query></iq>", "<iq"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plain + "</auth>", "<success"},
		{header, "<stream:stream"}, {"", "<stream:features"},
		{"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "<iq"},
		{"<presence/>", ""},
	} {
		if err := c.exchange(step.say, step.hear); err != nil {
			conn.Close()
			return nil, fmt.Errorf("log in as %s: %w", nick, err)
		}
	}
	return c, nil
}

// exchange sends and waits for an element that begins with hear.
func (c *benchClient) exchange(say, hear string) error {
	if say != "" {
		if _, err := c.conn.Write([]byte(say)); err != nil {
			return err
		}
		if say[1] == 's' { // a stream header of ours asks for one of theirs
			c.frames.Restart()
		}
	}
	for hear != "" {
		frame, err := c.frames.Next()
		if err != nil {
			return err
		}
		if bytes.HasPrefix(frame, []byte(hear)) {
			return nil
		}
		if bytes.HasPrefix(frame, []byte("<failure")) || bytes.HasPrefix(frame, []byte("<stream:error")) {
			return fmt.Errorf("the server says %s", frame)
		}
	}
	return nil
}

func (c *benchClient) subscribe(account string) error {
	say := "<iq type='set' id='s' to='" + account + "'><pubsub xmlns='http://jabber.org/protocol/pubsub'>" +
		"<subscribe node='urn:xmpp:microblog:0' jid='" + c.nick + "@localhost'/></pubsub></iq>"
	if _, err := c.conn.Write([]byte(say)); err != nil {
		return err
	}
	return c.result()
}

// benchText makes an entry about 600 bytes long, as a post with its links is.
var benchText = string(bytes.Repeat([]byte("a post of the usual length "), 12))

// publish sends a post; its result is awaited apart.
func (c *benchClient) publish(id string) error {
	_, err := c.conn.Write([]byte("<iq type='set' id='" + id + "'><pubsub xmlns='http://jabber.org/protocol/pubsub'>" +
		"<publish node='urn:xmpp:microblog:0'><item id='" + id + "'><entry xmlns='http://www.w3.org/2005/Atom'>" +
		"<title type='text'>" + benchText + "</title><id>tag:bench,2026:" + c.nick + "/" + id + "</id>" +
		"<author><name>" + c.nick + "</name><uri>xmpp:" + c.nick + "@localhost</uri></author>" +
		"<published>2026-11-22T10:00:00Z</published><updated>2026-11-22T10:00:00Z</updated></entry></item></publish></pubsub></iq>"))
	return err
}

// result waits for the answer to an IQ.
func (c *benchClient) result() error {
	for {
		frame, err := c.frames.Next()
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(frame, []byte("<iq")) {
			continue
		}
		tag, _, _ := bytes.Cut(frame, []byte(">"))
		if bytes.Contains(tag, []byte("error")) {
			return fmt.Errorf("%s was refused: %s", c.nick, frame)
		}
		return nil
	}
}

// arrival is the n-th post at one subscriber.
type arrival struct {
	n   int
	at  time.Time
	err error
}

// collect reads events until every subscriber has the posts prefix0 to
// prefix(count-1), and reports them then: the readers must not slow each other
// down.
func collect(ctx context.Context, subscribers []*benchClient, prefix string, count int) <-chan arrival {
	arrived := make(chan arrival, len(subscribers)*count)
	var group sync.WaitGroup
	for _, c := range subscribers {
		group.Go(func() {
			stop := context.AfterFunc(ctx, func() { c.conn.SetReadDeadline(time.Now()) })
			defer stop()
			for seen := 0; seen < count; {
				frame, err := c.frames.Next()
				if err != nil {
					arrived <- arrival{err: fmt.Errorf("%s lost its connection: %w", c.nick, err)}
					return
				}
				if n, ok := itemNumber(frame, prefix); ok {
					arrived <- arrival{n: n, at: time.Now()}
					seen++
				}
			}
		})
	}
	go func() {
		group.Wait()
		close(arrived)
	}()
	return arrived
}

// itemNumber is the number of the item that an event tells of.
func itemNumber(frame []byte, prefix string) (int, bool) {
	if !bytes.HasPrefix(frame, []byte("<message")) {
		return 0, false
	}
	for _, quote := range []string{"'", `"`} {
		_, rest, found := bytes.Cut(frame, []byte("<item id="+quote+prefix))
		if !found {
			continue
		}
		digits, _, _ := bytes.Cut(rest, []byte(quote))
		n, err := strconv.Atoi(string(digits))
		return n, err == nil
	}
	return 0, false
}

func closeAll(clients []*benchClient) {
	for _, c := range clients {
		c.conn.Close() // what is on its way does not count any more
	}
}

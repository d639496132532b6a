package component

import (
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// host is a server with room for one component: a few lines of XEP-0114.
type host struct {
	secret string
	// lag is how many stanzas the host holds back before it deals with the first:
	// what is lost when the connection breaks.
	lag int
	// cut decides, before each stanza the host deals with, whether the connection
	// breaks now; nil never breaks it.
	cut func(dealt int) bool
	// refuse is a stream error sent instead of accepting the handshake.
	refuse string
	// heard is called with each stanza the host deals with.
	heard func(w io.Writer, st *xmpp.Stanza)
	// swallow is called with multicasts instead of delivering them.
	swallow func(w io.Writer, st *xmpp.Stanza)
	// silent is a host that returns no pings.
	silent bool

	mu       sync.Mutex
	dials    []time.Time
	conns    []net.Conn
	messages []*xmpp.Stanza // what was delivered, in order
	ended    []string       // how each connection ended: "tag" or "broken"
	multi    int            // multicast stanzas
}

func (h *host) dial(context.Context, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	h.mu.Lock()
	h.dials = append(h.dials, time.Now())
	h.conns = append(h.conns, theirs)
	h.mu.Unlock()
	go func() {
		end := h.serve(theirs)
		theirs.Close()
		h.mu.Lock()
		h.ended = append(h.ended, end)
		h.mu.Unlock()
	}()
	return ours, nil
}

func (h *host) serve(conn net.Conn) (end string) {
	framer := xmpp.NewFramer(conn, 1<<20)
	header, err := framer.Next()
	if err != nil || !strings.Contains(string(header), "to='"+string(domain)+"'") {
		return "broken"
	}
	fmt.Fprintf(conn, "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' from='%s' id='x&amp;1'>", domain)
	proof, err := framer.Next()
	if err != nil {
		return "broken"
	}
	h.mu.Lock()
	refuse := h.refuse
	h.mu.Unlock()
	if refuse == "" && string(proof) != fmt.Sprintf("<handshake>%x</handshake>", sha1.Sum([]byte("x&1"+h.secret))) {
		refuse = "not-authorized"
	}
	if refuse != "" {
		fmt.Fprintf(conn, "<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", refuse)
		return "refused"
	}
	// Writing must not wait for a reader who waits for us.
	in, out, written := make(chan []byte), make(chan []byte, 10_000), make(chan struct{})
	go func() {
		defer close(written)
		for b := range out {
			conn.Write(b)
		}
	}()
	go func() {
		defer close(in)
		for {
			piece, err := framer.Next()
			if err != nil {
				return
			}
			in <- piece
		}
	}()
	defer func() {
		if end == "tag" {
			out <- []byte("</stream:stream>")
			close(out)
			<-written
		} else {
			conn.Close()
			close(out)
		}
		conn.Close()
		for range in { // until the reader has ended
		}
	}()
	out <- []byte("<handshake/> ")
	w := writerFunc(func(b []byte) (int, error) { out <- slices.Clone(b); return len(b), nil })
	var held [][]byte
	for dealt := 0; ; {
		var idle <-chan time.Time
		if len(held) > 0 {
			idle = time.After(10 * time.Millisecond)
		}
		keep := h.lag
		select {
		case piece, ok := <-in:
			switch {
			case !ok:
				return "broken"
			case string(piece[:2]) == "</":
				return "tag"
			}
			held = append(held, piece)
		case <-idle:
			keep = 0
		}
		for ; len(held) > keep; dealt++ {
			if h.cut != nil && h.cut(dealt) {
				return "broken"
			}
			h.deal(w, held[0])
			held = held[1:]
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func (h *host) deal(w io.Writer, piece []byte) {
	st, err := xmpp.ParseStanza(piece, xmpp.NSComponent)
	if err != nil {
		fmt.Fprintf(w, "<stream:error><not-well-formed xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		return
	}
	if h.heard != nil {
		h.heard(w, st)
	}
	if st.To == domain && st.Kind == "iq" {
		h.mu.Lock()
		silent := h.silent
		h.mu.Unlock()
		if !silent {
			w.Write(piece)
		}
		return
	}
	addresses := st.Child(nsAddress, "addresses")
	if addresses == nil {
		h.deliver(st, st.To)
		return
	}
	h.mu.Lock()
	h.multi++
	h.mu.Unlock()
	if h.swallow != nil {
		h.swallow(w, st)
		return
	}
	for _, a := range addresses.Children {
		to := bridge.JID(a.Attribute("jid"))
		if to.Domain() == domain {
			fmt.Fprintf(w, "<message from='%s' to='%s' id='%s'/>", st.From, to, st.ID)
			continue
		}
		h.deliver(st, to)
	}
}

func (h *host) deliver(st *xmpp.Stanza, to bridge.JID) {
	if st.Kind != "message" {
		return
	}
	copied := *st
	copied.To = to
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, &copied)
}

// change changes how the host behaves while it runs.
func (h *host) change(fn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fn()
}

// dialed is when somebody connected.
func (h *host) dialed() []time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.dials)
}

// count is how many messages were delivered.
func (h *host) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.messages)
}

// delivered is the ids of the messages that somebody got, in order.
func (h *host) delivered(to bridge.JID) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []string
	for _, m := range h.messages {
		if m.To == to {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

package component

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"

	ours "peewit/bridge/xmpp"
)

// pieces lets mellium read a stream that belongs to a Framer: each Read gives
// bytes of one piece only, so that what follows the handshake is not taken from
// us. Writes go to the connection.
type pieces struct {
	io.Writer
	framer *ours.Framer
	rest   []byte
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		piece, err := p.framer.Next()
		if err != nil {
			return 0, err
		}
		p.rest = piece
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// negotiate opens the stream and proves that we know the secret (XEP-0114 §3).
// It takes as long as the connection's deadlines let it.
func (l *Link) negotiate(ctx context.Context, conn net.Conn, framer *ours.Framer) (*xmpp.Session, error) {
	addr, err := jid.Parse(string(l.o.Domain))
	if err != nil {
		return nil, fmt.Errorf("component domain: %w", err)
	}
	s, err := component.NewSession(ctx, addr, []byte(l.o.Secret), &pieces{Writer: conn, framer: framer})
	var refused stream.Error
	switch {
	case errors.As(err, &refused):
		return nil, streamError(refused.Err)
	case err != nil:
		return nil, fmt.Errorf("handshake with %s: %w", l.o.Address, err)
	}
	return s, nil
}

// hints say what an operator can do about a stream error.
var hints = map[string]string{
	"not-authorized": "the secret is not the one the host has for this domain",
	"host-unknown":   "the host has no component of this domain",
	"conflict":       "another connection holds this domain; on Prosody set component_conflict_resolve = \"kick_old\"",
	"not-well-formed": "the host did not like the XML, or a stanza was bigger than it allows" +
		" (Prosody: component_stanza_size_limit)",
	"system-shutdown": "the host is going down",
}

// streamError is the host's reason to end the stream (RFC 6120 §4.9.3).
func streamError(condition string) error {
	if hint := hints[condition]; hint != "" {
		return fmt.Errorf("the host closed the stream: %s: %s", condition, hint)
	}
	return fmt.Errorf("the host closed the stream: %s", condition)
}

// conditionOf is the defined condition of a <stream:error/>.
func conditionOf(e *ours.Element) string {
	for _, c := range e.Children {
		if c.Name.Space == stream.NSError && c.Name.Local != "text" {
			return c.Name.Local
		}
	}
	return "undefined-condition"
}

package component

import (
	"errors"
	"fmt"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// maxSent is the most bytes of one stanza of ours. Hosts close the stream for
// bigger ones (Prosody's component_stanza_size_limit is 512 KiB), and clients'
// servers at the far end refuse them.
const maxSent = 256 << 10

// check refuses what would make the host close the stream: XML that is not well
// formed or that XMPP does not allow, no recipient, a sender who is not ours
// (XEP-0114 §3).
func check(stanza []byte, domain bridge.JID) error {
	if len(stanza) > maxSent {
		return fmt.Errorf("stanza of %d bytes, the most is %d", len(stanza), maxSent)
	}
	st, err := xmpp.ParseStanza(stanza, xmpp.NSComponent)
	switch {
	case err != nil:
		return err
	case st.To == "":
		return errors.New("stanza without recipient")
	case st.From == "":
		return errors.New("stanza without sender")
	case st.From.Domain() != domain:
		return fmt.Errorf("stanza from %s, which is not on %s", st.From, domain)
	}
	return nil
}

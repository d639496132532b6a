package bridge

import (
	"fmt"
	"time"
)

// Account is somebody with a nickname here. Its JID is nick@domain; Owners are
// bare JIDs elsewhere that have every right of that JID.
type Account struct {
	Nick    string    `json:"nick"`
	Owners  []JID     `json:"owners,omitempty"`
	Admin   bool      `json:"admin,omitempty"`
	Created time.Time `json:"created"`
	Removed bool      `json:"removed,omitempty"`
}

// Credential is what proves a password without knowing it: the stored and
// server keys of SCRAM (RFC 5802 §3). It is a record of its own so that an old
// one can be erased.
type Credential struct {
	Nick    string   `json:"nick"`
	SHA1    SCRAMKey `json:"sha1"`
	SHA256  SCRAMKey `json:"sha256"`
	Removed bool     `json:"removed,omitempty"`
}

// SCRAMKey is one hash's share of a Credential (RFC 5802 §3, RFC 7677).
type SCRAMKey struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	StoredKey  []byte `json:"stored_key"`
	ServerKey  []byte `json:"server_key"`
}

// Invite lets its bearer register one account while registration is by invite.
type Invite struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
	Removed bool      `json:"removed,omitempty"` // used or withdrawn
}

// Contact is a roster entry of an account (RFC 6121 §2.1) with the state of
// both presence subscriptions (RFC 6121 appendix A). An entry that is only a
// request waiting for an answer is not in the roster the client sees.
type Contact struct {
	Account      JID      `json:"account"` // bare, on the domain
	JID          JID      `json:"jid"`     // bare
	Name         string   `json:"name,omitempty"`
	Groups       []string `json:"groups,omitempty"`
	Subscription string   `json:"subscription"`         // "none", "to", "from" or "both", seen from Account
	Ask          bool     `json:"ask,omitempty"`        // we asked and wait for the contact's answer
	PendingIn    bool     `json:"pending_in,omitempty"` // the contact asked and waits for ours
	InRoster     bool     `json:"in_roster,omitempty"`  // the account put it there, or subscribed
	Removed      bool     `json:"removed,omitempty"`
}

// SeesContact reports whether Account receives the contact's presence.
func (c Contact) SeesContact() bool { return c.Subscription == "to" || c.Subscription == "both" }

// SeenByContact reports whether the contact receives Account's presence.
func (c Contact) SeenByContact() bool { return c.Subscription == "from" || c.Subscription == "both" }

// reservedNicks are first path segments of our HTTP side and names of our own
// views; an account under one of them could never be reached.
var reservedNicks = map[string]bool{
	"public": true, "all": true, "home": true,
	"api": true, "main": true, "notice": true, "planet": true, "search": true,
	"tag": true, "static": true, "rss": true, "settings": true, "admin": true,
	"group": true, "doc": true, "index": true, "user": true, "avatar": true,
	"conversation": true, "favicon": true, "robots": true, "hub": true, "track": true,
}

// CheckNick refuses what cannot be a nickname: 1 to 64 of a–z and 0–9, the set
// that every OMB peer accepts, and none of the names we need ourselves. bot is
// the chat bot's name.
func CheckNick(nick, bot string) error {
	if len(nick) == 0 || len(nick) > 64 {
		return Refuse(NotAcceptable, "a nickname has 1 to 64 characters")
	}
	for _, c := range nick {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return Refuse(NotAcceptable, "a nickname has only the letters a to z and digits")
		}
	}
	if reservedNicks[nick] || nick == bot {
		return Refuse(NotAcceptable, "the nickname %s is reserved", nick)
	}
	return nil
}

// TrackNode is the name of a track's node on the domain.
func TrackNode(id string) string { return fmt.Sprintf("track-%s", id) }

// FeedNode is the name of a source's node on the domain.
func FeedNode(id string) string { return fmt.Sprintf("feed-%s", id) }

package bridge

import (
	"fmt"
	"strings"

	"mellium.im/xmpp/jid"
)

// JID is a prepared XMPP address (RFC 7622): localpart and domainpart are
// case-mapped and normalised, so two JIDs are the same address exactly when
// they are the same string. Only [ParseJID] and the methods of JID make one
// from text that came from outside. The zero value is "no address".
type JID string

// ParseJID prepares and checks an address (RFC 7622 §3). The error is for the
// log; a stranger is told jid-malformed.
func ParseJID(s string) (JID, error) {
	if plainJID(s) {
		return JID(s), nil
	}
	j, err := jid.Parse(s)
	if err != nil {
		return "", fmt.Errorf("parse JID: %w", err)
	}
	// Preparing twice must change nothing, or the same address would be two: what
	// fails that ("..", which becomes ".") is no address.
	if again, err := jid.Parse(j.String()); err != nil || !again.Equal(j) {
		return "", fmt.Errorf("parse JID: %q is not stable when prepared", s)
	}
	return JID(j.String()), nil
}

// plainJID reports whether s is an address that preparation would leave as it
// is: lower-case ASCII letters, digits, '-', '_' and single dots. Nearly all
// addresses are, and preparing costs microseconds.
func plainJID(s string) bool {
	domain, resource, hasResource := strings.Cut(s, "/")
	if local, rest, ok := strings.Cut(domain, "@"); ok {
		if !plainPart(local, 1023) || local[0] == '.' {
			return false
		}
		domain = rest
	}
	if !plainPart(domain, 255) || domain[0] == '.' || domain[0] == '-' ||
		domain[len(domain)-1] == '.' || domain[len(domain)-1] == '-' ||
		strings.Contains(domain, "..") || strings.Contains(domain, "--") || strings.Contains(domain, "_") {
		return false
	}
	return !hasResource || plainPart(lower(resource), 1023)
}

// lower maps A to Z alone: there are other letters whose lower case is ASCII.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

func plainPart(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// Bare is the address without its resource.
func (j JID) Bare() JID {
	bare, _, _ := strings.Cut(string(j), "/")
	return JID(bare)
}

// Resource is the part behind the first slash, or "".
func (j JID) Resource() string {
	_, resource, _ := strings.Cut(string(j), "/")
	return resource
}

// Domain is the address of the server alone.
func (j JID) Domain() JID {
	bare := string(j.Bare())
	if _, domain, ok := strings.Cut(bare, "@"); ok {
		return JID(domain)
	}
	return JID(bare)
}

// Local is the part before the '@', or "".
func (j JID) Local() string {
	local, _, ok := strings.Cut(string(j.Bare()), "@")
	if !ok {
		return ""
	}
	return local
}

// IsBare reports whether the address has no resource.
func (j JID) IsBare() bool { return !strings.Contains(string(j), "/") }

// WithResource is the full address of the bare j at a resource. The resource
// must be prepared already (a part of a parsed JID, or made by us).
func (j JID) WithResource(resource string) JID { return j.Bare() + JID("/"+resource) }

func (j JID) String() string { return string(j) }

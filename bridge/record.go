package bridge

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// RecordVersion is the version written into new records. Every version ever
// written stays readable.
const RecordVersion = 1

// Record is one entry of the log. Exactly one of its pointers is set. Posts
// (Publish, Retract, Purge, Reference) change the content of a node; all others
// are state, written whole: the newest record of a state key is the state.
type Record struct {
	Version int `json:"v"`

	// Seq and Time are the log's: set on records read from it, never written.
	Seq  uint64    `json:"-"`
	Time time.Time `json:"-"`

	// Key makes an append harmless to repeat; empty on records that need none.
	Key string `json:"key,omitempty"`

	Publish   *Publish   `json:"publish,omitempty"`
	Retract   *Retract   `json:"retract,omitempty"`
	Purge     *Purge     `json:"purge,omitempty"`
	Reference *Reference `json:"reference,omitempty"`

	Account        *Account        `json:"account,omitempty"`
	Credential     *Credential     `json:"credential,omitempty"`
	Invite         *Invite         `json:"invite,omitempty"`
	Contact        *Contact        `json:"contact,omitempty"`
	Node           *Node           `json:"node,omitempty"`
	Affiliation    *Affiliation    `json:"affiliation,omitempty"`
	Subscription   *Subscription   `json:"subscription,omitempty"`
	Source         *Source         `json:"source,omitempty"`
	Planet         *Planet         `json:"planet,omitempty"`
	Track          *Track          `json:"track,omitempty"`
	Listener       *Listener       `json:"listener,omitempty"`
	ListenerSecret *ListenerSecret `json:"listener_secret,omitempty"`
}

// Publish puts a payload into a node under an item id, or replaces what is
// there.
type Publish struct {
	NodeID    string `json:"node_id"`
	Addr      Addr   `json:"addr"`
	Item      string `json:"item"`
	Publisher JID    `json:"publisher"`      // bare
	Sent      string `json:"sent,omitempty"` // hash of the content as sent, before anything was filled in
	Origin    Origin `json:"origin"`
	Payload   string `json:"payload,omitempty"` // one XML element with its namespaces
}

// Retract takes items out of a node.
type Retract struct {
	NodeID string   `json:"node_id"`
	Addr   Addr     `json:"addr"`
	Items  []string `json:"items"`
	Actor  JID      `json:"actor"`  // bare
	Notify bool     `json:"notify"` // the request asked that subscribers be told

	// First is the sequence of each item's first version, in the order of Items:
	// it marks the place of what the log has been told to erase.
	First []uint64 `json:"first,omitempty"`
}

// Purge takes every item out of a node.
type Purge struct {
	NodeID string `json:"node_id"`
	Addr   Addr   `json:"addr"`
	Actor  JID    `json:"actor"`
}

// Reference shows a post of one node in another, a planet. The payload stays
// where it is.
type Reference struct {
	NodeID string `json:"node_id"` // the planet's node
	Addr   Addr   `json:"addr"`
	Item   string `json:"item"` // the id there

	OfNodeID string `json:"of_node_id"` // the node that holds the post
	OfItem   string `json:"of_item"`
	OfSeq    uint64 `json:"of_seq"` // sequence of the version referred to; repeats for each edit
}

// Draft is a record about to be appended, with the conditions of its append.
type Draft struct {
	Record Record
	// Guard asks for a compare-and-set: the append is refused with [Conflict]
	// unless Expected is the sequence of the newest record of the same state key
	// (0: there is none). Posts are never guarded.
	Guard    bool
	Expected uint64
	// TTL lets the log forget the record after this time; 0 = never.
	TTL time.Duration
}

// Ack is the log's answer to one appended record.
type Ack struct {
	Seq       uint64
	Duplicate bool // a record with the same key was there already; Seq is its sequence
}

// Position says how far a reader of the log has come: the epoch of the log, the
// sequence of the last record it has dealt with and that record's time. A
// position that names another epoch, a sequence beyond the log's last, or
// another time at that sequence belongs to another log.
type Position struct {
	Epoch string    `json:"epoch"`
	Seq   uint64    `json:"seq"`
	Time  time.Time `json:"time"`
}

// Encode is the record as the log stores it.
func (r *Record) Encode() ([]byte, error) {
	r.Version = RecordVersion
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // payloads are XML: keep them readable
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("encode %s record: %w", r.Kind(), err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// DecodeRecord reads what Encode wrote, in any version.
func DecodeRecord(data []byte, seq uint64, at time.Time) (*Record, error) {
	r := new(Record)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("decode record %d: %w", seq, err)
	}
	if r.Version < 1 || r.Version > RecordVersion {
		return nil, fmt.Errorf("decode record %d: version %d is newer than this program", seq, r.Version)
	}
	r.Seq, r.Time = seq, at
	return r, nil
}

// Kind is the record's kind in one word, as it stands in its log subject.
func (r *Record) Kind() string {
	kind, _, _ := r.identity()
	return kind
}

// StateKey is the key of which a state record is the newest state: its kind and
// what it is about, unbounded text. It is "" for posts.
func (r *Record) StateKey() string {
	kind, key, _ := r.identity()
	if key == "" {
		return ""
	}
	return kind + "\x00" + key
}

// Removed reports whether a state record says that its key is no more.
func (r *Record) Removed() bool {
	switch {
	case r.Account != nil:
		return r.Account.Removed
	case r.Credential != nil:
		return r.Credential.Removed
	case r.Invite != nil:
		return r.Invite.Removed
	case r.Contact != nil:
		return r.Contact.Removed
	case r.Node != nil:
		return r.Node.Removed
	case r.Affiliation != nil:
		return r.Affiliation.Role == RoleNone
	case r.Subscription != nil:
		return r.Subscription.Removed
	case r.Source != nil:
		return r.Source.Removed
	case r.Planet != nil:
		return r.Planet.Removed
	case r.Track != nil:
		return r.Track.Removed
	case r.Listener != nil:
		return r.Listener.Removed
	case r.ListenerSecret != nil:
		return r.ListenerSecret.Removed
	}
	return false
}

// identity is the kind, the state key within the kind ("" for posts) and the
// bare JID or name by which the record is partitioned.
func (r *Record) identity() (kind, key, owner string) {
	join := func(parts ...string) string { return strings.Join(parts, "\x00") }
	switch {
	case r.Publish != nil:
		return "publish", "", string(r.Publish.Addr.Service)
	case r.Retract != nil:
		return "retract", "", string(r.Retract.Addr.Service)
	case r.Purge != nil:
		return "purge", "", string(r.Purge.Addr.Service)
	case r.Reference != nil:
		return "reference", "", string(r.Reference.Addr.Service)
	case r.Account != nil:
		return "account", r.Account.Nick, r.Account.Nick
	case r.Credential != nil:
		return "credential", r.Credential.Nick, r.Credential.Nick
	case r.Invite != nil:
		return "invite", r.Invite.Token, r.Invite.Token
	case r.Contact != nil:
		return "contact", join(string(r.Contact.Account), string(r.Contact.JID)), string(r.Contact.Account)
	case r.Node != nil:
		return "node", join(string(r.Node.Addr.Service), r.Node.Addr.Name), string(r.Node.Addr.Service)
	case r.Affiliation != nil:
		return "affiliation", join(r.Affiliation.NodeID, string(r.Affiliation.JID)), string(r.Affiliation.Addr.Service)
	case r.Subscription != nil:
		return "subscription", join(r.Subscription.NodeID, string(r.Subscription.JID), r.Subscription.SubID), string(r.Subscription.Addr.Service)
	case r.Source != nil:
		return "source", r.Source.ID, r.Source.ID
	case r.Planet != nil:
		return "planet", r.Planet.Name, r.Planet.Name
	case r.Track != nil:
		return "track", r.Track.ID, r.Track.Owner
	case r.Listener != nil:
		return "listener", join(r.Listener.Listenee, r.Listener.URI), r.Listener.Listenee
	case r.ListenerSecret != nil:
		return "listener_secret", join(r.ListenerSecret.Listenee, r.ListenerSecret.URI), r.ListenerSecret.Listenee
	}
	return "", "", ""
}

// NodeID is the node whose content a post record changes, or "" for state.
func (r *Record) NodeID() string {
	switch {
	case r.Publish != nil:
		return r.Publish.NodeID
	case r.Retract != nil:
		return r.Retract.NodeID
	case r.Purge != nil:
		return r.Purge.NodeID
	case r.Reference != nil:
		return r.Reference.NodeID
	}
	return ""
}

// Subject is where the record stands in the log: p.PP.NODE for posts,
// s.PP.KIND.HASH for state. Both are made of hashes and words of ours, never of
// strangers' text, which could be too long or hold a wildcard. PP, two hex
// digits of the owner's hash, keeps what belongs together in one partition.
func (r *Record) Subject() string {
	kind, key, owner := r.identity()
	pp := sha256.Sum256([]byte(owner))
	if key == "" {
		return fmt.Sprintf("p.%02x.%s", pp[0], r.NodeID())
	}
	return fmt.Sprintf("s.%02x.%s.%s", pp[0], kind, Hash(key))
}

// Hash is a fixed-length name for any text: 128 bits of SHA-256 in lower-case
// base32, 26 characters.
func Hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p)) // so that ("ab","c") and ("a","bc") differ
		h.Write([]byte(p))
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:16]))
}

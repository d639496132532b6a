package bridge

import "time"

// Addr is the address of a pubsub node: the bare JID of the service that holds
// it (the domain, or an account for PEP) and the node's name there.
type Addr struct {
	Service JID    `json:"service"`
	Name    string `json:"name"`
}

func (a Addr) String() string { return string(a.Service) + " " + a.Name }

// Node is a leaf node (XEP-0060 §4.2). Its ID is 64 random bits in hex, made
// with it: a node deleted and made anew has another one, and records of the old
// one mean nothing any more.
type Node struct {
	ID      string     `json:"id"`
	Addr    Addr       `json:"addr"`
	Owner   JID        `json:"owner"` // bare; the account, the creator, or the domain
	Created time.Time  `json:"created"`
	Config  NodeConfig `json:"config"`
	Removed bool       `json:"removed,omitempty"`
}

// NodeConfig is what an owner can set on a node (XEP-0060 §16.4.4).
type NodeConfig struct {
	Title            string       `json:"title,omitempty"`
	Description      string       `json:"description,omitempty"`
	Type             string       `json:"type,omitempty"` // namespace of the payload
	Language         string       `json:"language,omitempty"`
	AccessModel      AccessModel  `json:"access_model"`
	PublishModel     PublishModel `json:"publish_model"`
	PersistItems     bool         `json:"persist_items"`
	MaxItems         int          `json:"max_items"` // 0 = as many as there are ("max")
	SendLast         SendLast     `json:"send_last_published_item"`
	DeliverPayloads  bool         `json:"deliver_payloads"`
	NotifyRetract    bool         `json:"notify_retract"`
	NotifyDelete     bool         `json:"notify_delete"`
	NotificationType string       `json:"notification_type"` // "headline" or "normal"
}

// AccessModel says who may subscribe and read (XEP-0060 §4.5).
type AccessModel string

// The access models in use.
const (
	AccessOpen      AccessModel = "open"
	AccessPresence  AccessModel = "presence"
	AccessWhitelist AccessModel = "whitelist"
)

// PublishModel says who may publish (XEP-0060 §16.4.4 pubsub#publish_model).
type PublishModel string

// The publish models.
const (
	PublishPublishers  PublishModel = "publishers"
	PublishSubscribers PublishModel = "subscribers"
	PublishOpen        PublishModel = "open"
)

// SendLast says when a newcomer is sent the newest item unasked
// (XEP-0060 §16.4.4 pubsub#send_last_published_item).
type SendLast string

// The values of send_last_published_item.
const (
	SendLastNever            SendLast = "never"
	SendLastOnSub            SendLast = "on_sub"
	SendLastOnSubAndPresence SendLast = "on_sub_and_presence"
)

// MicroblogConfig is the configuration of an account's default microblog: open,
// persistent, unbounded.
func MicroblogConfig() NodeConfig {
	return NodeConfig{
		Type:             "http://www.w3.org/2005/Atom",
		AccessModel:      AccessOpen,
		PublishModel:     PublishPublishers,
		PersistItems:     true,
		SendLast:         SendLastOnSubAndPresence,
		DeliverPayloads:  true,
		NotifyRetract:    true,
		NotifyDelete:     true,
		NotificationType: "headline",
	}
}

// PEPConfig is the configuration of any other node that a publish to an
// account creates (XEP-0163 §1.1, XEP-0060 §16.4.4 defaults for PEP).
func PEPConfig() NodeConfig {
	c := MicroblogConfig()
	c.Type = ""
	c.AccessModel = AccessPresence
	c.MaxItems = 1
	return c
}

// ServiceConfig is the configuration of a node made on the domain when its
// creator sets nothing.
func ServiceConfig() NodeConfig {
	c := MicroblogConfig()
	c.Type = ""
	c.SendLast = SendLastNever
	return c
}

// Role is an affiliation with a node (XEP-0060 §4.1).
type Role string

// The affiliations.
const (
	RoleOwner       Role = "owner"
	RolePublisher   Role = "publisher"
	RolePublishOnly Role = "publish-only"
	RoleMember      Role = "member"
	RoleNone        Role = "none"
	RoleOutcast     Role = "outcast"
)

// Affiliation is one entity's role on one node. RoleNone removes it.
type Affiliation struct {
	NodeID string `json:"node_id"`
	Addr   Addr   `json:"addr"`
	JID    JID    `json:"jid"` // bare
	Role   Role   `json:"role"`
}

// Subscription is one JID's subscription to one node (XEP-0060 §4.2). There is
// no other table of who follows whom.
type Subscription struct {
	NodeID  string    `json:"node_id"`
	Addr    Addr      `json:"addr"`
	JID     JID       `json:"jid"` // bare or full, as subscribed
	SubID   string    `json:"subid"`
	Created time.Time `json:"created"`
	Removed bool      `json:"removed,omitempty"`
}

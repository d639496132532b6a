package bridge

// Action is something done to a node.
type Action int

// The actions [Allow] decides on.
const (
	Read Action = iota
	SubscribeTo
	PublishTo
	RetractFrom
	Administer // configure, delete, purge, affiliations
)

// Actor is who acts, as far as the node is concerned.
type Actor struct {
	JID        JID  // bare
	Role       Role // on the node; the account's own JIDs are RoleOwner on its nodes
	Contact    bool // the node's account lets this JID see its presence
	Subscribed bool
	Admin      bool // an administrator of the whole service
}

// Allow is the only place where permission on a node is decided: nil, or the
// refusal that XEP-0060 names for the case. It is a pure function.
func Allow(a Actor, act Action, n *Node) error {
	if a.Role == RoleOwner || a.Admin {
		return nil
	}
	if a.Role == RoleOutcast {
		return Refuse(Forbidden, "you are banned from this node") // XEP-0060 §6.1.3.8
	}
	switch act {
	case Read, SubscribeTo:
		if a.Role == RolePublishOnly {
			return Refuse(Forbidden, "you may publish here, not read") // XEP-0060 §4.1
		}
		return allowReading(a, n)
	case PublishTo:
		return allowPublishing(a, n)
	case RetractFrom:
		// XEP-0060 §7.2.3.1: owners and publishers; whose item it is, service checks.
		return allowPublishing(a, n)
	}
	return Refuse(Forbidden, "only an owner of this node may do that")
}

func allowReading(a Actor, n *Node) error {
	if a.Role == RoleMember || a.Role == RolePublisher {
		return nil
	}
	switch n.Config.AccessModel {
	case AccessOpen:
		return nil
	case AccessPresence:
		if a.Contact {
			return nil
		}
		return RefuseFor(NotAuthorized, "presence-subscription-required", // XEP-0060 §6.1.3.2
			"subscribe to the presence of %s first", n.Addr.Service)
	}
	return RefuseFor(NotAllowed, "closed-node", "only its members may read this node") // XEP-0060 §6.1.3.4
}

func allowPublishing(a Actor, n *Node) error {
	if a.Role == RolePublisher || a.Role == RolePublishOnly {
		return nil
	}
	switch n.Config.PublishModel {
	case PublishOpen:
		return nil
	case PublishSubscribers:
		if a.Subscribed {
			return nil
		}
	}
	return Refuse(Forbidden, "you may not publish to this node") // XEP-0060 §7.1.3.1
}

package pubsub

import (
	"slices"
	"strconv"

	"peewit/bridge"
)

// maxSetting bounds the text of one setting, in bytes.
const maxSetting = 4096

// setting is one field of the node configuration form: how it is shown and how
// it is taken.
type setting struct {
	name, kind, label string
	options           []option
	get               func(*bridge.NodeConfig) string
	set               func(*bridge.NodeConfig, string) error
}

// settings are the fields of the form (XEP-0060 §16.4.4) that have an effect
// here, in the order in which they are shown.
func settings(service, domain bridge.JID) []setting {
	return []setting{
		textSetting("pubsub#title", "A friendly name for the node", func(c *bridge.NodeConfig) *string { return &c.Title }),
		textSetting("pubsub#description", "A description of the node", func(c *bridge.NodeConfig) *string { return &c.Description }),
		textSetting("pubsub#type", "The semantic type of the items, usually the namespace of the payload", func(c *bridge.NodeConfig) *string { return &c.Type }),
		textSetting("pubsub#language", "The default language of the node", func(c *bridge.NodeConfig) *string { return &c.Language }),
		accessSetting(service, domain),
		listSetting("pubsub#publish_model", "Who may publish", []option{
			{"publishers", "Only publishers"},
			{"subscribers", "Subscribers"},
			{"open", "Anyone"},
		}, func(c *bridge.NodeConfig) *bridge.PublishModel { return &c.PublishModel }),
		boolSetting("pubsub#persist_items", "Keep the items", func(c *bridge.NodeConfig) *bool { return &c.PersistItems }),
		{
			name: "pubsub#max_items", kind: "text-single",
			label: "How many items to keep; max for as many as there are",
			get:   maxItems, set: setMaxItems,
		},
		listSetting("pubsub#send_last_published_item", "When to send the last item unasked", []option{
			{"never", "Never"},
			{"on_sub", "To a new subscriber"},
			{"on_sub_and_presence", "To a new subscriber, and to a subscriber who comes online"},
		}, func(c *bridge.NodeConfig) *bridge.SendLast { return &c.SendLast }),
		boolSetting("pubsub#deliver_payloads", "Deliver payloads with notifications", func(c *bridge.NodeConfig) *bool { return &c.DeliverPayloads }),
		boolSetting("pubsub#notify_retract", "Notify subscribers when items are removed", func(c *bridge.NodeConfig) *bool { return &c.NotifyRetract }),
		boolSetting("pubsub#notify_delete", "Notify subscribers when the node is deleted", func(c *bridge.NodeConfig) *bool { return &c.NotifyDelete }),
		listSetting("pubsub#notification_type", "The type of the messages that notify", []option{
			{"headline", "Messages of type headline"},
			{"normal", "Messages of type normal"},
		}, func(c *bridge.NodeConfig) *string { return &c.NotificationType }),
	}
}

// fixed are fields of the registry (XEP-0060 §16.4.4) with one possible value
// here: what it does anyway. They are not offered in the form, but they may be a
// precondition.
var fixed = map[string]string{
	"pubsub#deliver_notifications":   "true",
	"pubsub#itemreply":               "publisher",
	"pubsub#node_type":               "leaf",
	"pubsub#presence_based_delivery": "false",
	"pubsub#publish_node_full":       "retract-oldest",
	"pubsub#purge_offline":           "false",
	"pubsub#subscribe":               "true",
	"pubsub#tempsub":                 "false",
}

// idle are fields of the registry that nothing here depends on. A publisher who
// names them as preconditions gets its post published: the two common clients do
// so, and neither could do better with a refusal.
var idle = []string{
	"pubsub#body_xslt", "pubsub#contact", "pubsub#dataform_xslt", "pubsub#include_body",
	"pubsub#item_expire", "pubsub#max_payload_size", "pubsub#notify_config",
	"pubsub#notify_sub", "pubsub#roster_groups_allowed",
}

// configFields is the configuration as fields of a form.
func configFields(service, domain bridge.JID, c *bridge.NodeConfig) []field {
	var fields []field
	for _, s := range settings(service, domain) {
		fields = append(fields, field{
			name: s.name, kind: s.kind, label: s.label,
			values: []string{s.get(c)}, options: s.options,
		})
	}
	return fields
}

// configure applies a submission to c. Fields that are not in it keep their
// value, fields that the form does not have are ignored (XEP-0004 §3.1, §3.4).
func configure(service, domain bridge.JID, c *bridge.NodeConfig, form submission) error {
	known := settings(service, domain)
	for _, name := range form.names {
		i := slices.IndexFunc(known, func(s setting) bool { return s.name == name })
		if i < 0 {
			continue
		}
		if len(form.values[name]) > 1 {
			return bridge.Refuse(bridge.NotAcceptable, "%s has one value", name)
		}
		if err := known[i].set(c, form.one(name)); err != nil {
			return err
		}
	}
	if !c.PersistItems && !c.DeliverPayloads {
		return bridge.Refuse(bridge.NotAcceptable, "a node that keeps no items has to deliver their payloads")
	}
	return nil
}

// meets checks publish-options against the configuration of a node that exists
// (XEP-0060 §7.1.5). Every field is a precondition; a field that nobody knows is
// one that cannot be met.
func meets(service, domain bridge.JID, c *bridge.NodeConfig, form submission) error {
	known := settings(service, domain)
	for _, name := range form.names {
		want := form.one(name)
		if value, ok := fixed[name]; ok {
			if b, err := parseBool(want); err == nil {
				want = strconv.FormatBool(b)
			}
			if want != value {
				return unmet(name)
			}
			continue
		}
		if slices.Contains(idle, name) {
			continue
		}
		i := slices.IndexFunc(known, func(s setting) bool { return s.name == name })
		if i < 0 {
			return unmet(name)
		}
		asked := *c
		if err := known[i].set(&asked, want); err != nil || asked != *c {
			return unmet(name)
		}
	}
	return nil
}

func unmet(name string) error {
	return bridge.RefuseFor(bridge.Conflict, "precondition-not-met", "the node does not meet the precondition %s", name)
}

func textSetting(name, label string, at func(*bridge.NodeConfig) *string) setting {
	return setting{
		name: name, kind: "text-single", label: label,
		get: func(c *bridge.NodeConfig) string { return *at(c) },
		set: func(c *bridge.NodeConfig, v string) error {
			if len(v) > maxSetting {
				return bridge.Refuse(bridge.NotAcceptable, "%s has at most %d bytes", name, maxSetting)
			}
			*at(c) = v
			return nil
		},
	}
}

func boolSetting(name, label string, at func(*bridge.NodeConfig) *bool) setting {
	return setting{
		name: name, kind: "boolean", label: label,
		get: func(c *bridge.NodeConfig) string { return strconv.FormatBool(*at(c)) },
		set: func(c *bridge.NodeConfig, v string) error {
			b, err := parseBool(v)
			if err != nil {
				return bridge.Refuse(bridge.NotAcceptable, "%s is true or false", name)
			}
			*at(c) = b
			return nil
		},
	}
}

func listSetting[T ~string](name, label string, options []option, at func(*bridge.NodeConfig) *T) setting {
	return setting{
		name: name, kind: "list-single", label: label, options: options,
		get: func(c *bridge.NodeConfig) string { return string(*at(c)) },
		set: func(c *bridge.NodeConfig, v string) error {
			if !slices.ContainsFunc(options, func(o option) bool { return o.value == v }) {
				return bridge.Refuse(bridge.NotAcceptable, "%s cannot be %q", name, v)
			}
			*at(c) = T(v)
			return nil
		},
	}
}

// accessSetting offers the access models that the service can keep: presence
// needs an account whose presence there is to see.
func accessSetting(service, domain bridge.JID) setting {
	options := []option{{"open", "Anyone"}, {"whitelist", "Only members"}}
	if service != domain {
		options = slices.Insert(options, 1, option{"presence", "Those who see the account's presence"})
	}
	s := listSetting("pubsub#access_model", "Who may subscribe and read", options,
		func(c *bridge.NodeConfig) *bridge.AccessModel { return &c.AccessModel })
	take := s.set
	s.set = func(c *bridge.NodeConfig, v string) error {
		if err := take(c, v); err != nil {
			return bridge.RefuseFor(bridge.NotAcceptable, "unsupported-access-model", "the access model %q is not supported", v) // XEP-0060 §8.1.2
		}
		return nil
	}
	return s
}

func maxItems(c *bridge.NodeConfig) string {
	if c.MaxItems == 0 {
		return "max"
	}
	return strconv.Itoa(c.MaxItems)
}

func setMaxItems(c *bridge.NodeConfig, v string) error {
	if v == "max" {
		c.MaxItems = 0
		return nil
	}
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil || n == 0 {
		return bridge.Refuse(bridge.NotAcceptable, "pubsub#max_items is max, or a number from 1")
	}
	c.MaxItems = int(n)
	return nil
}

// parseBool reads an XML Schema boolean.
func parseBool(v string) (bool, error) {
	switch v {
	case "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, strconv.ErrSyntax
}

package pubsub

import (
	"strings"
	"testing"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// TestRefusals is each refusal of XEP-0060 that can happen here, with its
// condition and its application-specific condition.
func TestRefusals(t *testing.T) {
	h := newHouse(t)
	const domain = testDomain
	form := func(formType string, fields ...string) string {
		x := "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>" + formType + "</value></field>"
		for i := 0; i < len(fields); i += 2 {
			x += "<field var='" + fields[i] + "'><value>" + fields[i+1] + "</value></field>"
		}
		return x + "</x>"
	}
	node := func(name string, fields ...string) {
		h.must(t, alice, ps("set", domain, "<create node='"+name+"'/><configure>"+form(formNodeConfig, fields...)+"</configure>"))
	}
	node("plain")
	node("closed", "pubsub#access_model", "whitelist")
	node("passing", "pubsub#persist_items", "false")
	h.must(t, alice, ps("set", domain, "<publish node='plain'><item id='a'><x xmlns='urn:x'/></item></publish>"))
	h.must(t, alice, ps("set", "", "<publish node='urn:example:mood'><item><x xmlns='urn:x'/></item></publish>"))
	h.must(t, bob, ps("set", domain, "<subscribe node='plain' jid='bob@micro.example'/>"))
	big := "<x xmlns='urn:x'>" + strings.Repeat("y", maxPayload) + "</x>"

	const visitor = bridge.JID("q7x2@micro.example/web")
	for _, test := range []struct {
		section   string
		from      bridge.JID
		iq        string
		condition bridge.Condition
		reason    string
	}{
		// requests that are none
		{"§12 empty", bob, ps("get", domain, ""), bridge.BadRequest, ""},
		{"§12 nothing but a set", bob, ps("get", domain, "<set xmlns='"+nsRSM+"'/>"), bridge.BadRequest, ""},
		{"§12 unknown", bob, ps("get", domain, "<dance/>"), bridge.FeatureNotPresent, ""},
		{"§12 a get that is a set", bob, ps("get", domain, "<publish node='plain'/>"), bridge.FeatureNotPresent, ""},
		{"no such account", bob, ps("get", "nobody@micro.example", "<items node='n'/>"), bridge.ServiceUnavailable, ""},
		{"a resource", bob, ps("get", testAccount+"/bridge", "<items node='n'/>"), bridge.ServiceUnavailable, ""},
		// subscribe
		{"§6.1.3.1 somebody else", bob, ps("set", domain, "<subscribe node='plain' jid='carol@micro.example'/>"), bridge.BadRequest, "invalid-jid"},
		{"§6.1.3.1 nobody", bob, ps("set", domain, "<subscribe node='plain'/>"), bridge.BadRequest, "invalid-jid"},
		{"§6.1.3.1 no address", bob, ps("set", domain, "<subscribe node='plain' jid='@'/>"), bridge.BadRequest, "invalid-jid"},
		{"§6.1.3.2 no presence", bob, ps("set", testAccount, "<subscribe node='urn:example:mood' jid='bob@micro.example'/>"), bridge.NotAuthorized, "presence-subscription-required"},
		{"§6.1.3.4 whitelist", bob, ps("set", domain, "<subscribe node='closed' jid='bob@micro.example'/>"), bridge.NotAllowed, "closed-node"},
		{"§6.1.3.4 whitelist, visitor", visitor, ps("set", domain, "<subscribe node='closed' jid='q7x2@micro.example'/>"), bridge.NotAllowed, "closed-node"},
		{"§6.1.3.12 no node", bob, ps("set", domain, "<subscribe node='none' jid='bob@micro.example'/>"), bridge.ItemNotFound, ""},
		{"§6.1 no node named", bob, ps("set", domain, "<subscribe jid='bob@micro.example'/>"), bridge.BadRequest, "nodeid-required"},
		// unsubscribe
		{"§6.2.3.2 not subscribed", carol, ps("set", domain, "<unsubscribe node='plain' jid='carol@micro.example'/>"), bridge.UnexpectedRequest, "not-subscribed"},
		{"§6.2.3.2 not subscribed, visitor", visitor, ps("set", domain, "<unsubscribe node='plain' jid='q7x2@micro.example/web'/>"), bridge.UnexpectedRequest, "not-subscribed"},
		{"§6.2.3.3 somebody else", carol, ps("set", domain, "<unsubscribe node='plain' jid='bob@micro.example'/>"), bridge.Forbidden, ""},
		{"§6.2.3.4 no node", bob, ps("set", domain, "<unsubscribe node='none' jid='bob@micro.example'/>"), bridge.ItemNotFound, ""},
		{"§6.2.3.5 another id", bob, ps("set", domain, "<unsubscribe node='plain' jid='bob@micro.example' subid='x'/>"), bridge.NotAcceptable, "invalid-subid"},
		// options
		{"§6.3.4.6 options", bob, ps("get", domain, "<options node='plain' jid='bob@micro.example'/>"), bridge.FeatureNotPresent, "unsupported"},
		{"§6.4.3.2 default options", bob, ps("get", domain, "<default/>"), bridge.FeatureNotPresent, "unsupported"},
		// items
		{"§6.5.9.2 another id", bob, ps("get", domain, "<items node='plain' subid='x'/>"), bridge.NotAcceptable, "invalid-subid"},
		{"§6.5.9.4 nothing kept", bob, ps("get", domain, "<items node='passing'/>"), bridge.FeatureNotPresent, "unsupported"},
		{"§6.5.9.6 no presence", bob, ps("get", testAccount, "<items node='urn:example:mood'/>"), bridge.NotAuthorized, "presence-subscription-required"},
		{"§6.5.9.8 whitelist", bob, ps("get", domain, "<items node='closed'/>"), bridge.NotAllowed, "closed-node"},
		{"§6.5.9.11 no node", bob, ps("get", domain, "<items node='none'/>"), bridge.ItemNotFound, ""},
		{"§6.5 no node named", bob, ps("get", domain, "<items/>"), bridge.BadRequest, "nodeid-required"},
		{"XEP-0059 §2.4 page not found", bob, ps("get", domain, "<items node='plain'/><set xmlns='"+nsRSM+"'><after>nope</after></set>"), bridge.ItemNotFound, ""},
		{"XEP-0059 §2.6 index", bob, ps("get", domain, "<items node='plain'/><set xmlns='"+nsRSM+"'><index>0</index></set>"), bridge.FeatureNotPresent, ""},
		{"§5.6 no node", bob, ps("get", domain, "<subscriptions node='none'/>"), bridge.ItemNotFound, ""},
		{"§5.7 no node", bob, ps("get", domain, "<affiliations node='none'/>"), bridge.ItemNotFound, ""},
		// publish
		{"§7.1.3.1 not a publisher", bob, ps("set", domain, "<publish node='plain'><item><x xmlns='urn:x'/></item></publish>"), bridge.Forbidden, ""},
		{"§7.1.3.1 visitor", visitor, ps("set", domain, "<publish node='plain'><item><x xmlns='urn:x'/></item></publish>"), bridge.Forbidden, ""},
		{"§7.1.3.3 no node", alice, ps("set", domain, "<publish node='none'><item><x xmlns='urn:x'/></item></publish>"), bridge.ItemNotFound, ""},
		{"§7.1.3.3 no node of somebody else's account", bob, ps("set", testAccount, "<publish node='none'><item><x xmlns='urn:x'/></item></publish>"), bridge.ItemNotFound, ""},
		{"§7.1 no node named", alice, ps("set", domain, "<publish><item><x xmlns='urn:x'/></item></publish>"), bridge.BadRequest, "nodeid-required"},
		{"§7.1.3.4 too big", alice, ps("set", domain, "<publish node='plain'><item>"+big+"</item></publish>"), bridge.NotAcceptable, "payload-too-big"},
		{"§7.1.3.5 two payloads", alice, ps("set", domain, "<publish node='plain'><item><x xmlns='urn:x'/><y xmlns='urn:x'/></item></publish>"), bridge.BadRequest, "invalid-payload"},
		{"§7.1.3.5 text", alice, ps("set", domain, "<publish node='plain'><item>text</item></publish>"), bridge.BadRequest, "invalid-payload"},
		{"§7.1.3.6 no item", alice, ps("set", domain, "<publish node='plain'/>"), bridge.BadRequest, "item-required"},
		{"§7.1.3.6 no payload", alice, ps("set", domain, "<publish node='plain'><item id='z'/></publish>"), bridge.BadRequest, "payload-required"},
		{"§7.1 no item but something", alice, ps("set", domain, "<publish node='plain'><thing/></publish>"), bridge.BadRequest, ""},
		{"§7.1.5 precondition", alice, ps("set", domain, "<publish node='plain'><item><x xmlns='urn:x'/></item></publish><publish-options>"+form(formPublishOptions, "pubsub#access_model", "whitelist")+"</publish-options>"), bridge.Conflict, "precondition-not-met"},
		{"§7.1.5 unknown precondition of a node to be made", alice, ps("set", "", "<publish node='urn:new'><item><x xmlns='urn:x'/></item></publish><publish-options>"+form(formPublishOptions, "pubsub#colour", "red")+"</publish-options>"), bridge.Conflict, "precondition-not-met"},
		{"§7.1.5 no such form", alice, ps("set", domain, "<publish node='plain'><item><x xmlns='urn:x'/></item></publish><publish-options>"+form(formNodeConfig)+"</publish-options>"), bridge.BadRequest, ""},
		{"a view", alice, ps("set", domain, "<publish node='public'><item><x xmlns='urn:x'/></item></publish>"), "", ""},
		// retract
		{"§7.2.3.1 not a publisher", bob, ps("set", domain, "<retract node='plain'><item id='a'/></retract>"), bridge.Forbidden, ""},
		{"§7.2.3.2 no node", alice, ps("set", domain, "<retract node='none'><item id='a'/></retract>"), bridge.ItemNotFound, ""},
		{"§7.2.3.2 no item of the id", alice, ps("set", domain, "<retract node='plain'><item id='none'/></retract>"), bridge.ItemNotFound, ""},
		{"§7.2.3.3 no node named", alice, ps("set", domain, "<retract><item id='a'/></retract>"), bridge.BadRequest, "nodeid-required"},
		{"§7.2.3.4 no item", alice, ps("set", domain, "<retract node='plain'/>"), bridge.BadRequest, "item-required"},
		{"§7.2.3.4 no id", alice, ps("set", domain, "<retract node='plain'><item/></retract>"), bridge.BadRequest, "item-required"},
		{"§7.2.3.5 nothing kept", alice, ps("set", domain, "<retract node='passing'><item id='a'/></retract>"), bridge.FeatureNotPresent, "unsupported"},
		{"§7.2.1 notify", alice, ps("set", domain, "<retract node='plain' notify='perhaps'><item id='a'/></retract>"), bridge.BadRequest, ""},
		// create
		{"§8.1.1 no account", "eve@far.example/r", ps("set", domain, "<create node='eves'/>"), bridge.Forbidden, ""},
		{"§8.1.1 somebody else's account", bob, ps("set", testAccount, "<create node='bobs'/>"), bridge.Forbidden, ""},
		{"§8.1.1 taken", bob, ps("set", domain, "<create node='plain'/>"), bridge.Conflict, ""},
		{"§8.1.1 reserved", bob, ps("set", domain, "<create node='tag-go'/>"), bridge.NotAllowed, ""},
		{"§8.1.2 access model", alice, ps("set", domain, "<create node='new'/><configure>"+form(formNodeConfig, "pubsub#access_model", "roster")+"</configure>"), bridge.NotAcceptable, "unsupported-access-model"},
		{"§8.1.3 configure first", alice, ps("set", domain, "<configure/><create node='new'/>"), bridge.BadRequest, ""},
		{"§8.1.3 configure names a node", alice, ps("set", domain, "<create node='new'/><configure node='new'/>"), bridge.BadRequest, ""},
		{"XEP-0248 collection", alice, ps("set", domain, "<create node='new' type='collection'/>"), bridge.FeatureNotPresent, "unsupported"},
		// configure
		{"§8.2.3.2 not an owner", bob, own("get", domain, "<configure node='plain'/>"), bridge.Forbidden, ""},
		{"§8.2.3.3 no node named", alice, own("get", domain, "<configure/>"), bridge.BadRequest, "nodeid-required"},
		{"§8.2.3.5 no node", alice, own("get", domain, "<configure node='none'/>"), bridge.ItemNotFound, ""},
		{"§8.2.4 not an owner", bob, own("set", domain, "<configure node='plain'>"+form(formNodeConfig, "pubsub#title", "x")+"</configure>"), bridge.Forbidden, ""},
		{"§8.2.4 no form", alice, own("set", domain, "<configure node='plain'/>"), bridge.BadRequest, ""},
		{"§8.2.5.2 no such value", alice, own("set", domain, "<configure node='plain'>"+form(formNodeConfig, "pubsub#max_items", "few")+"</configure>"), bridge.NotAcceptable, ""},
		// delete and purge
		{"§8.4.3.1 not an owner", bob, own("set", domain, "<delete node='plain'/>"), bridge.Forbidden, ""},
		{"§8.4.3.2 the microblog stays", alice, own("set", "", "<delete node='urn:xmpp:microblog:0'/>"), bridge.NotAllowed, ""},
		{"§8.4.3.3 no node", alice, own("set", domain, "<delete node='none'/>"), bridge.ItemNotFound, ""},
		{"§8.5.3.2 not an owner", bob, own("set", domain, "<purge node='plain'/>"), bridge.Forbidden, ""},
		{"§8.5.3.3 nothing kept", alice, own("set", domain, "<purge node='passing'/>"), bridge.FeatureNotPresent, "unsupported"},
		{"§8.5.3.4 no node", alice, own("set", domain, "<purge node='none'/>"), bridge.ItemNotFound, ""},
		// lists of an owner
		{"§8.8.1.3 not an owner", bob, own("get", domain, "<subscriptions node='plain'/>"), bridge.Forbidden, ""},
		{"§8.8.1.3 no node", alice, own("get", domain, "<subscriptions node='none'/>"), bridge.ItemNotFound, ""},
		{"§8.8.2.3 not done here", alice, own("set", domain, "<subscriptions node='plain'/>"), bridge.FeatureNotPresent, "unsupported"},
		{"§8.9.1.3 not an owner", bob, own("get", domain, "<affiliations node='plain'/>"), bridge.Forbidden, ""},
		{"§8.9.1.3 no node", alice, own("get", domain, "<affiliations node='none'/>"), bridge.ItemNotFound, ""},
		{"§8.9.2.3 not done here", alice, own("set", domain, "<affiliations node='plain'/>"), bridge.FeatureNotPresent, "unsupported"},
		// discovery
		{"§5.5 no node", bob, iq("get", domain, "<query xmlns='"+nsItems+"' node='none'/>"), bridge.ItemNotFound, ""},
		{"§5.5 whitelist", bob, iq("get", domain, "<query xmlns='"+nsItems+"' node='closed'/>"), bridge.NotAllowed, "closed-node"},
		{"§5.3 no node", bob, iq("get", domain, "<query xmlns='"+nsInfo+"' node='none'/>"), bridge.ItemNotFound, ""},
	} {
		t.Run(test.section, func(t *testing.T) {
			condition, reason := refusal(t, h.say(t, test.from, test.iq))
			if test.condition == "" { // any will do
				test.condition = condition
			}
			if condition != test.condition || reason != test.reason {
				t.Errorf("got %s %s, want %s %s", condition, reason, test.condition, test.reason)
			}
		})
	}
	// And nothing has happened.
	if got := h.must(t, bob, ps("get", domain, "<items node='plain'/>")); strings.Count(got, "<item ") != 1 || !strings.Contains(got, "id='a'") {
		t.Errorf("the node holds something else now: %s", got)
	}
}

// refusal is the conditions of an error stanza.
func refusal(t *testing.T, answer string) (condition bridge.Condition, reason string) {
	t.Helper()
	e, err := xmpp.Parse([]byte(answer), xmpp.NSClient)
	if err != nil {
		t.Fatal(err)
	}
	failure := e.Child(xmpp.NSClient, "error")
	if e.Attribute("type") != "error" || failure == nil {
		t.Fatalf("no refusal: %s", answer)
	}
	for _, c := range failure.Children {
		switch {
		case c.Name.Space == xmpp.NSStanzas && c.Name.Local != "text":
			condition = bridge.Condition(c.Name.Local)
		case c.Name.Space == nsPubsub+"#errors":
			reason = c.Name.Local
		}
	}
	return condition, reason
}

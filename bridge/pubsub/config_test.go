package pubsub

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

const (
	testDomain  = bridge.JID("micro.example")
	testAccount = bridge.JID("alice@micro.example")
)

// parent is an element that holds a form with these fields.
func parent(t *testing.T, formType string, fields ...string) *xmpp.Element {
	t.Helper()
	raw := "<configure xmlns='" + nsOwner + "'><x xmlns='jabber:x:data' type='submit'>"
	if formType != "" {
		raw += "<field var='FORM_TYPE' type='hidden'><value>" + formType + "</value></field>"
	}
	for i := 0; i < len(fields); i += 2 {
		raw += "<field var='" + fields[i] + "'><value>" + fields[i+1] + "</value></field>"
	}
	e, err := xmpp.Parse([]byte(raw+"</x></configure>"), xmpp.NSClient)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConfigurationForm(t *testing.T) {
	for name, service := range map[string]bridge.JID{"form-service.xml": testDomain, "form-account.xml": testAccount} {
		cfg := bridge.PEPConfig()
		cfg.Title, cfg.Description, cfg.Language, cfg.Type = "Alice & co", "What <we> think", "en", "urn:example:x"
		w := new(writer)
		writeForm(w, "form", formNodeConfig, "Node configuration", configFields(service, testDomain, &cfg))
		golden(t, name, pretty(t, w.b))
	}
}

// TestFormReadsBack: what the form shows, sent back, changes nothing.
func TestFormReadsBack(t *testing.T) {
	for _, cfg := range []bridge.NodeConfig{bridge.MicroblogConfig(), bridge.PEPConfig(), bridge.ServiceConfig()} {
		w := new(writer)
		w.raw("<configure xmlns='" + nsOwner + "'>")
		writeForm(w, "submit", formNodeConfig, "", configFields(testAccount, testDomain, &cfg))
		w.raw("</configure>")
		e, err := xmpp.Parse(w.b, xmpp.NSClient)
		if err != nil {
			t.Fatal(err)
		}
		form, err := readForm(e, formNodeConfig, true)
		if err != nil {
			t.Fatal(err)
		}
		got := bridge.NodeConfig{}
		if err := configure(testAccount, testDomain, &got, form); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(cfg, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestConfigureKeepsWhatIsNotInTheForm(t *testing.T) {
	cfg := bridge.MicroblogConfig()
	form, err := readForm(parent(t, formNodeConfig, "pubsub#title", "T", "pubsub#max_items", "7", "x-unknown#field", "?"), formNodeConfig, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := configure(testAccount, testDomain, &cfg, form); err != nil {
		t.Fatal(err)
	}
	want := bridge.MicroblogConfig()
	want.Title, want.MaxItems = "T", 7
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestConfigureRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		service bridge.JID
		fields  []string
		reason  string
	}{
		{"unknown access model", testDomain, []string{"pubsub#access_model", "nobody"}, "unsupported-access-model"},
		{"access model not kept here", testDomain, []string{"pubsub#access_model", "authorize"}, "unsupported-access-model"},
		{"presence where there is none", testDomain, []string{"pubsub#access_model", "presence"}, "unsupported-access-model"},
		{"unknown publish model", testDomain, []string{"pubsub#publish_model", "me"}, ""},
		{"max_items is nothing", testDomain, []string{"pubsub#max_items", "0"}, ""},
		{"max_items is no number", testDomain, []string{"pubsub#max_items", "lots"}, ""},
		{"no boolean", testDomain, []string{"pubsub#persist_items", "yes"}, ""},
		{"neither kept nor delivered", testDomain, []string{"pubsub#persist_items", "0", "pubsub#deliver_payloads", "0"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			form, err := readForm(parent(t, formNodeConfig, test.fields...), formNodeConfig, false)
			if err != nil {
				t.Fatal(err)
			}
			cfg := bridge.ServiceConfig()
			err = configure(test.service, testDomain, &cfg, form)
			var refusal *bridge.Error
			if !errors.As(err, &refusal) || refusal.Condition != bridge.NotAcceptable || refusal.Reason != test.reason {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestReadFormRefuses(t *testing.T) {
	for _, test := range []struct {
		name, form string
		strict     bool
	}{
		{"another FORM_TYPE", "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:other</value></field></x>", false},
		{"no FORM_TYPE where it must be", "<x xmlns='jabber:x:data' type='submit'><field var='a'><value>1</value></field></x>", true},
		{"the empty form back", "<x xmlns='jabber:x:data' type='form'/>", false},
		{"a field twice", "<x xmlns='jabber:x:data' type='submit'><field var='a'/><field var='a'/></x>", false},
		{"a field without a name", "<x xmlns='jabber:x:data' type='submit'><field><value>1</value></field></x>", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, err := xmpp.Parse([]byte("<configure xmlns='"+nsOwner+"'>"+test.form+"</configure>"), xmpp.NSClient)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := readForm(e, formNodeConfig, test.strict); !bridge.Is(err, bridge.BadRequest) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPreconditions(t *testing.T) {
	for _, test := range []struct {
		name   string
		fields []string
		met    bool
	}{
		{"none", nil, true},
		{"as it is", []string{"pubsub#access_model", "open", "pubsub#persist_items", "1", "pubsub#max_items", "max"}, true},
		{"another access model", []string{"pubsub#access_model", "whitelist"}, false},
		{"fewer items", []string{"pubsub#max_items", "1"}, false},
		{"no value of that field", []string{"pubsub#max_items", "x"}, false},
		{"what happens anyway", []string{"pubsub#itemreply", "publisher", "pubsub#deliver_notifications", "1"}, true},
		{"what cannot be", []string{"pubsub#itemreply", "owner"}, false},
		{"what nothing depends on", []string{"pubsub#notify_sub", "true"}, true},
		{"a field that nobody knows", []string{"pubsub#colour", "red"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			form, err := readForm(parent(t, formPublishOptions, test.fields...), formPublishOptions, true)
			if err != nil {
				t.Fatal(err)
			}
			cfg := bridge.MicroblogConfig()
			err = meets(testAccount, testDomain, &cfg, form)
			var refusal *bridge.Error
			switch {
			case test.met && err != nil:
				t.Errorf("got %v", err)
			case !test.met && (!errors.As(err, &refusal) || refusal.Condition != bridge.Conflict || refusal.Reason != "precondition-not-met"):
				t.Errorf("got %v, want precondition-not-met", err) // XEP-0060 §7.1.5
			}
		})
	}
}

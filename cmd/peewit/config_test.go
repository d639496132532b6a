package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", path, diff)
	}
}

// load is loadConfig of a text.
func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "peewit.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(path, "")
	if err != nil {
		return nil, err
	}
	c.path, c.flags = "", ""
	return c, nil
}

func TestSampleConfig(t *testing.T) {
	sample, err := sampleConfig()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "peewit.toml", sample)
	got, err := load(t, sample)
	if err != nil {
		t.Fatal(err)
	}
	want, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	got.set = want.set // the file names its tables and sets nothing in them
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Config{})); diff != "" {
		t.Errorf("the sample changes something: %s", diff)
	}
}

func TestConfigRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"[http]\nlistn = \"x\"", `line 2: unknown key "http.listn"`},
		{"domain =", "line 1, column 8"},
		{"domain = \"a@b\"", `domain: "a@b" is not a domain name`},
		{"domain = \"exa mple\"", "domain:"},
		{"data = \"\"", "data:"},
		{"[http]\nlisten = \"8080\"", "http.listen: \"8080\" is not host:port"},
		{"[http]\nlisten = \"\"", "http.listen:"},
		{"[http]\nlisten = \"127.0.0.1:99999\"", `http.listen: there is no port "99999"`},
		{"[http]\nlisten = 8080", "line 2: http.listen has the wrong type"},
		{"[fetch]\nallow_private = \"127.0.0.0/8\"", "line 2: fetch.allow_private has the wrong type"},
		{"[http]\nlisten = \"0.0.0.0:8080\"", "base_url: must be set"},
		{"base_url = \"ftp://example.org/\"", "base_url:"},
		{"base_url = \"https://example.org/?x\"", "base_url:"},
		{"[xmpp]\ntls_cert = \"x\"", "xmpp.tls_cert and xmpp.tls_key"},
		{"[xmpp]\nbot = \"Bot\"", "xmpp.bot:"},
		{"[[xmpp.component]]\naddress = \"x\"", "xmpp.component 1: address:"},
		{"[[xmpp.component]]\naddress = \"127.0.0.1:5347\"", "xmpp.component 1: secret:"},
		{"[[xmpp.component]]\naddress = \"127.0.0.1:5347\"\nsecret = \"s\"", "xmpp.component 1: hosts:"},
		{"[[xmpp.component]]\naddress = \"127.0.0.1:5347\"\nsecret_file = \"/nowhere\"", "xmpp.component 1: secret_file:"},
		{"[accounts]\nregistration = \"maybe\"", "accounts.registration:"},
		{"[log]\nsync = \"never\"", "log.sync:"},
		{"[fetch]\nallow_private = [\"localhost\"]", "fetch.allow_private:"},
	} {
		_, err := load(t, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than one line: %v", c.text, err)
		}
	}
	if _, err := loadConfig(filepath.Join(t.TempDir(), "absent.toml"), ""); err == nil {
		t.Error("a file that was named and is not there is no error")
	}
}

func TestConfigDefaults(t *testing.T) {
	for _, c := range []struct {
		name, text string
		check      func(*Config) bool
	}{
		{"open on loopback", "", func(c *Config) bool { return c.Accounts.Registration == "open" }},
		{"closed elsewhere", "domain = \"example.org\"", func(c *Config) bool { return c.Accounts.Registration == "closed" }},
		{"closed when reachable", "[xmpp]\nc2s_listen = \"0.0.0.0:5222\"", func(c *Config) bool { return c.Accounts.Registration == "closed" }},
		{"no listener beside a component", "domain = \"micro.example.org\"\n[[xmpp.component]]\naddress = \"127.0.0.1:5347\"\nsecret = \"s\"",
			func(c *Config) bool { return c.XMPP.C2SListen == "" && c.XMPP.Component[0].Hosts[0] == "example.org" }},
		{"a listener beside a component when asked for", "domain = \"micro.example.org\"\n[xmpp]\nc2s_listen = \"127.0.0.1:5223\"\n[[xmpp.component]]\naddress = \"127.0.0.1:5347\"\nsecret = \"s\"",
			func(c *Config) bool { return c.XMPP.C2SListen == "127.0.0.1:5223" }},
		{"a prepared domain", "domain = \"EXAMPLE.org\"", func(c *Config) bool { return c.Domain == "example.org" }},
		{"a URL with its slash", "base_url = \"https://example.org\"", func(c *Config) bool { return c.BaseURL == "https://example.org/" }},
		{"keys that were set", "[http]\nlisten = \"127.0.0.1:80\"", func(c *Config) bool { return c.isSet("http.listen") && !c.isSet("admin.listen") }},
	} {
		cfg, err := load(t, c.text)
		if err != nil || !c.check(cfg) {
			t.Errorf("%s: %+v, %v", c.name, cfg, err)
		}
	}
}

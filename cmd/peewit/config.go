package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"peewit/bridge"
)

// Config is everything an operator can set. The comments are the documentation:
// `peewit config print` writes them, with the defaults, as a configuration file.
type Config struct {
	Domain   string         `toml:"domain" comment:"the XMPP domain: accounts are nick@domain, nodes live on the domain itself"`
	BaseURL  string         `toml:"base_url" comment:"public URL of the HTTP side; default http://<http.listen>/; must be set when http.listen is not loopback"`
	Data     string         `toml:"data" comment:"directory of everything that is kept"`
	HTTP     HTTPConfig     `toml:"http"`
	Admin    AdminConfig    `toml:"admin"`
	XMPP     XMPPConfig     `toml:"xmpp"`
	Accounts AccountsConfig `toml:"accounts"`
	Log      LogConfig      `toml:"log"`
	Fetch    FetchConfig    `toml:"fetch"`
	OMB      OMBConfig      `toml:"omb"`

	path  string          // the file it came from, "" = defaults
	set   map[string]bool // keys that the file sets
	flags string          // the flags that lead to it, as they are typed
}

// HTTPConfig is the public HTTP side: pages, feeds, WebSocket.
type HTTPConfig struct {
	Listen string `toml:"listen" comment:"address of pages, feeds and the WebSocket at /xmpp-websocket"`
}

// AdminConfig is the HTTP side for the operator.
type AdminConfig struct {
	Listen string `toml:"listen" comment:"address of /healthz, /readyz and /metrics; \"\" = off"`
}

// XMPPConfig is the built-in listener and the links to other servers.
type XMPPConfig struct {
	C2SListen string            `toml:"c2s_listen" comment:"address for XMPP clients; \"\" = off, and off by default when a component is configured"`
	TLSCert   string            `toml:"tls_cert" comment:"PEM file; default: a self-signed certificate made on first start"`
	TLSKey    string            `toml:"tls_key" comment:"PEM file"`
	Anonymous bool              `toml:"anonymous" comment:"let readers in without an account (SASL ANONYMOUS); they can only read"`
	Bot       string            `toml:"bot" comment:"localpart of the chat bot"`
	Component []ComponentConfig `toml:"component,omitempty" comment:"links to Prosody or ejabberd (XEP-0114)"`
}

// ComponentConfig is one link to the XMPP server that serves the domain's
// network side.
type ComponentConfig struct {
	Address    string   `toml:"address" comment:"host:port of the server's component listener"`
	Secret     string   `toml:"secret" comment:"the shared secret, or"`
	SecretFile string   `toml:"secret_file" comment:"a file that holds it"`
	Hosts      []string `toml:"hosts" comment:"domains that this server serves; default: the domain without its first label"`
}

// AccountsConfig says who may become an account.
type AccountsConfig struct {
	Registration string `toml:"registration" comment:"\"open\", \"invite\" or \"closed\"; default: open while domain is \"localhost\" and every listener is on loopback, else closed"`
}

// LogConfig is the event log.
type LogConfig struct {
	NATSURL string `toml:"nats_url" comment:"an external NATS server with JetStream; \"\" = embedded"`
	Sync    string `toml:"sync" comment:"\"always\": an acknowledged post survives power loss; \"interval\": all but the last second do"`
}

// FetchConfig is the HTTP client that fetches feeds and delivers notices.
type FetchConfig struct {
	AllowPrivate []string `toml:"allow_private" comment:"networks (CIDR) that may be fetched from beyond public addresses"`
	UserAgent    string   `toml:"user_agent" comment:"how we introduce ourselves; default names the program and base_url"`
}

// OMBConfig is the OpenMicroBlogging side.
type OMBConfig struct {
	License string `toml:"license" comment:"license of the posts; a peer compares it as text"`
}

// defaultConfig is the configuration of a program without a file.
func defaultConfig() *Config {
	return &Config{
		Domain: "localhost",
		Data:   "peewit-data",
		HTTP:   HTTPConfig{Listen: "127.0.0.1:8080"},
		Admin:  AdminConfig{Listen: "127.0.0.1:9090"},
		XMPP:   XMPPConfig{C2SListen: "127.0.0.1:5222", Anonymous: true, Bot: "update"},
		Log:    LogConfig{Sync: "always"},
		Fetch:  FetchConfig{AllowPrivate: []string{}},
		OMB:    OMBConfig{License: "http://creativecommons.org/licenses/by/3.0/"},
		set:    map[string]bool{},
	}
}

// loadConfig reads path; "" means ./peewit.toml if there is one. data, when not
// empty, replaces the data directory. The result is checked.
func loadConfig(path, data string) (*Config, error) {
	c := defaultConfig()
	c.flags = flags(path, data)
	named := path != ""
	if !named {
		path = "peewit.toml"
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
	case err != nil:
		return nil, fmt.Errorf("read configuration: %w", err)
	default:
		if err := c.parse(text); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		c.path = path
	}
	if data != "" {
		c.Data = data
	}
	if err := c.check(); err != nil {
		if c.path != "" {
			return nil, fmt.Errorf("%s: %w", c.path, err)
		}
		return nil, err
	}
	return c, nil
}

// parse reads TOML strictly: an unknown key is an error that names its line.
func (c *Config) parse(text []byte) error {
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(c)
	var strict *toml.StrictMissingError
	var syntax *toml.DecodeError
	switch {
	case errors.As(err, &strict) && len(strict.Errors) > 0:
		first := strict.Errors[0]
		line, _ := first.Position()
		return fmt.Errorf("line %d: unknown key %q; see peewit config print", line, strings.Join(first.Key(), "."))
	case errors.As(err, &syntax) && len(syntax.Key()) > 0 && strings.Contains(syntax.Error(), "cannot decode"):
		line, _ := syntax.Position()
		return fmt.Errorf("line %d: %s has the wrong type; see peewit config print", line, strings.Join(syntax.Key(), "."))
	case errors.As(err, &syntax):
		line, column := syntax.Position()
		return fmt.Errorf("line %d, column %d: %s", line, column, strings.TrimPrefix(syntax.Error(), "toml: "))
	case err != nil:
		return err
	}
	var tree map[string]any
	if err := toml.Unmarshal(text, &tree); err != nil {
		return err
	}
	collectKeys(c.set, "", tree)
	return nil
}

func collectKeys(set map[string]bool, prefix string, tree map[string]any) {
	for key, value := range tree {
		set[prefix+key] = true
		if sub, ok := value.(map[string]any); ok {
			collectKeys(set, prefix+key+".", sub)
		}
	}
}

// isSet reports whether the operator wrote the key ("http.listen").
func (c *Config) isSet(key string) bool { return c.set[key] }

// check refuses what cannot work and fills the defaults that depend on other
// keys. Each error names its key.
func (c *Config) check() error {
	domain, err := bridge.ParseJID(c.Domain)
	if err != nil || domain.Domain() != domain {
		return fmt.Errorf("domain: %q is not a domain name", c.Domain)
	}
	c.Domain = string(domain)
	if c.Data == "" {
		return errors.New("data: a directory is needed")
	}
	if len(c.XMPP.Component) > 0 && !c.isSet("xmpp.c2s_listen") {
		c.XMPP.C2SListen = ""
	}
	for key, addr := range map[string]string{
		"http.listen": c.HTTP.Listen, "admin.listen": c.Admin.Listen, "xmpp.c2s_listen": c.XMPP.C2SListen,
	} {
		if addr == "" && key != "http.listen" {
			continue
		}
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return fmt.Errorf("%s: %q is not host:port", key, addr)
		}
		if _, err := net.LookupPort("tcp", port); err != nil {
			return fmt.Errorf("%s: there is no port %q", key, port)
		}
	}
	if err := c.checkBaseURL(); err != nil {
		return err
	}
	if (c.XMPP.TLSCert == "") != (c.XMPP.TLSKey == "") {
		return errors.New("xmpp.tls_cert and xmpp.tls_key: set both or neither")
	}
	if err := bridge.CheckNick(c.XMPP.Bot, ""); err != nil {
		return fmt.Errorf("xmpp.bot: %q: %s", c.XMPP.Bot, bridge.AsError(err).Text)
	}
	for i := range c.XMPP.Component {
		if err := c.XMPP.Component[i].check(c.Domain); err != nil {
			return fmt.Errorf("xmpp.component %d: %w", i+1, err)
		}
	}
	if c.Accounts.Registration == "" {
		c.Accounts.Registration = "closed"
		if c.Domain == "localhost" && c.onLoopback() {
			c.Accounts.Registration = "open"
		}
	}
	switch c.Accounts.Registration {
	case "open", "invite", "closed":
	default:
		return fmt.Errorf(`accounts.registration: %q is none of "open", "invite", "closed"`, c.Accounts.Registration)
	}
	if c.Log.Sync != "always" && c.Log.Sync != "interval" {
		return fmt.Errorf(`log.sync: %q is neither "always" nor "interval"`, c.Log.Sync)
	}
	_, err = c.privateNetworks()
	return err
}

func (c *Config) checkBaseURL() error {
	if c.BaseURL == "" {
		if !isLoopback(c.HTTP.Listen) {
			return errors.New("base_url: must be set because http.listen is not a loopback address")
		}
		return nil
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("base_url: %q is not an http or https URL", c.BaseURL)
	}
	if !strings.HasSuffix(c.BaseURL, "/") {
		c.BaseURL += "/"
	}
	return nil
}

func (c *ComponentConfig) check(domain string) error {
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		return fmt.Errorf("address: %q is not host:port", c.Address)
	}
	if c.SecretFile != "" {
		if c.Secret != "" {
			return errors.New("secret and secret_file: set one of them")
		}
		text, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return fmt.Errorf("secret_file: %w", err)
		}
		c.Secret = strings.TrimSpace(string(text))
	}
	if c.Secret == "" {
		return errors.New("secret: is needed (or secret_file)")
	}
	if len(c.Hosts) == 0 {
		_, parent, ok := strings.Cut(domain, ".")
		if !ok {
			return fmt.Errorf("hosts: must be set because the domain %s has only one label", domain)
		}
		c.Hosts = []string{parent}
	}
	for i, host := range c.Hosts {
		prepared, err := bridge.ParseJID(host)
		if err != nil || prepared.Domain() != prepared {
			return fmt.Errorf("hosts: %q is not a domain name", host)
		}
		c.Hosts[i] = string(prepared)
	}
	return nil
}

// privateNetworks are the networks that fetch may reach beyond public ones.
func (c *Config) privateNetworks() ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, text := range c.Fetch.AllowPrivate {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("fetch.allow_private: %q is not a network like 127.0.0.0/8", text)
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}

// certificate is the operator's own certificate, nil when there is none.
func (c *Config) certificate() (*tls.Certificate, error) {
	if c.XMPP.TLSCert == "" {
		return nil, nil
	}
	certificate, err := tls.LoadX509KeyPair(c.XMPP.TLSCert, c.XMPP.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("xmpp.tls_cert: %w", err)
	}
	return &certificate, nil
}

func (c *Config) onLoopback() bool {
	return isLoopback(c.HTTP.Listen) && (c.XMPP.C2SListen == "" || isLoopback(c.XMPP.C2SListen))
}

// isLoopback reports whether a listen address can be reached from this machine
// only.
func isLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// sampleConfig is a configuration file with every key, its default and its
// documentation. The keys are commented out: a file made of it changes nothing
// until somebody edits it.
func sampleConfig() (string, error) {
	defaults, err := toml.Marshal(defaultConfig())
	if err != nil {
		return "", err
	}
	// Tables of an array come last in the file, so they are written apart.
	link, err := toml.Marshal(ComponentConfig{Address: "127.0.0.1:5347", Secret: "…", Hosts: []string{"example.org"}})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	comment(&b, defaults)
	b.WriteString("\n# A link to Prosody or ejabberd (XEP-0114); there may be several.\n#[[xmpp.component]]\n")
	comment(&b, link)
	return b.String(), nil
}

// comment writes TOML with its keys commented out, its tables not.
func comment(b *strings.Builder, text []byte) {
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " = ") && !strings.HasPrefix(line, "#") {
			b.WriteString("#")
		}
		b.WriteString(line)
	}
}

// absolute makes a relative path of the configuration one that holds wherever
// the program is.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"peewit/bridge"
)

func TestRefusalsNameTheHelpOfTheCommand(t *testing.T) {
	for line, want := range map[string]string{
		"nonsense":                "see peewit --help",
		"account":                 "see peewit account --help",
		"account add":             "see peewit account add --help",
		"account add alice --foo": "see peewit account add --help",
		"planet add x":            "see peewit planet add --help",
	} {
		if _, _, complaint := try(t, "", strings.Fields(line)...); !strings.HasSuffix(complaint, want+"\n") {
			t.Errorf("%s: %q, want %q", line, complaint, want)
		}
	}
}

func TestAdviceCanBeTyped(t *testing.T) {
	defer func(was string) { os.Args[0] = was }(os.Args[0])
	for _, c := range []struct{ program, config, data, want string }{
		{"./peewit", "", "", "./peewit status"},
		{"/tmp/go-build123/b001/exe/peewit", "", "", "go run ./cmd/peewit status"},
		{"peewit", "/etc/p.toml", "d", "peewit status --config /etc/p.toml --data d"},
	} {
		os.Args[0] = c.program
		cfg := &Config{flags: flags(c.config, c.data)}
		if got := typed(cfg, "status"); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// house as far as its welcome needs it.
func welcomed(t *testing.T, cfg *Config) string {
	t.Helper()
	if err := cfg.check(); err != nil {
		t.Fatal(err)
	}
	h := &house{cfg: cfg}
	for _, l := range []*net.Listener{&h.web, &h.clients} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		*l = listener
	}
	if cfg.XMPP.C2SListen == "" {
		h.clients = nil
	}
	var out bytes.Buffer
	h.welcome(&out, true)
	return strings.ReplaceAll(out.String(), h.web.Addr().String(), "WEB")
}

func TestWelcome(t *testing.T) {
	cfg := defaultConfig()
	cfg.Accounts.Registration = "invite"
	got := welcomed(t, cfg)
	for _, want := range []string{"registration is by invitation", "account add alice --password-stdin"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	cfg = defaultConfig()
	cfg.XMPP.C2SListen = "" // WebSocket alone
	if got := welcomed(t, cfg); strings.Contains(got, "XMPP  ") || !strings.Contains(got, "--password-stdin") {
		t.Errorf("without a listener for clients:\n%s", got)
	}
	cfg = defaultConfig()
	if err := cfg.parse([]byte("domain = 'micro.example.org'\nbase_url = 'https://micro.example.org'\n[[xmpp.component]]\naddress = '127.0.0.1:1'\nsecret = 'x'")); err != nil {
		t.Fatal(err)
	}
	got = welcomed(t, cfg)
	for _, want := range []string{"https://micro.example.org/, served at http://WEB/", "account add alice --jid alice@example.org"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestIsTerminal(t *testing.T) {
	for device, want := range map[string]bool{"/dev/ptmx": true, os.DevNull: false} {
		f, err := os.OpenFile(device, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if isTerminal(f) != want {
			t.Errorf("%s: a terminal: %v", device, !want)
		}
	}
	if isTerminal(strings.NewReader("")) {
		t.Error("a text is no terminal")
	}
}

func TestOneLine(t *testing.T) {
	full := &bridge.Error{Condition: bridge.ResourceConstraint, Text: "there is no room", Err: errors.New("1 MiB free,\n2 MiB needed")}
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("publish: %w", full), "there is no room (1 MiB free, 2 MiB needed)"},
		{bridge.Refuse(bridge.Conflict, "it is taken"), "it is taken"},
		{errors.New("open:\nno such file"), "open: no such file"},
	} {
		if got := oneLine(c.err); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestRows(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{planetRow{Name: "planet-go", Title: "Planet Go", Sources: 1}.String(), `planet-go "Planet Go": 1 source, 0 posts`},
		{planetRow{Name: "planet-go", Items: 1}.String(), "planet-go: 0 sources, 1 post"},
		{sourceRow{URL: "u", Error: "It is gone.", Next: time.Now()}.String(), "u: 0 posts, failing: It is gone; next in 0s"},
	} {
		if !strings.HasPrefix(c.got, c.want) {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestCheckReadsTheCertificate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "peewit.toml")
	if err := os.WriteFile(file, []byte("[xmpp]\ntls_cert = '/absent'\ntls_key = '/absent'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, complaint := try(t, "", "config", "check", "--config", file); code != 1 || !strings.Contains(complaint, "xmpp.tls_cert: ") {
		t.Errorf("%d %s", code, complaint)
	}
}

// Package servertest runs the real XMPP servers and clients that Peewit has to
// get along with: private instances of Prosody and ejabberd, slixmpp, and
// strophe.js.
//
// [StartProsody] and [StartEjabberd] start one server for one test, in its
// temporary directory, on free ports of the loopback address, as whatever user
// runs the test, without systemd and without Erlang's port mapper. They wait
// until every port answers and end the server, by its process id, with the
// test. A server that is not installed fails the test: the script .ci/deps
// installs them.
//
// [StartSlixmpp] and [StartStrophe] start a client: a small driver program in
// the client library's own language that does what a [Client] says and passes on
// what the server sends. The test tells the story once, in Go, and it runs with
// every client against every server.
package servertest

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

//go:embed testdata
var templates embed.FS

// Options say what a server is to be like. The zero value is good.
type Options struct {
	Domain          string // of the accounts; "localhost" when empty
	ComponentDomain string // "micro." and the domain when empty
	Secret          string // of the component; "secret" when empty
	StanzaLimit     int    // bytes a component may send at once; 512 KiB when 0
	Multicast       bool   // ejabberd: offer XEP-0033 under "multicast." and the domain
}

// Server is a running Prosody or ejabberd.
type Server struct {
	Name            string // "prosody" or "ejabberd"
	Domain          string
	C2S             string // address for clients, host:port
	WebSocket       string // URL for clients
	ComponentDomain string
	ComponentAddr   string // host:port
	Secret          string
	PubSub          string // JID of the server's own pubsub service

	t       testing.TB
	command func() *exec.Cmd
	log     string
	cmd     *exec.Cmd
	exited  chan struct{}
}

const (
	startWithin = 30 * time.Second
	stopWithin  = 10 * time.Second
)

// StartProsody starts a Prosody with one account domain, one place for a
// component (a new connection replaces the old one) and its own pubsub service,
// where only admin@DOMAIN creates nodes.
func StartProsody(t testing.TB, o Options) *Server {
	t.Helper()
	return start(t, "prosody", "prosody.cfg.lua", o, func(dir, config string) *exec.Cmd {
		return exec.Command("prosody", "--config", config, "-F")
	})
}

// StartEjabberd starts an ejabberd with one account domain, one place for a
// component and its own pubsub service, where everybody creates nodes.
func StartEjabberd(t testing.TB, o Options) *Server {
	t.Helper()
	return start(t, "ejabberd", "ejabberd.yml", o, func(dir, config string) *exec.Cmd {
		// The Erlang node has no name, so it needs neither a cookie nor epmd.
		cmd := exec.Command("erl", "+K", "true", "-noshell", "-noinput",
			"-mnesia", "dir", `"`+filepath.Join(dir, "data")+`"`, "-s", "ejabberd")
		cmd.Env = append(os.Environ(), "HOME="+dir, "EJABBERD_CONFIG_PATH="+config,
			"EJABBERD_LOG_PATH="+filepath.Join(dir, "server.log"), "ERL_LIBS="+erlangLibraries())
		return cmd
	})
}

// erlangLibraries is where Debian keeps ejabberd's modules: a directory named
// after the machine.
func erlangLibraries() string {
	found, err := filepath.Glob("/usr/lib/*/ejabberd-*")
	if err != nil || len(found) == 0 {
		return "/usr/lib"
	}
	return filepath.Dir(found[0])
}

func start(t testing.TB, name, config string, o Options, command func(dir, config string) *exec.Cmd) *Server {
	t.Helper()
	if o.Domain == "" {
		o.Domain = "localhost"
	}
	if o.ComponentDomain == "" {
		o.ComponentDomain = "micro." + o.Domain
	}
	if o.Secret == "" {
		o.Secret = "secret"
	}
	if o.StanzaLimit == 0 {
		o.StanzaLimit = 512 << 10 // what Prosody has when nobody sets it
	}
	dir := t.TempDir()
	ports := freePorts(t, 3)
	var text bytes.Buffer
	fields := struct {
		Options
		Dir                  string
		C2S, Component, HTTP int
	}{o, dir, ports[0], ports[1], ports[2]}
	if err := template.Must(template.ParseFS(templates, "testdata/"+config)).Execute(&text, fields); err != nil {
		t.Fatalf("configure %s: %v", name, err)
	}
	file := filepath.Join(dir, config)
	if err := errors.Join(os.WriteFile(file, text.Bytes(), 0o600), os.Mkdir(filepath.Join(dir, "data"), 0o700)); err != nil {
		t.Fatalf("configure %s: %v", name, err)
	}
	s := &Server{
		Name:            name,
		Domain:          o.Domain,
		C2S:             local(ports[0]),
		ComponentAddr:   local(ports[1]),
		WebSocket:       "ws://" + local(ports[2]) + "/xmpp-websocket",
		ComponentDomain: o.ComponentDomain,
		Secret:          o.Secret,
		PubSub:          "pubsub." + o.Domain,
		t:               t,
		command:         func() *exec.Cmd { return command(dir, file) },
		log:             filepath.Join(dir, "server.log"),
	}
	s.Start()
	t.Cleanup(s.Kill) // nothing of it is needed any more, and a good order takes seconds
	return s
}

// Start starts the server again after Stop, with the accounts and on the ports
// it had, and waits until every port answers.
func (s *Server) Start() {
	s.t.Helper()
	var out bytes.Buffer
	s.cmd = s.command()
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	// In a process group of its own, so that Ctrl-C in the terminal ends the
	// test first and the test ends the server.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatalf("start %s: %v (.ci/deps installs it)", s.Name, err)
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		cmd.Wait() // how it ended is for the log file to tell
		close(exited)
	}(s.cmd, s.exited)

	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	web := strings.TrimSuffix(strings.TrimPrefix(s.WebSocket, "ws://"), "/xmpp-websocket")
	for _, addr := range []string{s.C2S, s.ComponentAddr, web} {
		if err := answers(ctx, addr, s.exited); err != nil {
			log, _ := os.ReadFile(s.log)
			s.Stop() // also ends its writing into out
			s.t.Fatalf("start %s: %v\n%s%s", s.Name, err, out.Bytes(), log)
		}
	}
}

// Stop ends the server, in good order if it can, and waits for its end.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(stopWithin, func() { s.cmd.Process.Kill() })
	defer timer.Stop()
	<-s.exited
	s.cmd = nil
}

// Kill ends the server as a crash would.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	<-s.exited
	s.cmd = nil
}

// Restart is Stop and Start.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

func answers(ctx context.Context, addr string, exited <-chan struct{}) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-exited:
			return errors.New("it exited")
		case <-ctx.Done():
			return fmt.Errorf("no answer within %s: %w", startWithin, err)
		case <-tick.C:
		}
	}
}

// freePorts are ports that were free a moment ago. Neither server can be told
// to choose its own and say which.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		defer l.Close() // only after all are chosen, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func local(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

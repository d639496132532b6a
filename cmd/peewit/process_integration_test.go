//go:build integration

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program builds the program once for all tests, with the race detector.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "peewit-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "peewit")
	out, err := exec.Command("go", "build", "-race", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// peewit is a running daemon, a process of its own.
type peewit struct {
	t         *testing.T
	dir       string // its data directory
	config    string // its configuration file
	files     int    // that it may open; 0 = as many as the test
	process   *exec.Cmd
	log       *logBuffer
	c2s       string // host:port
	webSocket string // URL
	web       string // URL with a trailing slash
	operator  string // URL with a trailing slash
}

// startPeewit starts a daemon on free ports with a data directory of its own.
// config is added to its configuration, top-level keys first.
func startPeewit(t *testing.T, config string) *peewit {
	t.Helper()
	dir := t.TempDir()
	p := &peewit{t: t, dir: filepath.Join(dir, "data")}
	listeners := "[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[fetch]\nallow_private = [\"127.0.0.0/8\"]\n"
	if !strings.Contains(config, "[[xmpp.component]]") {
		listeners += "[xmpp]\nc2s_listen = \"127.0.0.1:0\"\n"
	}
	top, tables, found := strings.Cut(config, "[")
	if found {
		tables = "[" + tables
	}
	p.config = write(t, dir, top+"\n"+listeners+tables)
	p.start()
	return p
}

// logBuffer is what a process has logged so far, read while it goes on.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start starts the process and reads from what it prints where it listens.
func (p *peewit) start() {
	p.t.Helper()
	path, err := program()
	if err != nil {
		p.t.Fatal(err)
	}
	p.log = new(logBuffer)
	command := []string{path, "serve", "--config", p.config, "--data", p.dir, "--log-level", "debug"}
	if p.files > 0 {
		command = append([]string{"sh", "-c", `ulimit -n "$0" && exec "$@"`, strconv.Itoa(p.files)}, command...)
	}
	p.process = exec.Command(command[0], command[1:]...)
	p.process.Stderr = p.log
	out, err := p.process.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.process.Start(); err != nil {
		p.t.Fatal(err)
	}
	process := p.process
	p.t.Cleanup(func() {
		if process.ProcessState == nil {
			p.stop()
		}
		if p.t.Failed() {
			p.t.Logf("log of peewit:\n%s", tail(p.log.String()))
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "XMPP":
			p.c2s = fields[1]
		case "WebSocket":
			p.webSocket = fields[1]
		case "web":
			p.web = fields[1]
		case "operator":
			p.operator = strings.TrimSuffix(fields[1], "metrics")
		case "accounts": // the last of them
			go func() {
				for lines.Scan() {
				}
			}()
			return
		}
	}
	p.process.Wait()
	p.t.Fatalf("peewit did not start:\n%s", tail(p.log.String()))
}

func tail(log string) string {
	const most = 20000
	if len(log) > most {
		return "…" + log[len(log)-most:]
	}
	return log
}

// stop ends the daemon as an operator would and fails the test when that takes
// more than 5 s or the race detector has something to say.
func (p *peewit) stop() {
	p.t.Helper()
	p.process.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(10*time.Second, func() { p.process.Process.Kill() })
	defer kill.Stop()
	begin := time.Now()
	if err := p.process.Wait(); err != nil {
		p.t.Errorf("end of peewit: %v\n%s", err, tail(p.log.String()))
	}
	if took := time.Since(begin); took > 5*time.Second {
		p.t.Errorf("ending took %s", took)
	}
	if strings.Contains(p.log.String(), "WARNING: DATA RACE") {
		p.t.Errorf("data race:\n%s", tail(p.log.String()))
	}
}

// kill ends the daemon as a crash would.
func (p *peewit) kill() {
	p.t.Helper()
	if err := p.process.Process.Signal(syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
	p.process.Wait()
}

// run runs a command against the daemon and returns what it prints.
func (p *peewit) run(stdin string, args ...string) string {
	p.t.Helper()
	out, err := p.try(stdin, args...)
	if err != nil {
		p.t.Fatalf("peewit %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func (p *peewit) try(stdin string, args ...string) (string, error) {
	path, err := program()
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, append(args, "--config", p.config, "--data", p.dir)...)
	cmd.Stdin = strings.NewReader(stdin)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return string(out), errors.New(strings.TrimSpace(complaint.String()))
	}
	return string(out), nil
}

// status is what peewit status says.
func (p *peewit) status() statusRow {
	p.t.Helper()
	var row statusRow
	if err := json.Unmarshal([]byte(p.run("", "status", "--json")), &row); err != nil {
		p.t.Fatal(err)
	}
	return row
}

// until waits for a status.
func (p *peewit) until(what string, ok func(statusRow) bool) {
	p.t.Helper()
	p.wait(what, func() bool { return ok(p.status()) })
}

// wait asks again and again until ok.
func (p *peewit) wait(what string, ok func() bool) {
	p.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("waited too long: %s\n%s", what, tail(p.log.String()))
		}
	}
}

// get is the body of a page.
func (p *peewit) get(url string) string {
	p.t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %s\n%s", url, resp.Status, body.String())
	}
	return body.String()
}

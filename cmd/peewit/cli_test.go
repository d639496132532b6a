package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// try runs the command line and returns what it prints.
func try(t *testing.T, stdin string, args ...string) (code int, out, complaint string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestHelpHasAnExample(t *testing.T) {
	for _, command := range []string{
		"serve", "config print", "config check", "account add", "account invite", "account list", "account passwd",
		"account remove", "planet add", "planet list", "planet show", "planet remove", "planet import", "planet export",
		"track add", "track list", "track remove", "search", "status", "log backup", "log restore", "bench", "version",
	} {
		code, out, complaint := try(t, "", append(strings.Fields(command), "--help")...)
		if code != 0 || complaint != "" || !strings.Contains(out, "Example") || !strings.Contains(out, "peewit "+strings.Fields(command)[0]) && command != "serve" {
			t.Errorf("%s --help: code %d\n%s%s", command, code, out, complaint)
		}
	}
}

func TestRefusalsAreOneLine(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"status", "--data", dir}, "no peewit is running on " + dir},
		{[]string{"--data", dir, "account", "list"}, "no peewit is running"},
		{[]string{"account", "list", "--data", filepath.Join(dir, strings.Repeat("long/", 40))}, "no peewit is running"},
		{[]string{"nonsense"}, "nonsense"},
		{[]string{"account", "add"}, "expected \"<nick>\""},
		{[]string{"account", "add", "alice", "--jid", "not an address"}, "--jid"},
		{[]string{"account", "add", "alice", "--jid", "example.org"}, "--jid"},
		{[]string{"account", "add", "alice", "--password-stdin", "--data", dir}, "the password on standard input is empty"},
		{[]string{"config", "check", "--config", filepath.Join(dir, "absent.toml")}, "read configuration"},
		{[]string{"log", "restore", filepath.Join(dir, "absent"), "--data", dir}, "absent"},
	} {
		code, out, complaint := try(t, "\n", c.args...)
		if code != 1 || out != "" || strings.Count(complaint, "\n") != 1 || !strings.HasPrefix(complaint, "peewit: ") || !strings.Contains(complaint, c.want) {
			t.Errorf("%v: code %d, %q, %q, want %q", c.args, code, out, complaint, c.want)
		}
	}
}

func TestPassword(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"secret\n", "secret"}, {"secret", "secret"}, {"secret\n\n", "secret\n"}, {" secret \r\n", " secret "}, {"\xff\n", "\xff"},
	} {
		if got, err := readPassword(&console{in: strings.NewReader(c.in)}); err != nil || got != c.want {
			t.Errorf("readPassword(%q) = %q, %v", c.in, got, err)
		}
	}
}

func TestAdminSocket(t *testing.T) {
	for name, dir := range map[string]string{
		"short": t.TempDir(),
		"long":  filepath.Join(t.TempDir(), strings.Repeat("x", 120)),
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		// A socket left by a crash is in the way.
		if err := os.WriteFile(filepath.Join(dir, "admin.sock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := listenAdmin(dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		info, err := os.Stat(filepath.Join(dir, "admin.sock"))
		if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- serveAdmin(ctx, dir, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("hello")) }))
		}()
		resp, err := adminClient(dir).Get("http://peewit/")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		resp.Body.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "admin.sock")); !os.IsNotExist(err) {
			t.Errorf("%s: the socket is still there: %v", name, err)
		}
	}
}

func TestRequestsThatHangAreCutOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel() // the daemon ends while this is under way
		<-r.Context().Done()
		close(over)
	})}
	asked := make(chan error, 1)
	go func() {
		_, err := http.Get("http://" + l.Addr().String())
		asked <- err
	}()
	if err := serveUntil(ctx, server, l); err != nil {
		t.Error(err)
	}
	<-over
	if err := <-asked; err == nil {
		t.Error("the request was answered")
	}
}

func TestListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	cfg := defaultConfig()
	next, err := listen(t.Context(), cfg, "http.listen", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if next.Addr().String() == addr || moved(addr, next) == "" {
		t.Errorf("listening on %s instead of %s, says %q", next.Addr(), addr, moved(addr, next))
	}
	cfg.set["http.listen"] = true
	if _, err := listen(t.Context(), cfg, "http.listen", addr); err == nil || !strings.HasPrefix(err.Error(), "http.listen: ") {
		t.Errorf("a configured port that is taken: %v", err)
	}
}

func TestStatusText(t *testing.T) {
	row := statusRow{
		Version: "1", Domain: "localhost", Up: "3s", Sessions: 1,
		Log:       logStatus{Seq: 12, Problem: "the disk is nearly full"},
		Consumers: []consumerStatus{{"archive", 12, 0, ""}, {"index", 10, 2, "3 posts"}},
		Erasing:   1,
		Feeds:     []sourceRow{{URL: "http://example.org/feed", Entries: 1, Error: "404"}},
	}
	golden(t, "status.txt", row.String()+"\n")
}

func TestEndings(t *testing.T) {
	var order []string
	d := newDaemon(newLogger(new(bytes.Buffer), "error"))
	d.atEnd("first", func(context.Context) error { order = append(order, "first"); return nil })
	d.background(t.Context(), "task", func(ctx context.Context) error {
		<-ctx.Done()
		order = append(order, "task")
		return ctx.Err()
	})
	d.atEnd("last", func(context.Context) error { order = append(order, "last"); return nil })
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if got := strings.Join(order, " "); got != "last task first" {
		t.Errorf("endings ran as %s", got)
	}
	d.background(t.Context(), "failing", func(context.Context) error { return os.ErrClosed })
	select {
	case err := <-d.failed:
		if !strings.Contains(err.Error(), "failing ended") {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a failed task went unnoticed")
	}
}

func TestAFailureAtTheEndIsLogged(t *testing.T) {
	var logged bytes.Buffer
	d := newDaemon(newLogger(&logged, "error"))
	d.background(t.Context(), "archive", func(ctx context.Context) error {
		<-ctx.Done()
		return os.ErrClosed
	})
	if err := d.stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(logged.String(), `"task":"archive"`) {
		t.Errorf("nobody is told that a task failed: %s", &logged)
	}
}

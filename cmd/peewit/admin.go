package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"peewit/bridge"
)

// The admin socket is DATA/admin.sock, mode 0600: whoever may open it may do
// everything. It speaks HTTP: POST /COMMAND with a JSON object, answered by JSON
// objects, one a line, or by an error object with the refusal's condition.

// maxAdminBody bounds a request on the admin socket.
const maxAdminBody = 16 << 20

// maxSocketPath is the longest path that fits sockaddr_un on every system.
const maxSocketPath = 100

// adminError is a refusal on the admin socket.
type adminError struct {
	Condition bridge.Condition `json:"condition"`
	Text      string           `json:"text"`
}

// endpoint is an admin command as an HTTP handler.
func endpoint[In, Row any](logger *slog.Logger, fn func(context.Context, In) ([]Row, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		var rows []Row
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody)).Decode(&in)
		if err == nil {
			rows, err = fn(r.Context(), in)
		}
		logCommand(logger, r.URL.Path[1:], err)
		out := json.NewEncoder(w)
		if err != nil {
			// The operator is no stranger: the whole error is told.
			w.WriteHeader(http.StatusUnprocessableEntity)
			out.Encode(adminError{Condition: bridge.AsError(err).Condition, Text: oneLine(err)})
			return
		}
		for _, row := range rows {
			if out.Encode(row) != nil {
				return // the command is gone
			}
		}
	})
}

// logCommand notes an admin command, and why it was refused.
func logCommand(logger *slog.Logger, command string, err error) {
	if err != nil {
		logger = logger.With(slog.Any("err", err))
	}
	logger.Info("admin command", slog.String("command", command))
}

// listenAdmin opens the admin socket, in place of one that a crash left. The
// data directory is locked by now, so nobody else listens there.
func listenAdmin(dir string) (net.Listener, error) {
	if err := os.Remove(filepath.Join(dir, "admin.sock")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replace admin socket: %w", err)
	}
	path, release, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	defer release()
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen on admin socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil { // the directory is ours alone as well
		return nil, errors.Join(fmt.Errorf("protect admin socket: %w", err), l.Close())
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // its path may be a short-lived one; serveAdmin removes the file
	return l, nil
}

// serveAdmin answers on the admin socket until ctx ends.
func serveAdmin(ctx context.Context, dir string, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	return errors.Join(serveUntil(ctx, server, l), os.Remove(filepath.Join(dir, "admin.sock")))
}

// socketPath is a path to DATA/admin.sock short enough for a socket address.
// For a directory whose path is too long it goes by way of the open directory.
func socketPath(dir string) (path string, release func(), err error) {
	path = filepath.Join(absolute(dir), "admin.sock")
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/admin.sock", d.Fd()), func() { d.Close() }, nil
}

// adminClient is an HTTP client for the admin socket of the data directory.
func adminClient(dir string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			path, release, err := socketPath(dir)
			if err != nil {
				return nil, err
			}
			defer release()
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}

// request sends an admin command to the running daemon. The caller closes the
// body.
func request(ctx context.Context, c *cli, command string, in any) (io.ReadCloser, error) {
	cfg, err := loadConfig(c.Config, c.Data)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://peewit/"+command, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := adminClient(cfg.Data).Do(req)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("no peewit is running on %s; start it with: %s", cfg.Data, typed(cfg, ""))
	}
	if err != nil {
		return nil, fmt.Errorf("ask the running peewit: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var refusal adminError
	if err := json.NewDecoder(resp.Body).Decode(&refusal); err != nil {
		return nil, fmt.Errorf("ask the running peewit for %s: %s", command, resp.Status)
	}
	return nil, errors.New(refusal.Text)
}

// askAndPrint runs an admin command and prints its rows.
func askAndPrint[Row fmt.Stringer](ctx context.Context, con *console, c *cli, command string, in any) error {
	return ask(ctx, c, command, in, func(row Row) error { return print(con, []Row{row}) })
}

// ask runs an admin command and calls each with its rows, as they come.
func ask[Row any](ctx context.Context, c *cli, command string, in any, each func(Row) error) error {
	body, err := request(ctx, c, command, in)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := json.NewDecoder(body)
	for {
		var row Row
		if err := lines.Decode(&row); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

// print writes rows as text, or as JSON objects, one a line.
func print[Row fmt.Stringer](con *console, rows []Row) error {
	for _, row := range rows {
		var err error
		if con.json {
			err = json.NewEncoder(con.out).Encode(row)
		} else {
			_, err = fmt.Fprintln(con.out, row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

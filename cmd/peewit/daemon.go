package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// stopTime bounds an orderly end; what is not done by then is cut off.
const stopTime = 5 * time.Second

// daemon is what runs: a stack of endings, each pushed when the thing it ends
// was born, and the first failure of a background task.
type daemon struct {
	logger  *slog.Logger
	endings []ending
	failed  chan error
}

type ending struct {
	name string
	end  func(ctx context.Context) error
}

func newDaemon(logger *slog.Logger) *daemon {
	return &daemon{logger: logger, failed: make(chan error, 1)}
}

// atEnd pushes an ending.
func (d *daemon) atEnd(name string, end func(ctx context.Context) error) {
	d.endings = append(d.endings, ending{name, end})
}

// background runs a task until the daemon ends. A task that ends by itself ends
// the daemon.
func (d *daemon) background(ctx context.Context, name string, task func(context.Context) error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := task(ctx)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("nothing left to do")
			}
			select {
			case d.failed <- fmt.Errorf("%s ended: %w", name, err):
				return
			default: // the daemon is ending for another reason already
			}
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			d.logger.Error("background task failed", slog.String("task", name), slog.Any("err", err))
		}
	}()
	d.atEnd(name, func(stopping context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-stopping.Done():
			return errors.New("did not end in time")
		}
	})
}

// serveUntil serves HTTP until ctx ends; requests under way then have a second to
// finish.
func serveUntil(ctx context.Context, server *http.Server, l net.Listener) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		return server.Close()
	}
	return nil
}

// stop runs the endings, last born first.
func (d *daemon) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime) // its own time: ctx of the daemon has ended
	defer cancel()
	var errs []error
	for i := len(d.endings) - 1; i >= 0; i-- {
		e := d.endings[i]
		if err := e.end(ctx); err != nil {
			errs = append(errs, fmt.Errorf("end %s: %w", e.name, err))
		}
	}
	d.endings = nil
	return errors.Join(errs...)
}

// listen opens a TCP listener on the address of a configuration key. When the
// port is taken and the operator did not choose it, the next free one is taken.
func listen(ctx context.Context, cfg *Config, key, addr string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
		return l, wrapListen(key, addr, err)
	}
	if cfg.isSet(key) {
		return nil, fmt.Errorf("%s: %s is taken by another program", key, addr)
	}
	host, text, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(text)
	const tries = 100
	for next := port + 1; next <= port+tries; next++ {
		l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(next)))
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) {
			return l, wrapListen(key, addr, err)
		}
	}
	return nil, fmt.Errorf("%s: %s and the %d ports behind it are taken", key, addr, tries)
}

func wrapListen(key, addr string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: listen on %s: %w", key, addr, errors.Unwrap(err))
}

// dataDir makes the data directory, readable by us alone.
func dataDir(cfg *Config) error {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}

// inData is a path in the data directory.
func inData(cfg *Config, parts ...string) string {
	return filepath.Join(append([]string{cfg.Data}, parts...)...)
}

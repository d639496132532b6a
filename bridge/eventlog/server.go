package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// unlimited is NATS's own limit for stored bytes, far above any disk, so that
// only our watermark refuses: past NATS's limit a server stays refusing.
const unlimited = 1 << 50

// maxRecord bounds one encoded record. NATS warns above 8 MiB.
const maxRecord = 4 << 20

// server is the embedded NATS server. It can be started anew in place, which is
// the only way to make a server write again after a full disk; connections find
// the new one by themselves because they ask server for each new connection.
type server struct {
	dir    string
	always bool // fsync before each acknowledgement
	room   func(dir string) (free, want uint64, err error)
	logger *slog.Logger

	mu      sync.Mutex
	nats    *natsserver.Server // nil while none runs
	illness error
	wake    chan struct{}
}

func newServer(dir string, always bool, room func(string) (free, want uint64, err error), logger *slog.Logger) *server {
	return &server{dir: dir, always: always, room: room, logger: logger, wake: make(chan struct{}, 1)}
}

// start runs a server until it is ready, ctx ends, or it cannot start.
func (s *server) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make log directory: %w", err)
	}
	n, err := natsserver.NewServer(&natsserver.Options{
		ServerName:             "peewit",
		DontListen:             true,
		NoSigs:                 true,
		JetStream:              true,
		StoreDir:               s.dir,
		SyncAlways:             s.always,
		SyncInterval:           time.Second,
		JetStreamMaxStore:      unlimited,
		JetStreamMaxMemory:     64 << 20, // leases only
		MaxPayload:             maxRecord + 64<<10,
		DisableJetStreamBanner: true,
	})
	if err != nil {
		return fmt.Errorf("make embedded NATS server: %w", err)
	}
	failed := make(chan string, 1)
	n.SetLoggerV2(&natsLogger{logger: s.logger, fatal: failed}, false, false, false)
	go n.Start()
	if err = awaitReady(ctx, n, failed); err == nil {
		// A stream directory that NATS could not read is left out with a warning,
		// and a new stream would be laid over it.
		err = health(n)
	}
	if err != nil {
		n.Shutdown()
		n.WaitForShutdown()
		return fmt.Errorf("start embedded NATS server: %w", err)
	}
	s.nats, s.illness = n, nil
	return nil
}

// awaitReady waits until the server takes connections, gives up, or ctx ends.
func awaitReady(ctx context.Context, n *natsserver.Server, failed <-chan string) error {
	for !n.ReadyForConnections(50 * time.Millisecond) {
		select {
		case reason := <-failed:
			return errors.New(reason)
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
	}
	return nil
}

// stop ends the server and waits until its files are closed.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nats != nil {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
		s.nats = nil
	}
}

// InProcessConn is a new connection to the server that runs now; the NATS client
// calls it to connect and to reconnect.
func (s *server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nats == nil {
		return nil, errors.New("the embedded NATS server does not run")
	}
	return s.nats.InProcessConn()
}

// sick is why the server writes no more, or nil.
func (s *server) sick() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.illness
}

// suspect is called when the server owes an answer. It finds out whether a write
// failed, which NATS does not tell whoever wanted to write, and reports it.
func (s *server) suspect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.illness != nil || s.nats == nil {
		return s.illness
	}
	if s.illness = health(s.nats); s.illness != nil {
		s.logger.Error("the log cannot write", slog.Any("error", s.illness))
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return s.illness
}

// keep starts a sick server anew as soon as the disk has room, until done.
func (s *server) keep(done <-chan struct{}) {
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	for {
		select {
		case <-done:
			return
		case <-s.wake:
		case <-retry.C:
		}
		if s.sick() == nil {
			continue
		}
		free, want, err := s.room(s.dir)
		if err != nil || free < max(want, 4*maxRecord) {
			continue
		}
		s.logger.Info("starting the embedded log anew", slog.Uint64("free_bytes", free))
		s.stop()
		if err := s.startBefore(done); err != nil {
			s.logger.Error("the log does not start", slog.Any("error", err))
		}
	}
}

// startBefore starts the server unless done comes first.
func (s *server) startBefore(done <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go func() {
		select {
		case <-done:
			cancel()
		case <-ctx.Done():
		}
	}()
	return s.start(ctx)
}

// health is the server's own opinion of its streams.
func health(n *natsserver.Server) error {
	if h := n.Healthz(nil); h.Error != "" {
		return errors.New(h.Error)
	}
	return nil
}

// natsLogger hands the server's lines to slog: its notices are our debug lines.
type natsLogger struct {
	logger *slog.Logger
	fatal  chan<- string
}

func (l *natsLogger) Noticef(format string, v ...any) { l.line(slog.LevelDebug, format, v) }
func (l *natsLogger) Warnf(format string, v ...any)   { l.line(slog.LevelWarn, format, v) }
func (l *natsLogger) Errorf(format string, v ...any)  { l.line(slog.LevelError, format, v) }
func (l *natsLogger) Debugf(format string, v ...any)  { l.line(slog.LevelDebug, format, v) }
func (l *natsLogger) Tracef(format string, v ...any)  { l.line(slog.LevelDebug, format, v) }

// Fatalf is what the server says before it gives up starting.
func (l *natsLogger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}

func (l *natsLogger) line(level slog.Level, format string, v []any) {
	ctx := context.Background()
	if l.logger.Enabled(ctx, level) {
		l.logger.Log(ctx, level, "nats", slog.String("says", fmt.Sprintf(format, v...)))
	}
}

package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"peewit/bridge"
)

// Window is how long the log itself recognises a repeated key. A node whose
// archive lags more than half of it must append no keyed record.
const Window = 2 * time.Minute

// defaultPatience bounds every wait for an answer of the log.
const defaultPatience = 5 * time.Second

// Options says where the log is.
type Options struct {
	// Dir is the data directory: it is locked, and the embedded server keeps its
	// files in its subdirectory "log". With a URL it may be empty.
	Dir string
	// URL of a NATS server or cluster with JetStream; "" starts one in process.
	URL string
	// Sync is "always" (fsync before each acknowledgement, the default) or
	// "interval" (each second). It decides about power loss only: kill -9 loses
	// nothing acknowledged either way. A server elsewhere has its own setting.
	Sync   string
	Logger *slog.Logger

	// Tests set these.
	room     func(dir string) (free, want uint64, err error)
	patience time.Duration
	leaseTTL time.Duration
}

// Log is an open log. Its methods may be called from any goroutine.
type Log struct {
	logger   *slog.Logger
	patience time.Duration
	leaseTTL time.Duration

	lock   *os.File // nil without a data directory
	server *server  // nil when the server is elsewhere
	dial   func(...nats.Option) (*nats.Conn, error)
	nc     *nats.Conn
	js     jetstream.JetStream

	records jetstream.Stream // LOG
	values  jetstream.Stream // WORK
	epoch   string
	began   uint64

	recordWriter *writer
	valueWriter  *writer

	full atomic.Bool // the disk was below the watermark when last asked
	done chan struct{}
	once sync.Once
	wg   sync.WaitGroup
}

// Open opens the log, making its streams when there are none. It fails when
// another peewit uses the directory, when the server cannot be reached before
// ctx ends, and when there are streams of our names with another configuration.
func Open(ctx context.Context, o Options) (*Log, error) {
	l, err := connect(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := l.prepare(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// connect locks the directory, starts the embedded server and connects to the
// server, without looking at the streams.
func connect(ctx context.Context, o Options) (_ *Log, err error) {
	l := &Log{
		logger:   o.Logger,
		patience: o.patience,
		leaseTTL: o.leaseTTL,
		done:     make(chan struct{}),
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	if l.patience == 0 {
		l.patience = defaultPatience
	}
	if l.leaseTTL == 0 {
		l.leaseTTL = defaultLeaseTTL
	}
	if o.Sync != "" && o.Sync != "always" && o.Sync != "interval" {
		return nil, fmt.Errorf("open log: sync is %q, want \"always\" or \"interval\"", o.Sync)
	}
	if o.Dir == "" && o.URL == "" {
		return nil, errors.New("open log: neither a data directory nor a server is named")
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Close())
		}
	}()
	if o.Dir != "" {
		if l.lock, err = lockDir(o.Dir); err != nil {
			return l, fmt.Errorf("open log: %w", err)
		}
	}
	common := []nats.Option{nats.Name("peewit"), nats.ReconnectBufSize(-1), nats.Timeout(2 * time.Second)}
	if o.URL == "" {
		room := o.room
		if room == nil {
			room = diskRoom
		}
		l.server = newServer(filepath.Join(o.Dir, "log"), o.Sync != "interval", room, l.logger)
		if err := l.server.start(ctx); err != nil {
			return l, fmt.Errorf("open log in %s: %w", o.Dir, err)
		}
		common = append(common, nats.InProcessServer(l.server))
	} else {
		common = append(common, nats.PingInterval(10*time.Second))
	}
	l.dial = func(more ...nats.Option) (*nats.Conn, error) {
		return nats.Connect(o.URL, append(common[:len(common):len(common)], more...)...)
	}
	l.nc, err = l.dial(nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				l.logger.Warn("log connection lost", slog.Any("error", err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { l.logger.Info("log connection back") }))
	if err != nil {
		return l, fmt.Errorf("open log at %s: %w", redacted(o.URL), err)
	}
	l.js, err = jetstream.New(l.nc, jetstream.WithDefaultTimeout(l.patience), jetstream.WithPublishAsyncTimeout(l.patience))
	if err != nil {
		return l, fmt.Errorf("open log at %s: %w", redacted(o.URL), err)
	}
	return l, nil
}

// prepare makes or checks the streams and starts the writers.
func (l *Log) prepare(ctx context.Context) error {
	var err error
	if l.records, err = l.ensure(ctx, logConfig(l.replicas())); err != nil {
		return err
	}
	info := l.records.CachedInfo()
	if err := l.readEpoch(info); err != nil {
		return err
	}
	if l.values, err = l.ensure(ctx, workConfig(l.replicas())); err != nil {
		return err
	}
	if _, err := l.leases(ctx); err != nil {
		return err
	}
	// A batch saves fsyncs and costs the files it is staged in. Without an fsync
	// for each message, and on a cluster, whose raft groups by itself, it is slower.
	group := l.server != nil && l.server.always
	l.recordWriter = newWriter(l, group)
	l.valueWriter = newWriter(l, group)
	l.wg.Go(l.recordWriter.run)
	l.wg.Go(l.valueWriter.run)
	if l.server != nil {
		l.wg.Go(func() { l.server.keep(l.done) })
	}
	l.logger.Info("log open", slog.String("epoch", l.epoch), slog.Uint64("last", info.State.LastSeq),
		slog.Uint64("records", info.State.Msgs), slog.Bool("embedded", l.server != nil))
	return nil
}

// Close ends the log in order: what was handed to the server is acknowledged or
// refused, then the connection, the embedded server and the lock go. Close may
// be called twice.
func (l *Log) Close() error {
	var err error
	l.once.Do(func() {
		close(l.done)
		l.finishWriting()
		if l.nc != nil {
			l.nc.Close()
		}
		if l.server != nil {
			l.server.stop()
		}
		if l.lock != nil {
			err = l.lock.Close() // also unlocks
		}
	})
	return err
}

// finishWriting lets the writers have their answers, for two seconds.
func (l *Log) finishWriting() {
	finished := make(chan struct{})
	go func() {
		l.wg.Wait()
		close(finished)
	}()
	enough := time.NewTimer(2 * time.Second)
	defer enough.Stop()
	select {
	case <-finished:
	case <-enough.C:
		l.nc.Close() // whoever still waits for an answer has none
		<-finished
	}
}

// Epoch names this log. A new log and a restored one have new names; it never
// changes while the log is open.
func (l *Log) Epoch() string { return l.epoch }

// Began is the newest sequence at the time the epoch began: 0 for a new log, the
// last restored sequence after a restore. A cursor of another epoch that lies
// beyond it is set back to it.
func (l *Log) Began() uint64 { return l.began }

// Last is the position of the newest record; its Seq is 0 when there never was
// one.
func (l *Log) Last(ctx context.Context) (bridge.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	info, err := l.records.Info(ctx)
	if err != nil {
		return bridge.Position{}, refusal("find the end of the log", err)
	}
	state := info.State
	if state.LastSeq == 0 {
		return bridge.Position{Epoch: l.epoch}, nil
	}
	return bridge.Position{Epoch: l.epoch, Seq: state.LastSeq, Time: state.LastTime}, nil
}

// At is the time of the record at a sequence; ok is false when there is none:
// never written, erased or expired.
func (l *Log) At(ctx context.Context, seq uint64) (at time.Time, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	msg, err := l.records.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, refusal(fmt.Sprintf("read record %d", seq), err)
	}
	return msg.Time, true, nil
}

// redacted is a server URL without its password.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the configured URL"
	}
	return u.Redacted()
}

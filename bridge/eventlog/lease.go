package eventlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"peewit/bridge"
)

// errLost is why the context of a lease's holder ends.
var errLost = errors.New("the lease was lost")

// leases opens the bucket, or makes it: leases live in memory and go with the
// server, and the embedded one may have been started anew.
func (l *Log) leases(ctx context.Context) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	kv, err := l.js.KeyValue(ctx, leaseName)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = l.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket:   leaseName,
			TTL:      l.leaseTTL,
			Storage:  jetstream.MemoryStorage,
			Replicas: l.replicas(),
		})
		if errors.Is(err, jetstream.ErrBucketExists) {
			kv, err = l.js.KeyValue(ctx, leaseName)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", leaseName, err)
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", leaseName, err)
	}
	if status.TTL() != l.leaseTTL {
		return nil, fmt.Errorf("bucket %s was made with another configuration: TTL is %s, want %s", leaseName, status.TTL(), l.leaseTTL)
	}
	return kv, nil
}

// Hold waits until nobody else in the cluster holds the lease of this name, then
// runs fn. The context of fn ends when the lease is lost, early enough for fn to
// stop before another takes it (a third of 10 s); then Hold waits for the lease
// again. It returns what fn returned while the lease was held, or ctx's error. A
// holder that dies keeps the lease for 10 s.
func (l *Log) Hold(ctx context.Context, name string, fn func(ctx context.Context) error) error {
	h := lease{log: l, key: bridge.Hash(name), name: name, owner: []byte(nuid.Next())}
	for {
		if err := h.acquire(ctx); err != nil {
			return err
		}
		l.logger.Debug("lease taken", slog.String("lease", name))
		held, cancel := context.WithCancelCause(ctx)
		renewed := make(chan struct{})
		go func() {
			defer close(renewed)
			h.renew(held, cancel)
		}()
		err := fn(held)
		lost := context.Cause(held) == errLost
		cancel(nil)
		<-renewed
		if !lost {
			h.release()
			return err
		}
		h.revision = 0
		l.logger.Warn("lease lost", slog.String("lease", name), slog.Any("error", err))
	}
}

// lease is one call of Hold under way.
type lease struct {
	log      *Log
	key      string // hashed: bucket keys refuse most characters
	name     string
	owner    []byte
	revision uint64    // of the last claim, 0 while it is not held
	since    time.Time // when the last successful claim was sent
}

// acquire tries ten times per TTL until the lease is free or ctx ends.
func (h *lease) acquire(ctx context.Context) error {
	again := time.NewTicker(h.log.leaseTTL / 10)
	defer again.Stop()
	for {
		err := h.claim(ctx)
		if err == nil {
			return nil
		}
		if !taken(err) {
			h.log.logger.Debug("lease not to be had", slog.String("lease", h.name), slog.Any("error", err))
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-h.log.done:
			return errors.New("the log is closed")
		}
	}
}

// renew claims the lease again and again; when that fails for two thirds of the
// TTL, or somebody else has it, the holder is told.
func (h *lease) renew(ctx context.Context, cancel context.CancelCauseFunc) {
	again := time.NewTicker(h.log.leaseTTL / 6)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.log.done:
			cancel(errLost)
			return
		case <-again.C:
		}
		deadline := h.since.Add(h.log.leaseTTL * 2 / 3)
		asking, stop := context.WithDeadline(ctx, deadline)
		err := h.claim(asking)
		stop()
		if taken(err) || err != nil && !time.Now().Before(deadline) {
			cancel(errLost)
			return
		}
	}
}

// taken reports whether a claim failed because somebody else has the lease.
func taken(err error) bool {
	return errors.Is(err, jetstream.ErrKeyExists) || apiCode(err) == jetstream.JSErrCodeStreamWrongLastSequence
}

// claim asks for the lease, or for more of it, and notes when it asked: from then
// the TTL is counted. A claim whose answer got lost is recognised as one's own.
func (h *lease) claim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.log.leaseTTL/3)
	defer cancel()
	kv, err := h.log.leases(ctx)
	if err != nil {
		return err
	}
	sent := time.Now()
	var revision uint64
	if h.revision == 0 {
		revision, err = kv.Create(ctx, h.key, h.owner)
	} else {
		revision, err = kv.Update(ctx, h.key, h.owner, h.revision)
	}
	if taken(err) {
		if entry, read := kv.Get(ctx, h.key); read == nil && bytes.Equal(entry.Value(), h.owner) {
			revision, err = kv.Update(ctx, h.key, h.owner, entry.Revision())
		}
	}
	if err != nil {
		return err
	}
	h.revision, h.since = revision, sent
	return nil
}

// release gives the lease back, so that the next need not wait for its TTL.
func (h *lease) release() {
	ctx, cancel := context.WithTimeout(context.Background(), h.log.leaseTTL/3)
	defer cancel()
	kv, err := h.log.leases(ctx)
	if err == nil {
		err = kv.Delete(ctx, h.key, jetstream.LastRevision(h.revision))
	}
	if err != nil {
		h.log.logger.Debug("lease not given back", slog.String("lease", h.name), slog.Any("error", err))
	}
}

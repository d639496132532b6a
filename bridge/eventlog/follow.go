package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"peewit/bridge"
)

// errGap means that the connection lost messages; the follower starts anew.
var errGap = errors.New("messages were lost on the way")

// Follow calls fn with each record after a sequence, in order, for ever: pending
// is how many are in the log behind it, 0 for the newest. Erased and expired
// records are skipped. When the connection breaks it goes on after the last
// record that fn had. It ends with ctx, with Close, with fn's error, or with an
// error that names the sequence of a record that cannot be read.
func (l *Log) Follow(ctx context.Context, after uint64, fn func(rec *bridge.Record, pending uint64) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-l.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	f := follower{log: l, after: after, fn: fn}
	for {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if f.final != nil {
			return f.final
		}
		l.logger.Debug("following the log anew", slog.Uint64("after", f.after), slog.Any("error", err))
		pause := time.NewTimer(50 * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

// follower is one call of Follow under way.
type follower struct {
	log   *Log
	after uint64 // the last sequence dealt with
	fn    func(*bridge.Record, uint64) error
	final error // ends Follow
}

// follow hands out records until something breaks. It has a connection of its
// own, so that reading the whole log delays no acknowledgement.
func (f *follower) follow(ctx context.Context) error {
	nc, err := f.log.dial(nats.NoReconnect())
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(f.log.patience))
	if err != nil {
		return err
	}
	consumer, err := js.CreateConsumer(ctx, logName, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       f.after + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: 30 * time.Second,
	})
	if err != nil {
		return fmt.Errorf("make consumer: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(500), jetstream.PullExpiry(10*time.Second), jetstream.PullHeartbeat(2*time.Second))
	if err != nil {
		return fmt.Errorf("ask for records: %w", err)
	}
	defer messages.Stop()
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	nc.SetClosedHandler(func(*nats.Conn) { messages.Stop() })
	return f.consume(ctx, messages)
}

// ahead is how many records are decoded before fn has dealt with them.
const ahead = 256

// arrival is a record that has come.
type arrival struct {
	rec     *bridge.Record
	pending uint64 // in the log behind it when it left the server
}

// consume decodes records in one goroutine and hands them out in this one. What
// has come meanwhile is known to be pending.
func (f *follower) consume(ctx context.Context, messages jetstream.MessagesContext) error {
	arrivals := make(chan arrival, ahead)
	var broken error // once arrivals is closed
	done := make(chan struct{})
	defer close(done)
	go func() {
		defer close(arrivals)
		for number := uint64(1); ; number++ {
			var a arrival
			if a, broken = receive(messages, number); broken != nil {
				return
			}
			select {
			case arrivals <- a:
			case <-done:
				return
			}
		}
	}()
	for a := range arrivals {
		if err := f.fn(a.rec, max(a.pending, uint64(len(arrivals)))); err != nil {
			f.final = err
			return err
		}
		f.after = a.rec.Seq
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if errors.As(broken, new(unreadable)) {
		f.final = broken
	}
	return broken
}

// unreadable is what is wrong with a record; reading it again would not help.
type unreadable struct{ error }

// receive waits for the next record, which must be the number-th.
func receive(messages jetstream.MessagesContext, number uint64) (arrival, error) {
	msg, err := messages.Next()
	if err != nil {
		return arrival{}, err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return arrival{}, err
	}
	if meta.Sequence.Consumer != number {
		return arrival{}, errGap
	}
	rec, err := bridge.DecodeRecord(msg.Data(), meta.Sequence.Stream, meta.Timestamp.UTC())
	if err != nil {
		return arrival{}, unreadable{err}
	}
	return arrival{rec, meta.NumPending}, nil
}

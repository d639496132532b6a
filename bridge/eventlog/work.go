package eventlog

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"peewit/bridge"
)

// workSubject is where the last value of a key stands. Keys may hold anything, of
// any length.
func workSubject(key string) string { return "w." + bridge.Hash(key) }

// Put remembers the last value of a key, for a time or for ever (ttl 0). It works
// on a nearly full disk too: a cursor that is not written would be a delivery
// that is repeated.
func (l *Log) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	return l.valueWriter.write(ctx, newRequest(workMsg(key, value, ttl)))
}

// PutAll is Put for many keys at once. Each value is written or not by itself;
// after an error any of them may be.
func (l *Log) PutAll(ctx context.Context, values map[string][]byte) error {
	requests := make([]*request, 0, len(values))
	for key, value := range values {
		requests = append(requests, newRequest(workMsg(key, value, 0)))
	}
	return l.valueWriter.write(ctx, requests...)
}

func workMsg(key string, value []byte, ttl time.Duration) *nats.Msg {
	m := nats.NewMsg(workSubject(key))
	m.Data = value
	setTTL(m, ttl)
	return m
}

// Get is the last value of a key, nil when there is none or its time is over.
func (l *Log) Get(ctx context.Context, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	msg, err := l.values.GetLastMsgForSubject(ctx, workSubject(key))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, refusal("read work", err)
	}
	return msg.Data, nil
}

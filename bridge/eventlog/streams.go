package eventlog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Names of the streams; LEASE is a key-value bucket.
const (
	logName   = "LOG"
	workName  = "WORK"
	leaseName = "LEASE"
)

// Keys in LOG's metadata.
const (
	metaEpoch = "peewit-epoch"
	metaBegan = "peewit-epoch-began"
)

// defaultLeaseTTL is how long a dead holder keeps its lease.
const defaultLeaseTTL = 10 * time.Second

// logConfig is LOG: append-only, never trimmed or rolled up, with the metadata of
// a new epoch.
func logConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               logName,
		Description:        "Peewit: posts and state, in one order",
		Subjects:           []string{"d.>", "p.>", "s.>"}, // d: direct messages, to come; a stream is never changed later
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardNew,
		Storage:            jetstream.FileStorage,
		Replicas:           replicas,
		Duplicates:         Window,
		AllowAtomicPublish: true,
		AllowMsgTTL:        true,
		AllowDirect:        true,
		Metadata:           map[string]string{metaEpoch: rand.Text(), metaBegan: "0"},
	}
}

// workConfig is WORK: the last value of each key. It is read from its leader only
// (no direct gets): whoever takes over a lane must see the newest cursor.
func workConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               workName,
		Description:        "Peewit: cursors, validators, nonces",
		Subjects:           []string{"w.>"},
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardOld,
		MaxMsgsPerSubject:  1,
		Storage:            jetstream.FileStorage,
		Replicas:           replicas,
		AllowAtomicPublish: true,
		AllowMsgTTL:        true,
	}
}

// replicas is how many copies new streams have: three in a cluster.
func (l *Log) replicas() int {
	if l.server == nil && l.nc.ConnectedClusterName() != "" {
		return 3
	}
	return 1
}

// ensure makes a stream, or checks the one that is there. Another peewit may make
// it at the same moment; its epoch holds then.
func (l *Log) ensure(ctx context.Context, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := l.js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = l.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			stream, err = l.js.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", want.Name, err)
	}
	if what := misfit(stream.CachedInfo().Config, want); what != "" {
		return nil, fmt.Errorf("stream %s was made with another configuration: %s; peewit changes no stream that is there: give it an account of its own, or move the stream away", want.Name, what)
	}
	return stream, nil
}

// misfit says what in a stream's configuration would break a promise of this
// package, or "". Replicas, placement and a limit of bytes are the operator's.
func misfit(have, want jetstream.StreamConfig) string {
	unlimited := func(n int64) bool { return n <= 0 }
	checks := []struct {
		what string
		ok   bool
	}{
		{"subjects", slices.Equal(slices.Sorted(slices.Values(have.Subjects)), want.Subjects)},
		{"retention", have.Retention == want.Retention},
		{"discard", have.Discard == want.Discard},
		{"storage", have.Storage == want.Storage},
		{"max age", have.MaxAge == 0},
		{"max msgs", unlimited(have.MaxMsgs)},
		{"max msgs per subject", have.MaxMsgsPerSubject == want.MaxMsgsPerSubject || unlimited(have.MaxMsgsPerSubject) && unlimited(want.MaxMsgsPerSubject)},
		{"max msg size", unlimited(int64(have.MaxMsgSize)) || have.MaxMsgSize >= maxRecord},
		{"duplicate window", want.Duplicates == 0 || have.Duplicates == want.Duplicates},
		{"atomic publish", have.AllowAtomicPublish},
		{"message TTL", have.AllowMsgTTL},
		{"direct get", have.AllowDirect == want.AllowDirect},
		{"rollup", !have.AllowRollup},
		{"acknowledgements", !have.NoAck},
		{"sealed", !have.Sealed},
		{"deny delete", !have.DenyDelete},
		{"mirror or sources", have.Mirror == nil && len(have.Sources) == 0},
		{"subject transform", have.SubjectTransform == nil},
		{"counters or schedules", !have.AllowMsgCounter && !have.AllowMsgSchedules},
		{"persist mode", have.PersistMode == want.PersistMode},
	}
	for _, c := range checks {
		if !c.ok {
			return c.what
		}
	}
	return ""
}

func (l *Log) readEpoch(info *jetstream.StreamInfo) error {
	l.epoch = info.Config.Metadata[metaEpoch]
	if l.epoch == "" {
		return fmt.Errorf("stream %s has no epoch in its metadata: it was not made by peewit", logName)
	}
	began, err := strconv.ParseUint(info.Config.Metadata[metaBegan], 10, 64)
	if err != nil {
		return fmt.Errorf("stream %s: begin of its epoch: %w", logName, err)
	}
	l.began = began
	return nil
}

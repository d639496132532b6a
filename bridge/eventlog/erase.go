package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Erase overwrites records: their bytes are no longer on this disk (on a cluster:
// after its next raft snapshots). Each costs several milliseconds, because a
// block of the log is rewritten; in between the log has three times as long for
// others. Sequences that are gone already are no error, so whoever was
// interrupted may simply begin again.
//
// The newest record of a state key must not be erased: compare-and-set would
// forget it.
func (l *Log) Erase(ctx context.Context, seqs ...uint64) error {
	for i, seq := range seqs {
		if err := l.Writable(); err != nil {
			return err
		}
		start := time.Now()
		err := l.records.SecureDeleteMsg(ctx, seq)
		if err != nil && !gone(err) {
			return refusal(fmt.Sprintf("erase record %d", seq), err)
		}
		if i == len(seqs)-1 {
			return nil
		}
		rest := time.NewTimer(3 * time.Since(start))
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
			return refusal(fmt.Sprintf("erase record %d", seqs[i+1]), ctx.Err())
		}
	}
	return nil
}

// gone reports whether the server has no such record any more.
func gone(err error) bool {
	return errors.Is(err, jetstream.ErrMsgNotFound) || errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful)
}

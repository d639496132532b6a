package eventlog

import (
	"context"

	"peewit/bridge"
)

// Confirms reports whether a position is one of this log: a read model that
// stands elsewhere is dropped and built again. A record that was erased or has
// expired is no mismatch.
func (l *Log) Confirms(ctx context.Context, pos bridge.Position) (bool, error) {
	if pos.Seq == 0 {
		return true, nil
	}
	last, err := l.Last(ctx)
	if err != nil {
		return false, err
	}
	if pos.Epoch != l.Epoch() || pos.Seq > last.Seq {
		return false, nil
	}
	at, there, err := l.At(ctx, pos.Seq)
	return !there || at.Equal(pos.Time), err
}

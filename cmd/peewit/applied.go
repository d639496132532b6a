package main

import (
	"context"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/eventlog"
)

// appliedLog is the log for those who ask the registry about the records they
// follow: each comes when this process has applied it, so that whoever subscribed
// before a post in the log is known when the post comes.
type appliedLog struct {
	*eventlog.Log
	archive *archive.Archive
}

// Follow is [eventlog.Log.Follow], behind the archive.
func (l appliedLog) Follow(ctx context.Context, after uint64, fn func(rec *bridge.Record, pending uint64) error) error {
	return l.Log.Follow(ctx, after, func(rec *bridge.Record, pending uint64) error {
		if err := l.archive.WaitFor(ctx, rec.Seq); err != nil {
			return err
		}
		return fn(rec, pending)
	})
}

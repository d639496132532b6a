package eventlog

import (
	"fmt"
	"log/slog"
	"syscall"

	"peewit/bridge"
)

// leastFree is the free space below which a small disk counts as full; on a
// large one it is a twentieth of the disk.
const leastFree = 1 << 30

// diskRoom is what is free on the file system of dir for this user, and how much
// must be free for the log to take records.
func diskRoom(dir string) (free, want uint64, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	block := uint64(fs.Bsize)
	return fs.Bavail * block, max(leastFree, fs.Blocks*block/20), nil
}

// Writable says whether the log takes records now: nil, or the refusal that
// Append would answer.
func (l *Log) Writable() error {
	if l.server == nil {
		if !l.nc.IsConnected() {
			return unavailable(fmt.Errorf("not connected to the log's server"))
		}
		return nil
	}
	if err := l.server.sick(); err != nil {
		return diskFull(err)
	}
	free, want, err := l.server.room(l.server.dir)
	if err != nil {
		return &bridge.Error{Condition: bridge.InternalError, Text: "nothing can be stored here now; try again later", Err: err}
	}
	full := free < want
	if l.full.Swap(full) != full {
		if full {
			l.logger.Error("disk nearly full: the log takes no more records", slog.Uint64("free_bytes", free), slog.Uint64("want_bytes", want))
		} else {
			l.logger.Info("disk has room again: the log takes records", slog.Uint64("free_bytes", free))
		}
	}
	if full {
		return diskFull(fmt.Errorf("%d MiB free, %d MiB needed", free>>20, want>>20))
	}
	return nil
}

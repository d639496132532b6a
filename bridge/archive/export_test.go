package archive

import (
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// OpenOn is Open on another file system.
func OpenOn(dir string, files vfs.FS, logger *slog.Logger) (*Archive, error) {
	return open(dir, files, usual, logger)
}

// OpenSmall is OpenOn with a memory that is soon full: each batch is written at
// a few kilobytes, and at once to disk.
func OpenSmall(dir string, files vfs.FS, logger *slog.Logger) (*Archive, error) {
	return open(dir, files, sizes{cache: 1 << 20, memtable: 64 << 10, spill: 33 << 10}, logger)
}

// ParseRows reads a value as each kind of row.
func ParseRows(value []byte) {
	_, _ = parseNode(value)
	_, _ = parsePlace(value)
	_, _ = parseVersion(value)
	_, _ = parseEntry(value)
	_, _ = parseTotals(value)
	_, _ = parseState(value)
}

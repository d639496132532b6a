package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"peewit/bridge"
)

func positionFile(dir string) string { return filepath.Join(dir, "position.json") }

// loadPosition reads the position beside the index; none is the zero position.
func loadPosition(dir string) (bridge.Position, error) {
	var pos bridge.Position
	data, err := os.ReadFile(positionFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return pos, nil
	}
	if err != nil {
		return pos, err
	}
	if err := json.Unmarshal(data, &pos); err != nil {
		return pos, fmt.Errorf("read %s: %w", positionFile(dir), err)
	}
	return pos, nil
}

// savePosition replaces the position beside the index as one step: after a
// crash there is the old or the new one. It is not synced; an old position costs
// indexing some posts twice, which changes nothing.
func savePosition(dir string, pos bridge.Position) error {
	data, err := json.Marshal(pos)
	if err != nil {
		return err
	}
	draft := positionFile(dir) + ".new"
	if err := os.WriteFile(draft, data, 0o600); err != nil {
		return err
	}
	return os.Rename(draft, positionFile(dir))
}

func removePosition(dir string) error {
	err := os.Remove(positionFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

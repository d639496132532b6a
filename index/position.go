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

// format is the number of what documents are made of. An index of another format
// is dropped.
const format = 1

// standing is the position as it is on disk.
type standing struct {
	Format int `json:"format"`
	bridge.Position
}

func positionFile(dir string) string { return filepath.Join(dir, "position.json") }

// loadPosition reads the position beside the index; none is the zero position.
func loadPosition(dir string) (bridge.Position, error) {
	data, err := os.ReadFile(positionFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return bridge.Position{}, nil
	}
	if err != nil {
		return bridge.Position{}, err
	}
	var s standing
	if err := json.Unmarshal(data, &s); err != nil {
		return bridge.Position{}, fmt.Errorf("read %s: %w", positionFile(dir), err)
	}
	if s.Format != format {
		return bridge.Position{}, fmt.Errorf("read %s: format %d is not %d", positionFile(dir), s.Format, format)
	}
	return s.Position, nil
}

// savePosition replaces the position beside the index as one step: after a
// crash there is the old or the new one. It is not synced; an old position costs
// indexing some posts twice, which changes nothing.
func savePosition(dir string, pos bridge.Position) error {
	data, err := json.Marshal(standing{format, pos})
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

package index

import (
	"fmt"
	"os"
	"path/filepath"

	"peewit/bridge"

	"github.com/blevesearch/bleve/v2/index/scorch"
)

// HasWord reports whether a word is in a file of the index, deleted or not.
func (x *Index) HasWord(word string) (bool, error) {
	dict, err := x.store.FieldDictRange(fieldWord, []byte(word), []byte(word))
	if err != nil {
		return false, err
	}
	entry, err := dict.Next()
	found := entry != nil && entry.Term == word
	if cerr := dict.Close(); err == nil {
		err = cerr
	}
	return found, err
}

// Files are the files that hold documents. It is an error if there is one that
// the index does not use.
func (x *Index) Files() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(x.store.dir, "store", "*.zap"))
	if err != nil {
		return nil, err
	}
	inner, err := x.store.Advanced()
	if err != nil {
		return nil, err
	}
	reader, err := inner.Reader()
	if err != nil {
		return nil, err
	}
	segments := reader.(*scorch.IndexSnapshot).Segments()
	for _, s := range segments {
		if _, err := os.Lstat(filepath.Join(x.store.dir, "store", fmt.Sprintf("%012x.zap", s.Id()))); err != nil {
			return nil, err
		}
	}
	if len(files) != len(segments) {
		err = fmt.Errorf("%d files for %d segments", len(files), len(segments))
	}
	if cerr := reader.Close(); err == nil {
		err = cerr
	}
	return files, err
}

// Repair is what Run does when the store broke after it had begun at a sequence.
func (x *Index) Repair(from uint64) error { return x.repair(bridge.Position{Seq: from}) }

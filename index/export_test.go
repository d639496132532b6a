package index

import (
	"errors"
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

// Files are the files that the index uses now. Bleve removes those that it does
// not use any more when it comes to it.
func (x *Index) Files() ([]string, error) {
	inner, err := x.store.Advanced()
	if err != nil {
		return nil, err
	}
	reader, err := inner.Reader()
	if err != nil {
		return nil, err
	}
	var files []string
	for _, s := range reader.(*scorch.IndexSnapshot).Segments() {
		file := filepath.Join(x.store.dir, "store", fmt.Sprintf("%012x.zap", s.Id()))
		if _, err := os.Lstat(file); err != nil {
			return nil, errors.Join(err, reader.Close())
		}
		files = append(files, file)
	}
	return files, reader.Close()
}

// Repair is what Run does when the store broke after it had begun at a sequence.
func (x *Index) Repair(from uint64) error { return x.repair(bridge.Position{Seq: from}) }

package index

import "path/filepath"

// HasWord reports whether a word is in the files of the index, deleted or not.
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

// Files are the files that hold documents.
func (x *Index) Files() ([]string, error) {
	return filepath.Glob(filepath.Join(x.store.dir, "store", "*.zap"))
}

package index

import "sync"

// staleDocs are documents that searches found and the archive did not. A post
// ends without a record of its own when its node holds more than it may, or
// when the log forgets it; its document goes with the next batch.
type staleDocs struct {
	mu  sync.Mutex
	ids map[string]bool
}

// maxStale bounds how many are noted. The others are found again.
const maxStale = 1000

func (s *staleDocs) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = make(map[string]bool)
	}
	if len(s.ids) < maxStale {
		s.ids[id] = true
	}
}

// take returns what was noted, and forgets it.
func (s *staleDocs) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, 0, len(s.ids))
	for id := range s.ids {
		ids = append(ids, id)
	}
	s.ids = nil
	return ids
}

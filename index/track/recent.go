package track

import (
	"slices"

	"peewit/bridge"
)

// recentItems bounds how many items' planets are remembered. A planet refers to
// a post soon after it is published; one that is forgotten may be pushed twice
// for a query that names several planets.
const recentItems = 16_384

// recent remembers which planets show the items seen last.
type recent struct {
	planets map[string][]string // by node and item
	order   []string            // a ring of the keys in planets, the oldest at next
	next    int
}

func newRecent(size int) recent {
	return recent{planets: make(map[string][]string), order: make([]string, size)}
}

func recentKey(nodeID, item string) string { return bridge.Hash(nodeID, item) }

func (r *recent) of(nodeID, item string) []string { return r.planets[recentKey(nodeID, item)] }

// add notes that a planet shows an item, and returns all that do.
func (r *recent) add(nodeID, item, planet string) []string {
	key := recentKey(nodeID, item)
	shown, known := r.planets[key]
	if slices.Contains(shown, planet) {
		return shown
	}
	if !known {
		delete(r.planets, r.order[r.next])
		r.order[r.next] = key
		r.next = (r.next + 1) % len(r.order)
	}
	r.planets[key] = append(slices.Clip(shown), planet)
	return r.planets[key]
}

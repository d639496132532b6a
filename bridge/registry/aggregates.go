package registry

import (
	"slices"

	"peewit/bridge"
)

// Source is the source with an id.
func (r *Registry) Source(id string) (bridge.Source, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, ok := r.sources[id]
	return s, ok
}

// Sources is all sources by id.
func (r *Registry) Sources() []bridge.Source {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return sorted(r.sources)
}

// Planet is the planet with a name.
func (r *Registry) Planet(name string) (bridge.Planet, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	p, ok := r.planets[name]
	p.Sources = slices.Clone(p.Sources)
	return p, ok
}

// Planets is all planets by name.
func (r *Registry) Planets() []bridge.Planet {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := sorted(r.planets)
	for i := range all {
		all[i].Sources = slices.Clone(all[i].Sources)
	}
	return all
}

// Track is the track with an id.
func (r *Registry) Track(id string) (bridge.Track, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	t, ok := r.tracks[id]
	return t, ok
}

// Tracks is all tracks by id.
func (r *Registry) Tracks() []bridge.Track {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return sorted(r.tracks)
}

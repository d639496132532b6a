package track

import (
	"cmp"
	"slices"

	"peewit/bridge"
)

// tracks are the tracks by the handles under which the matcher knows them. A
// handle is never used again.
type tracks struct {
	byHandle map[uint32]bridge.Track
	handles  map[string]uint32 // by id
	next     uint32
}

func newTracks() tracks {
	return tracks{byHandle: make(map[uint32]bridge.Track), handles: make(map[string]uint32)}
}

func (t *tracks) put(track bridge.Track) (handle uint32) {
	handle = t.next
	t.next++
	t.byHandle[handle] = track
	t.handles[track.ID] = handle
	return handle
}

func (t *tracks) count() int { return len(t.handles) }

func (t *tracks) update(handle uint32, track bridge.Track) { t.byHandle[handle] = track }

func (t *tracks) byID(id string) (bridge.Track, uint32, bool) {
	handle, ok := t.handles[id]
	return t.byHandle[handle], handle, ok
}

func (t *tracks) remove(id string) {
	delete(t.byHandle, t.handles[id])
	delete(t.handles, id)
}

// sorted are the tracks of handles, in the order in which they are pushed.
func (t *tracks) sorted(handles []uint32) []bridge.Track {
	list := make([]bridge.Track, 0, len(handles))
	for _, h := range handles {
		if track, ok := t.byHandle[h]; ok {
			list = append(list, track)
		}
	}
	slices.SortFunc(list, func(a, b bridge.Track) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

package aggregate

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"peewit/bridge"
)

// state is what is remembered of a source between polls.
type state struct {
	ETag         string    `json:"etag,omitempty"`          // byte for byte
	LastModified string    `json:"last_modified,omitempty"` // likewise
	Body         string    `json:"body,omitempty"`          // hash of the document that was taken in last
	Success      time.Time `json:"success,omitzero"`
	Next         time.Time `json:"next,omitzero"`
	Titled       time.Time `json:"titled,omitzero"` // when the title was last taken over
	Entries      int       `json:"entries,omitempty"`
	Failures     int       `json:"failures,omitempty"` // in a row
	Error        string    `json:"error,omitempty"`    // of the last poll
}

// Health is how a source is.
type Health struct {
	Source   bridge.Source
	Success  time.Time // when it was last fetched; zero = never
	Next     time.Time // when it will be fetched next; zero = at once
	Entries  int       // in the feed when it was last read
	Failures int       // in a row
	Error    string    // what is wrong, in a sentence; "" = nothing
}

// Health is how all sources are, in the order of their ids.
func (a *Aggregator) Health(ctx context.Context) ([]Health, error) {
	var all []Health
	for _, source := range a.Registry.Sources() {
		s, err := a.load(ctx, source.ID)
		if err != nil {
			return nil, fmt.Errorf("read health of %s: %w", source.URL, err)
		}
		all = append(all, Health{
			Source: source, Success: s.Success, Next: s.Next,
			Entries: s.Entries, Failures: s.Failures, Error: s.Error,
		})
	}
	return all, nil
}

func stateKey(id string) string { return "source/" + id }

// load is the state of a source; one that was never polled, or whose state
// nobody can read any more, has the zero state.
func (a *Aggregator) load(ctx context.Context, id string) (state, error) {
	var s state
	raw, err := a.Log.Get(ctx, stateKey(id))
	if err != nil || len(raw) == 0 {
		return s, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		a.Logger.Warn("state of a source is unreadable", slog.String("source", id), slog.Any("err", err))
		return state{}, nil
	}
	return s, nil
}

func (a *Aggregator) save(ctx context.Context, id string, s state) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return a.Log.Put(ctx, stateKey(id), raw, 0)
}

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
	Of           time.Time `json:"of"`                      // when the source was made
	ETag         string    `json:"etag,omitempty"`          // byte for byte
	LastModified string    `json:"last_modified,omitempty"` // likewise
	Body         string    `json:"body,omitempty"`          // hash of the document that was taken in last
	Success      time.Time `json:"success,omitzero"`
	Next         time.Time `json:"next,omitzero"`
	Titled       time.Time `json:"titled,omitzero"` // when the title was last taken over
	Entries      int       `json:"entries,omitempty"`
	Failures     int       `json:"failures,omitempty"` // in a row
	Error        string    `json:"error,omitempty"`    // of the last poll
	Refused      bool      `json:"refused,omitempty"`  // it was our own configuration that refused the last poll
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
		s, err := a.load(ctx, source)
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

// load is the state of a source. Nothing is remembered of one that was never
// polled, whose state nobody can read any more, or that was removed and made
// anew: its node is empty.
func (a *Aggregator) load(ctx context.Context, source bridge.Source) (state, error) {
	fresh := state{Of: source.Created}
	raw, err := a.Log.Get(ctx, stateKey(source.ID))
	if err != nil || len(raw) == 0 {
		return fresh, err
	}
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		a.Logger.Warn("state of a source is unreadable", slog.String("source", source.ID), slog.Any("err", err))
		return fresh, nil
	}
	if !s.Of.Equal(source.Created) {
		return fresh, nil
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

package main

import (
	"context"
	"time"

	"peewit/aggregate"
)

// keepEntries is how long the log keeps what was taken in from feeds. What
// accounts here publish is kept for ever.
const keepEntries = 400 * 24 * time.Hour

func (h *house) openFeeds(context.Context) error {
	feeds, err := aggregate.New(aggregate.Options{
		Domain: h.svc.Domain(), Client: h.client, Log: h.log,
		Registry: h.svc.Registry(), Archive: h.svc.Archive(),
		Posts: h.svc.Posts, Titles: h.svc.Planets,
		Keep: keepEntries, Logger: h.logger,
	})
	h.feeds = feeds
	return err
}

// sourceRows is how all sources are.
func sourceRows(ctx context.Context, feeds *aggregate.Aggregator) ([]sourceRow, error) {
	all, err := feeds.Health(ctx)
	if err != nil {
		return nil, err
	}
	var rows []sourceRow
	for _, s := range all {
		rows = append(rows, sourceRow{
			ID: s.Source.ID, URL: s.Source.URL, Title: s.Source.Title,
			Entries: s.Entries, Success: s.Success, Next: s.Next, Error: s.Error,
		})
	}
	return rows, nil
}

package aggregate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"peewit/aggregate/feed"
	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/service"
)

// How much goes into one publish.
const (
	batchItems = 50
	batchBytes = 256 << 10
)

// take publishes what a document has that is news to the source's node, oldest
// first, and returns how many posts that were.
func (a *Aggregator) take(ctx context.Context, source bridge.Source, doc *feed.Document) (news int, err error) {
	addr := a.feedAddr(source.ID)
	node, ok := a.Registry.Node(addr)
	if !ok {
		return 0, fmt.Errorf("take in %s: there is no node %s", source.URL, addr.Name)
	}
	now := time.Now().UTC().Truncate(time.Second)
	var batch []service.NewItem
	size := 0
	flush := func() error {
		n, err := a.publish(ctx, source, addr, batch)
		news += n
		batch, size = nil, 0
		return err
	}
	for _, post := range oldestFirst(doc.Posts) {
		id := itemID(post)
		known, exists, err := a.Archive.Item(node.ID, id)
		if err != nil {
			return news, fmt.Errorf("take in %s: %w", source.URL, err)
		}
		if exists && known.Retracted {
			continue // taken out by somebody here: it does not come back
		}
		var payload []byte
		if exists {
			payload = revised(known.Payload, entry(source, doc.Feed, addr, post), now)
		} else {
			payload = atom.Render(dated(entry(source, doc.Feed, addr, post), now))
		}
		if payload == nil {
			continue
		}
		if len(batch) == batchItems || len(batch) > 0 && size+len(payload) > batchBytes {
			if err := flush(); err != nil {
				return news, err
			}
		}
		batch, size = append(batch, service.NewItem{ID: id, Payload: payload}), size+len(payload)
	}
	return news, flush()
}

// publish publishes a batch; when it is refused for what is in it, its items one
// by one, so that one bad entry costs only itself.
func (a *Aggregator) publish(ctx context.Context, source bridge.Source, addr bridge.Addr, batch []service.NewItem) (int, error) {
	if len(batch) == 0 {
		return 0, nil
	}
	_, err := a.Posts.Publish(ctx, service.Publish{
		Actor: a.Domain, Addr: addr, Items: batch, TTL: a.Keep,
		Origin: bridge.Origin{Door: "feed", Site: source.URL},
	})
	switch {
	case err == nil:
		return len(batch), nil
	case !aboutContent(err):
		return 0, fmt.Errorf("take in %s: %w", source.URL, err)
	case len(batch) == 1:
		a.Logger.Warn("entry refused", slog.String("url", source.URL), slog.String("item", batch[0].ID), slog.Any("err", err))
		return 0, nil
	}
	total := 0
	for _, item := range batch {
		n, err := a.publish(ctx, source, addr, []service.NewItem{item})
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// aboutContent reports whether a refusal is about what was published and would
// be given again.
func aboutContent(err error) bool {
	var refusal *bridge.Error
	if !errors.As(err, &refusal) {
		return false
	}
	switch refusal.Condition {
	case bridge.NotAcceptable, bridge.BadRequest, bridge.PolicyViolation:
		return true
	}
	return false
}

// oldestFirst orders posts for publishing: by date when each has one, else in
// the reverse of the feed's order, which is newest first.
func oldestFirst(posts []bridge.Post) []bridge.Post {
	out := slices.Clone(posts)
	slices.Reverse(out)
	for _, p := range out {
		if when(p).IsZero() {
			return out
		}
	}
	slices.SortStableFunc(out, func(x, y bridge.Post) int { return when(x).Compare(when(y)) })
	return out
}

func when(p bridge.Post) time.Time {
	if p.Published.IsZero() {
		return p.Updated
	}
	return p.Published
}

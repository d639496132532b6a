package aggregate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"peewit/bridge"
	"peewit/bridge/fetch"
)

// The bounds of polling.
const (
	maxPolls   = 16             // at once
	maxBackoff = 24 * time.Hour // between two polls of a source that fails
	// retitle is how long a title stays before a feed may change it again.
	retitle = 24 * time.Hour
	accept  = "application/atom+xml, application/feed+json, application/rss+xml, application/rdf+xml;q=0.9, application/xml;q=0.8, text/xml;q=0.8, */*;q=0.1"
)

// life is one life of a source: removed and made anew it is another one, with
// the same id.
type life struct {
	id      string
	created time.Time
}

// poll keeps one goroutine for each source that there is, until ctx ends.
func (a *Aggregator) poll(ctx context.Context) {
	var pollers sync.WaitGroup
	defer pollers.Wait()
	running := make(map[life]context.CancelFunc)
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	for {
		there := make(map[life]bool)
		for _, source := range a.Registry.Sources() {
			this := life{source.ID, source.Created}
			there[this] = true
			if running[this] != nil {
				continue
			}
			own, stop := context.WithCancel(ctx)
			running[this] = stop
			pollers.Go(func() { a.follow(own, source) })
		}
		for known, stop := range running {
			if !there[known] {
				stop()
				delete(running, known)
			}
		}
		select {
		case <-a.changed:
		case <-ctx.Done():
			return
		}
	}
}

// notice tells poll that sources may have come or gone.
func (a *Aggregator) notice() {
	select {
	case a.changed <- struct{}{}:
	default: // it will look in any case
	}
}

// follow polls one source again and again.
func (a *Aggregator) follow(ctx context.Context, source bridge.Source) {
	s, err := a.load(ctx, source)
	if err != nil {
		a.Logger.Warn("state of a source cannot be read", slog.String("url", source.URL), slog.Any("err", err))
	}
	if s.Refused { // the configuration may be another one by now
		s.Next = time.Time{}
	}
	for {
		if !sleep(ctx, time.Until(s.Next)) {
			return
		}
		a.visit(ctx, source, &s)
		if ctx.Err() != nil {
			return // what was cut short says nothing of the source
		}
		if err := a.save(ctx, source.ID, s); err != nil {
			a.Logger.Warn("state of a source cannot be kept", slog.String("url", source.URL), slog.Any("err", err))
		}
	}
}

// visit polls a source once and notes how it went and when to come again.
func (a *Aggregator) visit(ctx context.Context, source bridge.Source, s *state) {
	begun := time.Now()
	news, err := a.fetch(ctx, source, s)
	now := time.Now().UTC().Truncate(time.Second)
	log := a.Logger.With(slog.String("url", source.URL), slog.Duration("took", time.Since(begun)))
	if err != nil {
		s.Failures++
		s.Error, s.Refused = explain(err), errors.Is(err, fetch.ErrPrivate)
		s.Next = now.Add(a.backoff(now, s.Failures, err))
		log.Info("feed failed", slog.Int("failures", s.Failures), slog.Time("next", s.Next), slog.Any("err", err))
		return
	}
	s.Failures, s.Error, s.Refused, s.Success = 0, "", false, now
	s.Next = now.Add(jitter(a.interval(now)))
	log.Debug("feed polled", slog.Int("news", news), slog.Time("next", s.Next))
}

// fetch asks for what is new and takes it in; news is how many posts that made.
// It holds a slot from when the host is asked until all is taken in: waiting for
// a busy host keeps nobody else waiting.
func (a *Aggregator) fetch(ctx context.Context, source bridge.Source, s *state) (news int, err error) {
	begun := false
	defer func() {
		if begun {
			<-a.slots
		}
	}()
	resp, err := a.Client.Get(ctx, fetch.Request{
		URL: source.URL, ETag: s.ETag, LastModified: s.LastModified, Accept: accept,
		Begin: func(ctx context.Context) error {
			select {
			case a.slots <- struct{}{}:
				begun = true
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		},
	})
	if err != nil {
		return 0, err
	}
	if resp.NotModified {
		return 0, nil
	}
	body := bridge.Hash(string(resp.Body))
	if body != s.Body {
		doc, err := a.parser.Parse(resp.Body, resp.Header.Get("Content-Type"), resp.URL)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", source.URL, err)
		}
		if news, err = a.take(ctx, source, doc); err != nil {
			return news, err
		}
		s.Entries = len(doc.Posts)
		a.retitle(ctx, source.ID, doc.Feed.Title, s)
	}
	s.ETag, s.LastModified, s.Body = resp.ETag(), resp.LastModified(), body
	if resp.Cut { // the rest is still to come
		s.ETag, s.LastModified, s.Body = "", "", ""
	}
	return news, nil
}

// retitle gives the source the title of its feed: at once, then at most once a
// day, for there are feeds whose title is the time.
func (a *Aggregator) retitle(ctx context.Context, id, title string, s *state) {
	source, ok := a.Registry.Source(id)
	if !ok || title == "" || title == source.Title || source.Title != "" && time.Since(s.Titled) < retitle {
		return
	}
	if err := a.Titles.SetSourceTitle(ctx, id, title); err != nil {
		a.Logger.Warn("title of a source cannot be kept", slog.String("url", source.URL), slog.Any("err", err))
		return
	}
	s.Titled = time.Now().UTC().Truncate(time.Second)
}

// interval is the time to the next poll by the schedule.
func (a *Aggregator) interval(now time.Time) time.Duration { return a.schedule.Next(now).Sub(now) }

// backoff is the time to the next poll after so many failures in a row: the
// interval, doubled for each after the first, at most a day; longer when the
// host asks for it.
func (a *Aggregator) backoff(now time.Time, failures int, err error) time.Duration {
	wait := a.interval(now)
	for range failures - 1 {
		if wait *= 2; wait >= maxBackoff {
			break
		}
	}
	wait = jitter(min(wait, maxBackoff))
	var status *fetch.StatusError
	if errors.As(err, &status) && status.RetryAfter > wait {
		wait = status.RetryAfter + rand.N(time.Minute) // not all of its feeds at the same moment
	}
	return wait
}

// jitter is a duration, a tenth more or less, so that what began together does
// not stay together.
func jitter(d time.Duration) time.Duration {
	spread := d / 5
	if spread <= 0 {
		return d
	}
	return d - spread/2 + rand.N(spread)
}

// sleep waits; false means that ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

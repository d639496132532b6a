package aggregate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/aggregate/feed"
	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/fetch"
	"peewit/bridge/service"
)

// rss is a feed of items, each "id" or "id title" or "id title|date".
func rss(items ...string) string {
	var b strings.Builder
	b.WriteString("<rss version='2.0'><channel><title>A feed</title><link>http://site/</link>")
	for _, item := range items {
		item, date, _ := strings.Cut(item, "|")
		id, title, _ := strings.Cut(item, " ")
		fmt.Fprintf(&b, "<item><guid isPermaLink='false'>%s</guid><title>%s</title><pubDate>%s</pubDate></item>", id, title, date)
	}
	b.WriteString("</channel></rss>")
	return b.String()
}

// id is the id of the item that rss(entry) becomes.
func id(entry string) string {
	doc, err := feed.NewParser().Parse([]byte(rss(entry)), "", "")
	if err != nil {
		panic(err)
	}
	return itemID(doc.Posts[0])
}

// titles are the titles of a node's items in order.
func (h *house) titles(t *testing.T, node string) []string {
	t.Helper()
	var out []string
	for _, payload := range h.payloads(node) {
		p, err := atom.Parse([]byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p.Title.Body)
	}
	return out
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAFeedBecomesAPlanet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.serve(rss("3 three", "2 two", "1 one"))
		a, stop := h.run(t, w)
		defer stop()
		synctest.Wait()
		h.plan("planet-go", "site") // while it runs: at once
		synctest.Wait()
		want := []string{id("1"), id("2"), id("3")}
		equal(t, "source", h.ids("feed-site"), want)
		equal(t, "planet", h.ids("planet-go"), want)
		equal(t, "asked", w.times(time.Now()), []time.Duration{0})
		health, err := a.Health(t.Context())
		if err != nil || len(health) != 1 {
			t.Fatal(health, err)
		}
		if got := health[0]; !got.Success.Equal(time.Now()) || got.Entries != 3 || got.Error != "" || got.Source.Title != "A feed" ||
			got.Next.Before(time.Now().Add(27*time.Minute)) || got.Next.After(time.Now().Add(33*time.Minute)) {
			t.Errorf("health %+v", got)
		}
	})
}

func TestASecondPollBringsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.serve(rss("2 two|Sun, 22 Nov 2026 10:00:00 GMT", "1 one"))
		h.plan("planet-go", "site")
		_, stop := h.run(t, w)
		synctest.Wait()
		was := len(h.records)
		payloads := h.payloads("planet-go")
		for _, change := range []string{ // none of them is news
			"<!-- another body -->" + rss("2 two|Sun, 22 Nov 2026 10:00:00 GMT", "1 one"),
			rss("2 two|Sun, 22 Nov 2026 12:00:00 GMT", "1 one|Sun, 22 Nov 2026 12:00:00 GMT"),
			rss("1 one", "2 two"),
			rss("2 two"),
		} {
			w.serve(change)
			<-time.After(time.Hour)
			synctest.Wait()
		}
		stop()
		_, stop = h.run(t, w) // nor is a new start
		<-time.After(time.Hour)
		synctest.Wait()
		stop()
		if len(w.asked) < 4 {
			t.Errorf("asked %d times", len(w.asked))
		}
		equal(t, "records", len(h.records), was)
		equal(t, "payloads", h.payloads("planet-go"), payloads)
	})
}

func TestNewsIsPublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.serve(rss("1 one"))
		h.plan("planet-go", "site")
		_, stop := h.run(t, w)
		defer stop()
		synctest.Wait()
		first, _ := atom.Parse([]byte(h.payloads("planet-go")[0]))
		w.serve(rss("2 two", "1 ONE"))
		<-time.After(time.Hour)
		synctest.Wait()
		equal(t, "titles", h.titles(t, "planet-go"), []string{"ONE", "two"})
		edited, _ := atom.Parse([]byte(h.payloads("planet-go")[0]))
		if !edited.Published.Equal(first.Published) || !edited.Updated.After(first.Updated) {
			t.Errorf("published %v then %v, updated %v then %v", first.Published, edited.Published, first.Updated, edited.Updated)
		}
	})
}

func TestPollingIsConditional(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		cut := true
		w.set(func(r fetch.Request) (*fetch.Response, error) {
			if r.ETag != "" {
				return &fetch.Response{Status: 304, NotModified: true, Header: http.Header{}}, nil
			}
			defer func() { cut = false }()
			return &fetch.Response{Status: 200, URL: r.URL, Cut: cut, Body: []byte(rss("1 one")),
				Header: http.Header{"Etag": {`W/"x\"`}, "Last-Modified": {"some day"}}}, nil
		})
		h.plan("planet-go", "site")
		_, stop := h.run(t, w)
		<-time.After(100 * time.Minute)
		synctest.Wait()
		stop()
		_, stop = h.run(t, w)
		<-time.After(time.Hour)
		stop()
		if len(w.asked) < 4 {
			t.Fatalf("asked %d times", len(w.asked))
		}
		for i, a := range w.asked {
			want := fetch.Request{URL: "http://site/feed", Accept: accept}
			if i > 1 { // the first answer was cut off: its validators name something else
				want.ETag, want.LastModified = `W/"x\"`, "some day"
			}
			equal(t, fmt.Sprint("request ", i), a.Request, want)
		}
	})
}

func TestWhatWeRefusedIsTriedAtTheNextStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		h.plan("planet-go", "site")
		start := time.Now()
		for _, err := range []error{fetch.ErrPrivate, errors.New("no route"), nil} {
			w.set(func(fetch.Request) (*fetch.Response, error) { return nil, err })
			if err == nil {
				w.serve(rss("1 one"))
			}
			_, stop := h.run(t, w) // three starts, one after the other
			synctest.Wait()
			stop()
		}
		// The operator may have allowed the network meanwhile; a server that fails
		// is not asked more often because we start.
		equal(t, "asked", w.times(start), []time.Duration{0, 0})
	})
}

func TestFailuresBackOffAndNeverEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.set(func(fetch.Request) (*fetch.Response, error) { return nil, errors.New("no route") })
		h.plan("planet-go", "site")
		start := time.Now()
		a, stop := h.run(t, w)
		defer stop()
		<-time.After(30 * 24 * time.Hour)
		synctest.Wait()
		times := w.times(start)
		wait := 30 * time.Minute
		for i := 1; i < len(times); i++ {
			if gap := times[i] - times[i-1]; gap < wait*9/10-time.Second || gap > wait*11/10+time.Second {
				t.Errorf("after failure %d it waited %v, want %v", i, gap, wait)
			}
			wait = min(2*wait, 24*time.Hour)
		}
		if len(times) < 30 {
			t.Errorf("asked %d times in 30 days", len(times))
		}
		health, _ := a.Health(t.Context())
		if got := health[0]; got.Failures != len(times) || got.Error != "the feed cannot be fetched: no route" || !got.Success.IsZero() {
			t.Errorf("%+v", got)
		}
		w.serve(rss("1 one"))
		<-time.After(28 * time.Hour)
		synctest.Wait()
		health, _ = a.Health(t.Context())
		if got := health[0]; got.Failures != 0 || got.Error != "" || got.Success.IsZero() || len(h.ids("planet-go")) != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestAHostThatAsksIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.set(func(fetch.Request) (*fetch.Response, error) {
			return nil, fmt.Errorf("get: %w", &fetch.StatusError{Status: 503, RetryAfter: 10 * time.Hour})
		})
		h.plan("planet-go", "site")
		start := time.Now()
		_, stop := h.run(t, w)
		defer stop()
		<-time.After(11 * time.Hour)
		synctest.Wait()
		if times := w.times(start); len(times) != 2 || times[1] < 10*time.Hour || times[1] > 10*time.Hour+time.Minute {
			t.Errorf("asked at %v", times)
		}
	})
}

func TestSourcesDoNotStayTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.serve(rss())
		for i := range 100 {
			h.plan("planet-go", fmt.Sprint("site", i))
		}
		start := time.Now()
		_, stop := h.run(t, w)
		defer stop()
		<-time.After(24 * time.Hour)
		synctest.Wait()
		minutes := make(map[time.Duration]int)
		for _, at := range w.times(start) {
			minutes[at/time.Minute]++
		}
		for minute, n := range minutes {
			if minute > 12*60 && n > 20 {
				t.Errorf("%d polls in minute %d", n, minute)
			}
		}
		if n := len(w.asked); n < 4700 || n > 5100 {
			t.Errorf("%d polls in a day", n)
		}
	})
}

func TestPollsAtOnceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		var mu sync.Mutex
		asking, most := 0, 0
		slow := getter(func(ctx context.Context, r fetch.Request) (*fetch.Response, error) {
			if r.URL == "http://busy/feed" { // its turn never comes; it must not take a slot
				<-ctx.Done()
				return nil, ctx.Err()
			}
			if err := r.Begin(ctx); err != nil {
				return nil, err
			}
			mu.Lock()
			asking++
			most = max(most, asking)
			mu.Unlock()
			<-time.After(time.Second)
			mu.Lock()
			asking--
			mu.Unlock()
			return w.answer(r)
		})
		w.serve(rss())
		h.plan("planet-go", "busy")
		for i := range 3 * maxPolls {
			h.plan("planet-go", fmt.Sprint("site", i))
		}
		start := time.Now()
		a, stop := h.run(t, slow)
		defer stop()
		<-time.After(3 * time.Second)
		synctest.Wait()
		health, err := a.Health(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for _, got := range health {
			if !got.Success.IsZero() {
				done++
			}
		}
		if most != maxPolls || done != 3*maxPolls {
			t.Errorf("%d at once, %d done after %v", most, done, time.Since(start))
		}
	})
}

func TestARemovedSourceIsPolledNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.serve(rss("1 one"))
		h.plan("planet-go", "site")
		_, stop := h.run(t, w)
		defer stop()
		synctest.Wait()
		h.remove("site")
		<-time.After(24 * time.Hour)
		synctest.Wait()
		equal(t, "polls", len(w.asked), 1)
	})
}

func TestASourceMadeAnewIsFetchedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.set(func(r fetch.Request) (*fetch.Response, error) {
			if r.ETag != "" {
				return &fetch.Response{Status: 304, NotModified: true, URL: r.URL, Header: http.Header{}}, nil
			}
			return &fetch.Response{Status: 200, URL: r.URL, Header: http.Header{"Etag": {"1"}}, Body: []byte(rss("1 one"))}, nil
		})
		h.plan("planet-go", "site")
		_, stop := h.run(t, w)
		defer stop()
		synctest.Wait()
		<-time.After(time.Minute)
		h.remove("site")
		h.plan("planet-go", "site") // before anybody could look
		synctest.Wait()
		equal(t, "source", h.ids("feed-site"), []string{id("1")})
	})
}

func TestABadEntryCostsOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		h.refuse = func(item service.NewItem) error {
			if strings.Contains(string(item.Payload), "bad") {
				return fmt.Errorf("publish: %w", bridge.Refuse(bridge.NotAcceptable, "no"))
			}
			return nil
		}
		w.serve(rss("3 three", "2 bad", "1 one"))
		h.plan("planet-go", "site")
		_, stop := h.run(t, w)
		defer stop()
		synctest.Wait()
		equal(t, "titles", h.titles(t, "planet-go"), []string{"one", "three"})
	})
}

func TestAFullDiskLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		h.refuse = func(service.NewItem) error { return bridge.Refuse(bridge.ResourceConstraint, "The disk is full.") }
		w.set(func(r fetch.Request) (*fetch.Response, error) {
			if r.ETag != "" {
				return &fetch.Response{Status: 304, NotModified: true, Header: http.Header{}}, nil
			}
			return &fetch.Response{Status: 200, URL: r.URL, Header: http.Header{"Etag": {`"x"`}}, Body: []byte(rss("1 one"))}, nil
		})
		h.plan("planet-go", "site")
		a, stop := h.run(t, w)
		defer stop()
		synctest.Wait()
		if health, _ := a.Health(t.Context()); !strings.Contains(health[0].Error, "The disk is full.") {
			t.Errorf("%+v", health)
		}
		h.mu.Lock()
		h.refuse = nil
		h.mu.Unlock()
		<-time.After(time.Hour)
		synctest.Wait()
		equal(t, "planet", h.ids("planet-go"), []string{id("1")})
	})
}

func TestWhatWasTakenOutStaysOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.serve(rss("1 one"))
		h.plan("planet-go", "site")
		_, stop := h.run(t, w)
		defer stop()
		synctest.Wait()
		h.mu.Lock()
		item := h.find("node feed-site", id("1"))
		item.Retracted, item.Payload = true, nil
		was := len(h.records)
		h.mu.Unlock()
		w.serve(rss("1 one, edited"))
		<-time.After(time.Hour)
		synctest.Wait()
		equal(t, "records", len(h.records), was)
	})
}

func TestTitlesThatAreTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.set(func(r fetch.Request) (*fetch.Response, error) {
			body := strings.Replace(rss("1 one"), "A feed", time.Now().String(), 1)
			return &fetch.Response{Status: 200, URL: r.URL, Header: http.Header{}, Body: []byte(body)}, nil
		})
		h.plan("planet-go", "site")
		_, stop := h.run(t, w)
		defer stop()
		<-time.After(49 * time.Hour)
		synctest.Wait()
		titled := 0
		for _, rec := range h.records {
			if rec.Source != nil && rec.Source.Title != "" {
				titled++
			}
		}
		equal(t, "titles", titled, 3)
		equal(t, "posts", len(h.ids("feed-site")), 1)
	})
}

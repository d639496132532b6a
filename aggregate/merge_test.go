package aggregate

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"peewit/bridge"
	"peewit/bridge/fetch"
)

func TestAPlanetGainsAKnownSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		var items, want []string
		for i := range 250 { // more than a page of the backfill
			items = append([]string{fmt.Sprintf("%d title", i)}, items...)
			want = append(want, id(fmt.Sprint(i)))
		}
		w.serve(rss(items...))
		h.plan("one", "site")
		_, stop := h.run(t, w)
		synctest.Wait()
		h.plan("two", "site")
		synctest.Wait()
		equal(t, "planet two", h.ids("two"), want)
		stop()
		h.plan("three", "site") // while nobody looks
		_, stop = h.run(t, w)
		defer stop()
		synctest.Wait()
		equal(t, "planet three", h.ids("three"), want)
		refers := h.refers
		h.plan("three") // a change that brings no source
		synctest.Wait()
		equal(t, "references", h.refers, refers)
	})
}

func TestAPostEntersAPlanetOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.set(func(r fetch.Request) (*fetch.Response, error) { // the same entry by two feeds, each in its own words
			return &fetch.Response{Status: 200, URL: r.URL, Header: http.Header{}, Body: []byte(rss("1 " + strings.Trim(r.URL, "htp:/fed")))}, nil
		})
		h.plan("planet", "a.example")
		_, stop := h.run(t, w)
		defer stop()
		synctest.Wait()
		h.plan("planet", "b.example")
		<-time.After(2 * time.Hour)
		synctest.Wait()
		equal(t, "planet", len(h.ids("planet")), 1)
		equal(t, "references", len(h.keys), 1) // however often it was asked for
		equal(t, "other source", len(h.ids("feed-b.example")), 1)
	})
}

func TestMergingGoesOnAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.serve(rss("2 two", "1 one"))
		h.plan("planet", "site")
		h.refer = bridge.Refuse(bridge.ResourceConstraint, "The disk is full.")
		_, stop := h.run(t, w)
		synctest.Wait()
		equal(t, "source", len(h.ids("feed-site")), 2)
		equal(t, "planet", len(h.ids("planet")), 0)
		stop() // published, not yet merged
		h.refer = nil
		_, stop = h.run(t, w)
		synctest.Wait()
		equal(t, "planet", h.ids("planet"), []string{id("1"), id("2")})
		stop()
	})
}

func TestMergingWaitsForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.serve(rss("1 one"))
		_, stop := h.run(t, w)
		defer stop()
		synctest.Wait()
		h.setAway(errors.New("nobody answers"))
		h.plan("planet-go", "site")
		<-time.After(time.Minute)
		h.setAway(nil)
		<-time.After(lastRetry)
		synctest.Wait()
		equal(t, "planet", h.ids("planet-go"), []string{id("1")})
	})
}

func TestMergingWaitsForSpace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.serve(rss("1 one"))
		h.plan("planet", "site")
		h.refer = bridge.Refuse(bridge.ResourceConstraint, "The disk is full.")
		_, stop := h.run(t, w)
		defer stop()
		<-time.After(10 * time.Minute)
		h.mu.Lock()
		if h.refers < 10 || h.refers > 30 {
			t.Errorf("tried %d times", h.refers)
		}
		h.refer = nil
		h.mu.Unlock()
		<-time.After(lastRetry)
		synctest.Wait()
		equal(t, "planet", h.ids("planet"), []string{id("1")})
	})
}

func TestAnotherLogIsMergedFromItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, w := newHouse(), new(web)
		w.serve(rss("1 one"))
		h.plan("planet", "site")
		for _, place := range []string{`{"epoch":"other","seq":3}`, `{"epoch":"epoch","seq":999}`, "nonsense"} {
			h.work[mergedKey] = []byte(place)
			_, stop := h.run(t, w)
			synctest.Wait()
			stop()
		}
		equal(t, "planet", h.ids("planet"), []string{id("1")})
	})
}

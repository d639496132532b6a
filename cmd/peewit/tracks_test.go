package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"peewit/bridge"
	"peewit/bridge/archive"
)

func numbered(n int) []bridge.Item {
	var items []bridge.Item
	for i := range n {
		items = append(items, bridge.Item{First: uint64(i + 1), Payload: []byte(strings.Repeat("x", 10))})
	}
	return items
}

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		q        archive.Query
		from, to int
	}{
		{archive.Query{Max: 3}, 0, 3},
		{archive.Query{Max: 30}, 0, 10},
		{archive.Query{}, 0, 0},
		{archive.Query{Max: 3, After: "4"}, 4, 7},
		{archive.Query{Max: 3, After: "9"}, 9, 10},
		{archive.Query{Max: 3, After: "10"}, 10, 10},
		{archive.Query{Max: 3, HasBefore: true}, 7, 10},
		{archive.Query{Max: 3, HasBefore: true, Before: "5"}, 1, 4},
		{archive.Query{Max: 3, HasBefore: true, Before: "1"}, 0, 0},
		{archive.Query{Max: 3, MaxBytes: 15}, 0, 1},
		{archive.Query{Max: 3, MaxBytes: 5}, 0, 1},
		{archive.Query{Max: 3, HasBefore: true, MaxBytes: 25}, 8, 10},
		{archive.Query{Max: 9, After: "2", Before: "6", HasBefore: true}, 2, 5},
	} {
		from, to, err := window(numbered(10), c.q)
		if err != nil || from != c.from || to != c.to {
			t.Errorf("%+v: %d to %d, %v, want %d to %d", c.q, from, to, err, c.from, c.to)
		}
	}
	if _, _, err := window(numbered(10), archive.Query{Max: 3, After: "11"}); !bridge.Is(err, bridge.ItemNotFound) {
		t.Errorf("an anchor that is not there: %v", err)
	}
}

// Paging through a list, in either direction, shows each item once.
func TestWindowPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := numbered(rapid.IntRange(0, 40).Draw(t, "items"))
		q := archive.Query{
			Max:       rapid.IntRange(1, 12).Draw(t, "max"),
			HasBefore: rapid.Bool().Draw(t, "backwards"),
			MaxBytes:  rapid.SampledFrom([]int{0, 1, 35}).Draw(t, "bytes"),
		}
		var seen []string
		for range len(items) + 1 {
			from, to, err := window(items, q)
			if err != nil {
				t.Fatal(err)
			}
			if from == to {
				break
			}
			var page []string
			for _, item := range items[from:to] {
				page = append(page, noticeID(item))
			}
			if q.HasBefore {
				seen = append(page, seen...)
				q.Before = page[0]
			} else {
				seen = append(seen, page...)
				q.After = page[len(page)-1]
			}
		}
		want := make([]string, len(items))
		for i := range items {
			want[i] = fmt.Sprint(i + 1)
		}
		if !slices.Equal(seen, want) {
			t.Errorf("pages show %v", seen)
		}
	})
}

package index

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRangeTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		near := rapid.Int64Range(-100, endOfTime+100)
		from, before, at := near.Draw(t, "from"), near.Draw(t, "before"), near.Draw(t, "at")
		if rapid.Bool().Draw(t, "close") { // to the border
			at = rapid.SampledFrom([]int64{from - 1, from, from + 1, before - 1, before, before + 1}).Draw(t, "border")
		}
		at = min(max(at, 0), endOfTime-1)
		tokens := rangeTokens(from, before)
		if len(tokens) > 2*64*6 {
			t.Fatalf("%d tokens", len(tokens))
		}
		common := 0
		for _, token := range timeTokens(time.Unix(at, 0)) {
			if slices.Contains(tokens, token) {
				common++
			}
		}
		if in := from <= at && at < before; in != (common == 1) || common > 1 {
			t.Fatalf("%d is in [%d, %d): %v, with %d tokens", at, from, before, in, common)
		}
	})
}

package index

import (
	"strconv"
	"time"
)

// A time is found by tokens: one for the second and one for each larger block of
// seconds that it lies in, each 64 times the one before. A range is the blocks
// that cover it, at most 126 of a size. That is a third of the terms that Bleve
// would store for a number.
const (
	blockBits = 6
	maxShift  = 5 * blockBits // blocks of 34 years
	endOfTime = 1 << 33       // the year 2242
)

func timeToken(second int64, shift int) string {
	return strconv.Itoa(shift) + "." + strconv.FormatInt(second>>shift, 36)
}

// timeTokens are the tokens of a time.
func timeTokens(t time.Time) []string {
	second := min(max(t.Unix(), 0), endOfTime-1)
	var tokens []string
	for shift := 0; shift <= maxShift; shift += blockBits {
		tokens = append(tokens, timeToken(second, shift))
	}
	return tokens
}

// rangeTokens are the tokens of which every time from one and before the other,
// and no other time, has one.
func rangeTokens(from, before int64) []string {
	from, before = max(from, 0), min(before, endOfTime)
	var tokens []string
	for shift := 0; from < before; shift += blockBits {
		block := int64(1) << shift
		last := shift == maxShift
		for ; from < before && (last || from&(block<<blockBits-1) != 0); from += block {
			tokens = append(tokens, timeToken(from, shift))
		}
		for ; from < before && before&(block<<blockBits-1) != 0 && !last; before -= block {
			tokens = append(tokens, timeToken(before-block, shift))
		}
	}
	return tokens
}

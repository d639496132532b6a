package feed

import (
	"regexp"
	"strings"
	"time"
)

// misread are zone names that gofeed's reader takes for UTC.
var misread = map[string]string{"MET": "+0100", "MEZ": "+0100", "MEST": "+0200", "MESZ": "+0200", "MSK": "+0300", "JST": "+0900", "IST": "+0530", "AEST": "+1000", "AEDT": "+1100", "HST": "-1000", "AKST": "-0900", "AKDT": "-0800"}

// layouts are tried where gofeed's reader is not asked or gave up. Parts that
// are missing are the first of their kind; without a zone UTC is meant.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05",
	"2006-01-02", "2006-01", "2006", "20060102T15:04:05Z07:00", "20060102",
	"Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04 -0700", "2 Jan 2006 15:04 -0700",
	"Mon, 2 Jan 06 15:04:05 -0700", "Mon, 2 January 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST", "2 Jan 2006 15:04:05 MST",
	"Mon, 2 Jan 2006 15:04:05", "2 Jan 2006 15:04:05", "Mon Jan _2 15:04:05 2006",
}

var zoneName = regexp.MustCompile(`\s*\b([A-Z]{3,4})$`)

// date is when it says it is, in UTC: what gofeed read, unless that was wrong,
// else what else can be read. Zero when nobody can tell. Years that no feed was
// written in are typing errors.
func date(raw string, parsed *time.Time) time.Time {
	raw = strings.Join(strings.Fields(raw), " ")
	if m := zoneName.FindStringSubmatch(raw); m != nil && misread[m[1]] != "" {
		raw, parsed = strings.TrimSuffix(raw, m[0])+" "+misread[m[1]], nil
	}
	t := time.Time{}
	if parsed != nil {
		t = *parsed
	}
	for i := 0; t.IsZero() && raw != "" && i < len(layouts); i++ {
		if read, err := time.Parse(layouts[i], raw); err == nil {
			t = read
		}
	}
	if t.Year() < 1970 || t.Year() > 9000 {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

package omb

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"peewit/bridge/deliver"
	"peewit/bridge/fetch"
)

// recorded is an answer of a real site, as testdata/postnotice keeps it: status,
// date, type, and what the page said.
func recorded(t testing.TB, name string) *fetch.Response {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "postnotice", name+".http"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	resp, err := http.ReadResponse(bufio.NewReader(f), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &fetch.Response{Status: resp.StatusCode, Header: resp.Header, Body: body}
}

// verdict is what judge decided, in one word.
func verdict(err error) string {
	var gone *goneError
	var later *deliver.Later
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &gone):
		return "gone"
	case errors.As(err, &later):
		return "later"
	}
	return "give up"
}

func TestJudgeRecordedAnswers(t *testing.T) {
	for name, want := range map[string]string{
		"0.6.4.3-ok":                     "done",
		"0.6.4.3-after-unsubscribe":      "gone",
		"0.6.4.3-unknown-token":          "gone",
		"0.6.4.3-bad-signature":          "later",
		"0.6.4.3-dup-2-same":             "done",
		"0.6.4.3-same-content-new-uri-2": "done",
		"0.6.4.3-content-141":            "give up",
		"0.6.4.3-unknown-listenee":       "gone",
		"0.6.4.3-wrong-version":          "give up",
		"0.7.4-ok":                       "done",
		"0.7.4-after-unsubscribe":        "gone",
		"0.7.4-unknown-token":            "gone",
		"0.7.4-bad-signature":            "later",
		"0.7.4-dup-2-same":               "done",
		"0.7.4-same-content-new-uri-2":   "done", // refused as a duplicate text: no other attempt can help
		"0.7.4-content-141":              "give up",
		"0.7.4-unknown-listenee":         "gone",
		"0.7.4-wrong-version":            "give up",
		"0.9.5-ok":                       "done",
		"0.9.5-after-unsubscribe":        "gone",
		"0.9.5-unknown-token":            "gone",
		"0.9.5-bad-signature":            "gone", // 0.9 does not say which of the three it is
		"0.9.5-dup-2-same":               "done",
		"0.9.5-same-content-new-uri-2":   "done",
		"0.9.5-content-141":              "give up",
		"0.9.5-unknown-listenee":         "done",
		"0.9.5-wrong-version":            "give up",
	} {
		resp := recorded(t, name)
		then, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		if got := verdict(judge(resp, then.Add(time.Second))); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	files, err := filepath.Glob("testdata/postnotice/*.http")
	if err != nil || len(files) != 27 {
		t.Errorf("%d recordings, want 27 (%v)", len(files), err)
	}
}

func TestJudge(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		status int
		header string // one line
		body   string
		want   string
	}{
		{"a 403 while the clocks differ", 403, "Date: Sun, 22 Nov 2026 08:06:00 GMT", "", "later"},
		{"a 403 while they agree", 403, "Date: Sun, 22 Nov 2026 08:04:00 GMT", "", "gone"},
		{"a proxy's page", 200, "Content-Type: text/html", "<p>Please log in</p>", "later"},
		{"0.6 in front of omb_version", 200, "", "Updated profile\nomb_version=" + Version, "done"},
		{"the version as in a form", 200, "", "omb_version=http%3a%2f%2fopenmicroblogging.org%2Fprotocol%2F0.1&x=y", "done"},
		{"another version", 200, "", "omb_version=http://openmicroblogging.org/protocol/0.2", "later"},
		{"nothing but a 200", 200, "", " \n", "done"},
		{"nothing but a 204", 204, "", "", "done"},
		{"a wall in front of the site", 403, "Content-Type: text/html", "<!DOCTYPE html>\n<HTML><body>Access denied</body></html>", "later"},
		{"in another language", 403, "Content-Type: text/html", "Kein solches Abonnement", "gone"},
		{"busy", 503, "Retry-After: 120", "", "later"},
		{"moved", 302, "Location: http://elsewhere.example/", "", "later"},
		{"not there", 404, "", "", "later"},
		{"broken", 500, "", "PHP Fatal error", "later"},
	} {
		resp := &fetch.Response{Status: c.status, Header: http.Header{}, Body: []byte(c.body)}
		if key, value, ok := strings.Cut(c.header, ": "); ok {
			resp.Header.Set(key, value)
		}
		err := judge(resp, now)
		if got := verdict(err); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		var later *deliver.Later
		if c.status == 503 && (!errors.As(err, &later) || later.After != 2*time.Minute) {
			t.Errorf("%s: %+v, want Retry-After of two minutes", c.name, err)
		}
	}
}

// Whatever a site answers, it is judged, and the log gets a short text.
func FuzzJudge(f *testing.F) {
	f.Add(200, "text/html", "omb_version="+Version)
	f.Add(403, "", "")
	f.Add(500, "text/html; charset=utf-8", "<script>Invalid access token: x")
	f.Add(302, "\xff", strings.Repeat("\xff", 1000))
	f.Fuzz(func(t *testing.T, status int, kind, body string) {
		resp := &fetch.Response{Status: status, Header: http.Header{"Content-Type": {kind}, "Date": {kind}, "Retry-After": {kind}}, Body: []byte(body)}
		err := judge(resp, time.Now())
		if status == 200 && body == "omb_version="+Version && err != nil {
			t.Errorf("a good answer: %v", err)
		}
		if status/100 == 5 && body != "" && !strings.Contains(body, "Invalid") && verdict(err) == "gone" {
			t.Errorf("forgotten for %d %q", status, body)
		}
		if err != nil && len([]rune(err.Error())) > 400 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}

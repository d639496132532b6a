package omb

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/deliver"
	"peewit/bridge/fetch"
)

// goneError says that a remote subscription does not exist any more.
type goneError struct{ why string }

func (e *goneError) Error() string { return "subscription gone: " + e.why }

// maxSkew is how far a site's clock may be from ours before Laconica refuses our
// timestamps.
const maxSkew = 5 * time.Minute

// judge reads the answer to a postNotice as Laconica 0.6 to 0.8 and StatusNet
// 0.9 mean it: nil when the notice is taken or never can be helped, goneError,
// deliver.Later, or an error to give up with.
func judge(resp *fetch.Response, now time.Time) error {
	text := says(resp)
	switch {
	case resp.Status/100 == 2 && takes(resp.Body):
		return nil
	case resp.Status == http.StatusForbidden && isPage(resp.Body):
		// Not the site but something in front of it: the sites say it in one line.
		return later(resp, text)
	case resp.Status == http.StatusForbidden && text != "":
		// "No such subscription", "You did not send us that profile": 0.6 to 0.8 after
		// an unsubscribe; there is no other message for it.
		return &goneError{short(text)}
	case resp.Status == http.StatusForbidden:
		// 0.9 answers so to an unsubscribed listener and to every OAuth failure. Of
		// those, only a clock can go wrong after the handshake.
		if skewed(resp, now) {
			return later(resp, "403, and its clock is not ours")
		}
		return &goneError{"403"}
	case resp.Status == http.StatusInternalServerError && strings.Contains(text, "Invalid access token"):
		return &goneError{short(text)}
	case resp.Status == http.StatusInternalServerError && len(resp.Body) == 0:
		// A duplicate: 0.7 and 0.8 die so at the same text within a minute, 0.9 at a
		// known omb_notice. The site has the notice, or never takes it.
		return nil
	case resp.Status == http.StatusBadRequest:
		return fmt.Errorf("refused by the site: 400 %s", short(text))
	}
	return later(resp, text)
}

// takes reports whether a body says that the notice was taken: it has the
// version, as Laconica writes it or as a form has it. It should be there, says
// OMB 0.1, so nothing at all is good too.
func takes(body []byte) bool {
	const plain, encoded = "omb_version=" + Version, "omb_version=http%3A%2F%2Fopenmicroblogging.org%2Fprotocol%2F0.1"
	return len(bytes.TrimSpace(body)) == 0 || bytes.Contains(body, []byte(plain)) ||
		bytes.Contains(bytes.ToLower(body), []byte(strings.ToLower(encoded)))
}

// isPage reports whether a body is a whole HTML page.
func isPage(body []byte) bool {
	return bytes.Contains(bytes.ToLower(body), []byte("<html"))
}

func later(resp *fetch.Response, text string) error {
	return &deliver.Later{
		After: resp.RetryAfter(),
		Err:   fmt.Errorf("the site answered %d %s", resp.Status, short(text)),
	}
}

func skewed(resp *fetch.Response, now time.Time) bool {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	return err == nil && now.Sub(date).Abs() > maxSkew
}

// says is what an answer says in words; pages of errors are HTML.
func says(resp *fetch.Response) string {
	kind := "text"
	if strings.Contains(resp.Header.Get("Content-Type"), "html") {
		kind = "html"
	}
	return strings.Join(strings.Fields(atom.Plain(bridge.Text{Type: kind, Body: string(resp.Body)})), " ")
}

// short is a text for the log.
func short(text string) string {
	const most = 300
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

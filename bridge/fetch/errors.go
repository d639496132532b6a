package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What can go wrong besides the network.
var (
	ErrURL       = errors.New("not an http or https URL")
	ErrPrivate   = errors.New("the address is not a public one")
	ErrTooLarge  = fmt.Errorf("the document is larger than %d MiB", MaxBody>>20)
	ErrRedirects = fmt.Errorf("more than %d redirects", maxRedirects)
)

// StatusError is an answer that is no document.
type StatusError struct {
	Status     int
	RetryAfter time.Duration // how long the host asks to be left alone; 0 = it did not say
}

func (e *StatusError) Error() string {
	s := "the server answers " + strconv.Itoa(e.Status)
	if text := http.StatusText(e.Status); text != "" {
		s += " " + text
	}
	return s
}

// fine reports whether the answer is a document, or that there is no newer one.
func (r *Response) fine() bool { return r.Status >= 200 && r.Status < 300 || r.NotModified }

// refusal is the error of an answer that is not fine.
func (r *Response) refusal() error {
	return &StatusError{Status: r.Status, RetryAfter: retryAfter(r.Header, time.Now())}
}

// RetryAfter is how long the host asks to be left alone; 0 = it did not say.
func (r *Response) RetryAfter() time.Duration { return retryAfter(r.Header, time.Now()) }

// maxRetryAfter bounds how long a host can keep us away with one answer.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads Retry-After (RFC 9110 §10.2.3): seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	var wait time.Duration
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

package aggregate

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"syscall"

	"peewit/aggregate/feed"
	"peewit/bridge"
	"peewit/bridge/fetch"
)

// explain is what went wrong with a source, for the operator.
func explain(err error) string {
	var (
		status      *fetch.StatusError
		refusal     *bridge.Error
		name        *net.DNSError
		certificate *tls.CertificateVerificationError
		network     net.Error
	)
	switch {
	case errors.As(err, &status):
		return explainStatus(status)
	case errors.Is(err, feed.ErrNotFeed):
		return "what is at this address is not a feed"
	case errors.Is(err, fetch.ErrURL):
		return "the address is not an http or https URL, or leads to one that is not"
	case errors.Is(err, fetch.ErrPrivate):
		return "the address is not a public one; allow its network with fetch.allow_private if it is yours"
	case errors.Is(err, fetch.ErrTooLarge):
		return "the document is too large"
	case errors.Is(err, fetch.ErrRedirects):
		return "the server redirects in circles, or too often"
	case errors.As(err, &refusal):
		return "the entries could not be stored here: " + refusal.Error()
	case errors.As(err, &name):
		return "the host name " + name.Name + " cannot be resolved"
	case errors.As(err, &certificate):
		return "the server's certificate is not valid: " + certificate.Err.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the server refuses the connection"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "the server does not answer in time"
	}
	return "the feed cannot be fetched: " + err.Error()
}

func explainStatus(e *fetch.StatusError) string {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the server does not let us in (" + http.StatusText(e.Status) + ")"
	case http.StatusNotFound:
		return "there is nothing at this address (Not Found)"
	case http.StatusGone:
		return "the feed is gone for good, says the server"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return "the server asks us to come back later (" + http.StatusText(e.Status) + ")"
	}
	return "the feed cannot be fetched: " + e.Error()
}

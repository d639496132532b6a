// Package fetch is the one HTTP client of the program: feeds, discovery,
// callbacks and relayed notices all go out through it, because all of them ask
// for URLs that strangers wrote.
//
// It is guarded: an address is judged when it is connected to, after names were
// resolved, on every redirect, so that no name and no redirect leads into the
// operator's own network (only what AllowPrivate lists). It is bounded: at most
// 10 s to connect, 30 s in all, 5 redirects, 10 MiB of decoded body. And it is
// polite: it says who it is, asks only for what is new, one question at a time
// to a host and not too often, and leaves a host alone for as long as that asks.
// No proxy is used, whatever the environment says: a proxy would do the
// resolving, and the guard would see only the proxy.
package fetch

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// The bounds of one request.
const (
	connectTimeout = 10 * time.Second
	totalTimeout   = 30 * time.Second
	maxRedirects   = 5
	maxHeader      = 256 << 10
	// MaxBody is the most bytes of a decoded body.
	MaxBody = 10 << 20
)

// Options are what an operator may decide.
type Options struct {
	// AllowPrivate are networks that may be fetched from beyond public addresses.
	AllowPrivate []netip.Prefix
	// UserAgent says who asks; "" = Peewit.
	UserAgent string
}

// Client is the guarded client. It may be used by many goroutines.
type Client struct {
	userAgent string
	transport *http.Transport
	hosts     *hosts
}

// New makes a client.
func New(o Options) *Client {
	guard := guard{allow: o.AllowPrivate}
	dialer := &net.Dialer{Timeout: connectTimeout, Control: guard.control}
	if o.UserAgent == "" {
		o.UserAgent = "Peewit"
	}
	return &Client{
		userAgent: o.UserAgent,
		hosts:     newHosts(hostGap),
		transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			ResponseHeaderTimeout:  totalTimeout,
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConns:           64,
			IdleConnTimeout:        10 * time.Second,
			DisableCompression:     true, // bodies are decoded here, so that the limit is on what comes out
			ForceAttemptHTTP2:      true,
		},
	}
}

// Close closes idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Request is a question for a document, conditional when a validator is set.
type Request struct {
	URL          string
	ETag         string // as the server gave it, byte for byte
	LastModified string // likewise: compared by the server, never by us
	Accept       string // "" = anything
	// Begin, if not nil, is called once, when the turn at the host has come and
	// before it is asked: for a caller who takes something scarce only then. Its
	// error ends the request.
	Begin func(ctx context.Context) error
}

// Response is an answer.
type Response struct {
	Status      int
	NotModified bool   // what the validators name is still current; there is no body
	URL         string // where the answer came from, after redirects
	Header      http.Header
	Body        []byte // decoded
	Cut         bool   // the body ended before it was complete
}

// ETag is the answer's validator, byte for byte (RFC 9110 §8.8.3).
func (r *Response) ETag() string { return r.Header.Get("ETag") }

// LastModified is the answer's other validator, byte for byte (RFC 9110 §8.8.2).
func (r *Response) LastModified() string { return r.Header.Get("Last-Modified") }

// Get fetches a document, following redirects. It waits for its turn at the
// host. Answers other than 2xx and 304 are a [*StatusError]; a host that asked
// to be left alone is not asked, its last answer stands.
func (c *Client) Get(ctx context.Context, r Request) (*Response, error) {
	header := http.Header{}
	setHeader(header, "If-None-Match", r.ETag)
	setHeader(header, "If-Modified-Since", r.LastModified)
	setHeader(header, "Accept", r.Accept)
	first, err := parseURL(r.URL)
	if err != nil {
		return nil, err
	}
	u, begin := first, r.Begin
	for range maxRedirects + 1 {
		resp, err := c.politely(ctx, u, header, begin)
		begin = nil
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", u.Redacted(), err)
		}
		next := resp.Header.Get("Location")
		if next == "" || !redirects(resp.Status) {
			resp.URL = u.String()
			if !resp.fine() {
				return nil, fmt.Errorf("get %s: %w", u.Redacted(), resp.refusal())
			}
			return resp, nil
		}
		target, err := u.Parse(next)
		if err == nil {
			target, err = parseURL(target.String())
		}
		if err != nil {
			return nil, fmt.Errorf("get %s: redirect: %w", u.Redacted(), err)
		}
		u = target
	}
	return nil, fmt.Errorf("get %s: %w", first.Redacted(), ErrRedirects)
}

// Post sends a form and returns the answer whatever its status; redirects are
// not followed, because what was signed for one URL is not meant for another.
// It does not wait for a turn: those who post have lanes of their own.
func (c *Client) Post(ctx context.Context, to string, form url.Values, header http.Header) (*Response, error) {
	u, err := parseURL(to)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, totalTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("post to %s: %w", u.Redacted(), err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.exchange(req)
	if err != nil {
		return nil, fmt.Errorf("post to %s: %w", u.Redacted(), err)
	}
	resp.URL = to
	return resp, nil
}

// politely asks one URL once when its host's turn has come, and remembers
// whether the host wants to be left alone.
func (c *Client) politely(ctx context.Context, u *url.URL, header http.Header, begin func(context.Context) error) (*Response, error) {
	host, err := c.hosts.enter(ctx, u.Host)
	if err != nil {
		return nil, err
	}
	defer c.hosts.leave(host)
	if begin != nil {
		if err := begin(ctx); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, totalTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header = header.Clone()
	resp, err := c.exchange(req)
	if err == nil {
		c.hosts.heard(host, resp.Status, retryAfter(resp.Header, time.Now()))
	}
	return resp, err
}

// exchange sends a request and reads the whole answer.
func (c *Client) exchange(req *http.Request) (*Response, error) {
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("Accept-Encoding", "gzip, deflate")
	if user := req.URL.User; user != nil && req.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	raw, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer drop(raw.Body)
	resp := &Response{Status: raw.StatusCode, NotModified: raw.StatusCode == http.StatusNotModified, Header: raw.Header}
	resp.Body, resp.Cut, err = readBody(raw)
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// drop closes a body; what could go wrong has been seen while reading.
func drop(body io.Closer) { _ = body.Close() }

func redirects(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, ErrURL // url's own error would show a password
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return nil, fmt.Errorf("%s: %w", u.Redacted(), ErrURL)
	}
	u.Fragment = ""
	return u, nil
}

// setHeader sets what can be sent; a validator that cannot was no validator.
func setHeader(h http.Header, name, value string) {
	if value != "" && httpguts.ValidHeaderFieldValue(value) {
		h[http.CanonicalHeaderKey(name)] = []string{value}
	}
}

package omb

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/dghubble/oauth1"
)

// sign is the Authorization header of a form posted to endpoint (OAuth Core 1.0
// §9). The consumer key is our root URL with its trailing slash and the consumer
// secret is empty: so Laconica knows us (OMB 0.1, Subscription; its
// common_root_url).
func sign(ctx context.Context, root, token, secret, endpoint string, form url.Values) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	signed := &capture{}
	ctx = context.WithValue(ctx, oauth1.HTTPClient, &http.Client{Transport: signed})
	config := oauth1.NewConfig(root, "")
	config.Noncer = noncer{}
	if _, err := config.Client(ctx, oauth1.NewToken(token, secret)).Do(req); !errors.Is(err, errCaptured) {
		return nil, err
	}
	return http.Header{"Authorization": signed.header["Authorization"]}, nil
}

// noncer makes nonces of 26 letters and digits: Laconica has room for 32.
type noncer struct{}

func (noncer) Nonce() string { return rand.Text() }

// capture keeps the header of a request instead of sending it: the library signs
// in a transport, and ours is the guarded client.
type capture struct{ header http.Header }

var errCaptured = errors.New("captured")

func (c *capture) RoundTrip(req *http.Request) (*http.Response, error) {
	c.header = req.Header
	return nil, errCaptured
}

package bridge

import "time"

// Source is something posts are taken in from. Its posts live in the node
// feed-ID on the domain, whatever planets show them.
type Source struct {
	ID      string    `json:"id"`  // short and stable, derived from the URL
	URL     string    `json:"url"` // as the operator gave it
	Title   string    `json:"title,omitempty"`
	Created time.Time `json:"created"`
	Removed bool      `json:"removed,omitempty"`
}

// Planet is a merged node with its sources: the node Name on the domain, which
// holds references to the sources' posts.
type Planet struct {
	Name    string    `json:"name"`
	Title   string    `json:"title,omitempty"`
	Sources []string  `json:"sources"` // ids of sources
	Created time.Time `json:"created"`
	Removed bool      `json:"removed,omitempty"`
}

// Track is a standing query of an owner: a post that matches is pushed to the
// owner's node track-ID as it is published.
type Track struct {
	ID      string    `json:"id"`
	Owner   string    `json:"owner"` // nickname
	Query   string    `json:"query"`
	Created time.Time `json:"created"`
	Removed bool      `json:"removed,omitempty"`
}

// Listener is a person on an OpenMicroBlogging site who subscribed to an
// account of ours (OMB 0.1, Subscription). Its token's secret is a record of
// its own, a [ListenerSecret].
type Listener struct {
	Listenee      string    `json:"listenee"` // our nickname
	URI           string    `json:"uri"`      // the listener's identifier URI
	Nick          string    `json:"nick,omitempty"`
	PostNotice    string    `json:"post_notice"`    // endpoint URL
	UpdateProfile string    `json:"update_profile"` // endpoint URL
	Token         string    `json:"token"`
	Created       time.Time `json:"created"`
	Removed       bool      `json:"removed,omitempty"`
}

// ListenerSecret is the secret of a [Listener]'s access token.
type ListenerSecret struct {
	Listenee string `json:"listenee"`
	URI      string `json:"uri"`
	Token    string `json:"token"`
	Secret   string `json:"secret"`
	Removed  bool   `json:"removed,omitempty"`
}

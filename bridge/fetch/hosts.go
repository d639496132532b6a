package fetch

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How often a host is asked.
const (
	hostGap   = 2 * time.Second // on average, between two requests
	hostBurst = 4               // requests that need not wait for it
	strictGap = time.Minute     // for hosts that once answered 429
	// holdOff is how long a host is left alone after a 429 that does not say.
	holdOff = 5 * time.Minute
	// maxIdleHosts is how many hosts are remembered before those that nobody
	// waits for and that want nothing are forgotten.
	maxIdleHosts = 4096
)

// host is what is known of one host, guarded by the mutex of hosts, except for
// the turn and the limiter, which guard themselves.
type host struct {
	turn    chan struct{} // holds the one who may ask
	limiter *rate.Limiter
	users   int // those in enter, asking, or waiting
	until   time.Time
	status  int // the answer that asked to be left alone
}

// hosts keeps the questions to each host apart.
type hosts struct {
	gap    time.Duration
	mu     sync.Mutex
	byName map[string]*host
}

func newHosts(gap time.Duration) *hosts { return &hosts{gap: gap, byName: make(map[string]*host)} }

// enter waits for the turn to ask a host. While the host wants to be left alone
// it returns the [*StatusError] that said so, at once.
func (h *hosts) enter(ctx context.Context, name string) (*host, error) {
	t := h.use(strings.ToLower(name))
	if err := h.wait(ctx, t); err != nil {
		h.release(t)
		return nil, err
	}
	return t, nil
}

func (h *hosts) wait(ctx context.Context, t *host) error {
	if err := h.closed(t); err != nil {
		return err
	}
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	err := h.closed(t) // whoever was first may have heard a 429
	if err == nil {
		err = t.limiter.Wait(ctx)
	}
	if err != nil {
		<-t.turn
	}
	return err
}

// leave gives the turn back.
func (h *hosts) leave(t *host) {
	<-t.turn
	h.release(t)
}

// heard takes note of an answer's status: 429 and 503 may ask for a pause.
func (h *hosts) heard(t *host, status int, pause time.Duration) {
	switch status {
	case http.StatusTooManyRequests:
		t.limiter.SetLimit(rate.Every(strictGap))
		t.limiter.SetBurst(1)
		if pause == 0 {
			pause = holdOff
		}
	case http.StatusServiceUnavailable:
	default:
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if until := time.Now().Add(pause); pause > 0 && until.After(t.until) {
		t.until, t.status = until, status
	}
}

func (h *hosts) closed(t *host) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if wait := time.Until(t.until); wait > 0 {
		return &StatusError{Status: t.status, RetryAfter: wait}
	}
	return nil
}

func (h *hosts) use(name string) *host {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.byName[name]
	if t == nil {
		h.forget()
		t = &host{turn: make(chan struct{}, 1), limiter: rate.NewLimiter(rate.Every(h.gap), hostBurst)}
		h.byName[name] = t
	}
	t.users++
	return t
}

func (h *hosts) release(t *host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.users--
}

// forget makes room: hosts that are unused, want nothing and have all their
// tokens again are as good as never met.
func (h *hosts) forget() {
	if len(h.byName) < maxIdleHosts {
		return
	}
	for name, t := range h.byName {
		if t.users == 0 && time.Now().After(t.until) && t.limiter.Tokens() >= float64(t.limiter.Burst()) {
			delete(h.byName, name)
		}
	}
}

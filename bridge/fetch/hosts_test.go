package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ask takes one turn at a host and answers with status.
func ask(t *testing.T, h *hosts, name string, status int, pause time.Duration) error {
	t.Helper()
	host, err := h.enter(t.Context(), name)
	if err != nil {
		return err
	}
	defer h.leave(host)
	h.heard(host, status, pause)
	return nil
}

func TestHostsKeepTheirGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, start := newHosts(hostGap), time.Now()
		for range hostBurst + 10 {
			if err := ask(t, h, "A.example", 200, 0); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 10*hostGap {
			t.Errorf("took %v", took)
		}
		start = time.Now()
		if err := ask(t, h, "b.example", 200, 0); err != nil || time.Since(start) > 0 {
			t.Errorf("another host waited %v: %v", time.Since(start), err)
		}
	})
}

func TestHostsAreAskedOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(hostGap)
		var mu sync.Mutex
		var wg sync.WaitGroup
		asking, most := 0, 0
		for range 4 {
			wg.Go(func() {
				host, err := h.enter(t.Context(), "a.example")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				asking++
				most = max(most, asking)
				mu.Unlock()
				<-time.After(time.Second)
				mu.Lock()
				asking--
				mu.Unlock()
				h.leave(host)
			})
		}
		wg.Wait()
		if most != 1 {
			t.Errorf("%d at once", most)
		}
	})
}

func TestHostsRememberRefusals(t *testing.T) {
	for _, tt := range []struct {
		status int
		pause  time.Duration
		closed time.Duration // how long nothing is asked
		gap    time.Duration // between later questions
	}{
		{http.StatusTooManyRequests, 0, holdOff, strictGap},
		{http.StatusTooManyRequests, time.Hour, time.Hour, strictGap},
		{http.StatusServiceUnavailable, time.Hour, time.Hour, 0},
		{http.StatusServiceUnavailable, 0, 0, 0},
	} {
		t.Run(fmt.Sprint(tt.status, tt.pause), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHosts(hostGap)
				if err := ask(t, h, "a.example", tt.status, tt.pause); err != nil {
					t.Fatal(err)
				}
				var refused *StatusError
				if err := ask(t, h, "a.example", 200, 0); (tt.closed > 0) != errors.As(err, &refused) {
					t.Errorf("at once: %v", err)
				} else if refused != nil && (refused.Status != tt.status || refused.RetryAfter != tt.closed) {
					t.Errorf("refused with %+v", refused)
				}
				<-time.After(tt.closed + strictGap)
				start := time.Now()
				for range 2 {
					if err := ask(t, h, "a.example", 200, 0); err != nil {
						t.Error(err)
					}
				}
				if took := time.Since(start); took != tt.gap {
					t.Errorf("two questions took %v, want %v", took, tt.gap)
				}
			})
		})
	}
}

func TestWaitingForATurnEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(hostGap)
		first, err := h.enter(t.Context(), "a.example")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.enter(ctx, "a.example"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		h.leave(first)
		if err := ask(t, h, "a.example", 200, 0); err != nil {
			t.Error(err)
		}
	})
}

func TestHostsForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(hostGap)
		for i := range maxIdleHosts {
			if err := ask(t, h, fmt.Sprint(i), 200, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := ask(t, h, "busy", 503, time.Hour); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		if err := ask(t, h, "new", 200, 0); err != nil {
			t.Fatal(err)
		}
		if n := len(h.byName); n != 2 || h.byName["busy"] == nil {
			t.Errorf("%d hosts are remembered", n)
		}
	})
}

package c2s

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// address is where a connection comes from.
type address struct {
	ip    netip.Addr // of the client, as far as it is known
	local bool       // the last hop is on this machine: nobody else can listen in
}

// addressOf is the address of a connection. What has no IP address, a pipe or a
// Unix socket, is on this machine.
func addressOf(a net.Addr) address {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return address{local: true}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	return address{ip: ip, local: ip.IsLoopback()}
}

// remoteOf is the address of an HTTP request. A proxy on this machine is
// believed when it says who its client is.
func remoteOf(r *http.Request) address {
	hop, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return address{local: true}
	}
	a := address{ip: hop.Addr().Unmap(), local: hop.Addr().Unmap().IsLoopback()}
	if forwarded := r.Header.Values("X-Forwarded-For"); a.local && len(forwarded) > 0 {
		list := strings.Split(forwarded[len(forwarded)-1], ",")
		if ip, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err == nil {
			a.ip = ip.Unmap()
		}
	}
	return a
}

// network is what limits count by: an IPv4 address, an IPv6 /64. It is the zero
// Prefix for this machine, which has no limits.
func (a address) network() netip.Prefix {
	if !a.ip.IsValid() || a.ip.IsLoopback() {
		return netip.Prefix{}
	}
	bits := 32
	if a.ip.Is6() {
		bits = 64
	}
	p, err := a.ip.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// throttle lets each network do something a few times, and then once each
// interval.
type throttle struct {
	burst int
	every time.Duration

	mu     sync.Mutex
	by     map[netip.Prefix]*rate.Limiter
	others *rate.Limiter // shared by all networks beyond maxThrottled
}

const maxThrottled = 10_000

func newThrottle(burst int, every time.Duration) *throttle {
	t := &throttle{burst: burst, every: every, by: make(map[netip.Prefix]*rate.Limiter)}
	t.others = t.fresh()
	return t
}

func (t *throttle) fresh() *rate.Limiter { return rate.NewLimiter(rate.Every(t.every), t.burst) }

// open reports whether the network may do it once more. It counts nothing.
func (t *throttle) open(a address) bool {
	n := a.network()
	if !n.IsValid() {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.by[n]
	return l == nil || l.Tokens() >= 1
}

// take counts that the network does it, and reports whether it may.
func (t *throttle) take(a address) bool {
	n := a.network()
	if !n.IsValid() {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.by[n]
	if l == nil {
		if len(t.by) >= maxThrottled {
			t.prune()
		}
		if len(t.by) >= maxThrottled {
			return t.others.Allow()
		}
		l = t.fresh()
		t.by[n] = l
	}
	return l.Allow()
}

// prune forgets networks that have waited long enough.
func (t *throttle) prune() {
	for n, l := range t.by {
		if l.Tokens() >= float64(t.burst) {
			delete(t.by, n)
		}
	}
}

package fetch

import (
	"fmt"
	"net/netip"
	"syscall"
)

// guard decides which addresses may be connected to.
type guard struct{ allow []netip.Prefix }

// control is called by the dialer between resolving and connecting, for each
// address it tries.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrPrivate, address)
	}
	if !g.permits(ap.Addr()) {
		return fmt.Errorf("%w: %s", ErrPrivate, ap.Addr())
	}
	return nil
}

// permits reports whether an address is public, or in a network the operator
// allows. An IPv6 address that stands for an IPv4 one is judged as that.
func (g guard) permits(a netip.Addr) bool {
	a = ipv4In(a.WithZone(""))
	for _, p := range g.allow {
		if p.Contains(a) {
			return true
		}
	}
	if a.Is6() && !globalUnicast.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return a.IsValid()
}

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 §2.1
	sixTo4 = netip.MustParsePrefix("2002::/16")    // RFC 3056 §2

	globalUnicast = netip.MustParsePrefix("2000::/3") // all of IPv6 that is given out
)

// ipv4In is the IPv4 address that a maps, translates or tunnels to, or a.
func ipv4In(a netip.Addr) netip.Addr {
	b := a.As16()
	switch {
	case a.Is4In6():
		return a.Unmap()
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixTo4.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return a
}

// special are the addresses that are not, or not only, of the public Internet:
// the IANA special-purpose registries and multicast.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "3fff::/20",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

//go:build !linux

package c2s

import "net"

// limitUnanswered does nothing: the kernel's own limit, some fifteen minutes,
// has to do.
func limitUnanswered(*net.TCPConn) {}

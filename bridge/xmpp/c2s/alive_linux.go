package c2s

import (
	"net"

	"golang.org/x/sys/unix"
)

// limitUnanswered sets TCP_USER_TIMEOUT (RFC 5482).
func limitUnanswered(t *net.TCPConn) {
	raw, err := t.SyscallConn()
	if err != nil {
		return // closed already
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unanswered.Milliseconds()))
	})
}

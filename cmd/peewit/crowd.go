package main

import (
	"net"
	"net/http"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// The most connections that the listeners for strangers have at once, however
// many files the process may open.
const (
	mostClients  = 50_000
	mostVisitors = 10_000
)

// shares are how many connections each listener for strangers may have at once.
// Connections are open files, and so are the log, the archive and the index:
// whatever the crowd, a quarter of what the process may open is left for them.
func shares(files uint64) (clients, visitors int) {
	return int(min(files/2, mostClients)), int(min(files/4, mostVisitors))
}

// openFiles is how many files the process may have open. (Go has raised the
// soft limit to the hard one.)
func openFiles() (uint64, error) {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return limit.Cur, err
}

// crowd closes new connections of an HTTP server while it has most of them. One
// that becomes a WebSocket is the client listener's to count.
func crowd(most int) func(net.Conn, http.ConnState) {
	var there atomic.Int64
	return func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			if there.Add(1) > int64(most) {
				_ = conn.Close() // the server notices, and tells of StateClosed
			}
		case http.StateHijacked, http.StateClosed:
			there.Add(-1)
		}
	}
}

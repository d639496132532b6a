package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestSharesLeaveFilesForOurselves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		files             uint64
		clients, visitors int
	}{
		{256, 128, 64},
		{1024, 512, 256},
		{1 << 20, mostClients, mostVisitors},
		{1<<64 - 1, mostClients, mostVisitors}, // RLIM_INFINITY
	} {
		clients, visitors := shares(c.files)
		if clients != c.clients || visitors != c.visitors {
			t.Errorf("shares(%d) = %d, %d, want %d, %d", c.files, clients, visitors, c.clients, c.visitors)
		}
	}
}

func TestCrowd(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hijack" {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { conn.Close() })
			if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n"); err != nil {
				t.Error(err)
			}
		}
	}))
	server.Config.ConnState = crowd(2)
	server.Start()
	t.Cleanup(server.Close)
	visit := func(path string) (net.Conn, error) {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return conn, err
		}
		_, err = http.ReadResponse(bufio.NewReader(conn), nil)
		return conn, err
	}
	for i, path := range []string{"/", "/hijack", "/"} { // one of the three does not count
		if _, err := visit(path); err != nil {
			t.Fatalf("visitor %d: %v", i+1, err)
		}
	}
	for range 3 {
		if _, err := visit("/"); err == nil {
			t.Error("one visitor too many was let in")
		}
	}
}

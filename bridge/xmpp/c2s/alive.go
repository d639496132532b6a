package c2s

import (
	"net"
	"time"
)

// unanswered is how long a client's kernel may leave ours without an answer
// before the connection counts as broken.
const unanswered = 2 * time.Minute

// prepare sets a fresh connection up so that the kernel notices when the client
// is gone without a word: probes while nothing is on the way, a time limit while
// something is.
func prepare(conn net.Conn) {
	t, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	// Where the kernel does not know these, the pings of an idle session find out
	// later.
	_ = t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: unanswered / 2, Interval: 15 * time.Second, Count: 4})
	limitUnanswered(t)
}

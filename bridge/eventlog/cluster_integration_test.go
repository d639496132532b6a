//go:build integration

package eventlog

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"peewit/bridge"
)

// startCluster runs three NATS servers that keep three copies of everything.
func startCluster(t *testing.T) []*natsserver.Server {
	t.Helper()
	var ports []int
	var routes []*url.URL
	for range 3 {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := free.Addr().(*net.TCPAddr).Port
		free.Close()
		ports = append(ports, port)
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	var servers []*natsserver.Server
	for i, port := range ports {
		n, err := natsserver.NewServer(&natsserver.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, NoSigs: true,
			JetStream: true, StoreDir: t.TempDir(), Routes: routes,
			Cluster: natsserver.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port},
		})
		if err != nil {
			t.Fatal(err)
		}
		go n.Start()
		servers = append(servers, n)
		t.Cleanup(func() {
			n.Shutdown()
			n.WaitForShutdown()
		})
	}
	eventually(t, "a leader of the cluster", func() bool {
		for _, n := range servers {
			if n.JetStreamIsLeader() {
				return len(n.JetStreamClusterPeers()) == 3
			}
		}
		return false
	})
	return servers
}

// TestCluster runs the promises that depend on raft: compare-and-set, repeats in
// flight, lookups, batches, leases, and a server that dies.
func TestCluster(t *testing.T) {
	servers := startCluster(t)
	var nodes []*Log
	for _, n := range servers {
		ctx, cancel := context.WithTimeout(t.Context(), patient)
		l, err := Open(ctx, Options{URL: n.ClientURL(), patience: patient})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { closeLog(t, l) })
		nodes = append(nodes, l)
	}
	if n := nodes[0].records.CachedInfo().Config.Replicas; n != 3 {
		t.Fatalf("the log has %d copies", n)
	}
	for i := range 50 {
		var wg sync.WaitGroup
		acks := make([]bridge.Ack, 3)
		errs := make([]error, 3)
		for n, l := range nodes {
			wg.Go(func() {
				drafts := []bridge.Draft{post(fmt.Sprint("k", i), "x")}
				if i%2 == 1 {
					drafts = append(drafts, post(fmt.Sprint("k", i, "of", n), "x"))
				}
				got, err := l.Append(t.Context(), drafts...)
				if err != nil {
					t.Error(err)
					return
				}
				acks[n] = got[0]
			})
			wg.Go(func() { _, errs[n] = l.Append(t.Context(), account(fmt.Sprint("nick", i), 0)) })
		}
		wg.Wait()
		if acks[0].Seq != acks[1].Seq || acks[1].Seq != acks[2].Seq || acks[0].Seq == 0 {
			t.Errorf("round %d: %+v", i, acks)
		}
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !bridge.Is(err, bridge.Conflict) {
				t.Error(err)
			}
		}
		if won > 1 {
			t.Errorf("round %d: %d won a nickname", i, won)
		}
	}
	if _, ok, err := nodes[0].Find(t.Context(), "unknown"); ok || err != nil {
		t.Errorf("find: %v, %v", ok, err)
	}
	if seq, ok, err := nodes[2].Find(t.Context(), "k1"); !ok || err != nil || seq == 0 {
		t.Errorf("find: %d, %v, %v", seq, ok, err)
	}
	held := nodes[0].Hold(t.Context(), "link", func(context.Context) error {
		return nodes[1].Put(t.Context(), "cursor", []byte("7"), 0)
	})
	if got, err := nodes[2].Get(t.Context(), "cursor"); held != nil || string(got) != "7" || err != nil {
		t.Errorf("hold: %v, cursor: %q, %v", held, got, err)
	}

	before := len(readAll(t, nodes[1], 0))
	servers[0].Shutdown()
	survivor := nodes[1]
	eventually(t, "an append without the dead server", func() bool {
		_, err := survivor.Append(t.Context(), post("after", "x"))
		return err == nil
	})
	if recs := readAll(t, survivor, 0); len(recs) != before+1 {
		t.Errorf("%d records, %d before", len(recs), before)
	}
}

package registry_test

import (
	"fmt"
	"runtime"
	"testing"

	"peewit/bridge"
	"peewit/bridge/registry"
)

// followers is a registry with a node that has many subscribers.
func followers(many int) *registry.Registry {
	r := story(node("n", domain, "big", domain))
	for i := range many {
		rec := follower(i)
		r.Apply(&rec)
	}
	return r
}

// follower is the record of the i-th subscriber, each with a text of its own, as
// decoding makes them.
func follower(i int) bridge.Record {
	rec := subscribe("n", bridge.JID(fmt.Sprintf("user%06d@server%d.example", i*7919%1000003, i%1000)), fmt.Sprintf("%08x", i))
	rec.Seq = uint64(i + 2)
	return rec
}

func BenchmarkSubscribe(b *testing.B) {
	r := followers(100_000)
	recs := make([]bridge.Record, b.N)
	for i := range recs {
		recs[i] = follower(100_000 + i)
	}
	b.ResetTimer()
	for i := range recs {
		r.Apply(&recs[i])
	}
}

func BenchmarkSubscriptionsUnchanged(b *testing.B) {
	r := followers(100_000)
	for b.Loop() {
		if len(r.Subscriptions("n")) != 100_000 {
			b.Fatal("some are missing")
		}
	}
}

func BenchmarkSubscriptionsAfterAChange(b *testing.B) {
	r := followers(100_000)
	i := 100_000
	for b.Loop() {
		rec := follower(i)
		r.Apply(&rec)
		i++
		if len(r.Subscriptions("n")) != i {
			b.Fatal("some are missing")
		}
	}
}

func BenchmarkSubscriptionsOf(b *testing.B) {
	r := followers(100_000)
	jid := follower(5000).Subscription.JID
	for b.Loop() {
		if len(r.SubscriptionsOf(jid)) != 1 {
			b.Fatal("it is missing")
		}
	}
}

// BenchmarkMemory reports the heap of one subscription, all JIDs distinct.
func BenchmarkMemory(b *testing.B) {
	const many = 500_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := followers(many)
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(r)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/many, "B/subscription")
	}
}

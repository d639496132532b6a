// Package aggregate takes posts in from elsewhere and merges them into planets.
// (An aggregate of feeds; no consistency boundary of event sourcing.)
//
// A [bridge.Source] is polled: when it is added and then on a schedule, each at
// its own moment, conditionally, and later and later while it fails, but never
// given up. What a feed says is published to the source's own node, feed-ID, if
// it is news: an entry never seen, or one that says something else than before.
// Dates alone are no news, and an entry without one keeps the date on which it
// was first seen, so that a feed fetched twice is published once.
//
// A [bridge.Planet] is merged by following the log: each post that a source's
// node takes is referred to by the planets that show the source, and when a
// planet gains a source, so are the posts that are there. The follower's place
// is kept, and referring twice is referring once; whatever dies in between,
// nothing is missing and nothing comes twice.
//
// In a cluster one node does all this, the holder of the lease "feeds". What it
// needs to remember, validators and failures, is work state beside the log; any
// node can read it and tell the [Health] of the sources.
package aggregate

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/robfig/cron/v3"

	"peewit/aggregate/feed"
	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/fetch"
	"peewit/bridge/service"
)

// DefaultSchedule is how often a source is polled, in cron syntax.
const DefaultSchedule = "@every 30m"

// leaseName is the lease under which one node of a cluster polls and merges.
const leaseName = "feeds"

// Getter fetches documents; [fetch.Client] is one.
type Getter interface {
	Get(ctx context.Context, r fetch.Request) (*fetch.Response, error)
}

// Log is what is asked of the event log.
type Log interface {
	Follow(ctx context.Context, after uint64, fn func(rec *bridge.Record, pending uint64) error) error
	Confirms(ctx context.Context, pos bridge.Position) (bool, error)
	Epoch() string
	Put(ctx context.Context, key string, value []byte, ttl time.Duration) error
	Get(ctx context.Context, key string) ([]byte, error)
	Hold(ctx context.Context, name string, fn func(ctx context.Context) error) error
}

// Registry is what is asked of the state in memory.
type Registry interface {
	Source(id string) (bridge.Source, bool)
	Sources() []bridge.Source
	Planets() []bridge.Planet
	Node(a bridge.Addr) (bridge.Node, bool)
}

// Archive is what is asked of the posts on disk.
type Archive interface {
	Item(nodeID, id string) (bridge.Item, bool, error)
	Items(nodeID string, q archive.Query) (archive.Page, error)
	WaitFor(ctx context.Context, seq uint64) error
}

// Posts publishes and refers; [service.Posts] does.
type Posts interface {
	Publish(ctx context.Context, req service.Publish) ([]bridge.Item, error)
	Refer(ctx context.Context, planet bridge.Addr, item bridge.Item) error
}

// Titles remembers what feeds call themselves; [service.Planets] does.
type Titles interface {
	SetSourceTitle(ctx context.Context, id, title string) error
}

// Options are what an Aggregator works with.
type Options struct {
	Domain   bridge.JID
	Client   Getter
	Log      Log
	Registry Registry
	Archive  Archive
	Posts    Posts
	Titles   Titles
	Keep     time.Duration // lets the log forget entries after this time; 0 = never
	Logger   *slog.Logger
}

// Aggregator polls sources and merges planets.
type Aggregator struct {
	Options
	schedule cron.Schedule
	parser   *feed.Parser
	changed  chan struct{} // holds a token when sources came or went
	slots    chan struct{} // holds a token for each poll under way
}

// New makes an Aggregator; nothing happens before Run.
func New(o Options) (*Aggregator, error) {
	schedule, err := cron.ParseStandard(DefaultSchedule)
	if err != nil {
		return nil, fmt.Errorf("parse schedule %s: %w", DefaultSchedule, err)
	}
	return &Aggregator{
		Options: o, schedule: schedule, parser: feed.NewParser(),
		changed: make(chan struct{}, 1), slots: make(chan struct{}, maxPolls),
	}, nil
}

// Run polls and merges while this node holds the lease, until ctx ends.
func (a *Aggregator) Run(ctx context.Context) error {
	return a.Log.Hold(ctx, leaseName, func(ctx context.Context) error {
		ctx, cancel := context.WithCancel(ctx)
		polled := make(chan struct{})
		go func() {
			defer close(polled)
			a.poll(ctx)
		}()
		err := a.mergeOn(ctx)
		cancel()
		<-polled
		return err
	})
}

// feedAddr is the address of a source's node.
func (a *Aggregator) feedAddr(id string) bridge.Addr {
	return bridge.Addr{Service: a.Domain, Name: bridge.FeedNode(id)}
}

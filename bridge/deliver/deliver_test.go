package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
)

// fakeLog is a log and a WORK store in memory.
type fakeLog struct {
	mu    sync.Mutex
	recs  []*bridge.Record
	added chan struct{}
	work  map[string][]byte
	epoch string
	began uint64
	full  error // of Put
}

func newFakeLog() *fakeLog {
	return &fakeLog{added: make(chan struct{}), work: map[string][]byte{}, epoch: "one"}
}

// post appends a post of an account.
func (l *fakeLog) post(nick string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recs = append(l.recs, &bridge.Record{
		Seq: uint64(len(l.recs) + 1), Time: time.Now(),
		Publish: &bridge.Publish{Addr: bridge.Addr{Service: bridge.JID(nick + "@localhost")}},
	})
	close(l.added)
	l.added = make(chan struct{})
}

func (l *fakeLog) Follow(ctx context.Context, after uint64, fn func(*bridge.Record, uint64) error) error {
	for next := after; ; {
		l.mu.Lock()
		recs, added := l.recs[next:], l.added
		l.mu.Unlock()
		for i, rec := range recs {
			if err := fn(rec, uint64(len(recs)-1-i)); err != nil {
				return err
			}
			next++
		}
		select {
		case <-added:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *fakeLog) Epoch() string { return l.epoch }

func (l *fakeLog) Began() uint64 { return l.began }

func (l *fakeLog) Confirms(_ context.Context, pos bridge.Position) (bool, error) {
	return pos.Seq == 0 || pos.Epoch == l.epoch && pos.Seq <= uint64(len(l.recs)), nil
}

func (l *fakeLog) Get(_ context.Context, key string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.work[key], nil
}

func (l *fakeLog) Put(_ context.Context, key string, value []byte, _ time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full == nil {
		l.work[key] = value
	}
	return l.full
}

func (l *fakeLog) setFull(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full = err
}

func (l *fakeLog) Hold(ctx context.Context, _ string, fn func(context.Context) error) error {
	return fn(ctx)
}

// fakeSite is a sender whose sites can be made to fail.
type fakeSite struct {
	targets []Delivery // what each post is delivered to

	mu   sync.Mutex
	sent []string
	fail map[string]error // by lane
	slow map[string]chan struct{}
}

func (s *fakeSite) Deliveries(rec *bridge.Record) []Delivery {
	var all []Delivery
	for _, d := range s.targets {
		d.Order = rec.Publish.Addr.Service.Local()
		all = append(all, d)
	}
	return all
}

func (s *fakeSite) Send(ctx context.Context, d Delivery) error {
	s.mu.Lock()
	gate, err := s.slow[d.Lane], s.fail[d.Lane]
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.sent = append(s.sent, fmt.Sprintf("%s %s %d", d.Target, d.Order, d.Seq))
	}
	return err
}

func (s *fakeSite) setFail(lane string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = map[string]error{lane: err}
}

func (s *fakeSite) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.sent
	s.sent = nil
	return got
}

// start runs an outbox; the function returned ends it.
func start(t *testing.T, dir string, log *fakeLog, site *fakeSite) (*Outbox, func()) {
	t.Helper()
	o, err := Open(t.Context(), dir, log, map[string]Sender{"test": site}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	return o, sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestDeliversInOrder(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log, site := newFakeLog(), &fakeSite{targets: []Delivery{{Lane: "a", Target: "a/1"}, {Lane: "a", Target: "a/2"}, {Lane: "b", Target: "b/1"}}}
		for range 20 {
			log.post("alice")
			log.post("bob")
		}
		_, stop := start(t, dir, log, site)
		defer stop()
		synctest.Wait()
		got := site.take()
		if len(got) != 120 {
			t.Fatalf("%d deliveries, want 120", len(got))
		}
		for _, nick := range []string{"alice", "bob"} {
			for _, lane := range []string{"a", "b"} {
				var seqs []int
				for _, line := range got {
					var target, who string
					var seq int
					fmt.Sscan(line, &target, &who, &seq)
					if who == nick && target[:1] == lane {
						seqs = append(seqs, seq)
					}
				}
				if !slices.IsSorted(seqs) {
					t.Errorf("%s to %s out of order: %v", nick, lane, seqs)
				}
			}
		}
	})
}

func TestFailingSiteDelaysNobodyElse(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log, site := newFakeLog(), &fakeSite{targets: []Delivery{{Lane: "down", Target: "down"}, {Lane: "up", Target: "up"}}}
		site.setFail("down", &Later{Err: errors.New("connection refused")})
		o, stop := start(t, dir, log, site)
		defer stop()
		log.post("alice")
		log.post("alice")
		synctest.Wait()
		if diff := cmp.Diff([]string{"up alice 1", "up alice 2"}, site.take()); diff != "" {
			t.Fatal(diff)
		}
		want := Status{Kind: "test", Lane: "down", Waiting: 2, Failures: 1, Problem: "connection refused"}
		status := o.Status()
		if len(status) != 1 || status[0].Next.IsZero() {
			t.Fatalf("status %+v", status)
		}
		status[0].Next = time.Time{}
		if diff := cmp.Diff(want, status[0]); diff != "" {
			t.Error(diff)
		}
		time.Sleep(firstPause + firstPause/5) // the second attempt, which fails too
		synctest.Wait()
		if got := o.Status()[0].Failures; got != 2 {
			t.Errorf("%d failures after the first pause, want 2", got)
		}
		site.setFail("down", nil)
		time.Sleep(3 * firstPause)
		synctest.Wait()
		if diff := cmp.Diff([]string{"down alice 1", "down alice 2"}, site.take()); diff != "" {
			t.Error(diff)
		}
		if got := o.Status(); len(got) != 0 {
			t.Errorf("status after recovery: %+v", got)
		}
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log, site := newFakeLog(), &fakeSite{targets: []Delivery{{Lane: "a", Target: "a"}}}
		site.setFail("a", &Later{After: time.Hour, Err: errors.New("503")})
		_, stop := start(t, dir, log, site)
		defer stop()
		log.post("alice")
		synctest.Wait()
		site.setFail("a", nil)
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		if got := site.take(); len(got) != 0 {
			t.Fatalf("sent before Retry-After was over: %v", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := site.take(); len(got) != 1 {
			t.Fatalf("sent %v, want one", got)
		}
	})
}

func TestRefusedAndExpiredAreGivenUp(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log, site := newFakeLog(), &fakeSite{targets: []Delivery{{Lane: "a", Target: "a"}}}
		site.setFail("a", errors.New("400 too long"))
		_, stop := start(t, dir, log, site)
		log.post("alice")
		synctest.Wait()
		site.setFail("a", nil)
		log.post("alice")
		synctest.Wait()
		if diff := cmp.Diff([]string{"a alice 2"}, site.take()); diff != "" {
			t.Fatal(diff)
		}
		stop()
		log.post("alice")
		time.Sleep(lifetime + time.Minute)
		log.post("alice")
		_, stop = start(t, dir, log, site)
		defer stop()
		synctest.Wait()
		if diff := cmp.Diff([]string{"a alice 4"}, site.take()); diff != "" {
			t.Errorf("after %s: %s", lifetime, diff)
		}
	})
}

func TestReplaySendsNothing(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		log, site := newFakeLog(), &fakeSite{targets: []Delivery{{Lane: "a", Target: "a/1"}, {Lane: "a", Target: "a/2"}}}
		for range 300 {
			log.post("alice")
		}
		_, stop := start(t, dirs[0], log, site)
		synctest.Wait()
		stop()
		if got := len(site.take()); got != 600 {
			t.Fatalf("%d deliveries, want 600", got)
		}
		_, stop = start(t, dirs[0], log, site)
		synctest.Wait()
		stop()
		_, stop = start(t, dirs[1], log, site) // the queue is lost: the whole log is read again
		defer stop()
		synctest.Wait()
		if got := site.take(); len(got) != 0 {
			t.Fatalf("a replay sent %d deliveries: %v …", len(got), got[0])
		}
		log.post("alice")
		synctest.Wait()
		if got := len(site.take()); got != 2 {
			t.Fatalf("%d deliveries of a new post, want 2", got)
		}
	})
}

// A queue whose files are damaged is begun anew, as one that is lost.
func TestDamagedQueueIsRebuilt(t *testing.T) {
	for name, damage := range map[string]func(file string) error{
		"cut":     func(file string) error { return os.Truncate(file, 20) },
		"removed": os.Remove,
		"garbage": func(file string) error { return os.WriteFile(file, []byte("garbage"), 0o600) },
	} {
		dir, log := t.TempDir(), newFakeLog()
		log.post("alice")
		open := func() *Outbox {
			o, err := Open(t.Context(), dir, log, nil, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatalf("manifest %s: %v", name, err)
			}
			return o
		}
		o := open()
		if err := o.enqueue(t.Context(), log.recs, nil); err != nil {
			t.Fatal(err)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		manifests, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
		if err != nil || len(manifests) == 0 {
			t.Fatalf("manifests %v, %v", manifests, err)
		}
		for _, file := range manifests {
			if err := damage(file); err != nil {
				t.Fatal(err)
			}
		}
		o = open()
		if pos, err := o.position(); err != nil || pos.Seq != 0 {
			t.Errorf("manifest %s: the queue stands at %d, %v", name, pos.Seq, err)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnotherLogEmptiesTheQueue(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log, site := newFakeLog(), &fakeSite{targets: []Delivery{{Lane: "a", Target: "a"}}}
		site.setFail("a", &Later{Err: errors.New("down")})
		log.post("alice")
		_, stop := start(t, dir, log, site)
		synctest.Wait()
		stop()
		other := newFakeLog()
		other.epoch = "two"
		site.setFail("a", nil)
		o, stop := start(t, dir, other, site)
		defer stop()
		synctest.Wait()
		if got := site.take(); len(got) != 0 {
			t.Errorf("sent what another log asked for: %v", got)
		}
		if got := o.Status(); len(got) != 0 {
			t.Errorf("status %+v", got)
		}
	})
}

func TestRestoredLogDeliversItsNewPosts(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		log, site := newFakeLog(), &fakeSite{targets: []Delivery{{Lane: "a", Target: "a"}}}
		for range 10 {
			log.post("alice")
		}
		_, stop := start(t, dirs[0], log, site)
		synctest.Wait()
		stop()
		site.take()
		// A backup of the first six posts, with cursors that are ahead of it.
		log.epoch, log.began, log.recs = "two", 6, log.recs[:6]
		_, stop = start(t, dirs[1], log, site)
		defer stop()
		synctest.Wait()
		if got := site.take(); len(got) != 0 {
			t.Errorf("a restored log sent again: %v", got)
		}
		log.post("alice")
		synctest.Wait()
		if diff := cmp.Diff([]string{"a alice 7"}, site.take()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAtMostFourAtOnce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		log, site := newFakeLog(), &fakeSite{targets: []Delivery{{Lane: "a", Target: "a"}}, slow: map[string]chan struct{}{"a": gate}}
		for i := range 10 {
			log.post(fmt.Sprintf("nick%d", i))
		}
		_, stop := start(t, dir, log, site)
		defer stop()
		synctest.Wait()
		for range laneWidth {
			gate <- struct{}{} // unbuffered: it meets a send under way
		}
		synctest.Wait()
		if got := len(site.take()); got != laneWidth {
			t.Fatalf("%d sends got through four gates", got)
		}
		close(gate)
		synctest.Wait()
		if got := len(site.take()); got != 10-laneWidth {
			t.Errorf("%d more sends, want %d", got, 10-laneWidth)
		}
	})
}

func TestACursorThatCannotBeKeptYet(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log, site := newFakeLog(), &fakeSite{targets: []Delivery{{Lane: "a", Target: "a"}}}
		log.setFull(errors.New("no space"))
		for range 2 {
			log.post("alice")
			log.post("bob")
		}
		_, stop := start(t, dir, log, site)
		<-time.After(time.Hour)
		synctest.Wait()
		if got := len(site.take()); got != 2 {
			t.Errorf("%d deliveries while no cursor can be kept, want the first of each", got)
		}
		log.setFull(nil)
		<-time.After(2 * time.Minute)
		synctest.Wait()
		if got := len(site.take()); got != 2 {
			t.Errorf("%d more deliveries, want the second of each", got)
		}
		log.setFull(errors.New("no space"))
		log.post("alice")
		synctest.Wait()
		before := time.Now()
		stop()
		if took := time.Since(before); took > 0 {
			t.Errorf("it took %s to end", took)
		}
	})
}

func TestTheOldestGoesFirst(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log, site := newFakeLog(), &fakeSite{targets: []Delivery{{Lane: "a", Target: "a"}}}
		site.setFail("a", &Later{Err: errors.New("down")})
		log.post("zoe")
		for range 3 {
			for i := range 2 * laneWidth {
				log.post(fmt.Sprintf("nick%d", i))
			}
		}
		_, stop := start(t, dir, log, site)
		defer stop()
		synctest.Wait()
		site.setFail("a", nil)
		<-time.After(maxPause)
		synctest.Wait()
		if got := site.take(); len(got) != 1+3*2*laneWidth || got[0] != "a zoe 1" {
			t.Errorf("the oldest delivery does not go first: %v", got)
		}
	})
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// benchCmd measures a daemon from outside, as its clients see it: a process of
// its own with a fresh data directory on this machine's disk, and clients over
// TCP in this process.
type benchCmd struct {
	Subscribers int           `help:"Sessions that subscribe." default:"100"`
	Posts       int           `help:"Posts that each measurement publishes." default:"400"`
	Rate        int           `help:"Posts a second while latency is measured." default:"20"`
	Callers     int           `help:"Sessions that publish at the same time, for the last measurement." default:"64"`
	Settle      time.Duration `help:"How long an idle daemon is left alone before its memory is read." default:"3s"`
}

// benchRow is one figure.
type benchRow struct {
	Measure string  `json:"measure"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
}

func (r benchRow) String() string { return fmt.Sprintf("%10.2f %-9s %s", r.Value, r.Unit, r.Measure) }

// Run measures and prints a figure a line as it is known.
func (b *benchCmd) Run(ctx context.Context, con *console) error {
	dir, err := os.MkdirTemp("", "peewit-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	begin := time.Now()
	d, err := startChild(ctx, dir)
	if err != nil {
		return err
	}
	defer d.stop()
	row := func(measure string, value float64, unit string) error {
		return print(con, []benchRow{{measure, value, unit}})
	}
	if err := row("start with an empty data directory", float64(time.Since(begin).Milliseconds()), "ms"); err != nil {
		return err
	}
	return b.measure(ctx, d, row)
}

func (b *benchCmd) measure(ctx context.Context, d *child, row func(string, float64, string) error) error {
	idle, err := d.settled(ctx, b.Settle)
	if err != nil {
		return err
	}
	if err := row("memory, idle", float64(idle)/1024, "MiB"); err != nil {
		return err
	}
	publisher, subscribers, err := b.crowd(ctx, d.xmpp)
	if err != nil {
		return err
	}
	defer closeAll(append(subscribers, publisher))
	full, err := d.settled(ctx, b.Settle)
	if err != nil {
		return err
	}
	err = row(fmt.Sprintf("memory a connected idle session (of %d)", b.Subscribers), float64(full-idle)/float64(b.Subscribers+1), "KiB")
	if err != nil {
		return err
	}
	for _, step := range []func() ([]benchRow, error){
		func() ([]benchRow, error) { return b.latency(ctx, publisher, subscribers) },
		func() ([]benchRow, error) { return b.fanout(ctx, publisher, subscribers) },
		func() ([]benchRow, error) { return b.acks(ctx, d.xmpp, 1) },
		func() ([]benchRow, error) { return b.acks(ctx, d.xmpp, b.Callers) },
	} {
		rows, err := step()
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := row(r.Measure, r.Value, r.Unit); err != nil {
				return err
			}
		}
	}
	return nil
}

// crowd is a publisher and its subscribers, connected.
func (b *benchCmd) crowd(ctx context.Context, addr string) (publisher *benchClient, subscribers []*benchClient, err error) {
	if publisher, err = login(ctx, addr, "publisher"); err != nil {
		return nil, nil, err
	}
	for i := range b.Subscribers {
		s, err := login(ctx, addr, "reader"+strconv.Itoa(i))
		if err == nil {
			subscribers = append(subscribers, s)
			err = s.subscribe("publisher@localhost")
		}
		if err != nil {
			closeAll(append(subscribers, publisher))
			return nil, nil, err
		}
	}
	return publisher, subscribers, nil
}

// latency is the time from sending a publish to each subscriber's event.
func (b *benchCmd) latency(ctx context.Context, publisher *benchClient, subscribers []*benchClient) ([]benchRow, error) {
	sent := make([]time.Time, b.Posts)
	arrived := collect(ctx, subscribers, "late", b.Posts)
	tick := time.NewTicker(time.Second / time.Duration(b.Rate))
	defer tick.Stop()
	for i := range b.Posts {
		sent[i] = time.Now()
		if err := publisher.publish("late" + strconv.Itoa(i)); err != nil {
			return nil, err
		}
		if err := publisher.result(); err != nil {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	var took []time.Duration
	for a := range arrived {
		if a.err != nil {
			return nil, a.err
		}
		took = append(took, a.at.Sub(sent[a.n]))
	}
	slices.Sort(took)
	measure := fmt.Sprintf("publish to notification, %d posts/s to %d subscribers, ", b.Rate, len(subscribers))
	return []benchRow{
		{measure + "p50", milliseconds(took[len(took)/2]), "ms"},
		{measure + "p99", milliseconds(took[len(took)*99/100]), "ms"},
	}, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// fanout is how many events a second reach the subscribers while eight posts are
// always under way.
func (b *benchCmd) fanout(ctx context.Context, publisher *benchClient, subscribers []*benchClient) ([]benchRow, error) {
	arrived := collect(ctx, subscribers, "fan", b.Posts)
	begin := time.Now()
	const window = 8
	for i := range b.Posts + window {
		if i < b.Posts {
			if err := publisher.publish("fan" + strconv.Itoa(i)); err != nil {
				return nil, err
			}
		}
		if i >= window {
			if err := publisher.result(); err != nil {
				return nil, err
			}
		}
	}
	events, last := 0, begin
	for a := range arrived {
		if a.err != nil {
			return nil, a.err
		}
		events++
		if a.at.After(last) {
			last = a.at
		}
	}
	return []benchRow{{fmt.Sprintf("fan-out to %d subscribers", len(subscribers)), float64(events) / last.Sub(begin).Seconds(), "events/s"}}, nil
}

// acks is how many publishes a second are answered to so many callers, each of
// whom waits for its answer.
func (b *benchCmd) acks(ctx context.Context, addr string, callers int) ([]benchRow, error) {
	var clients []*benchClient
	defer func() { closeAll(clients) }()
	for i := range callers {
		c, err := login(ctx, addr, fmt.Sprintf("caller%dof%d", i, callers))
		if err != nil {
			return nil, err
		}
		clients = append(clients, c)
	}
	var group sync.WaitGroup
	errs := make([]error, callers)
	begin := time.Now()
	for i, c := range clients {
		group.Go(func() {
			for n := range b.Posts {
				if errs[i] = errors.Join(c.publish("ack"+strconv.Itoa(n)), c.result()); errs[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	rate := float64(callers*b.Posts) / time.Since(begin).Seconds()
	return []benchRow{{fmt.Sprintf("publishes acknowledged to %d %s", callers, plural(callers, "caller")), rate, "posts/s"}}, errors.Join(errs...)
}

// child is a daemon under measurement.
type child struct {
	process *exec.Cmd
	xmpp    string // where it listens
}

// startChild starts this program as a daemon in dir, on free ports.
func startChild(ctx context.Context, dir string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "peewit.toml")
	text := "[http]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"\"\n[xmpp]\nc2s_listen = \"127.0.0.1:0\"\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	process := exec.CommandContext(ctx, self, "serve", "--config", config, "--data", filepath.Join(dir, "data"), "--log-level", "error")
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("start the daemon to measure: %w", err)
	}
	d := &child{process: process}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch fields := strings.Fields(lines.Text()); {
		case len(fields) == 2 && fields[0] == "XMPP":
			d.xmpp = fields[1]
		case len(fields) > 0 && fields[0] == "accounts":
			go io.Copy(io.Discard, out)
			return d, nil
		}
	}
	d.stop()
	return nil, errors.New("the daemon to measure did not start")
}

func (d *child) stop() {
	d.process.Process.Signal(os.Interrupt)
	d.process.Wait() // what it says at its end is no part of the measurement
}

// settled is the resident memory in KiB after a time of idling.
func (d *child) settled(ctx context.Context, idle time.Duration) (int, error) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.process.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read the daemon's memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
			return strconv.Atoi(fields[1])
		}
	}
	return 0, errors.New("read the daemon's memory: no VmRSS")
}

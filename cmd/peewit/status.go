package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"peewit/bridge/deliver"
	"peewit/bridge/xmpp/component"
)

// statusRow is the state of the daemon.
type statusRow struct {
	Version   string             `json:"version"`
	Domain    string             `json:"domain"`
	Up        string             `json:"up"` // for how long
	Sessions  int                `json:"sessions"`
	Links     []component.Status `json:"links,omitempty"`
	Log       logStatus          `json:"log"`
	Consumers []consumerStatus   `json:"consumers"`
	Erasing   int                `json:"erasing"` // records that are waiting to be erased
	Feeds     []sourceRow        `json:"feeds,omitempty"`
	Outbox    []deliver.Status   `json:"outbox,omitempty"`
}

// logStatus is where the log stands.
type logStatus struct {
	Epoch   string    `json:"epoch"`
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time,omitzero"`
	Problem string    `json:"problem,omitempty"` // why it takes no records now
}

// consumerStatus is how far a follower of the log has come.
type consumerStatus struct {
	Name string `json:"name"`
	Seq  uint64 `json:"seq"`
	Lag  uint64 `json:"lag"` // records behind the log
	Note string `json:"note,omitempty"`
}

func (r statusRow) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "peewit %s for %s, up %s, %d XMPP %s\n", r.Version, r.Domain, r.Up, r.Sessions, plural(r.Sessions, "session"))
	fmt.Fprintf(&b, "log: %d records%s\n", r.Log.Seq, problem(r.Log.Problem))
	for _, c := range r.Consumers {
		fmt.Fprintf(&b, "  %-8s at %d, %d behind%s\n", c.Name, c.Seq, c.Lag, problem(c.Note))
	}
	if r.Erasing > 0 {
		fmt.Fprintf(&b, "  %d %s to be erased\n", r.Erasing, plural(r.Erasing, "record"))
	}
	for _, l := range r.Links {
		state := "down"
		if l.Connected {
			state = "up"
		}
		fmt.Fprintf(&b, "link %s: %s, %d in flight, %d sent, %d bounced%s\n", l.Address, state, l.InFlight, l.Sent, l.Bounced, problem(l.Error))
	}
	for _, f := range r.Feeds {
		fmt.Fprintf(&b, "feed %s\n", f)
	}
	for _, o := range r.Outbox {
		fmt.Fprintf(&b, "outbox %s %s: %d waiting", o.Kind, o.Lane, o.Waiting)
		if o.Failures > 0 {
			fmt.Fprintf(&b, ", %d %s in a row", o.Failures, plural(o.Failures, "failure"))
		}
		if !o.Next.IsZero() {
			fmt.Fprintf(&b, ", next attempt %s", in(o.Next))
		}
		b.WriteString(problem(o.Problem) + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func problem(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// report is the state of the daemon now.
func (h *house) report(ctx context.Context) (statusRow, error) {
	last, err := h.log.Last(ctx)
	if err != nil {
		return statusRow{}, err
	}
	feeds, err := sourceRows(ctx, h.feeds)
	if err != nil {
		return statusRow{}, err
	}
	row := statusRow{
		Version: version(), Domain: h.cfg.Domain, Up: time.Since(h.started).Round(time.Second).String(),
		Sessions: h.c2s.Sessions(),
		Log:      logStatus{Epoch: h.log.Epoch(), Seq: last.Seq, Time: last.Time},
		Feeds:    feeds, Outbox: h.outbox.Status(),
	}
	if err := h.log.Writable(); err != nil {
		row.Log.Problem = oneLine(err)
	}
	behind := func(name string, seq uint64, note string) {
		row.Consumers = append(row.Consumers, consumerStatus{name, seq, last.Seq - min(seq, last.Seq), note})
	}
	behind("archive", h.svc.Archive().Position().Seq, "")
	found := h.index.Status()
	note := fmt.Sprintf("%d %s", found.Docs, plural(int(found.Docs), "post"))
	if found.Rebuilding {
		note += ", being rebuilt"
	}
	behind("index", found.Position.Seq, note)
	tracked := h.track.Status()
	behind("track", tracked.Seq, fmt.Sprintf("%d %s", tracked.Queries, plural(tracked.Queries, "track")))
	behind("outbox", h.outbox.Seq(), "")
	for _, link := range h.links {
		status := link.Status()
		row.Links = append(row.Links, status)
		behind("link", status.Seq, status.Address)
	}
	if dead, err := h.svc.Archive().Dead(-1); err == nil {
		row.Erasing = len(dead)
	}
	return row, nil
}

func (c *commands) status(ctx context.Context, _ none) ([]statusRow, error) {
	row, err := c.report(ctx)
	return []statusRow{row}, err
}

package component

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"peewit/bridge"
)

// cursor is how far the host has confirmed: every event of the records before
// Seq, and of the record Seq itself those up to the recipient To of its event
// number Event. Without To, all of Seq.
type cursor struct {
	Seq   uint64     `json:"seq"`
	Event int        `json:"event,omitempty"`
	To    bridge.JID `json:"to,omitempty"`
}

// after is the record to follow the log from: the one in the middle of which the
// cursor stands comes again.
func (c cursor) after() uint64 {
	if c.To == "" {
		return c.Seq
	}
	return c.Seq - 1
}

const saveEvery = 100 * time.Millisecond

func (l *Link) cursorKey() string { return "component cursor " + l.name() }

// loadCursor reads where the lane goes on. A link that is attached for the first
// time begins at the end of the log: what was before is history, and who wants
// it can ask. A cursor beyond the end belongs to a log that was restored.
func (l *Link) loadCursor(ctx context.Context) error {
	data, err := l.o.Log.Get(ctx, l.cursorKey())
	if err != nil {
		return fmt.Errorf("read the cursor of the component link: %w", err)
	}
	last, err := l.o.Log.Last(ctx)
	if err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	c := cursor{Seq: last.Seq}
	if data != nil {
		if err := json.Unmarshal(data, &c); err != nil {
			return fmt.Errorf("read the cursor of the component link: %w", err)
		}
	}
	if c.Seq > last.Seq {
		c = cursor{Seq: last.Seq}
	}
	l.mu.Lock()
	l.cursor, l.saved = c, cursor{}
	l.mu.Unlock()
	l.saveCursor(ctx)
	return nil
}

// saveCursor writes the cursor if it has moved. That it cannot be written costs
// repeats after a crash, no events; the next time comes soon.
func (l *Link) saveCursor(ctx context.Context) {
	l.mu.Lock()
	c, saved := l.cursor, l.saved
	l.mu.Unlock()
	if c == saved {
		return
	}
	data, err := json.Marshal(c)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
		defer cancel()
		err = l.o.Log.Put(ctx, l.cursorKey(), data, 0)
	}
	if err != nil {
		if n := l.unsaved.another(); n > 0 {
			l.o.Logger.Warn("cursor of the component link not written", slog.Int("times", n), slog.Any("error", err))
		}
		return
	}
	l.mu.Lock()
	l.saved = c
	l.mu.Unlock()
}

func (l *Link) position() cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursor
}

func (l *Link) setPosition(c cursor) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursor = c
}

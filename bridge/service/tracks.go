package service

import (
	"context"
	"slices"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/index/query"
)

// maxTracks bounds the tracks of one account.
const maxTracks = 100

// Tracks are standing queries of the accounts.
type Tracks struct{ *core }

// Add makes a standing query of an account, with the node track-ID that only
// the account sees. A query equal to one it has is that one.
func (t *Tracks) Add(ctx context.Context, nick, text string) (bridge.Track, error) {
	q, err := query.Parse(text)
	if err == nil {
		err = q.Standing()
	}
	if err != nil {
		return bridge.Track{}, bridge.Refuse(bridge.NotAcceptable, "%v", err)
	}
	var track bridge.Track
	err = t.change(ctx, func() ([]bridge.Draft, error) {
		if _, ok := t.reg.Account(nick); !ok {
			return nil, noAccount(nick)
		}
		mine := t.List(nick)
		for _, old := range mine {
			if old.Query == text {
				track = old
				return nil, nil
			}
		}
		if len(mine) >= maxTracks {
			return nil, bridge.Refuse(bridge.ResourceConstraint, "an account has at most %d tracks", maxTracks)
		}
		owner := bridge.JID(nick + "@" + string(t.opts.Domain))
		now := time.Now().UTC()
		track = bridge.Track{ID: bridge.Hash(nick, text, now.String())[:8], Owner: nick, Query: text, Created: now}
		cfg := bridge.ServiceConfig()
		cfg.Title, cfg.AccessModel = "Posts that match "+text, bridge.AccessWhitelist
		node := newNode(bridge.Addr{Service: t.opts.Domain, Name: bridge.TrackNode(track.ID)}, owner, cfg)
		return t.guardAll([]bridge.Record{{Track: &track}, {Node: &node}}), nil
	})
	return track, err
}

// Remove ends a standing query.
func (t *Tracks) Remove(ctx context.Context, id string) error {
	return t.change(ctx, func() ([]bridge.Draft, error) {
		track, ok := t.reg.Track(id)
		if !ok {
			return nil, bridge.Refuse(bridge.ItemNotFound, "there is no track %s", id)
		}
		return t.guardAll(t.trackRecords(track)), nil
	})
}

// trackRecords end a track and its node.
func (c *core) trackRecords(t bridge.Track) []bridge.Record {
	t.Removed = true
	return append([]bridge.Record{{Track: &t}}, c.nodeRemoval(bridge.TrackNode(t.ID))...)
}

// List is the tracks of an account, or all when nick is empty.
func (t *Tracks) List(nick string) []bridge.Track {
	all := t.reg.Tracks()
	if nick == "" {
		return all
	}
	return slices.DeleteFunc(all, func(o bridge.Track) bool { return o.Owner != nick })
}

// TrackOf is the track whose node this is.
func (c *core) TrackOf(addr bridge.Addr) (bridge.Track, bool) {
	id, ok := strings.CutPrefix(addr.Name, "track-")
	if !ok || addr.Service != c.opts.Domain {
		return bridge.Track{}, false
	}
	return c.reg.Track(id)
}

package service

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"peewit/bridge"
)

// Planets are merged nodes on the domain with their sources.
type Planets struct{ *core }

// maxSources bounds the sources of one planet: all new, with their nodes, they
// are fewer than the 1,000 records that the log takes together.
const maxSources = 400

// Add makes a planet of feed URLs, or adds them to the planet of that name. An
// empty title leaves the title as it is. Each source gets a node of its own,
// feed-ID, which keeps the posts; the planet's node refers to them.
func (p *Planets) Add(ctx context.Context, name, title string, urls []string) (bridge.Planet, error) {
	if err := checkPlanetName(name); err != nil {
		return bridge.Planet{}, err
	}
	var planet bridge.Planet
	err := p.change(ctx, func() ([]bridge.Draft, error) {
		var records []bridge.Record
		var known bool
		planet, known = p.reg.Planet(name)
		addr := bridge.Addr{Service: p.opts.Domain, Name: name}
		if !known {
			if _, taken := p.reg.Node(addr); taken {
				return nil, bridge.Refuse(bridge.Conflict, "there is a node %s already that is no planet", name)
			}
			planet = bridge.Planet{Name: name, Created: time.Now().UTC()}
			node := newNode(addr, p.opts.Domain, planetConfig(title))
			records = append(records, bridge.Record{Node: &node})
		}
		if title != "" {
			planet.Title = title
		}
		planet.Sources = slices.Clone(planet.Sources)
		for _, u := range urls {
			id, recs, err := p.source(u)
			if err != nil {
				return nil, err
			}
			records = append(records, recs...)
			if !slices.Contains(planet.Sources, id) {
				planet.Sources = append(planet.Sources, id)
			}
		}
		if len(planet.Sources) > maxSources {
			return nil, bridge.Refuse(bridge.NotAcceptable, "a planet has at most %d sources", maxSources)
		}
		return p.guardAll(append(records, bridge.Record{Planet: &planet})), nil
	})
	return planet, err
}

// source is the id of the source at a URL, with the records that make it if it
// is new.
func (p *Planets) source(raw string) (string, []bridge.Record, error) {
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || len(raw) > 2048 {
		return "", nil, bridge.Refuse(bridge.NotAcceptable, "%q is no http or https URL", raw)
	}
	id := bridge.Hash(raw)[:12]
	if _, known := p.reg.Source(id); known {
		return id, nil, nil
	}
	source := bridge.Source{ID: id, URL: raw, Created: time.Now().UTC()}
	cfg := bridge.ServiceConfig()
	cfg.Title, cfg.Type = raw, "http://www.w3.org/2005/Atom"
	node := newNode(bridge.Addr{Service: p.opts.Domain, Name: bridge.FeedNode(id)}, p.opts.Domain, cfg)
	return id, []bridge.Record{{Source: &source}, {Node: &node}}, nil
}

func planetConfig(title string) bridge.NodeConfig {
	cfg := bridge.ServiceConfig()
	cfg.Title, cfg.Type = title, "urn:xmpp:pubsub-social-feed:1" // XEP-0472
	return cfg
}

// Remove takes a planet away, and the sources that no other planet shows.
func (p *Planets) Remove(ctx context.Context, name string) error {
	return p.change(ctx, func() ([]bridge.Draft, error) {
		planet, ok := p.reg.Planet(name)
		if !ok {
			return nil, bridge.Refuse(bridge.ItemNotFound, "there is no planet %s", name)
		}
		planet.Removed = true
		records := append([]bridge.Record{{Planet: &planet}}, p.nodeRemoval(name)...)
		for _, id := range planet.Sources {
			source, known := p.reg.Source(id)
			if !known || p.shownElsewhere(id, name) {
				continue
			}
			source.Removed = true
			records = append(records, bridge.Record{Source: &source})
			records = append(records, p.nodeRemoval(bridge.FeedNode(id))...)
		}
		return p.guardAll(records), nil
	})
}

func (c *core) nodeRemoval(name string) []bridge.Record {
	node, ok := c.reg.Node(bridge.Addr{Service: c.opts.Domain, Name: name})
	if !ok {
		return nil
	}
	node.Removed = true
	return []bridge.Record{{Node: &node}}
}

func (p *Planets) shownElsewhere(id, except string) bool {
	return slices.ContainsFunc(p.reg.Planets(), func(o bridge.Planet) bool {
		return o.Name != except && slices.Contains(o.Sources, id)
	})
}

// SetSourceTitle remembers the title that a feed gives itself.
func (p *Planets) SetSourceTitle(ctx context.Context, id, title string) error {
	return p.change(ctx, func() ([]bridge.Draft, error) {
		source, ok := p.reg.Source(id)
		if !ok || source.Title == title {
			return nil, nil
		}
		source.Title = title
		return []bridge.Draft{p.guarded(bridge.Record{Source: &source})}, nil
	})
}

// List is all planets, by name.
func (p *Planets) List() []bridge.Planet { return p.reg.Planets() }

// Get is the planet of a name.
func (p *Planets) Get(name string) (bridge.Planet, bool) { return p.reg.Planet(name) }

// Sources are the sources of a planet that exist.
func (p *Planets) Sources(planet bridge.Planet) []bridge.Source {
	var sources []bridge.Source
	for _, id := range planet.Sources {
		if source, ok := p.reg.Source(id); ok {
			sources = append(sources, source)
		}
	}
	return sources
}

// checkPlanetName refuses names that clients decode differently from each other
// or that are ours.
func checkPlanetName(name string) error {
	if strings.Trim(name, ".") == "" || len(name) > 200 || !utf8.ValidString(name) || strings.ContainsAny(name, "/%#?;&+ \t\n\r") {
		return bridge.Refuse(bridge.NotAcceptable, "a planet's name has 1 to 200 bytes and none of / %% # ? ; & + or spaces")
	}
	if reservedNode(name) {
		return bridge.Refuse(bridge.NotAcceptable, "the name %s is reserved", name)
	}
	for _, ending := range []string{".atom", ".rss", ".json", ".opml"} { // of another planet's feeds
		if strings.HasSuffix(name, ending) {
			return bridge.Refuse(bridge.NotAcceptable, "a planet's name does not end in %s, as its feed does", ending)
		}
	}
	return nil
}

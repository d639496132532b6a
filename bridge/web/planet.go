package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/microblog"
	"peewit/bridge/syndicate"
)

// feedSize is how many posts a feed document holds.
const feedSize = 50

// planet serves /planet/NAME and, by their endings, the same posts as feeds.
func (s *site) planet(w http.ResponseWriter, r *http.Request) {
	name, ending := r.PathValue("name"), ""
	planet, ok := s.svc.Planets.Get(name)
	if !ok {
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			planet, ok = s.svc.Planets.Get(name[:i])
			ending = name[i+1:]
		}
	}
	if !ok {
		s.fail(w, r, bridge.Refuse(bridge.ItemNotFound, "There is no planet %s.", name))
		return
	}
	addr := bridge.Addr{Service: s.svc.Domain(), Name: planet.Name}
	switch ending {
	case "":
		s.planetPage(w, r, planet, addr)
	case "opml":
		s.send(w, r, syndicate.TypeOPML, planet.Created, syndicate.WriteOPML(planet, s.svc.Planets.Sources(planet)))
	default:
		s.planetFeed(w, r, planet, addr, ending)
	}
}

func (s *site) planetPage(w http.ResponseWriter, r *http.Request, planet bridge.Planet, addr bridge.Addr) {
	list, err := s.list(r, addr)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "planet", page{
		Title: title(planet), Feed: "/planet/" + planet.Name + ".atom",
		Body: struct {
			listing
			Planet  bridge.Planet
			Node    string
			Sources []bridge.Source
		}{list, planet, microblog.URI(addr, ""), s.svc.Planets.Sources(planet)},
	})
}

func (s *site) planetFeed(w http.ResponseWriter, r *http.Request, planet bridge.Planet, addr bridge.Addr, ending string) {
	format, ok := formats[ending]
	if !ok {
		s.missing(w, r)
		return
	}
	found, err := s.svc.Posts.Items(r.Context(), stranger, addr, archive.Query{Max: feedSize})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	base := s.svc.BaseURL() + "planet/" + planet.Name
	head := bridge.Feed{
		ID: microblog.URI(addr, ""), Title: title(planet), Link: base, Self: base + "." + ending,
		Author: bridge.Person{Name: title(planet)}, Updated: planet.Created,
	}
	for _, item := range found.Items {
		if item.Modified.After(head.Updated) {
			head.Updated = item.Modified
		}
	}
	s.send(w, r, format.mediaType, head.Updated, format.write(head, nil, found.Items))
}

// formats are the feed formats by their endings.
var formats = map[string]struct {
	mediaType string
	write     func(head bridge.Feed, links []bridge.Link, items []bridge.Item) []byte
}{
	"atom": {syndicate.TypeAtom, syndicate.Atom},
	"rss":  {syndicate.TypeRSS, syndicate.RSS},
	"json": {syndicate.TypeJSON, syndicate.JSON},
}

// send answers with a document, or with "not modified" to a reader who has it:
// feed readers ask again and again.
func (s *site) send(w http.ResponseWriter, r *http.Request, mediaType string, modified time.Time, document []byte) {
	sum := sha256.Sum256(document)
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", modified, bytes.NewReader(document))
}

func title(planet bridge.Planet) string {
	if planet.Title != "" {
		return planet.Title
	}
	return planet.Name
}

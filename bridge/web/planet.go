package web

import (
	"html/template"
	"net/http"
	"net/url"
	"time"

	"peewit/bridge"
	"peewit/bridge/syndicate"
)

// planet serves /planet/NAME and, by their endings, the same posts as feeds and
// the sources as OPML.
func (s *site) planet(w http.ResponseWriter, r *http.Request) {
	name, ending := r.PathValue("name"), ""
	planet, ok := s.svc.Planets.Get(name) // its name may have a dot
	if !ok {
		name, ending = cutEnding(name)
		planet, ok = s.svc.Planets.Get(name)
	}
	if !ok {
		s.fail(w, r, bridge.Refuse(bridge.ItemNotFound, "there is no planet %s", name))
		return
	}
	addr := bridge.Addr{Service: s.svc.Domain(), Name: planet.Name}
	switch ending {
	case "":
		s.planetPage(w, r, planet, addr)
	case "opml":
		send(w, r, syndicate.TypeOPML, time.Time{}, syndicate.WriteOPML(planet, s.svc.Planets.Sources(planet)))
	default:
		s.feed(w, r, addr, ending, bridge.Feed{
			Title: title(planet), Link: s.svc.BaseURL() + planetPath(planet)[1:], Updated: planet.Created,
		})
	}
}

func (s *site) planetPage(w http.ResponseWriter, r *http.Request, planet bridge.Planet, addr bridge.Addr) {
	list, err := s.list(r, addr)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	var sources []link
	for _, source := range s.svc.Planets.Sources(planet) {
		sources = append(sources, link{Text: or(source.Title, source.URL), Href: source.URL, Away: true})
	}
	path := planetPath(planet)
	p := page{Title: title(planet), Feed: path + ".atom", Address: address(addr)}
	p.Body = struct {
		listing
		Path    string
		Address template.URL
		Sources []link
	}{list, path, p.Address, sources}
	s.render(w, http.StatusOK, "planet", p)
}

func title(planet bridge.Planet) string { return or(planet.Title, planet.Name) }

func planetPath(planet bridge.Planet) string { return "/planet/" + url.PathEscape(planet.Name) }

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

package web

import (
	"net/http"
	"strconv"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/microblog"
	"peewit/bridge/service"
)

// pageSize is how many posts a page shows.
const pageSize = 20

// listing is a page of posts with the way to the next one.
type listing struct {
	Posts []post
	Older string // URL of older posts, or ""
}

// stranger is who asks on the web: somebody without a JID, who may read what
// everybody may.
const stranger = bridge.JID("")

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	list, err := s.list(r, bridge.Addr{Service: s.svc.Domain(), Name: service.ViewPublic})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "home", page{Title: "Public posts", Body: struct {
		listing
		Planets []bridge.Planet
	}{list, s.svc.Planets.List()}})
}

func (s *site) profile(w http.ResponseWriter, r *http.Request) {
	nick := r.PathValue("nick")
	account, ok := s.svc.Registry().Account(nick)
	if !ok {
		s.fail(w, r, bridge.Refuse(bridge.ItemNotFound, "There is nobody called %s here.", nick))
		return
	}
	addr := bridge.Addr{Service: s.svc.Accounts.JID(nick), Name: bridge.NodeMicroblog}
	list, err := s.list(r, addr)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "profile", page{Title: nick, Body: struct {
		listing
		Account   bridge.Account
		JID       bridge.JID
		Node      string
		Followers int
	}{list, account, addr.Service, microblog.URI(addr, ""), s.followers(addr)}})
}

func (s *site) followers(addr bridge.Addr) int {
	node, ok := s.svc.Registry().Node(addr)
	if !ok {
		return 0
	}
	return len(s.svc.Follows.On(node.ID))
}

func (s *site) notice(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		s.missing(w, r)
		return
	}
	item, ok, err := s.svc.Archive().ItemBySeq(id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	node, known := s.svc.Registry().NodeByID(item.NodeID)
	if !ok || !known || item.Retracted {
		s.fail(w, r, bridge.Refuse(bridge.ItemNotFound, "This post is not here, or not any more."))
		return
	}
	if err := bridge.Allow(s.svc.Actor(stranger, &node), bridge.Read, &node); err != nil {
		s.fail(w, r, err)
		return
	}
	shown := s.show(item)
	s.render(w, r, http.StatusOK, "notice", page{Title: shown.Title, Body: listing{Posts: []post{shown}}})
}

// list is the page of a node's posts that the request asks for, newest first.
func (s *site) list(r *http.Request, addr bridge.Addr) (listing, error) {
	q := archive.Query{Max: pageSize, After: r.URL.Query().Get("after")}
	found, err := s.svc.Posts.Items(r.Context(), stranger, addr, q)
	if err != nil {
		return listing{}, err
	}
	list := listing{Posts: s.showAll(found.Items)}
	if found.More {
		list.Older = older(r, found.Last)
	}
	return list, nil
}

// older is the URL of the request's page, continued behind an item.
func older(r *http.Request, after string) string {
	query := r.URL.Query()
	query.Set("after", after)
	return r.URL.Path + "?" + query.Encode()
}

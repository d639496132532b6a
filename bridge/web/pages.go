package web

import (
	"html/template"
	"net/http"
	"net/url"
	"strconv"

	"peewit/bridge"
	"peewit/bridge/archive"
	"peewit/bridge/microblog"
	"peewit/bridge/service"
)

// The bounds of a page of posts. One post is shown whatever its size.
const (
	pageSize  = 20
	pageBytes = 1 << 20 // of payloads
)

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
	var planets []link
	for _, p := range s.svc.Planets.List() {
		planets = append(planets, link{Text: title(p), Href: planetPath(p)})
	}
	s.render(w, http.StatusOK, "home", page{Title: "Public posts", Body: struct {
		listing
		Planets []link
	}{list, planets}})
}

// profile serves /NICK and, by their endings, the account's posts as feeds.
func (s *site) profile(w http.ResponseWriter, r *http.Request) {
	nick, ending := cutEnding(r.PathValue("nick"))
	account, ok := s.svc.Registry().Account(nick)
	if !ok {
		s.fail(w, r, bridge.Refuse(bridge.ItemNotFound, "there is nobody called %s here", nick))
		return
	}
	jid := s.svc.Accounts.JID(account.Nick)
	addr := bridge.Addr{Service: jid, Name: bridge.NodeMicroblog}
	if ending != "" {
		s.feed(w, r, addr, ending, bridge.Feed{
			Title: account.Nick, Link: s.svc.BaseURL() + account.Nick,
			Author: microblog.Person(account.Nick, jid), Updated: account.Created,
		})
		return
	}
	list, err := s.list(r, addr)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p := page{Title: account.Nick, Feed: "/" + account.Nick + ".atom", Address: address(addr)}
	p.Body = struct {
		listing
		Feed      string
		Address   template.URL
		JID       bridge.JID
		Followers int
	}{list, p.Feed, p.Address, jid, s.followers(addr)}
	s.render(w, http.StatusOK, "profile", p)
}

// address is the xmpp: URI of a node, every character in it safe in a page.
func address(addr bridge.Addr) template.URL { return template.URL(microblog.URI(addr, "")) }

func (s *site) followers(addr bridge.Addr) int {
	node, ok := s.svc.Registry().Node(addr)
	if !ok {
		return 0
	}
	return len(s.svc.Follows.On(node.ID))
}

// notice serves /notice/ID. A post that planets show has one page, its own.
func (s *site) notice(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		s.missing(w, r)
		return
	}
	item, err := s.readable(id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if item.Of != 0 {
		http.Redirect(w, r, noticePath(item), http.StatusMovedPermanently)
		return
	}
	shown, ok := s.show(item)
	if !ok {
		s.fail(w, r, bridge.Refuse(bridge.ItemNotFound, "this is no post, but data of another program"))
		return
	}
	p := page{Title: shown.Author.Text + ": " + shown.Line, Heading: shown.Title}
	if p.Heading == "" {
		p.Heading = "A post by " + shown.Author.Text
	}
	shown.Title = "" // it is the heading of the page
	p.Body = shown
	s.render(w, http.StatusOK, "notice", p)
}

// readable is the post of a notice id, if strangers may read it.
func (s *site) readable(id uint64) (bridge.Item, error) {
	item, ok, err := s.svc.Archive().ItemBySeq(id)
	if err != nil {
		return bridge.Item{}, err
	}
	node, known := s.svc.Registry().NodeByID(item.NodeID)
	if !ok || !known {
		return bridge.Item{}, bridge.Refuse(bridge.ItemNotFound, "there is no post of this number")
	}
	if err := bridge.Allow(s.svc.Actor(stranger, &node), bridge.Read, &node); err != nil {
		return bridge.Item{}, err
	}
	if item.Retracted {
		return bridge.Item{}, bridge.Refuse(bridge.ItemNotFound, "this post is not here any more")
	}
	return item, nil
}

// list is the page of a node's posts that the request asks for, newest first.
func (s *site) list(r *http.Request, addr bridge.Addr) (listing, error) {
	q := archive.Query{Max: pageSize, MaxBytes: pageBytes, After: r.URL.Query().Get("after")}
	found, err := s.svc.Posts.Items(r.Context(), stranger, addr, q)
	if err != nil {
		return listing{}, err
	}
	list := listing{Posts: s.showAll(found.Items)}
	if found.More {
		list.Older = r.URL.EscapedPath() + "?" + url.Values{"after": {found.Last}}.Encode()
	}
	return list, nil
}

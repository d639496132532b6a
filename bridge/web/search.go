package web

import (
	"net/http"
	"strings"

	"peewit/bridge"
	"peewit/index"
	"peewit/index/query"
)

// findings is the body of the search page.
type findings struct {
	listing
	Asked   bool
	Total   int
	Behind  bool   // the newest posts are not indexed yet
	Problem string // what is wrong with the query
}

// search serves /search?q=, with a cursor for the pages behind the first.
func (s *site) search(w http.ResponseWriter, r *http.Request) {
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	p := page{Title: "Search", Query: text}
	if text == "" {
		p.Body = findings{}
		s.render(w, r, http.StatusOK, "search", p)
		return
	}
	q, err := query.Parse(text)
	if err != nil {
		p.Body = findings{Problem: err.Error()} // written for whoever asks
		s.render(w, r, http.StatusBadRequest, "search", p)
		return
	}
	result, err := s.index.Search(r.Context(), q, index.Page{Limit: pageSize, Cursor: r.URL.Query().Get("after")})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found := findings{Asked: true, Total: result.Total, Behind: !result.Complete || result.Rebuilding}
	items := make([]bridge.Item, len(result.Hits))
	for i, hit := range result.Hits {
		items[i] = hit.Item
	}
	found.Posts = s.showAll(items)
	if result.Cursor != "" {
		found.listing.Older = older(r, result.Cursor)
	}
	p.Body = found
	s.render(w, r, http.StatusOK, "search", p)
}

package web

import (
	"net/http"
	"net/url"
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
	if text == "" {
		s.render(w, http.StatusOK, "search", page{Title: "Search", Body: findings{}})
		return
	}
	p := page{Title: "Search for " + text, Heading: "Search", Query: text}
	q, err := query.Parse(text)
	if err != nil {
		p.Body = findings{Problem: err.Error()} // written for whoever asks
		s.render(w, http.StatusBadRequest, "search", p)
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
		found.Older = "/search?" + url.Values{"q": {text}, "after": {result.Cursor}}.Encode()
	}
	p.Body = found
	s.render(w, http.StatusOK, "search", p)
}

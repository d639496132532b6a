// Package web is the HTML side: the front page, planets, profiles, single
// posts, search, and the documents by which programs find their way
// (host-meta, feeds beside each planet).
//
// Every page is rendered from the read models by html/template. What a
// publisher wrote as HTML or XHTML goes through one sanitising policy on its way
// out, wherever it came from: a client's XHTML is as little to be trusted as a
// feed's.
package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"peewit/bridge"
	"peewit/bridge/service"
	"peewit/index"
	"peewit/index/query"
)

//go:embed templates static
var assets embed.FS

// Index answers searches; *index.Index is one.
type Index interface {
	Search(ctx context.Context, q *query.Query, p index.Page) (index.Result, error)
}

// Options are what the pages are made from.
type Options struct {
	Service *service.Service
	Index   Index
	Logger  *slog.Logger
}

type site struct {
	svc    *service.Service
	index  Index
	logger *slog.Logger
	pages  map[string]*template.Template
}

// New is the handler of all pages. Paths it does not know are "not found".
func New(o Options) (http.Handler, error) {
	s := &site{svc: o.Service, index: o.Index, logger: o.Logger, pages: map[string]*template.Template{}}
	for _, name := range []string{"home", "planet", "profile", "notice", "search", "error"} {
		t, err := template.New("layout.html").Funcs(template.FuncMap{"when": when, "stamp": stamp}).
			ParseFS(assets, "templates/layout.html", "templates/posts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		s.pages[name] = t
	}
	static, err := fs.Sub(assets, "static")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /planet/{name}", s.planet)
	mux.HandleFunc("GET /search", s.search)
	mux.HandleFunc("GET /notice/{id}", s.notice)
	mux.HandleFunc("GET /.well-known/host-meta", s.hostMeta)
	mux.HandleFunc("GET /.well-known/host-meta.json", s.hostMetaJSON)
	mux.HandleFunc("GET /{nick}", s.profile)
	mux.HandleFunc("/", s.missing)
	return guard(mux), nil
}

// guard sets the headers every answer has: nothing of a post may run a script
// or be framed elsewhere.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src * data:; media-src *; style-src 'self'; script-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// page is what every template gets; Body is the page's own.
type page struct {
	Title  string
	Site   string
	Feed   string // the page as Atom, or ""
	Domain bridge.JID
	Query  string
	Body   any
}

// render writes a page. It is rendered as a whole first: a template that fails
// half-way would leave half a page.
func (s *site) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Site, p.Domain = "Peewit at "+string(s.svc.Domain()), s.svc.Domain()
	var b bytes.Buffer
	if err := s.pages[name].Execute(&b, p); err != nil {
		s.logger.Error("render page", slog.String("page", name), slog.Any("err", err))
		http.Error(w, "This page cannot be shown right now.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		s.logger.Debug("write page", slog.String("page", name), slog.Any("err", err))
	}
}

// fail tells the visitor what a refusal says, and the log what caused it.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	refusal := bridge.AsError(err)
	if refusal.Condition == bridge.InternalError && !errors.Is(err, context.Canceled) {
		s.logger.Error("serve page", slog.String("path", r.URL.Path), slog.Any("err", err))
	}
	status := statusOf(refusal.Condition)
	s.render(w, r, status, "error", page{Title: http.StatusText(status), Body: refusal.Text})
}

// statusOf is the HTTP status of a refusal.
func statusOf(c bridge.Condition) int {
	switch c {
	case bridge.BadRequest, bridge.NotAcceptable, bridge.MalformedJID:
		return http.StatusBadRequest
	case bridge.Forbidden, bridge.NotAllowed, bridge.NotAuthorized:
		return http.StatusForbidden
	case bridge.ItemNotFound:
		return http.StatusNotFound
	case bridge.Gone:
		return http.StatusGone
	case bridge.ResourceConstraint, bridge.ServiceUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func (s *site) missing(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, bridge.Refuse(bridge.ItemNotFound, "There is nothing here."))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func when(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 MST") }

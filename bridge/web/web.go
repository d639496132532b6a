// Package web is the HTML side: the front page, planets, profiles, single
// posts, search, and the documents by which programs find their way
// (host-meta, the feeds beside planets and profiles).
//
// Every page is rendered from the read models by html/template. What a
// publisher wrote as HTML or XHTML goes through one sanitising policy on its way
// out, wherever it came from: a client's XHTML is as little to be trusted as a
// feed's. Should something slip through, the Content-Security-Policy of every
// answer forbids scripts altogether.
package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/microcosm-cc/bluemonday"

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
	policy *bluemonday.Policy // what of a publisher's HTML is shown
}

// New is the handler of all pages. Paths it does not know are "not found".
func New(o Options) (http.Handler, error) {
	s, err := newSite(o)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /planet/{name}", s.planet)
	mux.HandleFunc("GET /search", s.search)
	mux.HandleFunc("GET /notice/{id}", s.notice)
	mux.HandleFunc("GET /static/{name}", s.static)
	mux.HandleFunc("GET /.well-known/host-meta", s.hostMeta)
	mux.HandleFunc("GET /.well-known/host-meta.json", s.hostMetaJSON)
	mux.HandleFunc("GET /{nick}", s.profile)
	mux.HandleFunc("GET /", s.missing)
	return guard(mux), nil
}

func newSite(o Options) (*site, error) {
	s := &site{
		svc: o.Service, index: o.Index, logger: o.Logger,
		pages: map[string]*template.Template{}, policy: newPolicy(),
	}
	words := template.FuncMap{"when": when, "stamp": stamp, "sentence": sentence}
	for _, name := range []string{"home", "planet", "profile", "notice", "search", "error"} {
		t, err := template.New("layout.html").Funcs(words).
			ParseFS(assets, "templates/layout.html", "templates/posts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		s.pages[name] = t
	}
	return s, nil
}

// contentPolicy lets a page load its own style sheet and the images and sounds
// that posts show. Nothing else: no scripts, no frames, no forms to elsewhere.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src *; media-src *; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// guard sets the headers that every answer has.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache") // keep it, but ask whether it is still true
		next.ServeHTTP(w, r)
	})
}

// page is what every template gets; Body is the page's own.
type page struct {
	Title   string       // of the document
	Heading string       // of the page; "" = the title
	Feed    string       // the page as Atom, or ""
	Address template.URL // the page as a pubsub node, or ""
	Site    string
	Query   string
	Body    any
}

// render writes a page. It is rendered as a whole first: a template that fails
// half-way would leave half a page.
func (s *site) render(w http.ResponseWriter, status int, name string, p page) {
	p.Site = "Peewit at " + string(s.svc.Domain())
	if p.Heading == "" {
		p.Heading = p.Title
	}
	var b bytes.Buffer
	if err := s.pages[name].Execute(&b, p); err != nil {
		s.logger.Error("render page", slog.String("page", name), slog.Any("err", err))
		http.Error(w, "This page cannot be shown right now.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len())) // for HEAD
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		s.logger.Debug("write page", slog.String("page", name), slog.Any("err", err))
	}
}

// fail tells the visitor what a refusal says, and the log what caused it.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	refusal := bridge.AsError(err)
	if refusal.Condition == bridge.InternalError && r.Context().Err() == nil {
		s.logger.Error("serve page", slog.String("path", r.URL.Path), slog.Any("err", err))
	}
	status := statusOf(refusal.Condition)
	s.render(w, status, "error", page{Title: http.StatusText(status), Body: refusal.Text})
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
	s.fail(w, r, bridge.Refuse(bridge.ItemNotFound, "there is nothing here"))
}

// static serves what pages are dressed with.
func (s *site) static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	document, err := assets.ReadFile("static/" + name)
	if err != nil {
		s.missing(w, r)
		return
	}
	send(w, r, mediaTypes[path.Ext(name)], time.Time{}, document)
}

// mediaTypes are those of the files in static, by ending: the machine's own table
// may know none.
var mediaTypes = map[string]string{".css": "text/css; charset=utf-8"}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func when(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 MST") }

// sentence is a refusal as a page prints it: other doors begin it in lower case.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if last, _ := utf8.DecodeLastRuneInString(text); !unicode.IsPunct(last) {
		text += "."
	}
	return text
}

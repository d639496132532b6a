package web

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"peewit/bridge"
	"peewit/bridge/eventlog"
	"peewit/bridge/service"
	"peewit/index"
	"peewit/index/query"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/name, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// fakeIndex answers every search alike and remembers what was asked.
type fakeIndex struct {
	result index.Result
	err    error
	asked  string
	page   index.Page
}

func (x *fakeIndex) Search(_ context.Context, q *query.Query, p index.Page) (index.Result, error) {
	x.asked, x.page = q.String(), p
	return x.result, x.err
}

// house is a service on an embedded log, with the pages in front of it.
type house struct {
	testing.TB
	svc   *service.Service
	index *fakeIndex
	site  *site
	pages http.Handler
}

func newHouse(t testing.TB) *house {
	t.Helper()
	dir, logger := t.TempDir(), slog.New(slog.DiscardHandler)
	log, err := eventlog.Open(t.Context(), eventlog.Options{Dir: filepath.Join(dir, "log"), Sync: "interval", Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	svc, err := service.Open(t.Context(), service.Options{
		Domain: "localhost", BaseURL: "http://localhost:8080/", Bot: "update", Registration: "open",
		ArchiveDir: filepath.Join(dir, "archive"), Log: log, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	<-svc.Ready()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, svc.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := svc.Nodes.EnsureViews(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &house{TB: t, svc: svc, index: &fakeIndex{}}
	options := Options{Service: svc, Index: h.index, Logger: logger}
	if h.site, err = newSite(options); err != nil {
		t.Fatal(err)
	}
	if h.pages, err = New(options); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) account(nick string) bridge.JID {
	h.Helper()
	if _, err := h.svc.Accounts.Create(h.Context(), nick, service.AccountOptions{}); err != nil {
		h.Fatal(err)
	}
	return h.svc.Accounts.JID(nick)
}

func blog(jid bridge.JID) bridge.Addr { return bridge.Addr{Service: jid, Name: bridge.NodeMicroblog} }

func (h *house) publish(actor bridge.JID, addr bridge.Addr, id, payload string) bridge.Item {
	h.Helper()
	items, err := h.svc.Posts.Publish(h.Context(), service.Publish{
		Actor: actor, Addr: addr, Items: []service.NewItem{{ID: id, Payload: []byte(payload)}},
	})
	if err != nil {
		h.Fatal(err)
	}
	return items[0]
}

// planet is a planet of one feed with so many entries, and their items in the
// feed's node.
func (h *house) planet(name, title string, entries ...string) []bridge.Item {
	h.Helper()
	planet, err := h.svc.Planets.Add(h.Context(), name, title, []string{"http://blog.example/feed?of=" + name})
	if err != nil {
		h.Fatal(err)
	}
	feed := bridge.Addr{Service: "localhost", Name: bridge.FeedNode(planet.Sources[0])}
	var items []bridge.Item
	for i, e := range entries {
		items = append(items, h.publish("localhost", feed, fmt.Sprint("e", i), e))
		h.refer(name, items[i])
	}
	return items
}

func (h *house) refer(planet string, item bridge.Item) {
	h.Helper()
	if err := h.svc.Posts.Refer(h.Context(), bridge.Addr{Service: "localhost", Name: planet}, item); err != nil {
		h.Fatal(err)
	}
	last, err := h.svc.Log().Last(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	if err := h.svc.Archive().WaitFor(h.Context(), last.Seq); err != nil {
		h.Fatal(err)
	}
}

// entry is an Atom entry that says text, published at noon of a day, with more
// elements.
func entry(day int, text, more string) string {
	return fmt.Sprintf("<entry xmlns='http://www.w3.org/2005/Atom'><title>%s</title>"+
		"<published>2026-11-%02dT12:00:00Z</published>%s</entry>", text, day, more)
}

// ask makes a request; header lines are "Name: value".
func (h *house) ask(method, path string, header ...string) *httptest.ResponseRecorder {
	h.Helper()
	r := httptest.NewRequestWithContext(h.Context(), method, path, nil)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.pages.ServeHTTP(w, r)
	return w
}

// visit gets a page, which must have this status and be as pages are.
func (h *house) visit(path string, status int) *document {
	h.Helper()
	w := h.ask("GET", path)
	if w.Code != status {
		h.Fatalf("GET %s: %d, want %d: %s", path, w.Code, status, w.Body)
	}
	if kind := w.Header().Get("Content-Type"); kind != "text/html; charset=utf-8" {
		h.Errorf("GET %s: a page of type %s", path, kind)
	}
	d := read(h.TB, w.Body.String())
	if problem := d.problem(); problem != "" {
		h.Errorf("GET %s: %s:\n%s", path, problem, w.Body)
	}
	return d
}

// document is a page as a browser reads it.
type document struct {
	source string
	root   *html.Node
}

func read(t testing.TB, source string) *document {
	t.Helper()
	root, err := html.Parse(strings.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	return &document{source, root}
}

// find is all elements of a name, in order; with a class, those that have it.
func (d *document) find(name string) []*html.Node { return find(d.root, name) }

func find(n *html.Node, name string) []*html.Node {
	name, class, _ := strings.Cut(name, ".")
	var all []*html.Node
	for kid := range n.Descendants() {
		if kid.Type == html.ElementNode && kid.Data == name && (class == "" || attribute(kid, "class") == class) {
			all = append(all, kid)
		}
	}
	return all
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// words is the text of a node with single spaces.
func words(n *html.Node) string {
	var b strings.Builder
	for kid := range n.Descendants() {
		if kid.Type == html.TextNode {
			b.WriteString(kid.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// posts are the texts of the posts on a page.
func (d *document) posts() []string {
	var all []string
	for _, n := range d.find("section.content") {
		all = append(all, words(n))
	}
	return all
}

// older is where the page says that older posts are, or "".
func (d *document) older() string {
	for _, a := range d.find("a") {
		if attribute(a, "rel") == "next" {
			return attribute(a, "href")
		}
	}
	return ""
}

// ours are the elements of a page itself, theirs those that only posts bring.
var (
	ours = strings.Fields(`html head meta title link body header a form label input button main h1 h2 nav ul li
		article section div p footer bdi time aside code small q`)
	theirs = strings.Fields(`br hr h3 h4 h5 h6 blockquote pre address figure figcaption details summary span
		em strong b i u s strike del ins mark sub sup kbd samp var tt cite abbr dfn ruby rt rp wbr
		img ol dl dt dd table caption col colgroup thead tbody tfoot tr td th`)
)

// attributes are all that the elements of a page may have.
var attributes = strings.Fields(`lang charset name content rel href type class action role value dir datetime aria-label
	title src alt width height align valign loading colspan rowspan span abbr scope nowrap summary headers`)

// problem says what is wrong with a page, "" when it is as pages are: whatever
// posts say, it has one title and one heading, its own structure, and nothing
// that runs.
func (d *document) problem() string {
	for n := range d.root.Descendants() {
		if n.Type == html.CommentNode {
			return "a comment"
		}
		if n.Type != html.ElementNode {
			continue
		}
		if n.Namespace != "" || !slices.Contains(ours, n.Data) && !(slices.Contains(theirs, n.Data) && inContent(n)) {
			return "an element " + n.Data
		}
		for _, a := range n.Attr {
			if !slices.Contains(attributes, a.Key) {
				return "an attribute " + a.Key
			}
			if (a.Key == "href" || a.Key == "src") && !harmless(a.Val) {
				return "a link to " + a.Val
			}
		}
	}
	for _, name := range []string{"title", "h1", "main", "header.site", "form"} {
		if found := d.find(name); len(found) != 1 || name != "form" && words(found[0]) == "" {
			return fmt.Sprintf("%d of %s, or an empty one", len(found), name)
		}
	}
	if attribute(d.find("html")[0], "lang") == "" {
		return "no language"
	}
	var children []string
	for kid := range d.find("body")[0].ChildNodes() {
		if kid.Type == html.ElementNode {
			children = append(children, kid.Data)
		} else if strings.TrimSpace(kid.Data) != "" {
			return "loose text " + kid.Data
		}
	}
	if !slices.Equal(children, []string{"header", "main"}) {
		return fmt.Sprint("a body of ", children)
	}
	for name, parent := range map[string]string{"article": "main", "aside": "main", "footer": "article", "section": "article"} {
		for _, n := range d.find(name) {
			if n.Parent.Data != parent {
				return name + " in " + n.Parent.Data
			}
		}
	}
	for _, content := range d.find("section.content") {
		if len(find(content, "h1")) > 0 || len(find(content, "h2")) > 0 {
			return "a heading of ours in content"
		}
	}
	return ""
}

func inContent(n *html.Node) bool {
	for a := range n.Ancestors() {
		if attribute(a, "class") == "content" {
			return true
		}
	}
	return false
}

func harmless(address string) bool {
	for _, scheme := range []string{"http://", "https://", "mailto:", "xmpp:"} {
		if rest, ok := strings.CutPrefix(strings.ToLower(address), scheme); ok && rest != "" {
			return true
		}
	}
	return strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//")
}

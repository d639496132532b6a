package web

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge"
)

func TestHeaders(t *testing.T) {
	h := newHouse(t)
	h.planet("go", "", entry(1, "x", ""))
	for _, path := range []string{"/", "/planet/go", "/planet/go.atom", "/search?q=x", "/nobody", "/static/peewit.css", "/.well-known/host-meta"} {
		w := h.ask("GET", path)
		for name, want := range map[string]string{
			"Content-Security-Policy": contentPolicy,
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
			"Cache-Control":           "no-cache",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("GET %s: %s is %q", path, name, got)
			}
		}
		if kind := w.Header().Get("Content-Type"); kind == "" {
			t.Errorf("GET %s has no type", path)
		}
	}
	for _, directive := range []string{"script-src", "unsafe-inline", "frame-src"} {
		if strings.Contains(contentPolicy, directive) {
			t.Errorf("the policy has %s", directive)
		}
	}
	if !strings.Contains(contentPolicy, "default-src 'none'") {
		t.Error("the policy allows what it does not name")
	}
}

func TestHead(t *testing.T) {
	h := newHouse(t)
	h.planet("go", "", entry(1, "x", ""))
	server := httptest.NewServer(h.pages)
	defer server.Close()
	for _, path := range []string{"/", "/planet/go", "/planet/go.atom", "/nobody", "/search?q=(", "/.well-known/host-meta", "/static/peewit.css"} {
		w := h.ask("GET", path)
		resp, err := server.Client().Head(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != w.Code || resp.Header.Get("Content-Type") != w.Header().Get("Content-Type") || resp.ContentLength != int64(w.Body.Len()) {
			t.Errorf("HEAD %s: %s with %d bytes, GET %d with %d", path, resp.Status, resp.ContentLength, w.Code, w.Body.Len())
		}
	}
}

func TestOtherMethods(t *testing.T) {
	h := newHouse(t)
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		for _, path := range []string{"/", "/search", "/alice", "/notice/1", "/a/b/c"} {
			if w := h.ask(method, path); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, Allow %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
}

// Paths that are somebody else's, or nobody's, are pages that say so.
func TestUnknownPaths(t *testing.T) {
	h := newHouse(t)
	h.account("alice")
	for _, path := range []string{
		"/api", "/api/statuses/update.xml", "/main/remote", "/alice/xrds", "/alice/", "/Alice", "/settings", "/public", "/all",
		"/update", "/favicon.ico", "/robots.txt", "/static/", "/static/x.css", "/static/..%2Ftemplates%2Flayout.html", "/static/%2E%2E",
		"/templates/layout.html", "/notice/", "/planet/", "/%00", "/%ff", "/%3Cscript%3E", "/.well-known/", "/%E2%80%AEgnp",
		"/" + strings.Repeat("a", 8000),
	} {
		h.visit(path, 404)
	}
}

func TestHostMeta(t *testing.T) {
	h := newHouse(t)
	w := h.ask("GET", "/.well-known/host-meta")
	var xrd struct {
		XMLName xml.Name `xml:"http://docs.oasis-open.org/ns/xri/xrd-1.0 XRD"`
		Links   []struct {
			Rel  string `xml:"rel,attr" json:"rel"`
			Href string `xml:"href,attr" json:"href"`
		} `xml:"Link" json:"links"`
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &xrd); err != nil {
		t.Fatal(err)
	}
	xml := xrd.Links
	if len(xml) != 1 || xml[0].Rel != relWebSocket || xml[0].Href != "ws://localhost:8080/xmpp-websocket" {
		t.Errorf("links %v", xml)
	}
	if kind := w.Header().Get("Content-Type"); kind != "application/xrd+xml" {
		t.Errorf("host-meta is %s", kind)
	}
	w = h.ask("GET", "/.well-known/host-meta.json")
	xrd.Links = nil
	if err := json.Unmarshal(w.Body.Bytes(), &xrd); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(xml, xrd.Links); diff != "" {
		t.Error(diff)
	}
	if kind := w.Header().Get("Content-Type"); kind != "application/json" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("host-meta.json: %s", w.Header())
	}
}

func TestStatusOfRefusals(t *testing.T) {
	for condition, want := range map[bridge.Condition]int{
		bridge.BadRequest: 400, bridge.Forbidden: 403, bridge.NotAllowed: 403, bridge.NotAuthorized: 403,
		bridge.ItemNotFound: 404, bridge.Gone: 410, bridge.ResourceConstraint: 503, bridge.InternalError: 500,
	} {
		if got := statusOf(condition); got != want {
			t.Errorf("%s: %d, want %d", condition, got, want)
		}
	}
}

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "only its members": "Only its members.", "It is so.": "It is so.", "what?": "What?", "über": "Über.", "\xff": "\uFFFD.",
	} {
		if got := sentence(text); got != want {
			t.Errorf("sentence(%s) = %q, want %q", strconv.Quote(text), got, want)
		}
	}
}

package fetch

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// local is a client that may ask servers of the test.
func local(t *testing.T) *Client {
	c := New(Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, UserAgent: "Peewit/test (+http://p.example/)"})
	c.hosts = newHosts(0) // no waiting; hosts_test.go looks at that
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestGet(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["ETag"] = []string{`W/"odd\"`}
		w.Header().Set("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT+1")
		if r.Header.Get("If-None-Match") == `W/"odd\"` && r.Header.Get("If-Modified-Since") == "Sun, 22 Nov 2026 10:00:00 GMT+1" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprintf(w, "%s|%s", r.UserAgent(), r.Header.Get("Accept"))
	})
	first, err := local(t).Get(t.Context(), Request{URL: at + "/feed#x", Accept: "application/atom+xml"})
	if err != nil {
		t.Fatal(err)
	}
	if string(first.Body) != "Peewit/test (+http://p.example/)|application/atom+xml" || first.URL != at+"/feed" || first.Cut {
		t.Errorf("%+v %s", first, first.Body)
	}
	second, err := local(t).Get(t.Context(), Request{URL: at, ETag: first.ETag(), LastModified: first.LastModified()})
	if err != nil || !second.NotModified || len(second.Body) > 0 {
		t.Errorf("second answer: %+v, %v", second, err)
	}
	third, err := local(t).Get(t.Context(), Request{URL: at, ETag: "not\na header"})
	if err != nil || third.NotModified {
		t.Errorf("with a validator that cannot be sent: %+v, %v", third, err)
	}
}

func TestGuardPermits(t *testing.T) {
	g := guard{allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}}
	for _, tt := range []struct {
		addr string
		want bool
	}{
		{"8.8.8.8", true}, {"2a00:1450:4001::1", true}, {"::ffff:8.8.8.8", true}, {"64:ff9b::808:808", true}, {"2002:808:808::1", true},
		{"10.1.2.3", true}, {"::ffff:10.1.2.3", true}, {"64:ff9b::a01:203", true}, {"fd00:1::5", true},
		{"0.0.0.0", false}, {"0.1.2.3", false}, {"10.2.0.1", false}, {"100.64.0.1", false}, {"100.127.255.255", false}, {"127.0.0.1", false},
		{"127.255.0.1", false}, {"169.254.169.254", false}, {"172.16.0.1", false}, {"172.31.255.255", false}, {"192.0.0.8", false},
		{"192.0.2.1", false}, {"192.88.99.1", false}, {"192.168.1.1", false}, {"198.18.0.1", false}, {"198.19.255.255", false},
		{"198.51.100.1", false}, {"203.0.113.1", false}, {"224.0.0.1", false}, {"239.1.1.1", false}, {"240.0.0.1", false}, {"255.255.255.255", false},
		{"172.32.0.1", true}, {"100.128.0.1", true}, {"11.0.0.1", true},
		{"::", false}, {"::1", false}, {"::ffff:127.0.0.1", false}, {"::ffff:169.254.169.254", false}, {"::7f00:1", false}, {"64:ff9b::7f00:1", false},
		{"64:ff9b::a9fe:a9fe", false}, {"64:ff9b:1::808:808", false}, {"2002:7f00:1::1", false}, {"2002:a00:1::", false}, {"2001::1", false}, {"2001:db8::1", false},
		{"fe80::1%eth0", false}, {"fe80::1", false}, {"fec0::1", false}, {"fc00::1", false}, {"fd00:2::1", false}, {"ff02::1", false},
		{"100::1", false}, {"3fff::1", false}, {"4000::1", false},
	} {
		if got := g.permits(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("permits(%s) = %v", tt.addr, got)
		}
	}
	if g.permits(netip.Addr{}) {
		t.Error("permits no address at all")
	}
}

func TestPrivateAddressesAreRefused(t *testing.T) {
	var asked atomic.Int32
	at := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	port := at[strings.LastIndex(at, ":"):]
	strict := New(Options{})
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"} {
		if _, err := strict.Get(t.Context(), Request{URL: "http://" + host + port}); !errors.Is(err, ErrPrivate) {
			t.Errorf("get from %s: %v", host, err)
		}
		if _, err := strict.Post(t.Context(), "http://"+host+port, nil, nil); !errors.Is(err, ErrPrivate) {
			t.Errorf("post to %s: %v", host, err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestRedirectsAreGuarded(t *testing.T) {
	var inside atomic.Bool
	target := serve(t, func(http.ResponseWriter, *http.Request) { inside.Store(true) })
	forbidden := strings.Replace(target, "127.0.0.1", "127.0.0.2", 1) // not on the list
	at := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, forbidden, http.StatusFound) })
	if _, err := local(t).Get(t.Context(), Request{URL: at}); !errors.Is(err, ErrPrivate) || inside.Load() {
		t.Errorf("a redirect led inside: %v", err)
	}
}

func TestURLs(t *testing.T) {
	for _, u := range []string{"", "feed", "file:///etc/passwd", "gopher://a/", "http://", "ftp://a/b", "http://a b/", "http:///x"} {
		if _, err := local(t).Get(t.Context(), Request{URL: u}); !errors.Is(err, ErrURL) {
			t.Errorf("%q: %v", u, err)
		}
	}
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(301)
	})
	if _, err := local(t).Get(t.Context(), Request{URL: at}); !errors.Is(err, ErrURL) {
		t.Errorf("redirect to a file: %v", err)
	}
}

func TestPasswordsStayOutOfErrors(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "hunter2" {
			t.Error("the password was not sent")
		}
		w.WriteHeader(http.StatusTeapot)
	})
	_, err := local(t).Get(t.Context(), Request{URL: strings.Replace(at, "//", "//u:hunter2@", 1)})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestRedirects(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var n, status int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d/%d", &status, &n); err != nil || n == 0 {
			io.WriteString(w, "there")
			return
		}
		w.Header().Set("Location", fmt.Sprintf("/%d/%d", status, n-1))
		w.WriteHeader(status)
	})
	for _, tt := range []struct {
		path, url string
		err       error
	}{
		{"/301/1", "/301/0", nil},
		{"/308/5", "/308/0", nil},
		{"/302/3", "/302/0", nil},
		{"/307/1", "/307/0", nil},
		{"/302/6", "", ErrRedirects},
	} {
		resp, err := local(t).Get(t.Context(), Request{URL: at + tt.path})
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: %v", tt.path, err)
		}
		if err == nil && resp.URL != at+tt.url {
			t.Errorf("%s: from %s", tt.path, resp.URL)
		}
	}
}

func TestBeginComesOnceAndBeforeTheQuestion(t *testing.T) {
	var asked, begun atomic.Int32
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if begun.Load() != 1 {
			t.Errorf("asked when begun %d times", begun.Load())
		}
		if asked.Add(1) == 1 {
			http.Redirect(w, r, "/there", http.StatusFound)
		}
	})
	if _, err := local(t).Get(t.Context(), Request{URL: at, Begin: func(context.Context) error { begun.Add(1); return nil }}); err != nil || asked.Load() != 2 {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
	no := errors.New("no")
	if _, err := local(t).Get(t.Context(), Request{URL: at, Begin: func(context.Context) error { return no }}); !errors.Is(err, no) || asked.Load() != 2 {
		t.Errorf("asked %d times, %v", asked.Load(), err)
	}
}

func TestBodies(t *testing.T) {
	text := strings.Repeat("<entry/>", 100)
	zip := func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		io.WriteString(w, s)
		w.Close()
		return b.String()
	}
	deflate := func(s string) string {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		io.WriteString(w, s)
		w.Close()
		return b.String()
	}
	noise := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, 40000) // does not compress
	for i := range random {
		random[i] = byte(noise.Uint32())
	}
	for name, tt := range map[string]struct {
		coding, body string
		length       int
		want         string
		cut          bool
	}{
		"plain":                  {"", text, 0, text, false},
		"empty":                  {"gzip", "", 0, "", false},
		"one byte":               {"", "x", 0, "x", false},
		"gzip":                   {"gzip", zip(text), 0, text, false},
		"x-gzip":                 {"X-Gzip", zip(text), 0, text, false},
		"deflate":                {"deflate", deflate(text), 0, text, false},
		"raw deflate":            {"deflate", deflate(text)[2:], 0, text, false},
		"gzip that is none":      {"gzip", text, 0, text, false},
		"deflate that is none":   {"deflate", text, 0, text, false},
		"unknown coding":         {"rot13", text, 0, text, false},
		"shorter than announced": {"", text, len(text) + 10, text, true},
		"gzip broken off":        {"gzip", zip(string(random))[:20000], 0, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			at := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if tt.coding != "" {
					w.Header().Set("Content-Encoding", tt.coding)
				}
				w.Header().Set("Content-Type", "text/xml")
				if tt.length > 0 {
					w.Header().Set("Content-Length", fmt.Sprint(tt.length))
				}
				io.WriteString(w, tt.body)
			})
			resp, err := local(t).Get(t.Context(), Request{URL: at})
			if err != nil {
				t.Fatal(err)
			}
			if resp.Cut != tt.cut || tt.want != "" && string(resp.Body) != tt.want || tt.cut && len(resp.Body) == 0 {
				t.Errorf("%d bytes, cut %v", len(resp.Body), resp.Cut)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	zeros := make([]byte, 1<<20)
	for _, bomb := range []bool{false, true} {
		at := serve(t, func(w http.ResponseWriter, r *http.Request) {
			out := io.Writer(w)
			if bomb {
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				defer z.Close()
				out = z
			}
			for range 12 {
				if _, err := out.Write(zeros); err != nil {
					return
				}
			}
		})
		if _, err := local(t).Get(t.Context(), Request{URL: at}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("bomb %v: %v", bomb, err)
		}
	}
}

func TestHostIsLeftAlone(t *testing.T) {
	var asked atomic.Int32
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "120")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	c := local(t)
	for range 3 {
		_, err := c.Get(t.Context(), Request{URL: at})
		var status *StatusError
		if !errors.As(err, &status) || status.Status != 503 || status.RetryAfter <= 100*time.Second || status.RetryAfter > 120*time.Second {
			t.Errorf("%v", err)
		}
	}
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "90": 90 * time.Second, " 5 ": 5 * time.Second, "-5": 0, "soon": 0, "999999": 24 * time.Hour,
		"Sun, 22 Nov 2026 10:01:00 GMT": time.Minute, "Sun, 22 Nov 2020 10:01:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func TestPost(t *testing.T) {
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), body)
	})
	resp, err := local(t).Post(t.Context(), at, url.Values{"omb_version": {"http://openmicroblogging.org/protocol/0.1"}}, http.Header{"Authorization": {"OAuth x"}})
	if err != nil {
		t.Fatal(err)
	}
	want := "POST application/x-www-form-urlencoded OAuth x omb_version=http%3A%2F%2Fopenmicroblogging.org%2Fprotocol%2F0.1"
	if diff := cmp.Diff(want, string(resp.Body)); diff != "" || resp.Status != http.StatusFound {
		t.Errorf("status %d: %s", resp.Status, diff)
	}
}

func TestGetEndsWithItsContext(t *testing.T) {
	begun, done := make(chan struct{}), make(chan struct{})
	at := serve(t, func(w http.ResponseWriter, r *http.Request) { close(begun); <-done })
	defer close(done)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := local(t).Get(ctx, Request{URL: at}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzDecoded(f *testing.F) {
	f.Add("gzip", []byte("\x1f\x8b\x08\x00"))
	f.Add("deflate", []byte("\x78\x9c"))
	f.Add("", []byte("x"))
	f.Fuzz(func(t *testing.T, coding string, body []byte) {
		resp := &http.Response{Header: http.Header{"Content-Encoding": {coding}}, Body: io.NopCloser(bytes.NewReader(body))}
		got, _, err := readBody(resp)
		if len(got) > MaxBody || err != nil && got != nil {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
}

package omb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"peewit/bridge/fetch"
)

const (
	root    = "http://peewit.example/" // base_url, and so our consumer key
	license = "http://creativecommons.org/licenses/by/3.0/"
)

// peer is the sites of the world: it knows tokens, and checks and answers every
// notice. It is reached as a server, or as a [Poster].
type peer struct {
	t       testing.TB
	mu      sync.Mutex
	secrets map[string]string   // of access tokens
	script  map[string][]string // answers to the next notices by endpoint; then "0.7.4-ok"
	notices []notice
	nonces  map[string]bool
}

// notice is what came in, in order.
type notice struct {
	Endpoint string // as posted to
	Token    string
	Form     url.Values
	Answer   string
	At       time.Time
}

func newPeer(t testing.TB) *peer {
	return &peer{t: t, secrets: map[string]string{}, script: map[string][]string{}, nonces: map[string]bool{}}
}

// answer scripts the answers to the next notices for an endpoint: names of
// recordings, "500", "503", "hang" or "refuse". The last one stays when it ends
// in "…".
func (p *peer) answer(endpoint string, answers ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script[endpoint] = answers
}

// take is the notices that came in since the last call.
func (p *peer) take() []notice {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.notices
	p.notices = nil
	return taken
}

// contents is notices in one line each.
func contents(notices []notice) []string {
	var all []string
	for _, n := range notices {
		all = append(all, fmt.Sprintf("%s %s %s: %s", n.Endpoint, n.Token, n.Form.Get("omb_notice_content"), n.Answer))
	}
	return all
}

// Post is a [Poster] without a network: what has no sockets can wait in a bubble
// of synctest.
func (p *peer) Post(ctx context.Context, to string, form url.Values, header http.Header) (*fetch.Response, error) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.Code == statusRefused {
		return nil, errors.New("connection refused")
	}
	return &fetch.Response{Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()}, nil
}

const statusRefused = 999

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Error(err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		p.t.Errorf("body %q: %v", body, err)
	}
	endpoint := "http://" + r.Host + r.URL.Path
	p.mu.Lock()
	token := p.check(endpoint, r, form)
	p.checkNotice(form)
	answer := p.next(endpoint, form)
	p.notices = append(p.notices, notice{Endpoint: endpoint, Token: token, Form: form, Answer: answer, At: time.Now()})
	p.mu.Unlock()
	p.give(w, r, answer)
}

// check verifies everything OAuth, and returns the token.
func (p *peer) check(endpoint string, r *http.Request, form url.Values) string {
	if r.Method != http.MethodPost || r.URL.RawQuery != "" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		p.t.Errorf("%s %s of type %s", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	params := authorization(p.t, r.Header.Get("Authorization"))
	given := params.Get("oauth_signature")
	params.Del("oauth_signature")
	token := params.Get("oauth_token")
	for name, want := range map[string]string{
		"oauth_consumer_key": root, "oauth_signature_method": "HMAC-SHA1", "oauth_version": "1.0", "oauth_token": token,
		"oauth_timestamp": params.Get("oauth_timestamp"), "oauth_nonce": params.Get("oauth_nonce"),
	} {
		if len(params) != 6 || params.Get(name) != want || want == "" {
			p.t.Errorf("%d parameters, %s = %q, want %q", len(params), name, params.Get(name), want)
		}
	}
	stamp, err := strconv.ParseInt(params.Get("oauth_timestamp"), 10, 64)
	if age := time.Since(time.Unix(stamp, 0)); err != nil || age.Abs() > time.Minute {
		p.t.Errorf("timestamp %s is %s old", params.Get("oauth_timestamp"), age)
	}
	nonce := params.Get("oauth_nonce")
	if p.nonces[nonce] || !regexp.MustCompile(`^[A-Za-z0-9]{16,32}$`).MatchString(nonce) { // Laconica's column has 32
		p.t.Errorf("nonce %q", nonce)
	}
	p.nonces[nonce] = true
	for name, values := range form {
		if strings.HasPrefix(name, "oauth_") || len(values) != 1 {
			p.t.Errorf("%s = %q in the body", name, values)
		}
		params[name] = values
	}
	secret, known := p.secrets[token]
	if want := signature(endpoint, secret, params); !known || given != want {
		p.t.Errorf("signature %s of a notice with token %s, want %s", given, token, want)
	}
	return token
}

// checkNotice verifies what every notice must be (OMB 0.1, Posting a Notice; and
// what Laconica asks beyond it).
func (p *peer) checkNotice(form url.Values) {
	p.t.Helper()
	page := form.Get("omb_notice")
	if !regexp.MustCompile(`^`+regexp.QuoteMeta(root)+`notice/[1-9][0-9]*$`).MatchString(page) || form.Get("omb_notice_url") != page {
		p.t.Errorf("omb_notice %q at %q", page, form.Get("omb_notice_url"))
	}
	if form.Get("omb_version") != Version || form.Get("omb_notice_license") != license {
		p.t.Errorf("version %q, license %q", form.Get("omb_version"), form.Get("omb_notice_license"))
	}
	if nick := strings.TrimPrefix(form.Get("omb_listenee"), root); !regexp.MustCompile(`^[a-z0-9]{1,64}$`).MatchString(nick) {
		p.t.Errorf("listenee %q", form.Get("omb_listenee"))
	}
	if n := len([]rune(form.Get("omb_notice_content"))); n == 0 || n > 140 {
		p.t.Errorf("%d characters: %q", n, form.Get("omb_notice_content"))
	}
	known := []string{
		"omb_version", "omb_listenee", "omb_notice", "omb_notice_url", "omb_notice_content", "omb_notice_license",
		"omb_seealso", "omb_seealso_mediatype", "action", "user",
	}
	for name := range form {
		if !slices.Contains(known, name) {
			p.t.Errorf("a parameter %s", name)
		}
	}
}

func (p *peer) next(endpoint string, form url.Values) string {
	script := p.script[endpoint]
	if len(script) == 0 {
		return "0.7.4-ok"
	}
	answer, stays := strings.CutSuffix(script[0], "…")
	if !stays {
		p.script[endpoint] = script[1:]
	}
	return answer
}

func (p *peer) give(w http.ResponseWriter, r *http.Request, answer string) {
	switch answer {
	case "hang":
		<-r.Context().Done()
	case "refuse":
		w.WriteHeader(statusRefused)
	case "500":
		http.Error(w, "PHP Fatal error: too many connections", http.StatusInternalServerError)
	case "503":
		w.Header().Set("Retry-After", "600")
		http.Error(w, "maintenance", http.StatusServiceUnavailable)
	default:
		resp := recorded(p.t, answer)
		for name, values := range resp.Header {
			w.Header()[name] = values
		}
		w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
		w.WriteHeader(resp.Status)
		w.Write(resp.Body)
	}
}

// told is a [Poster] that tells of each notice it has posted.
type told struct {
	Poster
	done chan<- struct{}
}

func (o told) Post(ctx context.Context, to string, form url.Values, header http.Header) (*fetch.Response, error) {
	defer func() { o.done <- struct{}{} }()
	return o.Poster.Post(ctx, to, form, header)
}

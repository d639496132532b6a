// Package omb is OpenMicroBlogging 0.1, the protocol by which Laconica and
// StatusNet sites follow people on each other.
//
// It has the listenee's side of posting: [Relay] is the sender that hands each
// new public post of an account to the sites of its remote listeners, as an
// OAuth-signed postNotice (OMB 0.1, Posting a Notice). What the specification
// leaves open follows what real sites do: one notice for each distinct endpoint,
// whatever its number of listeners, because Laconica forgets a notice that comes
// twice; all parameters in the body, because 0.6 reads them nowhere else.
package omb

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/deliver"
	"peewit/bridge/fetch"
	"peewit/bridge/service"
)

// Version is the value of omb_version (OMB 0.1, Posting a Notice).
const Version = "http://openmicroblogging.org/protocol/0.1"

// Kind is the name under which the relay's deliveries stand in the outbox.
const Kind = "omb"

// Poster sends a form; *fetch.Client is one.
type Poster interface {
	Post(ctx context.Context, to string, form url.Values, header http.Header) (*fetch.Response, error)
}

// Relay sends posts of accounts to OMB sites. It is a [deliver.Sender].
type Relay struct {
	svc     *service.Service
	poster  Poster
	license string
	logger  *slog.Logger
}

// NewRelay makes a relay whose notices are under license, a URL that peers
// compare as text.
func NewRelay(svc *service.Service, poster Poster, license string, logger *slog.Logger) *Relay {
	return &Relay{svc: svc, poster: poster, license: license, logger: logger}
}

// Deliveries are one notice for each distinct endpoint among the listeners of
// the account whose microblog the record publishes to. A notice that came in by
// OMB does not go out again.
func (r *Relay) Deliveries(rec *bridge.Record) []deliver.Delivery {
	p := rec.Publish
	if p == nil || p.Addr.Name != bridge.NodeMicroblog || p.Origin.Door == "omb" {
		return nil
	}
	nick := p.Addr.Service.Local()
	var all []deliver.Delivery
	seen := map[string]bool{}
	for _, l := range r.svc.Listeners.List(nick) {
		since := r.svc.Registry().StateSeq(&bridge.Record{Listener: &l})
		u, err := url.Parse(l.PostNotice)
		if err != nil || seen[l.PostNotice] || since > rec.Seq {
			continue // known, or it subscribed after this post
		}
		seen[l.PostNotice] = true
		all = append(all, deliver.Delivery{Lane: strings.ToLower(u.Host), Order: nick, Target: l.PostNotice})
	}
	return all
}

// Send posts one notice, with the token of one listener at the endpoint; when
// the site says that this subscription is gone it is forgotten, and the next
// listener's token is used.
func (r *Relay) Send(ctx context.Context, d deliver.Delivery) error {
	if err := r.svc.Archive().WaitFor(ctx, d.Seq); err != nil {
		return &deliver.Later{Err: err}
	}
	item, ok, err := r.svc.Archive().ItemBySeq(d.Seq)
	if err != nil {
		return &deliver.Later{Err: err}
	}
	if !ok || item.Retracted || item.First != d.Seq {
		return nil // taken back, or an edit: OMB has no word for either
	}
	node, ok := r.svc.Registry().NodeByID(item.NodeID)
	if !ok || node.Config.AccessModel != bridge.AccessOpen {
		return nil
	}
	post, err := atom.Parse(item.Payload)
	if err != nil {
		return nil // not a post, for instance another program's data
	}
	notice := r.notice(d.Order, item.First, post)
	for _, l := range r.listenersAt(d.Order, d.Target) {
		err := r.post(ctx, l, notice)
		var gone *goneError
		if !errors.As(err, &gone) {
			return err
		}
		if err := r.forget(ctx, l, gone); err != nil {
			return &deliver.Later{Err: err}
		}
	}
	return nil
}

// forget removes a listener whose token its site does not know any more, unless
// it has subscribed again meanwhile and has another one.
func (r *Relay) forget(ctx context.Context, gone bridge.Listener, why *goneError) error {
	for _, l := range r.svc.Listeners.List(gone.Listenee) {
		if l.URI == gone.URI && l.Token == gone.Token {
			r.logger.Info("remote subscription is gone",
				slog.String("account", l.Listenee), slog.String("listener", l.URI), slog.Any("err", why))
			return r.svc.Listeners.Remove(ctx, l)
		}
	}
	return nil
}

func (r *Relay) listenersAt(nick, endpoint string) []bridge.Listener {
	all := slices.DeleteFunc(r.svc.Listeners.List(nick), func(l bridge.Listener) bool { return l.PostNotice != endpoint })
	slices.SortFunc(all, func(a, b bridge.Listener) int { return a.Created.Compare(b.Created) })
	return all
}

// post makes one signed attempt with one listener's token.
func (r *Relay) post(ctx context.Context, l bridge.Listener, notice url.Values) error {
	secret, ok := r.svc.Registry().ListenerSecret(l.Listenee, l.URI)
	if !ok {
		return &goneError{"its token has no secret"}
	}
	to, form, err := moveQuery(l.PostNotice, notice)
	if err != nil {
		return err
	}
	header, err := sign(ctx, r.svc.BaseURL(), l.Token, secret.Secret, to, form)
	if err != nil {
		return err
	}
	resp, err := r.poster.Post(ctx, to, form, header)
	if err != nil {
		return &deliver.Later{Err: err}
	}
	return judge(resp, time.Now())
}

package service

import (
	"context"

	"peewit/bridge"
)

// Listeners are people on OpenMicroBlogging sites who subscribed to accounts of
// ours.
type Listeners struct{ *core }

// Add stores a remote subscription with the secret of its access token. A
// second one of the same person replaces the first (OMB 0.1, Subscription).
func (l *Listeners) Add(ctx context.Context, listener bridge.Listener, secret string) error {
	return l.change(ctx, func() ([]bridge.Draft, error) {
		if _, ok := l.reg.Account(listener.Listenee); !ok {
			return nil, noAccount(listener.Listenee)
		}
		return l.guardAll([]bridge.Record{
			{Listener: &listener},
			{ListenerSecret: &bridge.ListenerSecret{
				Listenee: listener.Listenee, URI: listener.URI, Token: listener.Token, Secret: secret,
			}},
		}), nil
	})
}

// Remove forgets a remote subscription, for instance because its site said that
// it is gone.
func (l *Listeners) Remove(ctx context.Context, listener bridge.Listener) error {
	return l.change(ctx, func() ([]bridge.Draft, error) {
		listener.Removed = true
		return l.guardAll([]bridge.Record{
			{Listener: &listener},
			{ListenerSecret: &bridge.ListenerSecret{Listenee: listener.Listenee, URI: listener.URI, Removed: true}},
		}), nil
	})
}

// List is the remote subscriptions to an account.
func (l *Listeners) List(nick string) []bridge.Listener { return l.reg.Listeners(nick) }

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"peewit/bridge"
	"peewit/bridge/deliver"
	"peewit/bridge/eventlog"
	"peewit/bridge/fetch"
	"peewit/bridge/omb"
	"peewit/bridge/pubsub"
	"peewit/bridge/service"
	"peewit/bridge/web"
	"peewit/bridge/xmpp"
	"peewit/bridge/xmpp/c2s"
	"peewit/bridge/xmpp/component"
	"peewit/index"
)

func (h *house) openLog(ctx context.Context) error {
	if err := dataDir(h.cfg); err != nil {
		return err
	}
	log, err := eventlog.Open(ctx, logOptions(h.cfg, h.logger))
	if err != nil {
		return err
	}
	h.log = log
	h.atEnd("log", func(context.Context) error { return log.Close() })
	last, err := log.Last(ctx)
	h.begin = last.Seq
	return err
}

func logOptions(cfg *Config, logger *slog.Logger) eventlog.Options {
	return eventlog.Options{Dir: inData(cfg, "log"), URL: cfg.Log.NATSURL, Sync: cfg.Log.Sync, Logger: logger}
}

// listen opens all listeners before anything is served, so that base_url names
// the port that HTTP really has.
func (h *house) listen(ctx context.Context) error {
	files, err := openFiles()
	if err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	h.mostClients, h.mostVisitors = shares(files)
	for _, l := range []struct {
		key, addr string
		to        *net.Listener
	}{
		{"http.listen", h.cfg.HTTP.Listen, &h.web},
		{"xmpp.c2s_listen", h.cfg.XMPP.C2SListen, &h.clients},
		{"admin.listen", h.cfg.Admin.Listen, &h.operator},
	} {
		if l.addr == "" {
			continue
		}
		listener, err := listen(ctx, h.cfg, l.key, l.addr)
		if err != nil {
			return err
		}
		*l.to = listener
		h.atEnd(l.key, func(context.Context) error {
			if err := listener.Close(); !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil // whoever served it closed it
		})
	}
	if h.cfg.BaseURL == "" {
		h.cfg.BaseURL = "http://" + h.web.Addr().String() + "/"
	}
	return nil
}

func (h *house) openService(ctx context.Context) error {
	svc, err := service.Open(ctx, service.Options{
		Domain:       bridge.JID(h.cfg.Domain),
		BaseURL:      h.cfg.BaseURL,
		Bot:          h.cfg.XMPP.Bot,
		Registration: h.cfg.Accounts.Registration,
		ArchiveDir:   inData(h.cfg, "archive"),
		Log:          h.log,
		Logger:       h.logger,
	})
	if err != nil {
		return err
	}
	h.svc = svc
	h.atEnd("service", func(context.Context) error { return svc.Close() })
	return nil
}

func (h *house) openIndex(ctx context.Context) error {
	x, err := index.Open(ctx, index.Options{
		Dir: inData(h.cfg, "index"), Domain: h.svc.Domain(),
		Log: h.log, Archive: h.svc.Archive(), Nodes: h.svc.Registry(), Logger: h.logger,
	})
	if err != nil {
		return err
	}
	h.index = x
	h.atEnd("index", func(context.Context) error { return x.Close() })
	return nil
}

// openXMPP makes the router, the protocol handlers and the transports. Nothing
// is accepted yet.
func (h *house) openXMPP(context.Context) error {
	domain := h.svc.Domain()
	h.router = xmpp.NewRouter(xmpp.Options{
		Domain: domain, Version: version(),
		Directory: h.svc.Registry(), Contacts: h.svc.Contacts, Logger: h.logger,
	})
	h.atEnd("router", func(context.Context) error { h.router.Close(); return nil })
	h.pubsub = pubsub.New(pubsub.Options{
		Service: h.svc, Router: h.router, Logger: h.logger, Views: h.views(),
	})
	if err := h.openClients(domain); err != nil {
		return err
	}
	for i := range h.cfg.XMPP.Component {
		link, err := h.newLink(i)
		if err != nil {
			return err
		}
		h.links = append(h.links, link)
	}
	return nil
}

func (h *house) openClients(domain bridge.JID) error {
	certificate, err := h.cfg.certificate()
	if err == nil && certificate == nil {
		var made tls.Certificate
		made, err = c2s.Certificate(h.cfg.Data, domain)
		certificate = &made
	}
	if err != nil {
		return err
	}
	secret, err := c2s.Secret(h.cfg.Data)
	if err != nil {
		return err
	}
	h.c2s = c2s.New(c2s.Options{
		Domain: domain, Accounts: h.svc.Accounts, Router: h.router, Secret: secret,
		TLS:       &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12},
		Anonymous: h.cfg.XMPP.Anonymous,
		Origins:   []string{strings.TrimSuffix(h.cfg.BaseURL, "/")},
		Limits:    c2s.Limits{Connections: h.mostClients},
		Logger:    h.logger,
	})
	return nil
}

// newLink makes the i-th component link. The first one also carries what is for
// domains that no other link names.
func (h *house) newLink(i int) (*component.Link, error) {
	cfg := h.cfg.XMPP.Component[i]
	var hosts []bridge.JID
	for _, host := range cfg.Hosts {
		hosts = append(hosts, bridge.JID(host))
	}
	link, err := component.New(component.Options{
		Domain: h.svc.Domain(), Address: cfg.Address, Secret: cfg.Secret, Hosts: hosts,
		Serves: func(domain bridge.JID) bool { return h.serves(i, string(domain)) },
		Router: h.router, Log: h.log, Events: h.remoteEvents,
		Applied: h.svc.Archive().WaitFor, Logger: h.logger,
	})
	if err != nil {
		return nil, fmt.Errorf("xmpp.component %d: %w", i+1, err)
	}
	h.router.AddLink(hosts, link)
	if i == 0 {
		h.router.AddLink(nil, link)
	}
	return link, nil
}

func (h *house) serves(i int, domain string) bool {
	named := func(c ComponentConfig) bool { return slices.Contains(c.Hosts, domain) }
	return named(h.cfg.XMPP.Component[i]) || i == 0 && !slices.ContainsFunc(h.cfg.XMPP.Component, named)
}

// remoteEvents is what a record makes known, as a link's lane sends it.
func (h *house) remoteEvents(rec *bridge.Record) []component.Event {
	var events []component.Event
	for _, e := range h.pubsub.Events(rec) {
		events = append(events, component.Event{
			Stanza:     e.Stanza,
			Recipients: func(after bridge.JID) iter.Seq[bridge.JID] { return h.pubsub.Remote(&e, after) },
		})
	}
	return events
}

func (h *house) openOutbox(ctx context.Context) error {
	relay := omb.NewRelay(h.svc, h.client, h.cfg.OMB.License, h.logger)
	outbox, err := deliver.Open(ctx, inData(h.cfg, "outbox"), appliedLog{h.log, h.svc.Archive()}, map[string]deliver.Sender{omb.Kind: relay}, h.logger)
	if err != nil {
		return err
	}
	h.outbox = outbox
	h.atEnd("outbox", func(context.Context) error { return outbox.Close() })
	return nil
}

func (h *house) openClient(context.Context) error {
	networks, err := h.cfg.privateNetworks()
	if err != nil {
		return err
	}
	agent := h.cfg.Fetch.UserAgent
	if agent == "" {
		agent = "Peewit/" + version() + " (+" + h.cfg.BaseURL + ")"
	}
	h.client = fetch.New(fetch.Options{AllowPrivate: networks, UserAgent: agent})
	h.atEnd("client", func(context.Context) error { h.client.Close(); return nil })
	return nil
}

// run starts what follows the log, and waits until the read models have reached
// the log's end: before that there is nothing true to show.
func (h *house) run(ctx context.Context) error {
	h.background(ctx, "service", h.svc.Run)
	select {
	case <-h.svc.Ready():
	case err := <-h.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := h.svc.Nodes.EnsureViews(ctx); err != nil {
		return err
	}
	h.background(ctx, "index", h.index.Run)
	h.background(ctx, "track", h.track.Run)
	h.background(ctx, "eraser", func(ctx context.Context) error { return h.svc.Erase(ctx, h.index.Scrub) })
	h.background(ctx, "outbox", h.outbox.Run)
	h.background(ctx, "feeds", h.feeds.Run)
	for i, link := range h.links {
		h.background(ctx, fmt.Sprintf("component link %d", i+1), link.Run)
	}
	return nil
}

// openDoors lets people in.
func (h *house) openDoors(ctx context.Context) error {
	pages, err := web.New(web.Options{Service: h.svc, Index: h.index, Logger: h.logger})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/xmpp-websocket", h.c2s)
	mux.Handle("/", pages)
	h.serveHTTP(ctx, "web", h.web, mux)
	h.atEnd("clients", h.sendHome)
	if h.clients != nil {
		h.background(ctx, "client listener", func(ctx context.Context) error { return h.c2s.Serve(ctx, h.clients) })
	}
	socket, err := listenAdmin(h.cfg.Data)
	if err != nil {
		return err
	}
	commands := &commands{svc: h.svc, router: h.router, index: h.index, feeds: h.feeds, outbox: h.outbox, report: h.report, logger: h.logger}
	h.background(ctx, "admin socket", func(ctx context.Context) error {
		return serveAdmin(ctx, h.cfg.Data, socket, commands.handler())
	})
	return nil
}

// sendHome ends the sessions. Clients that do not listen are cut off, in time for
// the other endings.
func (h *house) sendHome(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTime/3)
	defer cancel()
	if err := h.c2s.Shutdown(ctx); err != nil {
		h.logger.Info("clients cut off", slog.Any("err", err))
	}
	return nil
}

// serveHTTP serves until the daemon ends, then lets requests under way finish.
func (h *house) serveHTTP(ctx context.Context, name string, l net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute, // WebSockets have limits of their own
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ConnState:         crowd(h.mostVisitors),
		ErrorLog:          slog.NewLogLogger(h.logger.Handler(), slog.LevelDebug),
	}
	h.background(ctx, name, func(ctx context.Context) error { return serveUntil(ctx, server, l) })
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"peewit/aggregate"
	"peewit/bridge/deliver"
	"peewit/bridge/eventlog"
	"peewit/bridge/fetch"
	"peewit/bridge/pubsub"
	"peewit/bridge/service"
	"peewit/bridge/xmpp"
	"peewit/bridge/xmpp/c2s"
	"peewit/bridge/xmpp/component"
	"peewit/index"
	"peewit/index/track"
)

// version is the program's version as the Go tool stamped it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// Run runs the daemon until ctx ends.
func (s *serveCmd) Run(ctx context.Context, con *console, c *cli) error {
	cfg, err := loadConfig(c.Config, c.Data)
	if err != nil {
		return err
	}
	return serve(ctx, cfg, con.out, newLogger(con.err, s.LogLevel))
}

// newLogger writes text to a terminal and JSON elsewhere.
func newLogger(w io.Writer, level string) *slog.Logger {
	levels := map[string]slog.Level{
		"error": slog.LevelError, "warn": slog.LevelWarn, "info": slog.LevelInfo,
		"debug": slog.LevelDebug, "trace": c2s.LevelTrace,
	}
	options := &slog.HandlerOptions{Level: levels[level]}
	if isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// house is the rooms of a running daemon, wired together.
type house struct {
	*daemon
	cfg    *Config
	logger *slog.Logger

	web, clients, operator    net.Listener // nil = off
	mostClients, mostVisitors int          // connections at once, of XMPP and of each HTTP listener

	log    *eventlog.Log
	svc    *service.Service
	index  *index.Index
	track  *track.Tracker
	router *xmpp.Router
	pubsub *pubsub.Handler
	c2s    *c2s.Server
	links  []*component.Link
	client *fetch.Client
	feeds  *aggregate.Aggregator
	outbox *deliver.Outbox

	started time.Time
	begin   uint64        // the log's last sequence at start
	serving chan struct{} // closed when all listeners serve
}

// serve runs the daemon until ctx ends and tells out what runs where.
func serve(ctx context.Context, cfg *Config, out io.Writer, logger *slog.Logger) error {
	h := &house{
		daemon: newDaemon(logger), cfg: cfg, logger: logger,
		started: time.Now(), serving: make(chan struct{}),
	}
	err := h.build(ctx)
	if err == nil {
		close(h.serving)
		h.welcome(out, len(h.svc.Accounts.List()) == 0)
		select {
		case <-ctx.Done():
		case err = <-h.failed:
		}
	}
	return errors.Join(err, h.stop())
}

// build makes the rooms from the ground up. What it has made when it fails has
// its ending on the stack.
func (h *house) build(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		h.openLog, h.listen, h.serveOperator, h.openService, h.openIndex, h.openXMPP, h.openTrack,
		h.openClient, h.openFeeds, h.openOutbox, h.run, h.openDoors,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// welcome says what runs where and, to who is new, what to try next.
func (h *house) welcome(out io.Writer, isNew bool) {
	line := func(what, text string, args ...any) {
		fmt.Fprintf(out, "  %-10s %s\n", what, fmt.Sprintf(text, args...))
	}
	fmt.Fprintf(out, "peewit %s for %s\n", version(), h.cfg.Domain)
	line("data", "%s", h.cfg.Data)
	if h.clients != nil {
		line("XMPP", "%s%s", h.clients.Addr(), moved(h.cfg.XMPP.C2SListen, h.clients))
	}
	for _, c := range h.cfg.XMPP.Component {
		line("XMPP", "component of %s at %s", strings.Join(c.Hosts, ", "), c.Address)
	}
	line("WebSocket", "ws%sxmpp-websocket", strings.TrimPrefix(h.cfg.BaseURL, "http"))
	if h.cfg.isSet("base_url") {
		line("web", "%s, served at http://%s/%s", h.cfg.BaseURL, h.web.Addr(), moved(h.cfg.HTTP.Listen, h.web))
	} else {
		line("web", "%s%s", h.cfg.BaseURL, moved(h.cfg.HTTP.Listen, h.web))
	}
	if h.operator != nil {
		line("operator", "http://%s/metrics%s", h.operator.Addr(), moved(h.cfg.Admin.Listen, h.operator))
	}
	line("accounts", "registration is %s", map[string]string{"open": "open", "invite": "by invitation", "closed": "closed"}[h.cfg.Accounts.Registration])
	if len(h.cfg.XMPP.Component) == 0 {
		line("network", "only accounts of %s; link it to Prosody or ejabberd to reach others", h.cfg.Domain)
	}
	if !isNew {
		return
	}
	fmt.Fprintf(out, "Try next, in another terminal:\n")
	if links := h.cfg.XMPP.Component; h.clients == nil && len(links) > 0 { // people log in where they are at home
		fmt.Fprintf(out, "  %s\n", typed(h.cfg, "account add alice --jid alice@"+links[0].Hosts[0]))
	} else {
		fmt.Fprintf(out, "  echo secret | %s\n", typed(h.cfg, "account add alice --password-stdin"))
	}
}

// moved says that a listener could not have the port it should have had.
func moved(want string, l net.Listener) string {
	_, wanted, _ := net.SplitHostPort(want)
	_, got, _ := net.SplitHostPort(l.Addr().String())
	if wanted == got || wanted == "0" {
		return ""
	}
	return " (port " + wanted + " is taken)"
}

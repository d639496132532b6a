package main

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"

	"peewit/aggregate"
	"peewit/bridge"
	"peewit/bridge/atom"
	"peewit/bridge/deliver"
	"peewit/bridge/microblog"
	"peewit/bridge/service"
	"peewit/bridge/syndicate"
	"peewit/bridge/xmpp"
	"peewit/index"
	"peewit/index/query"
)

// commands are the admin commands of the running daemon.
type commands struct {
	svc    *service.Service
	router *xmpp.Router
	index  *index.Index
	feeds  *aggregate.Aggregator
	outbox *deliver.Outbox
	report func(ctx context.Context) (statusRow, error)
	logger *slog.Logger
}

// handler is the commands by path.
func (c *commands) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /account/add", endpoint(c.logger, c.accountAdd))
	mux.Handle("POST /account/invite", endpoint(c.logger, c.accountInvite))
	mux.Handle("POST /account/list", endpoint(c.logger, c.accountList))
	mux.Handle("POST /account/passwd", endpoint(c.logger, c.accountPasswd))
	mux.Handle("POST /account/remove", endpoint(c.logger, c.accountRemove))
	mux.Handle("POST /planet/add", endpoint(c.logger, c.planetAdd))
	mux.Handle("POST /planet/list", endpoint(c.logger, c.planetList))
	mux.Handle("POST /planet/show", endpoint(c.logger, c.planetShow))
	mux.Handle("POST /planet/remove", endpoint(c.logger, c.planetRemove))
	mux.Handle("POST /planet/import", endpoint(c.logger, c.planetImport))
	mux.Handle("POST /planet/export", endpoint(c.logger, c.planetExport))
	mux.Handle("POST /track/add", endpoint(c.logger, c.trackAdd))
	mux.Handle("POST /track/list", endpoint(c.logger, c.trackList))
	mux.Handle("POST /track/remove", endpoint(c.logger, c.trackRemove))
	mux.Handle("POST /search", endpoint(c.logger, c.search))
	mux.Handle("POST /status", endpoint(c.logger, c.status))
	mux.HandleFunc("POST /log/backup", c.logBackup)
	return mux
}

func (c *commands) accountRow(a bridge.Account) accountRow {
	_, login := c.svc.Accounts.Credential(a.Nick)
	return accountRow{Nick: a.Nick, JID: c.svc.Accounts.JID(a.Nick), Owners: a.Owners, Admin: a.Admin, Login: login, Created: a.Created}
}

func (c *commands) accountAdd(ctx context.Context, in accountAdd) ([]accountRow, error) {
	account, err := c.svc.Accounts.Create(ctx, in.Nick, service.AccountOptions{Password: in.Password, Owners: in.Owners, Admin: in.Admin})
	if err != nil {
		return nil, err
	}
	return []accountRow{c.accountRow(account)}, nil
}

func (c *commands) accountInvite(ctx context.Context, _ none) ([]inviteRow, error) {
	invite, err := c.svc.Accounts.Invite(ctx)
	return []inviteRow{{invite.Token, invite.Expires}}, err
}

func (c *commands) accountList(context.Context, none) ([]accountRow, error) {
	var rows []accountRow
	for _, a := range c.svc.Accounts.List() {
		rows = append(rows, c.accountRow(a))
	}
	return rows, nil
}

func (c *commands) accountPasswd(ctx context.Context, in accountAdd) ([]doneRow, error) {
	err := c.svc.Accounts.SetPassword(ctx, in.Nick, in.Password)
	return []doneRow{{"password of " + in.Nick + " set"}}, err
}

func (c *commands) accountRemove(ctx context.Context, in named) ([]doneRow, error) {
	err := c.svc.Accounts.Remove(ctx, in.Name)
	if err == nil {
		c.router.CloseAccount(c.svc.Accounts.JID(in.Name), "not-authorized") // RFC 6120 §4.9.3.12
	}
	return []doneRow{{"account " + in.Name + " removed"}}, err
}

func (c *commands) planetRow(p bridge.Planet) planetRow {
	addr := bridge.Addr{Service: c.svc.Domain(), Name: p.Name}
	row := planetRow{
		Name: p.Name, Title: p.Title, Sources: len(p.Sources),
		Node: microblog.URI(addr, ""),
		Page: c.svc.BaseURL() + "planet/" + p.Name,
		Feed: c.svc.BaseURL() + "planet/" + p.Name + ".atom",
	}
	if node, ok := c.svc.Registry().Node(addr); ok {
		row.Items = c.svc.Archive().Count(node.ID)
	}
	return row
}

func (c *commands) planetAdd(ctx context.Context, in planetAdd) ([]planetRow, error) {
	planet, err := c.svc.Planets.Add(ctx, in.Name, in.Title, in.Sources)
	if err != nil {
		return nil, err
	}
	return []planetRow{c.planetRow(planet)}, nil
}

func (c *commands) planetList(context.Context, none) ([]planetRow, error) {
	var rows []planetRow
	for _, p := range c.svc.Planets.List() {
		rows = append(rows, c.planetRow(p))
	}
	return rows, nil
}

func (c *commands) planet(name string) (bridge.Planet, error) {
	planet, ok := c.svc.Planets.Get(name)
	if !ok {
		return planet, bridge.Refuse(bridge.ItemNotFound, "there is no planet %s; see peewit planet list", name)
	}
	return planet, nil
}

func (c *commands) planetShow(ctx context.Context, in named) ([]sourceRow, error) {
	planet, err := c.planet(in.Name)
	if err != nil {
		return nil, err
	}
	all, err := sourceRows(ctx, c.feeds)
	if err != nil {
		return nil, err
	}
	var rows []sourceRow
	for _, id := range planet.Sources {
		for _, row := range all {
			if row.ID == id {
				rows = append(rows, row)
			}
		}
	}
	return rows, nil
}

func (c *commands) planetRemove(ctx context.Context, in named) ([]doneRow, error) {
	err := c.svc.Planets.Remove(ctx, in.Name)
	return []doneRow{{"planet " + in.Name + " removed"}}, err
}

func (c *commands) planetImport(ctx context.Context, in planetImport) ([]planetRow, error) {
	title, feeds, err := syndicate.ParseOPML([]byte(in.OPML))
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, feed := range feeds {
		urls = append(urls, feed.URL)
	}
	if planet, known := c.svc.Planets.Get(in.Name); known && planet.Title != "" {
		title = ""
	}
	return c.planetAdd(ctx, planetAdd{Name: in.Name, Title: title, Sources: urls})
}

func (c *commands) planetExport(_ context.Context, in named) ([]opmlRow, error) {
	planet, err := c.planet(in.Name)
	if err != nil {
		return nil, err
	}
	return []opmlRow{{string(syndicate.WriteOPML(planet, c.svc.Planets.Sources(planet)))}}, nil
}

func (c *commands) trackRow(t bridge.Track) trackRow {
	addr := bridge.Addr{Service: c.svc.Domain(), Name: bridge.TrackNode(t.ID)}
	return trackRow{ID: t.ID, Owner: t.Owner, Query: t.Query, Node: microblog.URI(addr, "")}
}

func (c *commands) trackAdd(ctx context.Context, in trackAdd) ([]trackRow, error) {
	track, err := c.svc.Tracks.Add(ctx, in.Nick, in.Query)
	if err != nil {
		return nil, err
	}
	return []trackRow{c.trackRow(track)}, nil
}

func (c *commands) trackList(_ context.Context, in named) ([]trackRow, error) {
	var rows []trackRow
	for _, t := range c.svc.Tracks.List(in.Name) {
		rows = append(rows, c.trackRow(t))
	}
	return rows, nil
}

func (c *commands) trackRemove(ctx context.Context, in named) ([]doneRow, error) {
	err := c.svc.Tracks.Remove(ctx, in.Name)
	return []doneRow{{"track " + in.Name + " removed"}}, err
}

func (c *commands) search(ctx context.Context, in searchFor) ([]hitRow, error) {
	q, err := query.Parse(in.Query)
	if err != nil {
		return nil, bridge.Refuse(bridge.NotAcceptable, "%v", err)
	}
	result, err := c.index.Search(ctx, q, index.Page{Limit: in.Max})
	if err != nil {
		return nil, err
	}
	var rows []hitRow
	for _, hit := range result.Hits {
		rows = append(rows, c.hitRow(hit))
	}
	switch {
	case result.Rebuilding:
		rows = append(rows, hitRow{Note: "the index is being rebuilt: older posts may be missing"})
	case !result.Complete:
		rows = append(rows, hitRow{Note: "the index is behind: the newest posts may be missing"})
	}
	return rows, nil
}

func (c *commands) hitRow(hit index.Hit) hitRow {
	row := hitRow{
		ID: hit.Seq, Author: string(hit.Item.Publisher), Published: hit.Item.Created,
		URL: c.svc.BaseURL() + "notice/" + strconv.FormatUint(hit.Seq, 10),
	}
	post, err := atom.Parse(hit.Item.Payload)
	if err != nil {
		return row
	}
	row.Title = microblog.Headline(post)
	if !post.Published.IsZero() {
		row.Published = post.Published
	}
	if hit.Item.Publisher == c.svc.Domain() && len(post.Authors) > 0 && post.Authors[0].Name != "" {
		row.Author = post.Authors[0].Name
	}
	return row
}

// logBackup streams a backup of the log. A backup that breaks off is cut
// without its end, which restore notices.
func (c *commands) logBackup(w http.ResponseWriter, r *http.Request) {
	err := c.svc.Log().Backup(r.Context(), w)
	logCommand(c.logger, "log/backup", err)
	if err != nil {
		panic(http.ErrAbortHandler) // the documented way to break an answer off
	}
}

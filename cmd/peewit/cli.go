package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"peewit/bridge"
)

// cli is the command line. Flags may stand before or after the arguments.
type cli struct {
	Config string `help:"Configuration file; default ./peewit.toml if it exists." placeholder:"FILE"`
	Data   string `help:"Data directory; default from the configuration, else ./peewit-data." placeholder:"DIR"`
	JSON   bool   `name:"json" help:"Print one JSON object a line."`

	Serve   serveCmd   `cmd:"" default:"withargs" help:"Run the daemon (this is the default)."`
	Conf    configCmd  `cmd:"" name:"config" help:"Print or check the configuration."`
	Account accountCmd `cmd:"" help:"Add, invite, list, remove accounts; change passwords."`
	Planet  planetCmd  `cmd:"" help:"Merge feeds into planets."`
	Track   trackCmd   `cmd:"" help:"Standing queries: be told of each new post that matches."`
	Search  searchCmd  `cmd:"" help:"Find posts and planet entries."`
	Status  statusCmd  `cmd:"" help:"Show links, log, consumers, feeds and outbox."`
	Log     logCmd     `cmd:"" help:"Back up or restore the event log."`
	Bench   benchCmd   `cmd:"" help:"Measure this machine with a daemon of its own in a temporary directory."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

type (
	serveCmd struct {
		LogLevel string `help:"Least level of what is logged: error, warn, info, debug, or trace (the wire, secrets masked)." enum:"error,warn,info,debug,trace" default:"info"`
	}
	configCmd struct {
		Print configPrintCmd `cmd:"" help:"Print a commented sample."`
		Check configCheckCmd `cmd:"" help:"Check the configuration."`
	}
	configPrintCmd struct{}
	configCheckCmd struct{}

	accountCmd struct {
		Add    accountAddCmd    `cmd:"" help:"Add an account."`
		Invite accountInviteCmd `cmd:"" help:"Make an invitation for one registration."`
		List   accountListCmd   `cmd:"" help:"List the accounts."`
		Passwd accountPasswdCmd `cmd:"" help:"Set a password, read from standard input."`
		Remove accountRemoveCmd `cmd:"" help:"Remove an account and all its posts."`
	}
	accountAddCmd struct {
		Nick          string   `arg:"" help:"1 to 64 of a-z and 0-9."`
		PasswordStdin bool     `help:"Read the password from standard input; without one nobody can log in."`
		JID           []string `name:"jid" help:"An XMPP address elsewhere that owns the account too." placeholder:"JID"`
		Admin         bool     `help:"Make it an administrator."`
	}
	accountInviteCmd struct{}
	accountListCmd   struct{}
	accountPasswdCmd struct {
		Nick string `arg:""`
	}
	accountRemoveCmd struct {
		Nick string `arg:""`
	}

	planetCmd struct {
		Add    planetAddCmd    `cmd:"" help:"Make a planet, or add sources to it."`
		List   planetListCmd   `cmd:"" help:"List the planets."`
		Show   planetShowCmd   `cmd:"" help:"Show a planet's sources and how they are."`
		Remove planetRemoveCmd `cmd:"" help:"Remove a planet."`
		Import planetImportCmd `cmd:"" help:"Add the feeds of an OPML file."`
		Export planetExportCmd `cmd:"" help:"Write a planet's sources as OPML."`
	}
	planetAddCmd struct {
		Name   string   `arg:"" help:"Name of the planet and of its node."`
		Source []string `arg:"" help:"URLs of Atom or RSS feeds."`
		Title  string   `help:"What readers see." placeholder:"T"`
	}
	planetListCmd struct{}
	planetShowCmd struct {
		Name string `arg:""`
	}
	planetRemoveCmd struct {
		Name string `arg:""`
	}
	planetImportCmd struct {
		Name string `arg:""`
		File string `arg:"" help:"OPML file, - for standard input."`
	}
	planetExportCmd struct {
		Name string `arg:""`
	}

	trackCmd struct {
		Add    trackAddCmd    `cmd:"" help:"Add a standing query for an account."`
		List   trackListCmd   `cmd:"" help:"List standing queries."`
		Remove trackRemoveCmd `cmd:"" help:"Remove a standing query."`
	}
	trackAddCmd struct {
		Nick  string `arg:""`
		Query string `arg:"" help:"For example 'xmpp -spam'."`
	}
	trackListCmd struct {
		Nick string `arg:"" optional:""`
	}
	trackRemoveCmd struct {
		ID string `arg:"" name:"id"`
	}

	searchCmd struct {
		Query []string `arg:"" help:"Words, \"phrases\", #tags, from:nick, -not, a | b."`
		Max   int      `help:"Most results." default:"20"`
	}
	statusCmd struct{}

	logCmd struct {
		Backup  logBackupCmd  `cmd:"" help:"Write the log of the running daemon to a file."`
		Restore logRestoreCmd `cmd:"" help:"Fill an empty data directory from a backup; the daemon must be stopped."`
	}
	logBackupCmd struct {
		File string `arg:"" help:"File to write, - for standard output."`
	}
	logRestoreCmd struct {
		File string `arg:"" help:"File to read, - for standard input."`
	}
	versionCmd struct{}
)

// Examples, shown by --help.

func (serveCmd) Help() string       { return "Example:\n\n  peewit --data /var/lib/peewit" }
func (configPrintCmd) Help() string { return "Example:\n\n  peewit config print > peewit.toml" }
func (configCheckCmd) Help() string {
	return "Example:\n\n  peewit config check --config /etc/peewit.toml"
}
func (accountInviteCmd) Help() string { return "Example:\n\n  peewit account invite" }
func (accountListCmd) Help() string   { return "Example:\n\n  peewit account list --json" }
func (accountRemoveCmd) Help() string { return "Example:\n\n  peewit account remove alice" }
func (planetListCmd) Help() string    { return "Example:\n\n  peewit planet list" }
func (planetShowCmd) Help() string    { return "Example:\n\n  peewit planet show planet-go" }
func (planetRemoveCmd) Help() string  { return "Example:\n\n  peewit planet remove planet-go" }
func (planetImportCmd) Help() string {
	return "Example:\n\n  peewit planet import planet-go feeds.opml"
}
func (planetExportCmd) Help() string {
	return "Example:\n\n  peewit planet export planet-go > feeds.opml"
}
func (trackAddCmd) Help() string    { return "Example:\n\n  peewit track add alice 'xmpp -spam'" }
func (trackListCmd) Help() string   { return "Example:\n\n  peewit track list alice" }
func (trackRemoveCmd) Help() string { return "Example:\n\n  peewit track remove 3f2a9c1e" }
func (searchCmd) Help() string {
	return "A query that begins with a minus stands behind --.\n\nExample:\n\n  peewit search '\"release candidate\" -from:bot'"
}
func (statusCmd) Help() string    { return "Example:\n\n  peewit status" }
func (logBackupCmd) Help() string { return "Example:\n\n  peewit log backup peewit.backup" }
func (logRestoreCmd) Help() string {
	return "Example:\n\n  peewit log restore peewit.backup --data new-data"
}
func (versionCmd) Help() string { return "Example:\n\n  peewit version" }
func (benchCmd) Help() string   { return "Example:\n\n  peewit bench --subscribers 1000" }
func (accountAddCmd) Help() string {
	return "Examples:\n\n  echo secret | peewit account add alice --password-stdin\n\n  peewit account add alice --jid alice@example.org"
}
func (accountPasswdCmd) Help() string {
	return "Example:\n\n  echo new-secret | peewit account passwd alice"
}
func (planetAddCmd) Help() string {
	return "Example:\n\n  peewit planet add planet-go --title 'Planet Go' https://go.dev/blog/feed.atom"
}

// dispatch parses the arguments and runs the command they name.
func dispatch(ctx context.Context, args []string, con *console) error {
	var c cli
	exited := false
	parser, err := kong.New(&c,
		kong.Name("peewit"),
		kong.Description("XMPP microblogs, planets, search, and relays to OpenMicroBlogging sites."),
		kong.Writers(con.out, con.err),
		kong.Exit(func(int) { exited = true }), // --help has printed; nothing is left to do
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(con, &c),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if exited {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; see %s --help", err, commandOf(err))
	}
	con.json = c.JSON
	return command.Run()
}

func (configPrintCmd) Run(con *console) error {
	sample, err := sampleConfig()
	if err != nil {
		return err
	}
	_, err = io.WriteString(con.out, sample)
	return err
}

func (configCheckCmd) Run(con *console, c *cli) error {
	cfg, err := loadConfig(c.Config, c.Data)
	if err != nil {
		return err
	}
	if _, err := cfg.certificate(); err != nil {
		return err
	}
	from := cfg.path
	if from == "" {
		from = "no file, the defaults"
	}
	return print(con, []checkRow{{OK: true, Source: from}})
}

func (versionCmd) Run(con *console) error { return print(con, []versionRow{{version()}}) }

func (a *accountAddCmd) Run(ctx context.Context, con *console, c *cli) error {
	in := accountAdd{Nick: a.Nick, Admin: a.Admin}
	for _, text := range a.JID {
		jid, err := bridge.ParseJID(text)
		if err != nil || jid.Local() == "" || !jid.IsBare() {
			return fmt.Errorf("--jid %s: not an address like alice@example.org", text)
		}
		in.Owners = append(in.Owners, jid)
	}
	if a.PasswordStdin {
		password, err := readPassword(con)
		if err != nil {
			return err
		}
		in.Password = password
	}
	return askAndPrint[accountRow](ctx, con, c, "account/add", in)
}

func (accountInviteCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[inviteRow](ctx, con, c, "account/invite", none{})
}

func (accountListCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[accountRow](ctx, con, c, "account/list", none{})
}

func (a *accountPasswdCmd) Run(ctx context.Context, con *console, c *cli) error {
	password, err := readPassword(con)
	if err != nil {
		return err
	}
	return askAndPrint[doneRow](ctx, con, c, "account/passwd", accountAdd{Nick: a.Nick, Password: password})
}

func (a *accountRemoveCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[doneRow](ctx, con, c, "account/remove", named{a.Nick})
}

func (p *planetAddCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[planetRow](ctx, con, c, "planet/add", planetAdd{Name: p.Name, Title: p.Title, Sources: p.Source})
}

func (planetListCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[planetRow](ctx, con, c, "planet/list", none{})
}

func (p *planetShowCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[sourceRow](ctx, con, c, "planet/show", named{p.Name})
}

func (p *planetRemoveCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[doneRow](ctx, con, c, "planet/remove", named{p.Name})
}

func (p *planetImportCmd) Run(ctx context.Context, con *console, c *cli) error {
	in, err := openInput(con, p.File)
	if err != nil {
		return err
	}
	defer in.Close()
	opml, err := io.ReadAll(io.LimitReader(in, maxAdminBody/2))
	if err != nil {
		return err
	}
	return askAndPrint[planetRow](ctx, con, c, "planet/import", planetImport{Name: p.Name, OPML: string(opml)})
}

func (p *planetExportCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[opmlRow](ctx, con, c, "planet/export", named{p.Name})
}

func (t *trackAddCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[trackRow](ctx, con, c, "track/add", trackAdd{Nick: t.Nick, Query: t.Query})
}

func (t *trackListCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[trackRow](ctx, con, c, "track/list", named{t.Nick})
}

func (t *trackRemoveCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[doneRow](ctx, con, c, "track/remove", named{t.ID})
}

func (s *searchCmd) Run(ctx context.Context, con *console, c *cli) error {
	found := 0
	err := ask(ctx, c, "search", searchFor{Query: strings.Join(s.Query, " "), Max: s.Max}, func(row hitRow) error {
		found++
		return print(con, []hitRow{row})
	})
	if err != nil || found > 0 || con.json {
		return err
	}
	_, err = fmt.Fprintln(con.out, "nothing found")
	return err
}

func (statusCmd) Run(ctx context.Context, con *console, c *cli) error {
	return askAndPrint[statusRow](ctx, con, c, "status", none{})
}

// readPassword is all of standard input without one trailing newline.
func readPassword(con *console) (string, error) {
	if isTerminal(con.in) { // it would look as if nothing happened
		fmt.Fprintln(con.err, "type the password, then Enter and Ctrl-D; it is shown")
	}
	text, err := io.ReadAll(io.LimitReader(con.in, 64<<10))
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if password == "" {
		return "", errors.New("the password on standard input is empty")
	}
	return password, nil
}

func openInput(con *console, file string) (io.ReadCloser, error) {
	if file == "-" {
		return io.NopCloser(con.in), nil
	}
	return os.Open(file)
}

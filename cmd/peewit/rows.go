package main

import (
	"fmt"
	"strings"
	"time"

	"peewit/bridge"
)

// What goes over the admin socket: requests (accountAdd …) and the rows of the
// answers. A row prints itself as text; with --json it is printed as it came.

type (
	none  struct{}
	named struct {
		Name string `json:"name"`
	}
	accountAdd struct {
		Nick     string       `json:"nick"`
		Password string       `json:"password,omitempty"`
		Owners   []bridge.JID `json:"owners,omitempty"`
		Admin    bool         `json:"admin,omitempty"`
	}
	planetAdd struct {
		Name    string   `json:"name"`
		Title   string   `json:"title,omitempty"`
		Sources []string `json:"sources"`
	}
	planetImport struct {
		Name string `json:"name"`
		OPML string `json:"opml"`
	}
	trackAdd struct {
		Nick  string `json:"nick"`
		Query string `json:"query"`
	}
	searchFor struct {
		Query string `json:"query"`
		Max   int    `json:"max"`
	}
)

// accountRow is an account.
type accountRow struct {
	Nick    string       `json:"nick"`
	JID     bridge.JID   `json:"jid"`
	Owners  []bridge.JID `json:"owners,omitempty"`
	Admin   bool         `json:"admin"`
	Login   bool         `json:"login"` // it has a password
	Created time.Time    `json:"created"`
}

func (r accountRow) String() string {
	s := string(r.JID)
	if r.Admin {
		s += " (administrator)"
	}
	if !r.Login {
		s += ", no password"
	}
	for _, owner := range r.Owners {
		s += ", owned by " + string(owner)
	}
	return s
}

// inviteRow is an invitation.
type inviteRow struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

func (r inviteRow) String() string {
	return fmt.Sprintf("%s (the key for one registration, until %s)", r.Token, r.Expires.Local().Format(time.DateTime))
}

// doneRow says what has been done where there is nothing else to show.
type doneRow struct {
	Done string `json:"done"`
}

func (r doneRow) String() string { return r.Done }

// checkRow is the result of config check.
type checkRow struct {
	OK     bool   `json:"ok"`
	Source string `json:"source"`
}

func (r checkRow) String() string { return "configuration is good (" + r.Source + ")" }

// versionRow is the program's version.
type versionRow struct {
	Version string `json:"version"`
}

func (r versionRow) String() string { return "peewit " + r.Version }

// planetRow is a planet.
type planetRow struct {
	Name    string `json:"name"`
	Title   string `json:"title,omitempty"`
	Node    string `json:"node"` // XMPP URI
	Page    string `json:"page"`
	Feed    string `json:"feed"`
	Sources int    `json:"sources"`
	Items   int    `json:"items"`
}

func (r planetRow) String() string {
	name := r.Name
	if r.Title != "" {
		name += fmt.Sprintf(" %q", r.Title)
	}
	return fmt.Sprintf("%s: %d %s, %d %s\n  %s\n  %s\n  %s", name,
		r.Sources, plural(r.Sources, "source"), r.Items, plural(r.Items, "post"), r.Node, r.Page, r.Feed)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// sourceRow is a source of a planet and how it is.
type sourceRow struct {
	ID      string    `json:"id"`
	URL     string    `json:"url"`
	Title   string    `json:"title,omitempty"`
	Entries int       `json:"entries"`
	Success time.Time `json:"last_success,omitzero"`
	Next    time.Time `json:"next_fetch,omitzero"`
	Error   string    `json:"error,omitempty"`
}

func (r sourceRow) String() string {
	s := r.URL
	if r.Title != "" {
		s = r.Title + " <" + r.URL + ">"
	}
	s += fmt.Sprintf(": %d %s", r.Entries, plural(r.Entries, "post"))
	switch {
	case r.Error != "":
		s += ", failing: " + strings.TrimSuffix(r.Error, ".")
	case r.Success.IsZero():
		s += ", not fetched yet"
	default:
		s += ", good " + ago(r.Success)
	}
	if !r.Next.IsZero() {
		s += "; next " + in(r.Next)
	}
	return s
}

func ago(t time.Time) string { return time.Since(t).Round(time.Second).String() + " ago" }

func in(t time.Time) string {
	return "in " + max(0, time.Until(t)).Round(time.Second).String()
}

// opmlRow is a planet's sources as an OPML document.
type opmlRow struct {
	OPML string `json:"opml"`
}

func (r opmlRow) String() string { return strings.TrimSuffix(r.OPML, "\n") }

// trackRow is a standing query.
type trackRow struct {
	ID    string `json:"id"`
	Owner string `json:"owner"`
	Query string `json:"query"`
	Node  string `json:"node"` // XMPP URI
}

func (r trackRow) String() string {
	return fmt.Sprintf("%s %s: %s\n  %s", r.ID, r.Owner, r.Query, r.Node)
}

// hitRow is one result of a search, or, with only Note set, a remark about all
// of them.
type hitRow struct {
	ID        uint64    `json:"id,omitempty"`
	Author    string    `json:"author,omitempty"`
	Published time.Time `json:"published,omitzero"`
	Title     string    `json:"title,omitempty"`
	URL       string    `json:"url,omitempty"`
	Note      string    `json:"note,omitempty"`
}

func (r hitRow) String() string {
	if r.Note != "" {
		return r.Note
	}
	return fmt.Sprintf("%s  %s: %s\n  %s", r.Published.Local().Format(time.DateTime), r.Author, r.Title, r.URL)
}

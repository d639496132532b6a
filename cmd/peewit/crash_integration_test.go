//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge/xmpp"
)

// history is the ids of all items of alice's microblog, oldest first, read page
// by page as a client would.
func history(t *testing.T, p *peewit) []string {
	t.Helper()
	c, err := login(t.Context(), p.c2s, "reader")
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll([]*benchClient{c})
	var ids []string
	for after := ""; ; {
		ask := "<iq type='get' id='h' to='alice@localhost'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='urn:xmpp:microblog:0'/>" +
			"<set xmlns='http://jabber.org/protocol/rsm'><max>100</max>" + after + "</set></pubsub></iq>"
		if _, err := c.conn.Write([]byte(ask)); err != nil {
			t.Fatal(err)
		}
		var page *xmpp.Element
		for page == nil || page.Name.Local != "iq" {
			frame, err := c.frames.Next()
			if err != nil {
				t.Fatal(err)
			}
			if page, err = xmpp.Parse(frame, xmpp.NSClient); err != nil {
				t.Fatal(err)
			}
		}
		items := page.Children[0].Child("", "items").Children
		if len(items) == 0 {
			return ids
		}
		for _, item := range items {
			ids = append(ids, item.Attribute("id"))
		}
		after = "<after>" + ids[len(ids)-1] + "</after>"
	}
}

// found is the URLs of all posts that a search finds, sorted.
func found(t *testing.T, p *peewit, query string) []string {
	t.Helper()
	var urls []string
	page := p.web + "search?q=" + query
	for page != "" {
		html := p.get(page)
		page = ""
		for line := range strings.Lines(html) {
			if _, rest, ok := strings.Cut(line, `<a href="/notice/`); ok {
				id, _, _ := strings.Cut(rest, `"`)
				urls = append(urls, id)
			}
			if _, rest, ok := strings.Cut(line, `rel="next" href="/`); ok {
				next, _, _ := strings.Cut(rest, `"`)
				page = p.web + strings.ReplaceAll(next, "&amp;", "&")
			}
		}
	}
	slices.Sort(urls)
	return urls
}

// Every acknowledged post survives kill -9, once, in the history and in the
// index; what was not acknowledged is in both or in neither.
func TestIntegrationKill(t *testing.T) {
	const posts, callers = 2000, 4
	p := startPeewit(t, "")
	var clients []*benchClient
	for range callers {
		c, err := login(t.Context(), p.c2s, "alice") // registers once, the others find that done
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	acked := make([][]string, callers)
	var count atomic.Int64
	half := make(chan struct{})
	done := make(chan struct{})
	for i, c := range clients {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := i; n < posts; n += callers {
				id := fmt.Sprintf("post%d", n)
				if c.publish(id) != nil || c.result() != nil {
					return // killed
				}
				acked[i] = append(acked[i], id)
				if count.Add(1) == posts/2 {
					close(half)
				}
			}
		}()
	}
	<-half
	p.kill()
	for range callers {
		<-done
	}
	p.start()
	p.until("the read models have caught up", caughtUp)
	ids := history(t, p)
	for _, id := range slices.Concat(acked...) {
		if n := occurrences(ids, id); n != 1 {
			t.Errorf("acknowledged %s is in the history %d times", id, n)
		}
	}
	if extra := len(ids) - int(count.Load()); extra < 0 || extra > callers {
		t.Errorf("%d posts were acknowledged, %d are there", count.Load(), len(ids))
	}
	indexed := found(t, p, "usual")
	if len(indexed) != len(ids) || len(slices.Compact(slices.Clone(indexed))) != len(ids) {
		t.Errorf("%d posts in the history, %d in the index", len(ids), len(indexed))
	}

	// Without its read models it is the same again.
	p.stop()
	for _, model := range []string{"archive", "index", "outbox"} {
		if err := os.RemoveAll(filepath.Join(p.dir, model)); err != nil {
			t.Fatal(err)
		}
	}
	p.start()
	p.until("the index is rebuilt", caughtUp)
	if diff := cmp.Diff(ids, history(t, p)); diff != "" {
		t.Errorf("history after a rebuild: %s", diff)
	}
	if diff := cmp.Diff(indexed, found(t, p, "usual")); diff != "" {
		t.Errorf("index after a rebuild: %s", diff)
	}
}

func occurrences(ids []string, id string) int {
	n := 0
	for _, other := range ids {
		if other == id {
			n++
		}
	}
	return n
}

func caughtUp(s statusRow) bool {
	for _, c := range s.Consumers {
		if c.Lag > 0 {
			return false
		}
	}
	return true
}

// A backup is put back: what came after it is gone, read models of the other
// log notice, and new posts are taken.
func TestIntegrationBackup(t *testing.T) {
	p := startPeewit(t, "")
	alice, err := login(t.Context(), p.c2s, "alice")
	if err != nil {
		t.Fatal(err)
	}
	post := func(c *benchClient, from, to int) {
		for n := from; n < to; n++ {
			if err := c.publish(fmt.Sprintf("post%d", n)); err != nil {
				t.Fatal(err)
			}
			if err := c.result(); err != nil {
				t.Fatal(err)
			}
		}
	}
	post(alice, 0, 50)
	before := history(t, p)
	backup := filepath.Join(t.TempDir(), "peewit.backup")
	p.run("", "log", "backup", backup)
	post(alice, 50, 80)
	if out, err := p.try("", "log", "restore", backup); err == nil {
		t.Errorf("a restore over a running daemon says %q", out)
	}
	p.stop()
	if out, err := p.try("", "log", "restore", backup); err == nil {
		t.Errorf("a restore over a log with streams says %q", out)
	}
	if err := os.RemoveAll(filepath.Join(p.dir, "log")); err != nil {
		t.Fatal(err)
	}
	p.run("", "log", "restore", backup)
	p.start()
	p.until("the index is rebuilt", caughtUp)
	if diff := cmp.Diff(before, history(t, p)); diff != "" {
		t.Errorf("history after the restore: %s", diff)
	}
	if got := found(t, p, "usual"); len(got) != 50 {
		t.Errorf("the index has %d posts, want 50", len(got))
	}
	if alice, err = login(t.Context(), p.c2s, "alice"); err != nil {
		t.Fatal(err)
	}
	post(alice, 100, 101)
	if got := history(t, p); len(got) != 51 || got[50] != "post100" {
		t.Errorf("history after a new post: %v", got)
	}
}

// What was retracted, and what a removed account wrote, is nowhere on the disk.
func TestIntegrationErase(t *testing.T) {
	p := startPeewit(t, "")
	for _, nick := range []string{"alice", "bob"} {
		c, err := login(t.Context(), p.c2s, nick)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.publish("unforgettable"+nick), c.result(), c.publish("kept"+nick), c.result()); err != nil {
			t.Fatal(err)
		}
		if nick == "alice" {
			retract := "<iq type='set' id='r'><pubsub xmlns='http://jabber.org/protocol/pubsub'><retract node='urn:xmpp:microblog:0'><item id='unforgettablealice'/></retract></pubsub></iq>"
			if _, err := c.conn.Write([]byte(retract)); err != nil {
				t.Fatal(err)
			}
			if err := c.result(); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.run("", "account", "remove", "bob")
	p.until("everything is erased", func(s statusRow) bool { return s.Erasing == 0 && caughtUp(s) })
	p.stop()
	// The payload names its item in its Atom id; the item's id alone stays, to page by.
	for text, want := range map[string]bool{
		"tag:bench,2026:alice/unforgettablealice": false,
		"tag:bench,2026:bob/unforgettablebob":     false,
		"tag:bench,2026:bob/keptbob":              false,
		"tag:bench,2026:alice/keptalice":          true,
	} {
		if files := grep(t, p.dir, text); (len(files) > 0) != want {
			t.Errorf("%s is in %v", text, files)
		}
	}
}

// grep is the files below dir that hold text.
func grep(t *testing.T, dir, text string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if bytes.Contains(data, []byte(text)) {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestIntegrationCommands(t *testing.T) {
	p := startPeewit(t, "")
	// A second daemon on the same data is refused, and harms nothing.
	if out, err := p.try("", "serve"); err == nil || !strings.Contains(err.Error(), "another peewit") {
		t.Errorf("a second start: %q, %v", out, err)
	}
	p.run("secret\n", "account", "add", "alice", "--password-stdin", "--admin")
	if _, err := p.try("", "account", "add", "alice"); err == nil || err.Error() != "peewit: the nickname alice is taken" {
		t.Errorf("a nickname in use: %v", err)
	}
	if _, err := p.try("\n", "account", "passwd", "alice"); err == nil {
		t.Error("an empty password was taken")
	}
	p.run("other", "account", "passwd", "alice")
	var row accountRow
	if err := json.Unmarshal([]byte(p.run("", "--json", "account", "list")), &row); err != nil || !row.Admin || !row.Login {
		t.Errorf("account list --json: %+v, %v", row, err)
	}
	if out := p.run("", "track", "add", "alice", "xmpp -spam"); !strings.Contains(out, "node=track-") {
		t.Errorf("track add: %s", out)
	}
	if _, err := p.try("", "track", "add", "alice", "-spam"); err == nil {
		t.Error("a query of nothing but a negation was taken")
	}
	if out := p.get(p.operator + "readyz"); out != "ready\n" {
		t.Errorf("readyz says %q", out)
	}
	if out := p.get(p.operator + "metrics"); !strings.Contains(out, "peewit_log_sequence ") {
		t.Errorf("metrics lack the log's sequence:\n%s", out)
	}
	p.run("", "account", "remove", "alice")
	p.stop()
	if _, err := p.try("", "status"); err == nil || !strings.HasPrefix(err.Error(), "peewit: no peewit is running") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a command without a daemon: %v", err)
	}
	p.start() // in place of the socket that might be left
	p.status()
}

// Strangers open all the connections they can: the daemon keeps enough files to
// go on publishing, indexing and answering its operator.
func TestIntegrationCrowd(t *testing.T) {
	p := startPeewit(t, "")
	p.stop()
	p.files = 1024
	p.start()
	p.run("secret", "account", "add", "alice", "--password-stdin")
	for i := range 2 * p.files {
		address := p.c2s
		if i%2 == 0 {
			address = strings.TrimSuffix(strings.TrimPrefix(p.web, "http://"), "/")
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	p.run("secret", "account", "add", "bob", "--password-stdin")
	p.wait("the index has come as far as the log", func() bool {
		return !slices.ContainsFunc(p.status().Consumers, func(c consumerStatus) bool { return c.Lag > 0 })
	})
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, "too many open files") {
			t.Fatal(line)
		}
	}
}

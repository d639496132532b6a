package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// floors are the rooms of the house from the ground up: a room may import rooms
// below its own floor, and its neighbours unless they are doors.
var floors = [][]string{
	{"bridge"},
	{"bridge/atom", "bridge/microblog", "bridge/oauth", "bridge/syndicate", "index/query", "index/query/querytest"},
	{"bridge/eventlog", "bridge/fetch"},
	{"bridge/registry", "bridge/archive", "bridge/deliver", "index", "index/track"},
	{"bridge/service"},
	{"bridge/xmpp"},
	{"bridge/pubsub", "bridge/chat", "bridge/xmpp/component", "bridge/xmpp/component/servertest", "bridge/xmpp/c2s"},
	{"cmd/peewit"},
}

// httpDoors stand on service, beside xmpp: they know nothing of stanzas.
var httpDoors = []string{"bridge/omb", "bridge/api", "bridge/web", "aggregate", "aggregate/feed", "aggregate/websub"}

// doors never import each other: what two of them need moves down into service.
var doors = append([]string{"bridge/pubsub", "bridge/chat"}, httpDoors...)

func floor(room string) int {
	if slices.Contains(httpDoors, room) {
		room = "bridge/xmpp"
	}
	return slices.IndexFunc(floors, func(rooms []string) bool { return slices.Contains(rooms, room) })
}

func mayImport(room, other string) bool {
	from, to := floor(room), floor(other)
	switch {
	case from < 0 || to < 0 || to > from:
		return false
	case room == "cmd/peewit":
		return true
	case slices.Contains(doors, room) && slices.Contains(doors, other):
		return room == "aggregate" && strings.HasPrefix(other, "aggregate/")
	case slices.Contains(httpDoors, room):
		return to <= floor("bridge/service")
	}
	return true
}

// The test reads the files itself: go test caches around a child process that
// would list them.
func TestHouse(t *testing.T) {
	root := filepath.Join("..", "..")
	comments := map[string]int{} // package comments by room
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "testdata" || entry.Name() == ".git") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		room := filepath.ToSlash(rel)
		if floor(room) < 0 {
			t.Errorf("%s: the house has no room %s", name, room)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		comments[room] += packageComment(file)
		for _, text := range refusals(file) {
			if first, _ := utf8.DecodeRuneInString(text); unicode.IsUpper(first) || strings.HasSuffix(text, ".") {
				t.Errorf("%s: a refusal is told in lower case, without a full stop: %q", name, text)
			}
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if other, ours := strings.CutPrefix(imported, "peewit/"); ours && !mayImport(room, other) {
				t.Errorf("%s: %s must not import %s", name, room, other)
			}
			if path.Base(imported) == "servertest" && room != "cmd/peewit" {
				t.Errorf("%s: only tests import servertest", name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room, n := range comments {
		if n != 1 {
			t.Errorf("%s has %d package comments, want one", room, n)
		}
	}
}

// refusals are the texts for strangers in a file, as far as they are literals.
func refusals(file *ast.File) []string {
	var texts []string
	literal := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil {
				texts = append(texts, text)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if at := slices.Index([]string{"", "Refuse", "RefuseFor"}, lastName(n.Fun)); at > 0 && len(n.Args) > at {
				literal(n.Args[at])
			}
		case *ast.CompositeLit:
			if lastName(n.Type) != "Error" {
				return true
			}
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok && lastName(kv.Key) == "Text" {
					literal(kv.Value)
				}
			}
		}
		return true
	})
	return texts
}

// lastName is Refuse of bridge.Refuse.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func packageComment(file *ast.File) int {
	if file.Doc == nil {
		return 0
	}
	return 1
}

func TestMayImport(t *testing.T) {
	for _, c := range []struct {
		room, other string
		want        bool
	}{
		{"bridge/atom", "bridge", true},
		{"bridge", "bridge/atom", false},
		{"bridge/microblog", "bridge/atom", true},
		{"bridge/service", "bridge/xmpp", false},
		{"bridge/pubsub", "bridge/xmpp", true},
		{"bridge/pubsub", "bridge/chat", false},
		{"bridge/web", "bridge/xmpp", false},
		{"bridge/web", "bridge/omb", false},
		{"bridge/web", "index", true},
		{"aggregate", "aggregate/feed", true},
		{"bridge/web", "aggregate/feed", false},
		{"cmd/peewit", "bridge/web", true},
		{"bridge/service", "cmd/peewit", false},
	} {
		if got := mayImport(c.room, c.other); got != c.want {
			t.Errorf("may %s import %s: %v, want %v", c.room, c.other, got, c.want)
		}
	}
}

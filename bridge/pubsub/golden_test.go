package pubsub

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"peewit/bridge/xmpp"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/name, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// pretty writes an element with one child a line, as golden files show it.
func pretty(t *testing.T, raw []byte) string {
	t.Helper()
	e, err := xmpp.Parse(raw, xmpp.NSClient)
	if err != nil {
		t.Fatalf("%s is not well-formed: %v", raw, err)
	}
	var b strings.Builder
	indent(&b, e, xmpp.NSClient, "")
	return b.String()
}

func indent(b *strings.Builder, e *xmpp.Element, around, margin string) {
	b.WriteString(margin + "<" + e.Name.Local)
	if e.Name.Space != around {
		b.WriteString(" xmlns='" + e.Name.Space + "'")
	}
	for _, a := range e.Attr {
		b.WriteString(" " + a.Name.Local + "='" + xmpp.Escape(a.Value) + "'")
	}
	if len(e.Children) == 0 {
		if e.Text == "" {
			b.WriteString("/>\n")
			return
		}
		b.WriteString(">" + xmpp.Escape(e.Text) + "</" + e.Name.Local + ">\n")
		return
	}
	b.WriteString(">\n")
	for _, c := range e.Children {
		indent(b, c, e.Name.Space, margin+"  ")
	}
	b.WriteString(margin + "</" + e.Name.Local + ">\n")
}

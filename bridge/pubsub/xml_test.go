package pubsub

import (
	"testing"

	"peewit/bridge/xmpp"
)

func TestAppendText(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"café \U0001F426", "café \U0001F426"},
		{`a&b<c>d'e"f`, "a&amp;b&lt;c&gt;d&apos;e&quot;f"},
		{"tab\tline\nreturn\r", "tab&#9;line&#10;return&#13;"},
		{"\x00\x01", "\uFFFD\uFFFD"},
		{"bad \xff byte", "bad \uFFFD byte"},
		{"\uFFFE\uFFFF", "\uFFFD\uFFFD"},
		{"\uFFFD", "\uFFFD"},
		{"]]>", "]]&gt;"},
	} {
		if got := string(appendText(nil, test.in)); got != test.want {
			t.Errorf("appendText(%q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func TestAppendTextKeepsWhatIsThere(t *testing.T) {
	if got := string(appendText([]byte("<a>"), "x<y")); got != "<a>x&lt;y" {
		t.Errorf("got %q", got)
	}
}

// FuzzAppendText: whatever stands in an attribute is well-formed and reads back
// as what was written, as far as XML can hold it.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "a", "&<>'\"", "\t\n\r", "\x00\xff", "\U0001F426", "\uFFFE"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := appendText(nil, s)
		e, err := xmpp.Parse([]byte("<a b='"+string(once)+"'>"+string(once)+"</a>"), "")
		if err != nil {
			t.Fatalf("%q is written as %q, which is not well-formed: %v", s, once, err)
		}
		if e.Attribute("b") != e.Text {
			t.Fatalf("%q reads back as %q in an attribute and as %q in text", s, e.Attribute("b"), e.Text)
		}
		if again := appendText(nil, e.Text); string(again) != string(once) {
			t.Fatalf("%q is written as %q first and as %q again", s, once, again)
		}
	})
}

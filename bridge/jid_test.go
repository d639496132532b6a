package bridge

import (
	"strings"
	"testing"
)

func TestParseJID(t *testing.T) {
	for in, want := range map[string]JID{
		"alice@example.org":                        "alice@example.org",
		"Alice@Example.ORG/Phone":                  "alice@example.org/Phone",
		"example.org":                              "example.org",
		"carol@example.org/a@b/c":                  "carol@example.org/a@b/c",
		"ｆｕｌｌ@example.org":                         "full@example.org",
		"bob\\40far.example@local":                 "bob\\40far.example@local",
		"alice@example.org/\u212aelvin":            "alice@example.org/Kelvin", // a letter whose lower case is ASCII
		strings.Repeat("a", 1023) + "@example.org": JID(strings.Repeat("a", 1023) + "@example.org"),
	} {
		if got, err := ParseJID(in); err != nil || got != want {
			t.Errorf("ParseJID(%q) is %q, %v, want %q", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "@", "@example.org", "alice@", "alice@example.org/", "a@b@c", "..", "carol@..",
		"a b@example.org", "a\x00b@example.org", "\xff@example.org", strings.Repeat("a", 1024) + "@example.org",
		"alice@example.org/" + strings.Repeat("\u0130", 512)} {
		if got, err := ParseJID(bad); err == nil {
			t.Errorf("ParseJID(%q) is %q", bad, got)
		}
	}
}

// What was prepared once stays as it is: two JIDs are the same address exactly
// when they are the same string.
func FuzzParseJID(f *testing.F) {
	for _, s := range []string{"Alice@Example.org/Phone", "..", "carol@..", "ß@ß.example", "a@xn--fa-hia.de", "😀@example.org/😀", "a@[::1]", "i\u0307@x", "x@example.org."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		j, err := ParseJID(s)
		if err != nil {
			return
		}
		if again, err := ParseJID(string(j)); err != nil || again != j {
			t.Errorf("%q is prepared to %q, and that to %q, %v", s, j, again, err)
		}
		for _, part := range []JID{j.Bare(), j.Domain()} {
			if again, err := ParseJID(string(part)); err != nil || again != part {
				t.Errorf("%q is a part of %q and prepared to %q, %v", part, j, again, err)
			}
		}
	})
}

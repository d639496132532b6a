package pubsub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"peewit/bridge"
	"peewit/bridge/xmpp"
)

// FuzzIQ: whatever a stranger sends is answered, with well-formed XML and never
// with an internal error.
func FuzzIQ(f *testing.F) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		script, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, paragraph := range strings.Split(string(script), "\n\n") {
			if _, stanza, ok := strings.Cut(paragraph, " "); ok && strings.HasPrefix(stanza, "<iq") {
				f.Add([]byte(strings.TrimSpace(stanza)))
			}
		}
	}
	h := newHouse(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		st, err := xmpp.ParseStanza(raw, xmpp.NSClient)
		if err != nil || st.Kind != "iq" || st.Payload() == nil {
			return
		}
		st.From = bob
		payload, err := h.router.handle(st)
		answer := xmpp.ResultReply(st, payload)
		if err != nil {
			if e := bridge.AsError(err); e.Condition == bridge.InternalError {
				t.Fatalf("%s\nis answered with %v", raw, e)
			}
			if !st.Answerable() {
				return
			}
			answer = xmpp.ErrorReply(st, err)
		}
		if _, err := xmpp.Parse(answer, xmpp.NSClient); err != nil {
			t.Fatalf("%s\nis answered with\n%s\nwhich is not well-formed: %v", raw, answer, err)
		}
	})
}

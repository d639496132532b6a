package pubsub

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"peewit/bridge"
)

// TestScenarios plays the conversations in testdata/scenarios: each NAME.txt
// holds stanzas, one a paragraph, behind the name of who sends it; NAME.golden
// holds what everybody got.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "scenarios/"+name+".golden", play(t, newHouse(t), string(script)))
		})
	}
}

// people are the senders of the scenarios.
var people = map[string]bridge.JID{
	"alice": alice, "bob": bob, "carol": carol,
	"owner": "alice@home.example/desk", "stranger": "eve@far.example/r",
	"visitor": "q7x2@micro.example/web",
}

func play(t *testing.T, h *house, script string) string {
	visitor := h.router.login(people["visitor"])
	h.router.interest[string(testAccount)+" "+bridge.NodeMicroblog] = []bridge.JID{alice, carol}
	var out strings.Builder
	for _, paragraph := range strings.Split(strings.TrimSpace(script), "\n\n") {
		if strings.HasPrefix(paragraph, "#") {
			out.WriteString(paragraph + "\n\n")
			continue
		}
		who, stanza, _ := strings.Cut(paragraph, " ")
		from, known := people[who]
		if !known {
			t.Fatalf("nobody is called %q", who)
		}
		stanza = strings.ReplaceAll(stanza, "\n", "")
		out.WriteString(who + " says\n" + pretty(t, []byte(stanza)))
		out.WriteString(who + " hears\n" + pretty(t, []byte(h.say(t, from, stanza))))
		for _, jid := range []bridge.JID{alice, bob, carol, visitor.jid} {
			h.router.mu.Lock()
			s := h.router.sessions[jid]
			h.router.mu.Unlock()
			for _, in := range s.take() {
				out.WriteString(string(jid) + " gets\n" + pretty(t, []byte(in)))
			}
		}
		h.router.mu.Lock()
		remote := h.router.remote
		h.router.remote = nil
		h.router.mu.Unlock()
		slices.Sort(remote)
		for _, in := range remote {
			out.WriteString("elsewhere is sent\n" + pretty(t, []byte(in)))
		}
		out.WriteByte('\n')
	}
	return mask(out.String())
}

// What differs from run to run.
var (
	messageIDs = regexp.MustCompile(`(<message [^>]*) id='[^']*'`)
	subIDs     = regexp.MustCompile(`subid='[a-z2-7]+'`)
	times      = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)
	random     = regexp.MustCompile(`[a-z2-7]{26}`)
)

func mask(s string) string {
	s = messageIDs.ReplaceAllString(s, "$1 id='ID'")
	s = subIDs.ReplaceAllString(s, "subid='SUBID'")
	s = times.ReplaceAllString(s, "TIME")
	return random.ReplaceAllString(s, "RANDOM")
}

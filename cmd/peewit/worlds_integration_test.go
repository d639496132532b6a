//go:build integration

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"peewit/bridge/xmpp/component/servertest"
)

const password = "pässword & <secret>"

func TestIntegrationConversationTCP(t *testing.T) {
	for _, tls := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", tls), func(t *testing.T) {
			p := startPeewit(t, "")
			converse(t, builtIn(p, func(t *testing.T) (*servertest.Client, servertest.Place) {
				return servertest.StartSlixmpp(t), servertest.Place{C2S: p.c2s, TLS: tls}
			}))
		})
	}
}

func TestIntegrationConversationWebSocket(t *testing.T) {
	p := startPeewit(t, "")
	converse(t, builtIn(p, func(t *testing.T) (*servertest.Client, servertest.Place) {
		return servertest.StartStrophe(t), servertest.Place{WebSocket: p.webSocket}
	}))
}

// builtIn is Peewit with its own listener: alice is made by the operator, the
// others register themselves.
func builtIn(p *peewit, client func(t *testing.T) (*servertest.Client, servertest.Place)) world {
	p.run(password+"\n", "account", "add", "alice", "--password-stdin")
	jids := map[string]string{}
	for _, who := range []string{"alice", "bob", "carol"} {
		jids[who] = who + "@localhost"
	}
	return world{
		domain: "localhost", jid: jids, answers: true,
		connect: func(t *testing.T, who string) *servertest.Client {
			c, place := client(t)
			if who != "alice" {
				c.Register(place, jids[who], password)
			}
			c.Connect(place, jids[who], password)
			return c
		},
	}
}

func TestIntegrationConversationProsody(t *testing.T) {
	converse(t, attached(t, servertest.StartProsody(t, servertest.Options{})))
}

func TestIntegrationConversationEjabberd(t *testing.T) {
	t.Run("events one by one", func(t *testing.T) {
		converse(t, attached(t, servertest.StartEjabberd(t, servertest.Options{})))
	})
	t.Run("events by multicast", func(t *testing.T) {
		converse(t, attached(t, servertest.StartEjabberd(t, servertest.Options{Multicast: true})))
	})
}

// attached is Peewit as a component of a real server, whose accounts the people
// have; alice owns the account alice there.
func attached(t *testing.T, host *servertest.Server) world {
	t.Helper()
	p := startPeewit(t, componentConfig(host))
	jids := map[string]string{}
	for _, who := range []string{"alice", "bob", "carol"} {
		jids[who] = who + "@" + host.Domain
	}
	p.run("", "account", "add", "alice", "--jid", jids["alice"])
	p.until("the link is up", func(s statusRow) bool { return len(s.Links) == 1 && s.Links[0].Connected })
	return world{
		domain: host.ComponentDomain, jid: jids,
		connect: func(t *testing.T, who string) *servertest.Client {
			place := servertest.Place{C2S: host.C2S}
			c := servertest.StartSlixmpp(t)
			c.Register(place, jids[who], password)
			c.Connect(place, jids[who], password)
			return c
		},
	}
}

func componentConfig(host *servertest.Server) string {
	return fmt.Sprintf("domain = %q\n[[xmpp.component]]\naddress = %q\nsecret = %q\nhosts = [%q]\n",
		host.ComponentDomain, host.ComponentAddr, host.Secret, host.Domain)
}

// write puts a configuration file beside the data.
func write(t *testing.T, dir, config string) string {
	t.Helper()
	path := filepath.Join(dir, "peewit.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

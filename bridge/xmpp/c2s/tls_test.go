package c2s

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mellium.im/sasl"

	"peewit/bridge/xmpp"
)

const starttls = "<starttls xmlns='" + nsTLS + "'/>"

func withTLS(t *testing.T) (func(*Options, *house), *x509.CertPool) {
	t.Helper()
	cert, err := Certificate(t.TempDir(), domain)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert.Leaf)
	return func(o *Options, _ *house) { o.TLS = &tls.Config{Certificates: []tls.Certificate{cert}} }, pool
}

// upgrade goes on under TLS.
func (c *client) upgrade(pool *x509.CertPool) *client {
	c.t.Helper()
	c.send(starttls).expect("<proceed xmlns='" + nsTLS + "'/>")
	conn := tls.Client(c.conn, &tls.Config{ServerName: string(domain), RootCAs: pool})
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	return talk(c.t, conn)
}

func TestSTARTTLS(t *testing.T) {
	change, pool := withTLS(t)
	h := newHouse(t, change).listen(t, true)
	c := h.dial(t)
	if got, want := c.open(), "<stream:features><starttls xmlns='"+nsTLS+"'><required/></starttls></stream:features>"; got != want {
		t.Fatalf("features %s", got)
	}
	c.send(auth("PLAIN", b64("\x00alice\x00pencil"))).expect("<failure xmlns='" + nsSASL + "'><encryption-required/></failure>")
	c = c.upgrade(pool)
	if got := c.open(); strings.Contains(got, "starttls") || !strings.Contains(got, "SCRAM-SHA-256") {
		t.Fatalf("features %s", got)
	}
	if !c.scram(sasl.ScramSha256, "alice", "pencil") {
		t.Fatal("not logged in")
	}
	c.open()
	c.bind("desk")
	c.send("<message><body>" + strings.Repeat("x", 100_000) + "</body></message>")
	if st := <-h.router.received; len(st.Child("", "body").Text) != 100_000 {
		t.Error("the message is cut")
	}
	c.send("</stream:stream>").expect("</stream:stream>")
	c.over()
}

func TestTLSIsOptionalHere(t *testing.T) {
	change, pool := withTLS(t)
	h := newHouse(t, change).listen(t, false)
	c := h.dial(t)
	if got := c.open(); !strings.HasPrefix(got, "<stream:features><starttls xmlns='"+nsTLS+"'></starttls><mechanisms") {
		t.Fatalf("features %s", got)
	}
	c = c.upgrade(pool)
	c.login("alice", "pencil").bind("desk")

	c = h.dial(t)
	c.open()
	c = c.upgrade(pool)
	c.open()
	c.send(starttls).expect("<failure xmlns='" + nsTLS + "'/>")
	c.expect("</stream:stream>")
	c.over()
}

// What an attacker puts behind the request in the clear is not taken for what
// the client says under TLS.
func TestSTARTTLSInjection(t *testing.T) {
	change, pool := withTLS(t)
	h := newHouse(t, change).listen(t, true)
	c := h.dial(t)
	c.open()
	c.send(starttls + hello + "<auth xmlns='" + nsSASL + "' mechanism='ANONYMOUS'/>").expect("<proceed xmlns='" + nsTLS + "'/>")
	conn := tls.Client(c.conn, &tls.Config{ServerName: string(domain), RootCAs: pool})
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	c = talk(t, conn)
	c.open()
	c.send("<presence/>").failing("not-authorized")
}

func TestNoTLSNoLogin(t *testing.T) {
	h := newHouse(t, nil).listen(t, true)
	c := h.dial(t)
	c.send(hello).expect("<stream:stream*>")
	c.failing("policy-violation")
}

func TestRegisteringNeedsTLS(t *testing.T) {
	change, _ := withTLS(t)
	h := newHouse(t, change).listen(t, true)
	c := h.dial(t)
	c.open()
	c.send("<iq type='get' id='1'><query xmlns='jabber:iq:register'/></iq>").failing("not-authorized")
}

func TestErrorUnderTLSHasAHeader(t *testing.T) {
	change, pool := withTLS(t)
	h := newHouse(t, change).listen(t, true)
	c := h.dial(t)
	c.open()
	c = c.upgrade(pool)
	c.send("<nonsense").send(">").expect("<stream:stream xmlns='jabber:client'*>")
	c.failing("invalid-namespace")
}

func TestCertificateIsKept(t *testing.T) {
	dir := t.TempDir()
	first, err := Certificate(dir, domain)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, certificateFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	again, err := Certificate(dir, domain)
	if err != nil || !again.Leaf.Equal(first.Leaf) {
		t.Errorf("another certificate, %v", err)
	}
	other, err := Certificate(dir, "else.example")
	if err != nil || other.Leaf.VerifyHostname("else.example") != nil {
		t.Errorf("no certificate for the new domain, %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("files left over: %v", files)
	}
	if err := os.WriteFile(filepath.Join(dir, certificateFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Certificate(dir, domain); err == nil {
		t.Error("a broken certificate was replaced without a word")
	}
	for _, name := range []string{"127.0.0.1", "bücher.example"} {
		dir := t.TempDir()
		if _, err := Certificate(dir, xmppDomain(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		before, _ := os.ReadFile(filepath.Join(dir, certificateFile))
		if _, err := Certificate(dir, xmppDomain(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := os.ReadFile(filepath.Join(dir, certificateFile)); string(after) != string(before) {
			t.Errorf("%s: made again", name)
		}
	}
}

func TestSecretIsKept(t *testing.T) {
	dir := t.TempDir()
	first, err := Secret(dir)
	if err != nil || len(first) < 32 {
		t.Fatalf("%d bytes, %v", len(first), err)
	}
	if again, err := Secret(dir); err != nil || string(again) != string(first) {
		t.Errorf("another secret, %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, secretFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := Secret(filepath.Join(dir, "missing")); err == nil {
		t.Error("no error without a directory")
	}
}

var _ xmpp.Session = (*session)(nil)

package c2s

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/net/idna"

	"peewit/bridge"
)

// Names in the data directory.
const (
	certificateFile = "xmpp-certificate.pem" // certificate and key
	secretFile      = "xmpp-secret"
)

// certificateLife is how long a self-signed certificate is good for. Nobody
// checks it but people who compare its fingerprint, and each new one costs them
// a warning.
const certificateLife = 10 * 365 * 24 * time.Hour

// Certificate is the self-signed certificate for a domain that is kept in dir,
// with its key, readable by its owner only. It is made when there is none, or
// when the one there has expired or is for another domain.
func Certificate(dir string, domain bridge.JID) (tls.Certificate, error) {
	path := filepath.Join(dir, certificateFile)
	kept, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return tls.Certificate{}, fmt.Errorf("read certificate: %w", err)
	default:
		cert, err := tls.X509KeyPair(kept, kept)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("read certificate %s: %w", path, err)
		}
		if fits(cert.Leaf, domain) {
			return cert, nil
		}
	}
	made, err := selfSigned(domain)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make certificate for %s: %w", domain, err)
	}
	if err := keep(path, made); err != nil {
		return tls.Certificate{}, fmt.Errorf("keep certificate: %w", err)
	}
	return tls.X509KeyPair(made, made)
}

func fits(leaf *x509.Certificate, domain bridge.JID) bool {
	host, err := idna.ToASCII(string(domain))
	return err == nil && leaf.VerifyHostname(host) == nil && time.Now().Before(leaf.NotAfter)
}

// selfSigned is a new certificate and its key in PEM.
func selfSigned(domain bridge.JID) ([]byte, error) {
	host, err := idna.ToASCII(string(domain))
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: host},
		NotBefore:             now.Add(-time.Hour), // clocks differ
		NotAfter:              now.Add(certificateLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}

// Secret is the random secret kept in dir, made when there is none: what
// [Options] needs one for.
func Secret(dir string) ([]byte, error) {
	path := filepath.Join(dir, secretFile)
	secret, err := os.ReadFile(path)
	if err == nil && len(secret) >= 32 {
		return secret, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	secret = make([]byte, 32)
	rand.Read(secret) // never fails (crypto/rand)
	if err := keep(path, secret); err != nil {
		return nil, fmt.Errorf("keep secret: %w", err)
	}
	return secret, nil
}

// keep writes a file that only its owner may read, whole or not at all.
func keep(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // has mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

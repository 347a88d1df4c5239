package setuppeer

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"primum/internal/certs"
)

// A certificate is renewed while the server runs, and visitors see the new one.
func TestCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 6*time.Second)
	w.records("things 60 IN A 127.0.0.1\n")
	k, err := certs.New(certs.Config{
		Domain: domain, Dir: filepath.Join(w.dir, "acme"), CA: w.ca, Agreed: true, Host: "127.0.0.1", HTTPPort: -1, TLSPort: w.tls,
		Every: 200 * time.Millisecond, Roots: w.pool,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	l, err := tls.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", w.tls), k.TLS())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go greet(l)
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var first *x509.Certificate
	w.until("a certificate", func() (err error) { first, err = w.shown(); return err })
	w.until("another one", func() error {
		now, err := w.shown()
		if err == nil && now.SerialNumber.Cmp(first.SerialNumber) == 0 {
			return fmt.Errorf("it is still that until %s", now.NotAfter)
		}
		return err
	})
}

// greet shakes hands with whoever comes.
func greet(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			_ = c.(*tls.Conn).Handshake()
			_ = c.Close()
		}()
	}
}

// shown is the certificate that a visitor sees.
func (w *world) shown() (*x509.Certificate, error) {
	c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.tls), &tls.Config{ServerName: domain, RootCAs: w.pool})
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return c.ConnectionState().PeerCertificates[0], nil
}

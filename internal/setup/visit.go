package setup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"primum/internal/wire"
)

const (
	// soon is how much of a certificate's life is left when it should have been
	// renewed: ACME clients do so at a third.
	soon        = 6
	clockOff    = 30 * time.Second
	answerMost  = 1 << 20
	securityTxt = wire.SecurityPath
)

// door is an address that a domain's visitors ask with stock tools.
type door struct {
	path   string
	status int
	accept string // media type asked for, and the start of the answer's
}

// doors are those that every node answers at, with nothing in it.
func doors() []door {
	return []door{
		{"/.well-known/wot", http.StatusOK, "application/td+json"},
		{"/.well-known/gs1resolver", http.StatusOK, "application/json"},
		{"/.well-known/core", http.StatusOK, "application/link-format"},
		{"/.well-known/did.json", http.StatusOK, ""},
		{securityTxt, http.StatusOK, "text/plain"},
		{"/", http.StatusOK, "text/html"},
	}
}

// encrypted shakes hands at one address and looks at the certificate.
func (r *run) encrypted(ctx context.Context, to string) bool {
	conn, err := dialer(to)(ctx, "tcp", to)
	if err != nil {
		r.unreached("443", to, err)
		return false
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, visitWait)
	defer cancel()
	c := tls.Client(conn, &tls.Config{ServerName: r.Domain, RootCAs: r.Roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Time: r.Clock.Now})
	if err := c.HandshakeContext(ctx); err != nil {
		r.refused(to, err)
		return false
	}
	leaf := c.ConnectionState().PeerCertificates[0]
	pairs := []any{"Address", to, "Issuer", issuer(leaf), "Until", leaf.NotAfter.UTC().Format(time.DateOnly)}
	if leaf.NotAfter.Sub(r.Clock.Now()) < leaf.NotAfter.Sub(leaf.NotBefore)/soon {
		r.red("soon", pairs...)
		return true
	}
	r.ok("certificate", pairs...)
	return true
}

func issuer(c *x509.Certificate) string {
	if len(c.Issuer.Organization) > 0 {
		return c.Issuer.Organization[0]
	}
	return c.Issuer.CommonName
}

func (r *run) unreached(port, to string, err error) {
	name := "silentPort"
	if errors.Is(err, syscall.ECONNREFUSED) {
		name = "closedPort"
	}
	r.red(name, "Address", to, "Port", port, "What", err.Error())
}

// refused says why a handshake failed.
func (r *run) refused(to string, err error) {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	name := "handshake"
	switch {
	case errors.As(err, &host):
		name = "otherName"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		name = "expired"
	case errors.As(err, &unknown):
		name = "untrusted"
	}
	r.red(name, "Domain", r.Domain, "Address", to, "What", err.Error())
}

// client asks the domain at one address, and follows nothing.
func (r *run) client(to string) *http.Client {
	return &http.Client{
		Timeout: visitWait,
		Transport: &http.Transport{
			DialContext: dialer(to), TLSHandshakeTimeout: visitWait, DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{RootCAs: r.Roots, MinVersion: tls.VersionTLS12, Time: r.Clock.Now},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (r *run) get(ctx context.Context, c *http.Client, url, accept string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, nil, err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	req.Header.Set("User-Agent", r.Agent)
	resp, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, answerMost))
	return resp, b, err
}

// plain wants to be led to https by every address.
func (r *run) plain(ctx context.Context, to string) {
	resp, _, err := r.get(ctx, r.client(to), "http://"+r.Domain+securityTxt, "")
	var network *net.OpError
	switch {
	case errors.As(err, &network) && network.Op == "dial":
		r.unreached("80", to, err)
	case err != nil:
		r.red("plain", "Address", to, "Domain", r.Domain, "Have", err.Error())
	case resp.StatusCode/100 == 3 && resp.Header.Get("Location") == "https://"+r.Domain+securityTxt:
		r.ok("redirect", "Address", to)
	default:
		r.red("plain", "Address", to, "Domain", r.Domain, "Have", strings.TrimSpace(resp.Status+" "+resp.Header.Get("Location")))
	}
}

// node asks who answers, and looks at its clock and doors.
func (r *run) node(ctx context.Context, to string) {
	c := r.client(to)
	resp, b, err := r.get(ctx, c, "https://"+r.Domain+wire.NodePath, "application/json")
	var info wire.NodeInfo
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(b, &info) != nil || info.Authority == "" {
		r.red("nonode", "Domain", r.Domain)
		return
	}
	if info.Authority != r.Domain {
		r.red("othernode", "Domain", r.Domain, "Have", info.Authority)
		return
	}
	r.ok("node", "Domain", r.Domain, "Version", info.Version)
	if off := info.Time.Sub(r.Clock.Now()).Abs(); off > clockOff {
		r.red("clock", "Seconds", int(off.Seconds()))
	} else {
		r.ok("time")
	}
	if resp.Header.Get("Strict-Transport-Security") == "" {
		r.red("nohsts", "Domain", r.Domain)
	}
	for _, d := range doors() {
		r.door(ctx, c, d)
	}
}

func (r *run) door(ctx context.Context, c *http.Client, d door) {
	resp, _, err := r.get(ctx, c, "https://"+r.Domain+d.path, d.accept)
	switch {
	case err != nil:
		r.red("nodoor", "Path", d.path, "Have", err.Error())
	case resp.StatusCode != d.status || !strings.HasPrefix(resp.Header.Get("Content-Type"), d.accept):
		r.red("nodoor", "Path", d.path, "Have", resp.Status+" "+resp.Header.Get("Content-Type"))
	default:
		r.ok("door", "Path", d.path)
	}
}

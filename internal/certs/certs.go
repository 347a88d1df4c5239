// Package certs keeps a node's TLS certificate: it gets one from an ACME
// authority (RFC 8555), proves by HTTP-01 or TLS-ALPN-01 (RFC 8737) that the
// domain leads here, and renews it in time.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// LetsEncrypt is the directory of the authority that is asked by default.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// Config says for which domain, and who is asked. Domain and Dir are needed.
type Config struct {
	Domain string // without a port
	Dir    string // of account, certificate and keys; mode 0700
	CA     string // an ACME directory, https; default LetsEncrypt
	Email  string // given to the authority; may be empty
	// Agreed: the operator agrees to the authority's terms. Nobody is asked
	// for a certificate without.
	Agreed bool
	// Host, HTTPPort and TLSPort are where the authority's visits to the ports
	// 80 and 443 of the domain arrive here. Default every address, 80 and 443.
	// HTTPPort -1: none arrive.
	Host     string
	HTTPPort int
	TLSPort  int
	Every    time.Duration // between looks whether to renew; default 10 min
	// Roots are of the authority's own pages; nil: the system's.
	Roots *x509.CertPool
	Log   *slog.Logger
}

// ErrTerms means that the operator has not agreed to the authority's terms.
var ErrTerms = errors.New("the terms of the certificate authority are not agreed to")

// Keeper holds the certificate of one domain. Safe for concurrent use. It must
// be closed.
type Keeper struct {
	cfg    Config
	cache  *certmagic.Cache
	magic  *certmagic.Config
	issuer *certmagic.ACMEIssuer

	mu     sync.Mutex
	failed func(error) // guarded by mu; told of a try that failed; nil: nobody waits
}

// New makes a Keeper. It asks nobody before Start or Obtain. Errors: ErrTerms,
// ErrAddress.
func New(cfg Config) (*Keeper, error) {
	if !cfg.Agreed {
		return nil, fmt.Errorf("keep certificate: %w", ErrTerms)
	}
	if cfg.CA == "" {
		cfg.CA = LetsEncrypt
	}
	if err := checkAddress(cfg.CA); err != nil {
		return nil, fmt.Errorf("keep certificate: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{cfg: cfg}
	quiet := zap.NewNop() // its lines hold visitors' addresses; what matters comes as an event
	k.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return k.magic, nil },
		RenewCheckInterval: cfg.Every, Logger: quiet,
	})
	k.magic = certmagic.New(k.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: cfg.Dir}, DefaultServerName: cfg.Domain, OnEvent: k.event, Logger: quiet,
		OCSP: certmagic.OCSPConfig{DisableStapling: true},
	})
	k.issuer = certmagic.NewACMEIssuer(k.magic, certmagic.ACMEIssuer{
		CA: cfg.CA, TestCA: cfg.CA, Email: cfg.Email, Agreed: true, ListenHost: cfg.Host, Logger: quiet,
		AltHTTPPort: max(cfg.HTTPPort, 0), AltTLSALPNPort: cfg.TLSPort, DisableHTTPChallenge: cfg.HTTPPort < 0,
		TrustedRoots: cfg.Roots,
	})
	k.magic.Issuers = []certmagic.Issuer{k.issuer}
	return k, nil
}

// Start loads the certificate of the last run, and gets and renews it from now
// on until ctx ends, with growing pauses after failures. It does not wait for
// the authority.
func (k *Keeper) Start(ctx context.Context) error {
	if err := k.magic.ManageAsync(ctx, []string{k.cfg.Domain}); err != nil {
		return fmt.Errorf("keep certificate of %s: %w", k.cfg.Domain, err)
	}
	return nil
}

// Obtain gets a certificate now if there is none in Dir, and returns when it
// ends. It listens itself where nobody does. Errors are of the first try.
func (k *Keeper) Obtain(ctx context.Context) (until time.Time, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	k.told(cancel)
	defer k.told(nil)
	if err := k.magic.ObtainCertAsync(ctx, k.cfg.Domain); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return until, fmt.Errorf("get certificate of %s: %w", k.cfg.Domain, err)
	}
	cert, err := k.magic.CacheManagedCertificate(ctx, k.cfg.Domain)
	if err != nil {
		return until, fmt.Errorf("read certificate of %s: %w", k.cfg.Domain, err)
	}
	return cert.Leaf.NotAfter, nil
}

// TLS is the configuration of a server that shows the certificate and answers
// TLS-ALPN-01.
func (k *Keeper) TLS() *tls.Config {
	c := k.magic.TLSConfig()
	c.MinVersion = tls.VersionTLS12
	c.NextProtos = append([]string{"h2", "http/1.1"}, c.NextProtos...)
	return c
}

// Close ends the work in the background.
func (k *Keeper) Close() { k.cache.Stop() }

func (k *Keeper) told(f func(error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed = f
}

// event is called by certmagic as things happen.
func (k *Keeper) event(_ context.Context, name string, data map[string]any) error {
	switch name {
	case "cert_obtained":
		k.cfg.Log.Info("certificate obtained", "domain", k.cfg.Domain, "authority", k.cfg.CA, "renewal", data["renewal"])
	case "cert_failed":
		err, _ := data["error"].(error)
		k.cfg.Log.Error("certificate not obtained; `primum check` says what to mend", "domain", k.cfg.Domain, "authority", k.cfg.CA, "error", err)
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.failed != nil {
			k.failed(err)
		}
	}
	return nil
}

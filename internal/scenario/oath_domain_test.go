package scenario

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/node"
	"primum/internal/wire"
	"primum/oath"
	"primum/oath/network"
)

// swornDomain is a real node over TLS as h.example, which swears, and the
// configuration of a check that finds it.
func swornDomain(t *testing.T) (*node.Node, oath.Config) {
	t.Helper()
	return swornIn(t, t.TempDir())
}

// swornIn is swornDomain with its data in a directory.
func swornIn(t *testing.T, dir string) (*node.Node, oath.Config) {
	t.Helper()
	cert, key, roots := certificateFor(t, "h.example")
	n, err := node.Open(t.Context(), node.Config{
		Authority: "h.example", Listen: "127.0.0.1:0", DataDir: dir, TLSCert: cert, TLSKey: key, Contact: "mailto:help@h.example", Clock: clock.Real(),
	})
	if err != nil {
		t.Fatal(err)
	}
	clauses, err := oath.Clauses()
	if err != nil {
		t.Fatal(err)
	}
	d, err := oath.Draft("h.example", clauses, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().AddDate(2, 0, 0).UTC().Truncate(24 * time.Hour)
	d.Supported = &until
	if _, _, err := node.Swear(t.Context(), dir, d, time.Now()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Serve(ctx) }()
	t.Cleanup(func() { stop(); <-ended; _ = n.Close() })
	cfg := oath.Config{
		Domain: "h.example", Clauses: clauses, Probes: network.Probes(), TLS: &tls.Config{RootCAs: roots}, Clock: clock.Real(),
		Resolver: "127.0.0.1:1", Dial: onlyTo("443", n.Addr()),
	}
	eventually(t, "the oath and all rules stand in the log", func() bool {
		target, err := oath.Meet(t.Context(), cfg)
		return err == nil && target.Oath != nil && oneAnswers(t, n, cfg, wire.NamingPolicyPath) && oneAnswers(t, n, cfg, wire.MeterCataloguePath)
	})
	return n, cfg
}

func oneAnswers(t *testing.T, n *node.Node, cfg oath.Config, path string) bool {
	t.Helper()
	way := wayTo(t, n, cfg)
	resp, err := way.Get(n.BaseURL() + path)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode == http.StatusOK
}

func wayTo(t *testing.T, n *node.Node, cfg oath.Config) *http.Client {
	t.Helper()
	way := &http.Client{Transport: &http.Transport{
		TLSClientConfig: cfg.TLS.Clone(),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, n.Addr())
		},
	}}
	t.Cleanup(way.CloseIdleConnections)
	return way
}

// onlyTo lets a check reach one port of its target; all others are closed.
func onlyTo(port, address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, asked string) (net.Conn, error) {
		if !strings.HasSuffix(asked, ":"+port) || network != "tcp" {
			return nil, &net.OpError{Op: "dial", Net: network, Err: net.ErrClosed}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
}

func certificateFor(t *testing.T, name string) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(60 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	kb, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: kb}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(parsed)
	return cert, key, roots
}

// outside are the clauses that need no test persons.
func outside() []string { return []string{"O01", "O02", "O12", "O13", "O14"} }

// A node over TLS, at its own domain, as a stranger without an account sees it:
// nothing is broken, and O12 and O13 show all that they can.
func TestOathOfADomain(t *testing.T) {
	t.Parallel()
	_, cfg := swornDomain(t)
	report, _, err := oath.Check(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if report.Oath == "" {
		t.Error("the result does not name the oath")
	}
	for _, r := range report.Results {
		logResult(t, r)
		want := oath.NotShown
		if slices.Contains(outside(), r.Clause) {
			want = oath.NoBreach
		}
		if r.Verdict != want {
			t.Errorf("%s: %s (%s)", r.Clause, r.Verdict, r.Reason)
		}
		if r.Sworn != oath.SwornYes && r.Clause != "O09" {
			t.Errorf("%s: sworn %q", r.Clause, r.Sworn)
		}
		for _, s := range r.Steps {
			if r.Clause == "O12" && s.Verdict != oath.NoBreach {
				t.Errorf("O12 %s: %s (%s)", s.Probe, s.Verdict, s.Reason)
			}
		}
	}
}

// What a node shows and what stands in its log must be the same, byte for byte;
// an oath must be signed by the node.
func TestRulesThatChangeSilently(t *testing.T) {
	t.Parallel()
	n, cfg := swornDomain(t)
	for name, c := range map[string]struct {
		path, says string
		change     func(string) string
	}{
		"a rule":            {wire.NamingPolicyPath, "naming-policy is shown otherwise", func(s string) string { return s + " " }},
		"the prices":        {wire.MeterCataloguePath, "meter-catalogue is shown otherwise", func(s string) string { return strings.Replace(s, `"hour"`, `"day"`, 1) }},
		"a policy":          {"policy", "policies node is shown otherwise", func(s string) string { return strings.Replace(s, `"v"`, ` "v"`, 1) }},
		"the oath's letter": {wire.OathPath, "not signed by the key", func(s string) string { return strings.Replace(s, `"payload":"ey`, `"payload":"eW`, 1) }},
	} {
		cfg := cfg
		cfg.Dial = onlyTo("443", between(t, n, cfg, c.path, c.change))
		cfg.Clauses = slices.DeleteFunc(slices.Clone(cfg.Clauses), func(cl oath.Clause) bool { return cl.ID != "O13" })
		report, _, err := oath.Check(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		r := report.Results[0]
		found := slices.ContainsFunc(r.Steps, func(s oath.Seen) bool { return s.Verdict == oath.Broken && strings.Contains(s.Reason, c.says) })
		if r.Verdict != oath.Broken || !found {
			t.Errorf("%s: %s (%s)", name, r.Verdict, r.Reason)
			logResult(t, r)
		}
	}
}

// between is a server that passes everything on, but for one document.
func between(t *testing.T, n *node.Node, cfg oath.Config, path string, change func(string) string) string {
	t.Helper()
	way := wayTo(t, n, cfg)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := r.Clone(r.Context())
		req.RequestURI, req.URL.Scheme, req.URL.Host = "", "https", "h.example"
		resp, err := way.Do(req)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		b, _ := io.ReadAll(resp.Body)
		if (r.URL.Path == path || path == "policy" && strings.HasPrefix(r.URL.Path, wire.FactsPath+"/")) && resp.StatusCode == http.StatusOK {
			b = []byte(change(string(b)))
		}
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = w.Write(b)
	}))
	cert, key, _ := certificateFor(t, "h.example")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
	cfg.TLS.RootCAs.AddCert(s.Certificate())
	return s.Listener.Addr().String()
}

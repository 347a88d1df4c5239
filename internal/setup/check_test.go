package setup

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"primum/internal/certs"
	"primum/internal/clock"
	"primum/internal/node"
	"primum/internal/words"
)

const at = "things.example.org"

// site is a domain as a test wants it: what name servers say, a node, and what
// answers on port 80.
type site struct {
	t     *testing.T
	mu    sync.Mutex
	zone  []Record // guarded by mu
	code  int      // guarded by mu; of every answer
	check Check
}

func newSite(t *testing.T) *site {
	t.Helper()
	p := Plan{Domain: at, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, CAA: []string{"ca.example"}}
	s := &site{t: t, zone: p.Records()}
	plain := httptest.NewServer(certs.Redirect(at))
	t.Cleanup(plain.Close)
	s.check = Check{Domain: at, DNS: s.nameServer(), Records: p.Records(), Private: true, Ports: map[uint16]string{80: plain.Listener.Addr().String()}}
	return s
}

// nameServer answers over UDP with what fits, and over TCP with all.
func (s *site) nameServer() string {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	u, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, srv := range []*dns.Server{{Listener: l, Handler: dns.HandlerFunc(s.answer)}, {PacketConn: u, Handler: dns.HandlerFunc(s.answer)}} {
		up := make(chan struct{})
		srv.NotifyStartedFunc = func() { close(up) }
		go func() { _ = srv.ActivateAndServe() }()
		<-up
		s.t.Cleanup(func() { _ = srv.Shutdown() })
	}
	return l.Addr().String()
}

func (s *site) answer(w dns.ResponseWriter, q *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := new(dns.Msg).SetRcode(q, s.code)
	for _, r := range s.zone {
		if r.Name == q.Question[0].Name && dns.StringToType[r.Type] == q.Question[0].Qtype {
			rr, err := dns.NewRR(r.String())
			if err != nil {
				panic(err)
			}
			m.Answer = append(m.Answer, rr)
		}
	}
	if w.LocalAddr().Network() == "udp" {
		m.Truncate(512)
	}
	_ = w.WriteMsg(m)
}

// startNode starts a node behind a proxy of this machine, as whose handler it is
// returned.
func startNode(t *testing.T) http.Handler {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{Authority: at, DataDir: t.TempDir(), Listen: "127.0.0.1:0", Proxy: true})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := n.Serve(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { <-done; _ = n.Close() })
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", n.Addr()
	}}
}

// front answers on port 443 with a certificate for a name, good from and until
// some time from now.
func (s *site) front(h http.Handler, name string, from, until time.Duration) {
	s.t.Helper()
	cert, key, pool := certificate(s.t, name, from, until)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = srv.ServeTLS(l, cert, key) }()
	s.t.Cleanup(func() { _ = srv.Close() })
	s.check.Roots, s.check.Ports[443] = pool, l.Addr().String()
}

func certificate(t *testing.T, name string, from, until time.Duration) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"Test CA"}}, DNSNames: []string{name},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	err = errors.Join(os.WriteFile(cert, text, 0o600), os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, pool
}

// run checks and returns the names of what is red, and every sentence.
func (s *site) run() (red []string, text string) {
	s.t.Helper()
	w, err := words.New("en")
	if err != nil {
		s.t.Fatal(err)
	}
	good := s.check.Run(s.t.Context(), func(f Finding) {
		text += fmt.Sprintf("%v %s\n", f.Good, w.Get(f.ID, f.Pairs...))
		if !f.Good {
			red = append(red, strings.TrimPrefix(f.ID, "setup.check."))
			text += "  → " + w.Get(f.Mend, f.Pairs...) + "\n"
		}
	})
	if good != (len(red) == 0) || strings.Contains(text, "<no value>") || strings.Contains(text, "[setup.") {
		s.t.Errorf("good %v:\n%s", good, text)
	}
	return red, text
}

func (s *site) wants(what, mend string, red ...string) {
	s.t.Helper()
	got, text := s.run()
	if !slices.Equal(got, red) || !strings.Contains(text, mend) {
		s.t.Errorf("%s: red is %q, want %q and %q\n%s", what, got, red, mend, text)
	}
}

// change puts other data into a record of the zone; "" takes it away.
func (s *site) change(kind, data string) (back func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.zone
	s.zone = nil
	for _, r := range before {
		if r.Type == kind {
			r.Data = data
		}
		if r.Data != "" {
			s.zone = append(s.zone, r)
		}
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.zone = before
	}
}

const day = 24 * time.Hour

func TestCheckOfRecords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.front(startNode(t), at, -day, 89*day)
	s.wants("all is well", "leads to 127.0.0.1")
	for _, c := range []struct {
		what, kind, data, mend string
		red                    []string
	}{
		{"no address", "A", "", "things.example.org. 3600 IN A 127.0.0.1", []string{"nowhere"}},
		{"another address", "A", "127.0.0.2", "things.example.org. 3600 IN A 127.0.0.1", []string{"elsewhere"}},
		{"no CAA", "CAA", "", `Add:  things.example.org. 3600 IN CAA 0 issue "ca.example"`, []string{"missing", "missing"}},
		{"another port", "SRV", "0 0 444 things.example.org.", "It should say:  directory._wot._tcp.things.example.org. 3600 IN SRV 0 0 443", []string{"wrong"}},
		{"no HTTPS", "HTTPS", "", "which is fine", nil},
		{"another HTTPS", "HTTPS", `1 . alpn="h3"`, "h2,http/1.1", []string{"wrong"}},
		{"a long text", "TXT", `"` + strings.Repeat("x", 250) + `" "` + strings.Repeat("y", 250) + `"`, "td=/.well-known/wot", []string{"wrong"}},
	} {
		back := s.change(c.kind, c.data)
		s.wants(c.what, c.mend, c.red...)
		if missing, err := RecordsLive(t.Context(), at, s.check.DNS, s.check.Records); err != nil || (missing != nil) != (c.red != nil && c.kind != "HTTPS") {
			t.Errorf("%s: live: %v, %v", c.what, missing, err)
		}
		back()
	}
	s.check.Private = false
	s.wants("a private address", "--private", "private")
	s.check.Private, s.check.Records = true, nil
	s.wants("without the printed records", "Only ca.example may")
	defer s.change("CAA", "")()
	s.wants("without the printed records, no CAA", "primum quickstart things.example.org prints it", "nocaa")
	s.mu.Lock()
	s.code = dns.RcodeServerFailure
	s.mu.Unlock()
	s.wants("silent name servers", "SERVFAIL", "silent")
}

func TestCheckOfVisits(t *testing.T) {
	t.Parallel()
	n := startNode(t)
	for _, c := range []struct {
		what, name  string
		from, until time.Duration
		change      func(*Check)
		mend        string
		red         []string
	}{
		{"another name in the certificate", "other.example.org", -day, day, nil, "another domain", []string{"otherName"}},
		{"an old certificate", at, -2 * day, -day, nil, "could not renew", []string{"expired"}},
		{"one that was not renewed", at, -80 * day, 10 * day, nil, "CAA record must name Test CA", []string{"soon"}},
		{"an unknown authority", at, -day, day, func(c *Check) { c.Roots = x509.NewCertPool() }, "acme.ca", []string{"untrusted"}},
		{"no TLS there", at, -day, day, func(c *Check) { c.Ports[443] = c.Ports[80] }, "its log says", []string{"handshake"}},
		{"nobody there", at, -day, day, func(c *Check) { c.Ports = map[uint16]string{443: "127.0.0.1:1", 80: "127.0.0.1:1"} }, "Start the node", []string{"closedPort", "closedPort"}},
		{"no redirect", at, -day, day, func(c *Check) { c.Ports[80] = c.Ports[443] }, "Let the node do it", []string{"plain"}},
		{"another clock", at, -day, day, func(c *Check) { c.Clock = late{clock.Real()} }, "systemd-timesyncd", []string{"clock"}},
	} {
		s := newSite(t)
		s.front(n, c.name, c.from, c.until)
		if c.change != nil {
			c.change(&s.check)
		}
		s.wants(c.what, c.mend, c.red...)
	}
}

// A proxy that serves something else is told from a node, and one that keeps
// paths or headers for itself too.
func TestCheckThroughAProxy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	body := ""
	s.front(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/primum" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(body))
	}), at, -day, day)
	s.wants("another program", "let the proxy pass on every path", "nonode")
	body = `{"authority": "other.example.org"}`
	s.wants("another node", "calls itself other.example.org", "othernode")
	body = fmt.Sprintf(`{"authority": %q, "time": %q}`, at, time.Now().Format(time.RFC3339))
	s.wants("a greedy proxy", "keeps this path for itself", append([]string{"nohsts"}, slices.Repeat([]string{"nodoor"}, len(doors()))...)...)
}

// late is a clock that is five minutes ahead.
type late struct{ clock.Clock }

func (l late) Now() time.Time { return l.Clock.Now().Add(5 * time.Minute) }

// Every finding has its sentence, and every red one says what to do.
func TestEveryFindingHasSentences(t *testing.T) {
	t.Parallel()
	w, err := words.New("en")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`r\.(ok|red)\("(\w+)"|\bname :?= "(\w+)"`)
	for _, file := range []string{"check.go", "visit.go"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range found.FindAllStringSubmatch(string(b), -1) {
			name := m[2] + m[3]
			if text := w.Get("setup.check." + name); strings.HasPrefix(text, "[") {
				t.Errorf("%s has no sentence", name)
			}
			if text := w.Get("setup.mend." + name); m[1] != "ok" && strings.HasPrefix(text, "[") {
				t.Errorf("%s does not say what to do", name)
			}
		}
	}
}

// The domain's own name servers are asked, of the closest zone above that has
// some.
func TestNameServersOfADomain(t *testing.T) {
	t.Parallel()
	s := &site{t: t, zone: []Record{
		{"org.", ttl, "NS", "ns.org."},
		{"ns.org.", ttl, "A", "192.0.2.1"},
		{"example.org.", ttl, "NS", "a.example.net."},
		{"example.org.", ttl, "NS", "b.example.net."},
		{"example.org.", ttl, "NS", "none.example.net."},
		{"a.example.net.", ttl, "A", "192.0.2.2"},
		{"b.example.net.", ttl, "A", "192.0.2.3"},
		{"b.example.net.", ttl, "A", "192.0.2.4"},
	}}
	a := Asker{Servers: []string{s.nameServer()}, recursive: true}
	if got := a.authorities(t.Context(), at).Servers; !slices.Equal(got, []string{"192.0.2.2:53", "192.0.2.3:53"}) {
		t.Errorf("%q", got)
	}
	if got := a.authorities(t.Context(), "things.example.com").Servers; len(got) != 0 {
		t.Errorf("a domain without: %q", got)
	}
	if named, err := NewAsker(t.Context(), at, "2001:db8::1"); err != nil || named.Servers[0] != "[2001:db8::1]:53" {
		t.Errorf("%q, %v", named.Servers, err)
	}
}

package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"primum/oath"
)

func tlsWith(roots *x509.CertPool) *tls.Config { return &tls.Config{RootCAs: roots} }

// domain is a whole site as example.com; what is nil is not there.
type domain struct {
	pages    map[string]string // path: content type, newline, body
	header   map[string]string
	plain    http.HandlerFunc
	outdated bool
	mqtt     []byte // the broker's answer
	coap     bool
	signed   bool // by the resolver's word
	gone     bool // the name has no address
}

// good is a domain without Primum at which nothing is wrong.
func good() domain {
	later := time.Now().Add(100 * 24 * time.Hour).UTC().Format(time.RFC3339)
	return domain{
		pages: map[string]string{
			"/": "text/html\n<!doctype html><html lang=en><a href=/our-privacy rel=privacy-policy>what we do</a>" +
				"<link rel=linkset href=/links><a href=mailto:abuse@example.com>abuse</a>",
			"/our-privacy": "text/html\n<html lang=en><p>" + strings.Repeat("We measure the temperature for heating, nobody gets it, kept one day. ", 5),
			"/links":       `application/linkset+json` + "\n" + `{"linkset":[{"anchor":"https://example.com/"}]}`,
			"/.well-known/wot": "application/td+json\n" + `{"@context":"https://www.w3.org/2022/wot/td/v1.1","title":"Hall","base":"https://things.example.com/",` +
				`"properties":{"temperature":{"type":"number"}}}`,
			"/.well-known/security.txt": "text/plain; charset=utf-8\nContact: mailto:security@example.com\nExpires: " + later + "\n",
		},
		header: map[string]string{"Strict-Transport-Security": "max-age=31536000; includeSubDomains"},
		plain: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.com/", http.StatusMovedPermanently)
		},
		signed: true,
	}
}

// start runs the domain; the configuration leads there.
func (d domain) start(t *testing.T) oath.Config {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(d.serve))
	s.TLS = &tls.Config{}
	if d.outdated {
		s.TLS.MinVersion = tls.VersionTLS10
	}
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	at := map[string]string{"tcp 443": s.Listener.Addr().String()}
	if d.plain != nil {
		p := httptest.NewServer(d.plain)
		t.Cleanup(p.Close)
		at["tcp 80"] = p.Listener.Addr().String()
	}
	if d.mqtt != nil {
		at["tcp 1883"] = answerTCP(t, d.mqtt)
	}
	if d.coap {
		at["udp 5683"] = answerCoAP(t)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return oath.Config{
		Domain: "example.com", TLS: tlsWith(roots), Probes: Probes(), Resolver: d.resolver(t),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if to, ok := at[network+" "+port]; ok && err == nil && host == "example.com" {
				return new(net.Dialer).DialContext(ctx, network, to)
			}
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("refused")}
		},
	}
}

func (d domain) serve(w http.ResponseWriter, r *http.Request) {
	for k, v := range d.header {
		w.Header().Set(k, v)
	}
	page, ok := d.pages[r.URL.Path]
	kind, body, _ := strings.Cut(page, "\n")
	switch {
	case !ok:
		http.NotFound(w, r)
	case kind == "redirect":
		http.Redirect(w, r, body, http.StatusFound)
	default:
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, body)
	}
}

func answerTCP(t *testing.T, answer []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 100)
			_, _ = c.Read(b)
			_, _ = c.Write(answer)
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// answerCoAP acknowledges each request with 4.04 and its token.
func answerCoAP(t *testing.T) string {
	return answerUDP(t, func(q []byte) []byte {
		return append([]byte{0x64, 0x84, q[2], q[3]}, q[4:8]...)
	})
}

func answerUDP(t *testing.T, answer func([]byte) []byte) string {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := l.ReadFrom(b)
			if err != nil {
				return
			}
			if n >= 8 {
				_, _ = l.WriteTo(answer(b[:n]), from)
			}
		}
	}()
	return l.LocalAddr().String()
}

// resolver answers for the domain alone.
func (d domain) resolver(t *testing.T) string {
	return answerUDP(t, func(q []byte) []byte {
		var m dnsmessage.Message
		if m.Unpack(q) != nil || len(m.Questions) != 1 {
			return nil
		}
		m.Response, m.AuthenticData, m.Additionals = true, d.signed, nil
		if m.Questions[0].Type == dnsmessage.TypeA && !d.gone {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60},
				Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}},
			}}
		}
		b, err := m.Pack()
		if err != nil {
			return nil
		}
		return b
	})
}

func clauses(t *testing.T, ids ...string) (some []oath.Clause) {
	t.Helper()
	all, err := oath.Clauses()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if slices.Contains(ids, c.ID) {
			some = append(some, c)
		}
	}
	return some
}

// A domain without Primum, at which nothing is wrong: O01, O02, O12 and O14
// show something, the rest nothing.
func TestAnyDomain(t *testing.T) {
	t.Parallel()
	cfg := good().start(t)
	all, err := oath.Clauses()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Clauses, cfg.People = all, true
	for _, r := range check(t, cfg).Results {
		want := oath.NotShown
		if slices.Contains([]string{"O01", "O02", "O12", "O14"}, r.Clause) {
			want = oath.NoBreach
		}
		if r.Verdict != want {
			t.Errorf("%s: %s (%s) %+v", r.Clause, r.Verdict, r.Reason, r.Steps)
		}
		if r.Sworn != oath.SwornUnknown || want == oath.NotShown && r.Reason == "" {
			t.Errorf("%s: sworn %q, reason %q", r.Clause, r.Sworn, r.Reason)
		}
		for _, s := range r.Steps {
			if want == oath.NoBreach && s.Verdict != oath.NoBreach && s.Probe != "read-support-end" && r.Clause != "O14" {
				t.Errorf("%s %s: %s (%s)", r.Clause, s.Probe, s.Verdict, s.Reason)
			}
		}
	}
}

// Each way to be wrong is found by the clause that should find it, with
// evidence.
func TestDomainsThatAreWrong(t *testing.T) {
	t.Parallel()
	page := func(path, content string) func(*domain) { return func(d *domain) { d.pages[path] = content } }
	for name, c := range map[string]struct {
		clause, says string
		wrong        func(*domain)
	}{
		"no address":            {"O01", "no address", func(d *domain) { d.gone = true }},
		"front page logs in":    {"O01", "login", func(d *domain) { d.pages["/"] = "redirect\n/login"; d.pages["/login"] = "text/html\n<p>who?" }},
		"no front page":         {"O01", "404", func(d *domain) { delete(d.pages, "/") }},
		"another's resolver":    {"O01", "other hosts", page("/.well-known/gs1resolver", `application/json`+"\n"+`{"resolverRoot":"https://other.example/","supportedPrimaryKeys":["all"]}`)},
		"no notice":             {"O02", "no notice", page("/", "text/html\n<html lang=en><p>nothing here")},
		"short notice":          {"O02", "letters only", page("/our-privacy", "text/html\n<html lang=en>We respect you.")},
		"notice of no language": {"O02", "language", page("/our-privacy", "text/html\n"+strings.Repeat("temperature ", 60))},
		"notice logs in":        {"O02", "asks for a login", page("/our-privacy", "redirect\n/sign-in?next=1")},
		"thing not named": {"O02", "presence of Hall", page("/.well-known/wot", "application/td+json\n"+
			`{"@context":"x","title":"Hall","events":{"presence":{}}}`)},
		"no HSTS":            {"O12", "0 days", func(d *domain) { d.header = nil }},
		"plain page":         {"O12", "plain address", func(d *domain) { d.plain = func(http.ResponseWriter, *http.Request) {} }},
		"outdated TLS":       {"O12", "TLS 1.", func(d *domain) { d.outdated = true }},
		"no security.txt":    {"O12", "no /.well-known/security.txt", func(d *domain) { delete(d.pages, "/.well-known/security.txt") }},
		"old security.txt":   {"O12", "expired", page("/.well-known/security.txt", "text/plain\nContact: mailto:a@example.com\nExpires: 2020-01-01T00:00:00Z")},
		"open broker":        {"O12", "MQTT", func(d *domain) { d.mqtt = []byte{0x20, 2, 0, 0} }},
		"broker that says 5": {"O12", "MQTT", func(d *domain) { d.mqtt = []byte{0x20, 2, 0, 5} }},
		"open CoAP":          {"O12", "CoAP", func(d *domain) { d.coap = true }},
		"nobody to tell": {"O14", "names where harm", func(d *domain) {
			delete(d.pages, "/.well-known/security.txt")
			d.pages["/"] = "text/html\n<p>nothing"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := good()
			c.wrong(&d)
			if name == "notice logs in" {
				d.pages["/sign-in"] = "text/html\nwho?"
			}
			cfg := d.start(t)
			cfg.Clauses = clauses(t, c.clause)
			r := check(t, cfg).Results[0]
			if r.Verdict != oath.Broken || !strings.Contains(r.Reason, c.says) {
				t.Errorf("%s: %s (%s) %+v", c.clause, r.Verdict, r.Reason, r.Steps)
			}
		})
	}
}

// A broker's port that speaks something else is no broker.
func TestOtherServicesAreNoBroker(t *testing.T) {
	t.Parallel()
	d := good()
	d.mqtt = []byte("SSH-2.0-OpenSSH\r\n")
	cfg := d.start(t)
	cfg.Clauses = clauses(t, "O12")
	if r := check(t, cfg).Results[0]; r.Verdict != oath.NoBreach {
		t.Errorf("%s (%s)", r.Verdict, r.Reason)
	}
}

// A certificate for another name, or about to end, breaks O12.
func TestCertificates(t *testing.T) {
	t.Parallel()
	cfg := good().start(t)
	cfg.Clauses, cfg.With = clauses(t, "O12"), map[string]string{"O12.certificate-days": "1000000"}
	if r := check(t, cfg).Results[0]; r.Verdict != oath.Broken || !strings.Contains(r.Reason, "certificate ends") {
		t.Errorf("%s (%s)", r.Verdict, r.Reason)
	}
	cfg.TLS = nil // the system does not know who signed
	cfg.With = nil
	r := check(t, cfg).Results[0]
	if r.Verdict != oath.Broken || !strings.Contains(r.Reason, "no encrypted connection") {
		t.Errorf("%s (%s)", r.Verdict, r.Reason)
	}
}

func TestResolverAnswers(t *testing.T) {
	t.Parallel()
	d := good()
	d.signed = false
	cfg := d.start(t)
	cfg.Clauses = clauses(t, "O01")
	r := check(t, cfg).Results[0]
	if r.Verdict != oath.NoBreach || !slices.ContainsFunc(r.Unshown, func(s string) bool { return strings.Contains(s, "DNSSEC") }) {
		t.Errorf("%s (%s) %q", r.Verdict, r.Reason, r.Unshown)
	}
	for name, answer := range map[string]func([]byte) []byte{
		"nothing":     func([]byte) []byte { return nil },
		"nonsense":    func([]byte) []byte { return []byte("nonsense") },
		"another's":   func(q []byte) []byte { q[0]++; q[2] |= 0x80; return q },
		"no response": func(q []byte) []byte { return q },
	} {
		cfg := good().start(t)
		cfg.Resolver, cfg.Clauses = answerUDP(t, answer), []oath.Clause{clauseFor(t, "do look-up-name\nexpect addresses at least 1, else broken: none")}
		if r := check(t, cfg).Results[0]; r.Verdict != oath.NotShown {
			t.Errorf("%s: %s (%s)", name, r.Verdict, r.Reason)
		}
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add("<html lang=de><a rel=privacy-policy href=/x>x</a><script><a></script>", "</y>; rel=linkset")
	f.Add("<a <a href='", `<x>; rel="a b", <y>`)
	f.Fuzz(func(_ *testing.T, body, link string) {
		a := oath.Answer{Body: []byte(body), URL: "https://example.com/", Header: http.Header{"Link": {link}}}
		for _, l := range readPage(a).links {
			absolute(a, l.href)
		}
		noticeLinks(a)
		hstsDays(a)
		parseSecurityTxt(body)
	})
}

// A node that names another domain lies at its entrance.
func TestLieAtTheEntrance(t *testing.T) {
	t.Parallel()
	d := good()
	d.pages["/.well-known/primum"] = "application/json\n" + `{"authority":"good.example","api":"https://good.example","keys":[{"kid":"k1","x":"AAAA"}]}`
	cfg := d.start(t)
	cfg.Clauses = clauses(t, "O01")
	if r := check(t, cfg).Results[0]; r.Verdict != oath.Broken || !strings.Contains(r.Reason, "other hosts") {
		t.Errorf("%s (%s)", r.Verdict, r.Reason)
	}
}

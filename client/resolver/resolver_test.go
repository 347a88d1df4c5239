package resolver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"primum/internal/wire"
)

// world is a small Internet: hosts by name, and their DNS.
type world struct {
	hosts map[string]http.HandlerFunc
	ptr   map[string][]string
	srv   map[string]*net.SRV
	txt   map[string][]string
	asked atomic.Int64
	plain *httptest.Server
	tls   *httptest.Server
}

func newWorld(t *testing.T) *world {
	w := &world{hosts: map[string]http.HandlerFunc{}, ptr: map[string][]string{}, srv: map[string]*net.SRV{}, txt: map[string][]string{}}
	serve := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		host, _, _ := strings.Cut(r.Host, ":")
		if h, ok := w.hosts[host]; ok {
			h(rw, r)
			return
		}
		http.NotFound(rw, r)
	})
	w.plain, w.tls = httptest.NewServer(serve), httptest.NewTLSServer(serve)
	t.Cleanup(w.plain.Close)
	t.Cleanup(w.tls.Close)
	return w
}

func (w *world) LookupHost(_ context.Context, host string) ([]string, error) {
	if _, ok := w.hosts[host]; ok {
		return []string{"192.0.2.7"}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (w *world) LookupAddr(_ context.Context, addr string) ([]string, error) {
	if names, ok := w.ptr[addr]; ok {
		return names, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
}

func (w *world) LookupSRV(_ context.Context, _, _, name string) (string, []*net.SRV, error) {
	if r, ok := w.srv[name]; ok {
		return name, []*net.SRV{r}, nil
	}
	return "", nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func (w *world) LookupTXT(_ context.Context, name string) ([]string, error) { return w.txt[name], nil }

// resolver speaks HTTPS to every host of the world, HTTP to those under
// .localhost, at the address of the test's servers.
func (w *world) resolver(via string) *Resolver {
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "dead.") {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		}
		to := w.tls.Listener.Addr().String()
		if strings.Contains(address, "localhost") {
			to = w.plain.Listener.Addr().String()
		}
		return new(net.Dialer).DialContext(ctx, "tcp", to)
	}
	// The certificate is the test server's, for another name.
	transport := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	return New(Options{DNS: w, Via: via, Agent: "test", HTTP: &http.Client{
		Transport: transport, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
}

func says(status int, kind, body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != wire.ResolvePath {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", kind)
		rw.WriteHeader(status)
		_, _ = fmt.Fprint(rw, body)
	}
}

func refers(to string) http.HandlerFunc {
	return says(307, "application/json", `{"answer":"referral","handledBy":"`+to+`","covers":"01/0950*"}`)
}

func finds(title string) http.HandlerFunc {
	return says(200, "application/json", `{"answer":"found","level":"class","title":"`+title+`"}`)
}

const gtin = "09521234543213"

func TestReferralsAreFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts["h.example"] = refers("https://s.example/")
	w.hosts["s.example"] = finds("Lamp")
	got, err := w.resolver("h.example").Resolve(t.Context(), "(01)"+gtin)
	if err != nil {
		t.Fatal(err)
	}
	if got.Node != "https://s.example" || got.Answer.Title != "Lamp" || got.Kind != "gs1" {
		t.Errorf("got %+v", got)
	}
	var way []string
	for _, s := range got.Steps {
		way = append(way, s.What)
	}
	if want := []string{StepDNS, StepAsk, StepRefer, StepDNS, StepAsk}; !slices.Equal(way, want) {
		t.Errorf("the way was %v, not %v", way, want)
	}
}

func TestTheNameSaysWhomToAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts["h.example"] = finds("Lamp")
	w.ptr["192.0.2.7"], w.ptr["192.0.2.8"] = []string{"h.example."}, []string{"h.example."}
	for _, name := range []string{"h.example", "https://h.example/01/" + gtin, "https://h.example/lamps/7", "192.0.2.7"} {
		if got, err := w.resolver("").Resolve(t.Context(), name); err != nil || got.Node != "https://h.example" || got.Answer.Answer != wire.AnswerFound {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	// A host that names an address which it does not have is not believed.
	for _, name := range []string{"(01)" + gtin, "192.0.2.8", "urn:uuid:3aa80012-7a9d-4ca4-8f04-0d4b0b3c8b3f"} {
		if _, err := w.resolver("").Resolve(t.Context(), name); !errors.Is(err, ErrNobody) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.resolver("").Resolve(t.Context(), "https://h.example:8443/01/"+gtin); !errors.Is(err, ErrReferral) {
		t.Errorf("a port: %v", err)
	}
}

func TestReferralsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts["a.example"], w.hosts["b.example"] = refers("https://b.example"), refers("https://a.example")
	if _, err := w.resolver("a.example").Resolve(t.Context(), "(01)"+gtin); !errors.Is(err, ErrLoop) {
		t.Errorf("a loop: %v", err)
	}
	for i := range 2 * MaxNodes {
		w.hosts[fmt.Sprintf("n%d.example", i)] = refers(fmt.Sprintf("https://n%d.example", i+1))
	}
	w.asked.Store(0)
	if _, err := w.resolver("n0.example").Resolve(t.Context(), "(01)"+gtin); !errors.Is(err, ErrLoop) || w.asked.Load() != MaxNodes {
		t.Errorf("a long way: %v after %d requests", err, w.asked.Load())
	}
}

func TestReferralsStayOutside(t *testing.T) {
	t.Parallel()
	for _, to := range []string{
		"http://s.example", "http://printer.localhost:631", "https://printer.localhost", "https://PRINTER.LocalHost:8443", "https://printer.localhost.", "https://u:p@s.example", "ftp://s.example",
		"https://s.example/?q=1", "//s.example", "https://", "https://" + strings.Repeat("a", 3000) + ".example",
	} {
		w := newWorld(t)
		w.hosts["h.example"] = refers(to)
		w.hosts["s.example"], w.hosts["printer.localhost"] = finds("Lamp"), finds("Printer")
		if _, err := w.resolver("h.example").Resolve(t.Context(), "(01)"+gtin); !errors.Is(err, ErrReferral) || w.asked.Load() != 1 {
			t.Errorf("%.60s: %v after %d requests", to, err, w.asked.Load())
		}
	}
}

func TestLocalNodesReferToLocalNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts["h.localhost"], w.hosts["s.localhost"] = refers("http://s.localhost:1"), finds("Lamp")
	got, err := w.resolver("h.localhost:1").Resolve(t.Context(), "(01)"+gtin)
	if err != nil || got.Node != "http://s.localhost:1" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestStockServersAreUnderstood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts["gs1.example"] = func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/01/"+gtin || r.Header.Get("Accept") != "application/linkset+json" {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/linkset+json")
		_, _ = fmt.Fprint(rw, `{"linkset":[{"anchor":"https://gs1.example/01/`+gtin+`","itemDescription":"Lamp",
			"https://gs1.org/voc/pip":[{"href":"https://shop.example/lamp","title":"Page","hreflang":["en"]}]}]}`)
	}
	got, err := w.resolver("gs1.example").Resolve(t.Context(), "(01)"+gtin)
	if err != nil || len(got.Answer.Links) != 1 || got.Answer.Links[0].Href != "https://shop.example/lamp" {
		t.Errorf("a linkset: %+v, %v", got.Answer, err)
	}
	w.hosts["things.example"] = func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/td" || r.URL.Path == "/.well-known/wot" {
			_, _ = fmt.Fprint(rw, `{"title":"At `+r.URL.Path+`"}`)
			return
		}
		http.NotFound(rw, r)
	}
	w.srv["_wot._tcp.lamp.example"], w.txt["_wot._tcp.lamp.example"] = &net.SRV{Target: "things.example.", Port: 443}, []string{"type=Thing", "td=/td"}
	w.srv["directory._wot._tcp.zone.example"] = &net.SRV{Target: "things.example.", Port: 443}
	w.srv["_wot._tcp.odd.example"] = &net.SRV{Target: "things.example.", Port: 22}
	for name, title := range map[string]string{"things.example": "At /.well-known/wot", "lamp.example": "At /td", "zone.example": "At /.well-known/wot"} {
		if got, err := w.resolver("").Resolve(t.Context(), name); err != nil || got.Answer.Title != title {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := w.resolver("").Resolve(t.Context(), "odd.example"); !errors.Is(err, ErrReferral) {
		t.Errorf("another port: %v", err)
	}
	if _, err := w.resolver("").Resolve(t.Context(), "gone.example"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("no address: %v", err)
	}
	w.hosts["page.example"] = func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead || r.URL.Path != "/lamp" {
			http.NotFound(rw, r)
		}
	}
	if got, err := w.resolver("").Resolve(t.Context(), "https://page.example/lamp"); err != nil || got.Answer.Answer != wire.AnswerFound {
		t.Errorf("a page: %+v, %v", got.Answer, err)
	}
}

func TestDocumentsOfDIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	docs := map[string]string{
		"/.well-known/did.json": `{"id":"did:web:h.example","service":[{"type":"PrimumResolver","serviceEndpoint":"https://s.example/resolve"}]}`,
		"/lamp/did.json":        `{"id":"did:web:h.example:lamp","service":[{"type":"LinkedDomains","serviceEndpoint":"https://h.example/lamp"},{"type":["a"],"serviceEndpoint":{}}]}`,
		"/false/did.json":       `{"id":"did:web:other.example"}`,
	}
	w.hosts["h.example"] = func(rw http.ResponseWriter, r *http.Request) {
		if doc, ok := docs[r.URL.Path]; ok {
			_, _ = fmt.Fprint(rw, doc)
			return
		}
		http.NotFound(rw, r)
	}
	w.hosts["s.example"] = finds("Node")
	got, err := w.resolver("").Resolve(t.Context(), "did:web:h.example")
	if err != nil || got.Node != "https://s.example" || got.Answer.Title != "Node" {
		t.Errorf("a node: %+v, %v", got, err)
	}
	got, err = w.resolver("").Resolve(t.Context(), "did:web:h.example:lamp")
	if err != nil || got.Answer.Answer != wire.AnswerFound || len(got.Answer.Links) != 1 {
		t.Errorf("a thing: %+v, %v", got, err)
	}
	for _, name := range []string{"did:web:h.example:false", "did:web:h.example:none"} {
		if got, err = w.resolver("").Resolve(t.Context(), name); err != nil || got.Answer.Answer != wire.AnswerUnknown {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestNamesLeadToNoServiceOfThisMachine: what a stranger printed, or wrote into
// DNS, is no word for asking what listens here.
func TestNamesLeadToNoServiceOfThisMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts["printer.localhost"] = finds("Printer")
	w.ptr["192.0.2.7"] = []string{"printer.localhost"}
	w.srv["_wot._tcp.gone.example"] = &net.SRV{Target: "printer.localhost.", Port: 443}
	for _, name := range []string{
		"http://printer.localhost:631/01/" + gtin, "http://Printer.LOCALHOST:631/x", "printer.localhost", "did:web:printer.localhost%3A631", "192.0.2.7", "gone.example",
	} {
		got, err := w.resolver("").Resolve(t.Context(), name)
		if !errors.Is(err, ErrLocal) || w.asked.Load() != 0 || len(got.Steps) == 0 || !errors.Is(got.Steps[len(got.Steps)-1].Err, ErrLocal) {
			t.Errorf("%s: %v after %d requests: %+v", name, err, w.asked.Load(), got.Steps)
		}
	}
	own := w.resolver("")
	own.o.Local = func(authority string) bool { return authority == "printer.localhost:631" }
	if got, err := own.Resolve(t.Context(), "http://printer.localhost:631/x"); err != nil || got.Answer.Title != "Printer" {
		t.Errorf("an own node: %+v, %v", got, err)
	}
}

// TestSilentHosts: an error has the host and the cause, each once.
func TestSilentHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts["dead.example"] = nil
	for name, want := range map[string]string{
		"https://dead.example/x": "dead.example did not answer: connection refused", "did:web:dead.example": "dead.example did not answer: connection refused",
		"gone.example": "gone.example did not answer: no such host", "https://gone.example/x": "gone.example did not answer: no such host",
	} {
		got, err := w.resolver("").Resolve(t.Context(), name)
		var silent *SilentError
		if !errors.Is(err, ErrUnreachable) || !errors.As(err, &silent) || err.Error() != want {
			t.Errorf("%s: %v, not %s", name, err, want)
		}
		i := slices.IndexFunc(got.Steps, func(s Step) bool { return errors.As(s.Err, &silent) })
		if i < 0 || got.Steps[i].Error != "no answer: "+want[strings.LastIndex(want, ": ")+2:] {
			t.Errorf("%s: %+v", name, got.Steps)
		}
	}
}

// TestNobodyIsToldMore looks at what leaves this machine: the name, once to
// each node, and no cookie, address before it, or language.
func TestNobodyIsToldMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts["h.example"] = func(rw http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if !slices.Contains([]string{"Accept", "Accept-Encoding", "User-Agent"}, name) {
				t.Errorf("the request has %s", name)
			}
		}
		rw.Header().Set("Set-Cookie", "a=b")
		refers("https://s.example")(rw, r)
	}
	w.hosts["s.example"] = func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" || r.Header.Get("Referer") != "" {
			t.Errorf("the request has %v", r.Header)
		}
		finds("Lamp")(rw, r)
	}
	if _, err := w.resolver("h.example").Resolve(t.Context(), "(01)"+gtin); err != nil || w.asked.Load() != 2 {
		t.Errorf("%v after %d requests", err, w.asked.Load())
	}
}

func TestHugeAnswersAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.hosts["h.example"] = says(200, "application/json", `{"answer":"found","title":"`+strings.Repeat("a", wire.MaxAnswer)+`"}`)
	if _, err := w.resolver("h.example").Resolve(t.Context(), "(01)"+gtin); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a huge answer: %v", err)
	}
}

// FuzzAnswers reads what strangers' servers may say.
func FuzzAnswers(f *testing.F) {
	f.Add(200, "application/json", `{"answer":"found","links":[{"rel":"a","href":"b"}]}`)
	f.Add(307, "application/json", `{"answer":"referral","handledBy":"https://s.example"}`)
	f.Add(404, "application/problem+json", `{"type":"https://primum.example/problems/not-found"}`)
	f.Add(200, "application/linkset+json", `{"linkset":[{"anchor":"a","b":[{"href":"c"}],"d":"e"}]}`)
	f.Add(200, "", `{"id":"did:web:a.example","service":[{"type":[1],"serviceEndpoint":["x"]}]}`)
	f.Fuzz(func(t *testing.T, status int, kind, body string) {
		got := reply{status, kind, []byte(body)}
		if a, ok := readAnswer(got); ok && a.Answer == wire.AnswerReferral {
			w := &walk{r: New(Options{})}
			if next, err := w.next(a.HandledBy); err == nil {
				if u, err := url.Parse(next); err != nil || u.Scheme != "https" || u.Host == "" {
					t.Errorf("it refers to %q", next)
				}
			}
		}
		if links, ok := readLinkset(got); ok && len(links) > maxLinks {
			t.Errorf("%d links", len(links))
		}
		if doc, ok := readDocument(got, "did:web:a.example"); ok && len(doc.links()) > maxLinks {
			t.Errorf("%d services", len(doc.Service))
		}
	})
}

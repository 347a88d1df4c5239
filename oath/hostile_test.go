package oath

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/internal/wire"
)

// site is a server with its name under .localhost.
func site(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return strings.Replace(strings.TrimPrefix(s.URL, "http://"), "127.0.0.1", "h.localhost", 1)
}

// clauseFor is a clause of one probe, with what is expected of it.
func clauseFor(t *testing.T, lines string) Clause {
	t.Helper()
	c, err := ParseClause([]byte("O01 A title\nWe swear\n  A.\nIf we break it\n  B.\nWhat a check does\n  C.\n" + lines + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func check(t *testing.T, cfg Config) Report {
	t.Helper()
	if cfg.Probes == nil {
		cfg.Probes = NetworkProbes()
	}
	rep, _, err := Check(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// A hostile server meets every network clause. Whatever it does, each clause
// ends within its budget, and none that saw only nonsense says "no breach
// seen" of what it could not see.
func TestHostileServers(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"hangs":         func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"drips":         drip,
		"has no end":    endless,
		"drips headers": dripHeaders,
		"long header":   func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) },
		"circle":        func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		"long way":      func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) },
		"sends away": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		},
		"gzip bomb":      bomb(1, 2<<30),
		"bomb in a bomb": bomb(2, 1<<28),
		"claims gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("no"))
		},
		"claims brotli": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			_, _ = w.Write([]byte("no"))
		},
		"deep JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat(`[`, 900_000)) },
		"deep objects": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(`{"a":`, 200_000))
		},
		"giant JSON": giant,
		"many tags": func(w http.ResponseWriter, _ *http.Request) {
			htmlPage(w, strings.Repeat("<a href=x rel=privacy-policy>", 30_000))
		},
		"unclosed script": func(w http.ResponseWriter, _ *http.Request) { htmlPage(w, "<script>"+strings.Repeat("<a ", 300_000)) },
		"cuts off":        cutOff,
		"lies in length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("x"))
		},
		"early hints": hints,
		"not HTTP":    notHTTP,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hostile(t, h)
		})
	}
}

func hostile(t *testing.T, h http.HandlerFunc) {
	clauses, err := Clauses()
	if err != nil {
		t.Fatal(err)
	}
	limit := 400 * time.Millisecond
	for i := range clauses {
		clauses[i].AtMost = limit
	}
	began := time.Now()
	rep := check(t, Config{Domain: site(t, h), Clauses: clauses, People: true, Total: Budget{Time: 1500 * time.Millisecond}})
	if took := time.Since(began); took > 4*time.Second+grace+2*time.Second {
		t.Errorf("the check took %v", took)
	}
	for _, r := range rep.Results {
		if r.Clause == "O13" || r.Clause == "O03" { // need a node, which this is none
			if r.Verdict != NotShown || r.Reason == "" {
				t.Errorf("%s: %s (%s)", r.Clause, r.Verdict, r.Reason)
			}
		}
		if time.Duration(r.Took)*time.Millisecond > limit+grace+time.Second {
			t.Errorf("%s took %d ms", r.Clause, r.Took)
		}
		if r.Verdict == NotShown && r.Reason == "" {
			t.Errorf("%s is not shown without a reason", r.Clause)
		}
		if r.Bytes > DefaultClauseBudget().Bytes+1<<20 {
			t.Errorf("%s cost %d bytes", r.Clause, r.Bytes)
		}
	}
	if b, err := json.Marshal(rep); err != nil || len(b) > 2<<20 {
		t.Errorf("the report has %d bytes (%v)", len(b), err)
	}
}

func htmlPage(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = io.WriteString(w, text)
}

func drip(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		_, _ = w.Write([]byte("x"))
		_ = http.NewResponseController(w).Flush()
		pause(r.Context())
	}
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Millisecond):
	}
}

func endless(w http.ResponseWriter, r *http.Request) {
	block := bytes.Repeat([]byte("{\"a\":["), 10_000)
	for r.Context().Err() == nil {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func dripHeaders(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
	for i := range 200 {
		if _, err := fmt.Fprintf(conn, "X-%d: y\r\n", i); err != nil {
			return
		}
		pause(r.Context())
	}
}

// bomb is zeros, packed several times.
func bomb(times int, size int64) http.HandlerFunc {
	var body []byte
	from := io.Reader(io.LimitReader(zeros{}, min(size, 64<<20)))
	for range times {
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		_, _ = io.Copy(z, from)
		_ = z.Close()
		body, from = b.Bytes(), bytes.NewReader(b.Bytes())
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(body)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func giant(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"authority":"x","keys":[`+strings.Repeat(`{"kid":"a","x":""},`, 200_000)+`{}]}`)
}

func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = io.WriteString(w, "half of it")
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func hints(w http.ResponseWriter, r *http.Request) {
	for r.Context().Err() == nil {
		w.WriteHeader(http.StatusEarlyHints)
		pause(r.Context())
	}
}

func notHTTP(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = conn.Write(bytes.Repeat([]byte{0x16, 3, 1, 0}, 1000))
	_ = conn.Close()
}

// The memory of a check does not follow the size of what a server sends.
func TestEndlessAnswersCostNoMemory(t *testing.T) {
	c := clauseFor(t, "do open-front-page\nexpect status is 200, else broken: status {status}")
	domain := site(t, http.HandlerFunc(endless))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	rep := check(t, Config{Domain: domain, Clauses: []Clause{c}})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if r := rep.Results[0]; r.Verdict != NoBreach || r.Bytes > 8<<20 {
		t.Errorf("%s %s, %d bytes", r.Verdict, r.Reason, r.Bytes)
	}
	if after.TotalAlloc-before.TotalAlloc > 64<<20 {
		t.Errorf("%d MiB were used", (after.TotalAlloc-before.TotalAlloc)>>20)
	}
}

func TestBudgetsEndAClause(t *testing.T) {
	t.Parallel()
	greedy := func(ctx context.Context, r *Run, _ Args) (Observation, error) {
		for {
			if _, err := r.Fetch(ctx, Ask{URL: r.Target.Base + "/"}); err != nil {
				return Observation{}, err
			}
		}
	}
	domain := site(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 10_000)) }))
	c := clauseFor(t, "do greedy\nexpect a is 1, else broken: x")
	for name, b := range map[string]Budget{"requests": {Requests: 20}, "bytes": {Bytes: 100_000}, "time": {Time: 300 * time.Millisecond, Requests: 1 << 40, Bytes: 1 << 40}} {
		rep := check(t, Config{Domain: domain, Clauses: []Clause{c, c}, Probes: map[string]Probe{"greedy": greedy}, Clause: b, Total: Budget{Requests: 1 << 40, Bytes: 1 << 40}})
		for _, r := range rep.Results {
			if r.Verdict != NotShown || !strings.Contains(r.Reason, name) {
				t.Errorf("%s: %s (%s)", name, r.Verdict, r.Reason)
			}
		}
	}
	total := check(t, Config{Domain: domain, Clauses: []Clause{c, c}, Probes: map[string]Probe{"greedy": greedy}, Total: Budget{Requests: 30}})
	if used := total.Results[1].Asked; used > 2 {
		t.Errorf("the second clause asked %d times after the total was used up", used)
	}
}

// A probe that ignores its time is left behind; one that panics has seen
// nothing.
func TestProbesThatFail(t *testing.T) {
	t.Parallel()
	domain := site(t, http.NotFoundHandler())
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	probes := map[string]Probe{
		"deaf": func(context.Context, *Run, Args) (Observation, error) { <-end; return Observation{}, nil },
		"panics": func(context.Context, *Run, Args) (Observation, error) {
			panic("a careless probe")
		},
		"tells": func(context.Context, *Run, Args) (Observation, error) { return Observation{}, Unshown("the sun shone") },
	}
	for name, want := range map[string]string{"deaf": "time for this clause", "panics": "failed", "tells": "the sun shone", "nobody": "no probe named nobody"} {
		c := clauseFor(t, "do "+name+"\nexpect a is 1, else broken: x")
		r := check(t, Config{Domain: domain, Clauses: []Clause{c}, Probes: probes, Clause: Budget{Time: 50 * time.Millisecond}}).Results[0]
		if r.Verdict != NotShown || !strings.Contains(r.Reason, want) {
			t.Errorf("%s: %s (%s)", name, r.Verdict, r.Reason)
		}
	}
}

func TestBrokenNeedsEvidence(t *testing.T) {
	t.Parallel()
	domain := site(t, http.NotFoundHandler())
	seen := Observation{Facts: map[string]Value{"leaked": Number(3)}}
	probes := map[string]Probe{
		"bare": func(context.Context, *Run, Args) (Observation, error) { return seen, nil },
		"shown": func(context.Context, *Run, Args) (Observation, error) {
			return Observation{Facts: seen.Facts, Evidence: []Evidence{{What: "it", Replay: "curl it"}}}, nil
		},
	}
	for name, want := range map[string]Verdict{"bare": NotShown, "shown": Broken} {
		c := clauseFor(t, "shows leaked up to 0\ndo "+name+"\nexpect leaked is 0, else broken: {leaked} leaked")
		r := check(t, Config{Domain: domain, Clauses: []Clause{c}, Probes: probes}).Results[0]
		if r.Verdict != want || !strings.Contains(r.Reason, "3 leaked") || r.Shown == nil || r.Shown.Value != 3 || *r.Shown.Bound != 0 {
			t.Errorf("%s: %s (%s) %+v", name, r.Verdict, r.Reason, r.Shown)
		}
	}
}

// A server can't pass for another domain, nor lead the checker into its own
// machine.
func TestNobodyPassesForAnother(t *testing.T) {
	t.Parallel()
	reached := false
	inside := site(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	info := func(authority, api string) []byte {
		b, err := json.Marshal(wire.NodeInfo{Authority: authority, API: api, Keys: []wire.NodeKey{{ID: "k1", X: make([]byte, 32)}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, answer := range map[string][]byte{
		"another name": info("good.example", "https://good.example"),
		"another API":  info("example.com", "https://good.example"),
		"inside":       info("example.com", "http://"+inside),
	} {
		domain, cfg := door(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == wire.NodePath {
				_, _ = w.Write(answer)
				return
			}
			http.Redirect(w, r, "http://"+inside+"/", http.StatusFound)
		}))
		cfg.Clauses = []Clause{clauseFor(t, "needs a Primum node\nunshown: x"), clauseFor(t, "do read-entrance\nexpect own-names is yes, else broken: {entrance}")}
		rep := check(t, cfg)
		if r := rep.Results[0]; r.Verdict != NotShown || !strings.Contains(r.Reason, "good.example") && !strings.Contains(r.Reason, "another host") {
			t.Errorf("%s: %s (%s)", name, r.Verdict, r.Reason)
		}
		if r := rep.Results[1]; name == "another name" && r.Verdict != Broken {
			t.Errorf("%s: %s (%s)", domain, r.Verdict, r.Reason)
		}
		r, err := newRun(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Fetch(t.Context(), Ask{URL: "https://example.com/x"}); !errors.Is(err, ErrRedirect) {
			t.Errorf("%s: led inside: %v", name, err)
		}
		if _, err := r.Fetch(t.Context(), Ask{URL: "http://" + inside}); !errors.Is(err, errThisMachine) {
			t.Errorf("%s: asked inside: %v", name, err)
		}
		if _, err := r.Transport().Do(t.Context(), client.Request{Method: "GET", URL: "http://" + inside}); !errors.Is(err, errThisMachine) {
			t.Errorf("%s: a machine asked inside: %v", name, err)
		}
	}
	if reached {
		t.Error("the checker's own machine was reached")
	}
}

// door is a server over TLS that answers as example.com.
func door(t *testing.T, h http.Handler) (domain string, cfg Config) {
	t.Helper()
	s := httptest.NewTLSServer(h)
	s.Config.ErrorLog = nil
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	cfg = Config{Domain: "example.com", TLS: tlsWith(roots)}
	cfg.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if !strings.HasSuffix(address, ":443") || network != "tcp" {
			return nil, &net.OpError{Op: "dial", Err: errors.New("nothing there")}
		}
		return new(net.Dialer).DialContext(ctx, network, s.Listener.Addr().String())
	}
	return "example.com", cfg
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	_, _, err := Check(t.Context(), Config{Domain: "h.localhost:1"})
	if !errors.Is(err, client.ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
	if _, _, err := Check(t.Context(), Config{Domain: "not a name"}); err == nil || errors.Is(err, client.ErrUnreachable) {
		t.Errorf("no name: %v", err)
	}
}

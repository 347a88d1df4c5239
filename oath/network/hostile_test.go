package network

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"primum/oath"
)

// site is a server with its name under .localhost.
func site(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return strings.Replace(strings.TrimPrefix(s.URL, "http://"), "127.0.0.1", "h.localhost", 1)
}

// clauseFor is a clause of one probe, with what is expected of it.
func clauseFor(t *testing.T, lines string) oath.Clause {
	t.Helper()
	c, err := oath.ParseClause([]byte("O01 A title\nWe swear\n  A.\nIf we break it\n  B.\nWhat a check does\n  C.\n" + lines + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func check(t *testing.T, cfg oath.Config) oath.Report {
	t.Helper()
	if cfg.Probes == nil {
		cfg.Probes = Probes()
	}
	rep, _, err := oath.Check(t.Context(), cfg)
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
	clauses, err := oath.Clauses()
	if err != nil {
		t.Fatal(err)
	}
	limit := 400 * time.Millisecond
	for i := range clauses {
		clauses[i].AtMost = limit
	}
	began := time.Now()
	rep := check(t, oath.Config{Domain: site(t, h), Clauses: clauses, People: true, Total: oath.Budget{Time: 1500 * time.Millisecond}})
	if took := time.Since(began); took > 4*time.Second+4*time.Second {
		t.Errorf("the check took %v", took)
	}
	for _, r := range rep.Results {
		if r.Clause == "O13" || r.Clause == "O03" { // need a node, which this is none
			if r.Verdict != oath.NotShown || r.Reason == "" {
				t.Errorf("%s: %s (%s)", r.Clause, r.Verdict, r.Reason)
			}
		}
		if time.Duration(r.Took)*time.Millisecond > limit+3*time.Second {
			t.Errorf("%s took %d ms", r.Clause, r.Took)
		}
		if r.Verdict == oath.NotShown && r.Reason == "" {
			t.Errorf("%s is not shown without a reason", r.Clause)
		}
		if r.Bytes > oath.DefaultClauseBudget().Bytes+1<<20 {
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
	rep := check(t, oath.Config{Domain: domain, Clauses: []oath.Clause{c}})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if r := rep.Results[0]; r.Verdict != oath.NoBreach || r.Bytes > 8<<20 {
		t.Errorf("%s %s, %d bytes", r.Verdict, r.Reason, r.Bytes)
	}
	if after.TotalAlloc-before.TotalAlloc > 64<<20 {
		t.Errorf("%d MiB were used", (after.TotalAlloc-before.TotalAlloc)>>20)
	}
}

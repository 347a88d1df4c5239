package scenario

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"primum/client/nethttp"
	"primum/internal/clock"
	"primum/internal/node"
	"primum/internal/operator"
)

// namesWorld is a node with things that everybody may find.
type namesWorld struct {
	t     testing.TB
	node  *node.Node
	base  string // of its addresses
	token string // the publisher's
	hc    *http.Client
	log   *errorLog
}

// errorLog keeps the messages of level error that a node logs.
type errorLog struct {
	slog.Handler
	mu  sync.Mutex
	all []string // under mu
}

func newErrorLog() *errorLog { return &errorLog{Handler: slog.DiscardHandler} }

// Enabled tells that errors are kept.
func (l *errorLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle keeps a message.
func (l *errorLog) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	l.all = append(l.all, text)
	return nil
}

// WithAttrs leaves out what all messages have.
func (l *errorLog) WithAttrs([]slog.Attr) slog.Handler { return l }

func (l *errorLog) said() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all
}

// startNames runs a node of which everything is asked over HTTP.
func startNames(t testing.TB, host string) *namesWorld {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "node")
	w := &namesWorld{t: t, log: newErrorLog(), hc: plainClient(t)}
	n, err := node.Open(t.Context(), node.Config{Authority: host, Listen: "127.0.0.1:0", DataDir: dir, Clock: clock.Real(), Log: slog.New(w.log)})
	if err != nil {
		t.Fatal(err)
	}
	w.node, w.base, w.token = n, n.BaseURL(), publisherToken(t, dir)
	done := make(chan error, 1)
	go func() { done <- n.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close node: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
		for _, text := range w.log.said() {
			t.Errorf("the node logged: %s", text)
		}
	})
	return w
}

// plainClient is a stranger's: it finds names under .localhost, follows no
// redirect and knows no keys.
func plainClient(t testing.TB) *http.Client {
	tr := &http.Transport{DialContext: nethttp.Dialer{}.DialContext}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func publisherToken(t testing.TB, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, operator.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// publish sends a document with the publisher's token; it must be taken.
func (w *namesWorld) publish(method, path, kind string, body any) http.Header {
	w.t.Helper()
	b, isRaw := body.([]byte)
	if !isRaw {
		var err error
		if b, err = json.Marshal(body); err != nil {
			w.t.Fatal(err)
		}
	}
	status, h, answer := w.ask(method, path, http.Header{"Content-Type": {kind}, "Authorization": {"Bearer " + w.token}}, b)
	if status >= 300 {
		w.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return h
}

// ask sends a request as a stranger would.
func (w *namesWorld) ask(method, path string, h http.Header, body []byte) (status int, header http.Header, answer []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if h != nil {
		req.Header = h
	}
	resp, err := w.hc.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err = io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, answer
}

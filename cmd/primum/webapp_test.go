package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"primum/internal/node"
	"primum/internal/portal"
)

// serveNode runs a node of this program's version until the test ends.
func serveNode(t *testing.T) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: t.TempDir(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// TestCheckWeb compares a node with the program it was made from. Without built
// pages the program says so, and is not content.
func TestCheckWeb(t *testing.T) {
	t.Parallel()
	n, m := serveNode(t), newMachine(t)
	own, err := portal.OwnManifest("test")
	if err != nil {
		t.Fatal(err)
	}
	if own.Built() {
		out := m.ok("check", n.Authority(), "--web")
		for _, want := range []string{"✓ They are the same files", "✓ The page itself is the same", "is the one in this program", "primum app"} {
			if !strings.Contains(out, want) {
				t.Errorf("the check lacks %q:\n%s", want, out)
			}
		}
		m.tty = true
		if out := m.ok("check", n.Authority(), "--web"); !strings.Contains(out, "\x1b[32m✓") {
			t.Errorf("no green on a terminal:\n%s", out)
		}
	} else {
		m.want(exitFailed, "made without pages", "check", n.Authority(), "--web")
	}
	m.want(exitUsage, "--web", "check", n.Authority())
	m.want(exitUsage, "not a domain", "check", "not a domain", "--web")
	m.want(exitUnreachable, "h.localhost:1", "check", "h.localhost:1", "--web")
}

// TestApp starts the portal on this machine, opens no browser unasked, and
// stops.
func TestApp(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errOut syncBuffer
	done := make(chan int, 1)
	go func() { done <- run(ctx, m.surroundings(&out, &errOut), []string{"app", "--port", "-1", "--json"}) }()
	var started struct {
		URL string `json:"url"`
	}
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(5 * time.Millisecond); json.Unmarshal([]byte(out.String()), &started) != nil; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it did not start: %s%s", out.String(), errOut.String())
		}
	}
	resp, err := stranger(nil).Get(started.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", resp.StatusCode)
	}
	cancel()
	if code := <-done; code != exitDone {
		t.Errorf("exit %d: %s", code, errOut.String())
	}
	m.want(exitUsage, "--port takes", "app", "--port", "70000")
}

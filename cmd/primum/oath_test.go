package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/node"
	"primum/oath"
)

// swearing is a machine with a running node of its own.
func swearing(t *testing.T) (*machine, *node.Node) {
	t.Helper()
	m := newMachine(t)
	dir := filepath.Join(m.home, "nodes", "h.localhost")
	n, err := node.Open(t.Context(), node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: dir, Clock: clock.Real()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Serve(ctx) }()
	t.Cleanup(func() { stop(); <-ended; _ = n.Close() })
	return m, n
}

func TestOathCommands(t *testing.T) {
	t.Parallel()
	m, n := swearing(t)
	m.want(exitDone, "O15  The thing still works", "oath", "show")
	m.want(exitDone, "expect leads-to-tls is yes", "oath", "show", "--clause", "O12")
	m.want(exitUsage, "O99", "oath", "show", "--clause", "O99")
	m.want(exitFailed, "swears nothing", "oath", "show", n.Authority())
	m.want(exitUsage, "a clause and a reason", "oath", "sign", "--without", "O14")
	m.want(exitUsage, "no clause", "oath", "sign", "--without", "O77=x")
	m.want(exitUsage, "wants a day", "oath", "sign", "--until", "soon")
	m.want(exitFailed, "no node in", "oath", "sign", "--domain", "other.localhost")
	m.want(exitDone, "13 clauses are sworn", "oath", "sign", "--without", "O14=nobody is here at night", "--supported-until", "2030-01-31")
	shown := waitFor(t, func() string { return m.run("oath", "show", n.Authority()).out }, "signature good")
	for _, want := range []string{"O13  Rules don't change", "Not sworn: O14 – nobody is here at night", "Not sworn: O09"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not shown:\n%s", want, shown)
		}
	}
	m.want(exitDone, "certificate-days: 7", "oath", "show", n.Authority(), "--clause", "O12")
}

// A check without test persons: what was seen, the signed result, and where it
// goes.
func TestOathCheckCommand(t *testing.T) {
	t.Parallel()
	m, n := swearing(t)
	m.ok("oath", "sign")
	waitFor(t, func() string { return m.run("oath", "show", n.Authority()).out }, "signature good")
	file := filepath.Join(m.home, "result.json")
	e := m.want(exitDone, "O12  The door is locked: no breach seen", "oath", "check", n.Authority(), "--clause", "O03,o12", "--no-people", "--out", file, "--publish", "--from", "a test")
	if !strings.Contains(e.out, "O03  Nothing flows before yes: not shown\n       this check opens no accounts there") || !strings.Contains(e.out, "Broken: 0, no breach seen: 1, not shown: 1") {
		t.Errorf("said:\n%s", e.out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rep, who, err := oath.OpenReport(b)
	if err != nil || rep.Domain != n.Authority() || len(rep.Results) != 2 || who.Name != "a test" || rep.Oath == "" {
		t.Errorf("result: %v %+v %+v", err, who, rep)
	}
	waitFor(t, func() string { return get(n.BaseURL() + "/.well-known/primum/measurements") }, `"checker":"a test (ed25519:`)
	lines := jsonLines(t, m.ok("oath", "check", n.Authority(), "--clause", "O09", "--json"))
	if len(lines) != 1 || lines[0]["verdict"] != "not shown" || lines[0]["sworn"] != "no" {
		t.Errorf("JSON: %v", lines)
	}
	m.want(exitUnreachable, "", "oath", "check", "h.localhost:1", "--clause", "O12")
	m.want(exitUsage, "", "oath", "check", "not a name")
	m.want(exitUsage, "O99", "oath", "check", n.Authority(), "--clause", "O99")
}

// A domain that is no node, and breaks a clause: exit 1 and a way to see it.
func TestOathCheckOfAnyDomain(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	m := newMachine(t)
	at := strings.Replace(strings.TrimPrefix(s.URL, "http://"), "127.0.0.1", "x.localhost", 1)
	e := m.want(exitFailed, "BROKEN", "oath", "check", at, "--clause", "O12")
	if !strings.Contains(e.out, "see for yourself: curl -si 'http://x.localhost") || !strings.Contains(e.err, "one clause is broken at x.localhost") {
		t.Errorf("said:\n%s%s", e.out, e.err)
	}
}

func get(url string) string {
	resp, err := http.Get(strings.Replace(url, "h.localhost", "127.0.0.1", 1))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	var b strings.Builder
	if err := resp.Write(&b); err != nil {
		return err.Error()
	}
	return b.String()
}

// waitFor asks until the answer has the words.
func waitFor(t *testing.T, ask func() string, words string) string {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		said := ask()
		if strings.Contains(said, words) {
			return said
		}
		select {
		case <-deadline:
			t.Fatalf("%q did not come:\n%s", words, said)
		case <-tick.C:
		}
	}
}

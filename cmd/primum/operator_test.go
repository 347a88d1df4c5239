package main

import (
	"path/filepath"
	"strings"
	"testing"

	"primum/internal/clock"
	"primum/internal/node"
)

func TestOperatorCommands(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.want(exitUsage, "say which node", "operator", "list")
	dir := filepath.Join(m.home, "nodes", "h.localhost")
	m.want(exitFailed, "no node in", "operator", "add", "ada", "--domain", "h.localhost")
	n, err := node.Open(t.Context(), node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: dir, Clock: clock.Real()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	m.want(exitDone, "no operators yet", "operator", "list")
	out := m.ok("operator", "add", "ada", "--role", "admin")
	if !strings.Contains(out, n.BaseURL()+"/operator/new#") || !strings.Contains(out, "ada (admin)") {
		t.Errorf("added:\n%s", out)
	}
	m.want(exitUsage, "a name has", "operator", "add", "Ada B")
	m.want(exitUsage, "a name has", "operator", "add", "ada", "--role", "king")
	m.want(exitDone, "ada  admin  0 passkeys", "operator", "list", "--data", dir)
	line := jsonLines(t, m.ok("operator", "list", "--domain", "h.localhost", "--json"))
	if len(line) != 1 || line[0]["role"] != "admin" {
		t.Errorf("%v", line)
	}
	m.want(exitFailed, "there is no operator ben", "operator", "remove", "ben")
	m.want(exitDone, "ada is removed", "operator", "remove", "ada")
}

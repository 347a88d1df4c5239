package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/internal/clock"
	"primum/internal/node"
)

func TestFactCommands(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	dir := filepath.Join(m.home, "nodes", "h.localhost")
	file := func(name, text string) string {
		path := filepath.Join(m.home, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	english, german := file("rules.en.txt", "House rules\n\nWe keep little.\n"), file("rules.de.txt", "Hausregeln\n\nWir bewahren wenig auf.\n")
	m.want(exitFailed, "no node in", "fact", "add", "policy", english, "--name", "house", "--domain", "h.localhost")
	n, err := node.Open(t.Context(), node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: dir, Clock: clock.Real()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	m.want(exitDone, "Published for good", "fact", "add", "policy", english, german, "--name", "house", "--review", "2027-11-23")
	m.want(exitDone, "published last", "fact", "add", "policy", english, german, "--name", "house", "--review", "2027-11-23")
	m.want(exitUsage, "--name", "fact", "add", "policy", english)
	m.want(exitUsage, "no day", "fact", "add", "policy", english, "--name", "house", "--review", "soon")
	m.want(exitUsage, "no title", "fact", "add", "service", file("empty.txt", " \n"), "--name", "none")
	m.want(exitDone, "Published", "fact", "add", "incident", english, "--name", "outage", "--began", "2026-11-23T08:00:00Z")
	m.want(exitUsage, "no time", "fact", "add", "incident", english, "--name", "outage", "--began", "2026-11-23T08:00:00Z", "--ended", "2026-11-22T08:00:00Z")
	m.want(exitDone, "Published", "fact", "add", "legal-demand", "--from", "2026-01-01", "--to", "2026-06-30", "--received", "3", "--refused", "2")
	m.want(exitUsage, "more demands", "fact", "add", "legal-demand", "--from", "2026-01-01", "--to", "2026-06-30", "--received", "3", "--refused", "4")
	m.want(exitUsage, "which", "fact", "add", "legal-demand")
	m.want(exitUsage, "can't be published", "fact", "add", "check", english)
	lines := jsonLines(t, m.ok("fact", "list", "--json"))
	if len(lines) != 3 || lines[0]["t"] != "policy" || lines[0]["name"] != "house" || lines[0]["logged"] != false {
		t.Errorf("%v", lines)
	}
	m.want(exitDone, "waits for its entry", "fact", "list")
	m.want(exitDone, "No organisation", "operator", "usage")
	if out := m.ok("operator", "usage", "--cloudevents"); strings.TrimSpace(out) != "" {
		t.Errorf("events of nobody: %s", out)
	}
}

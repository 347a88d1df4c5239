package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/internal/node"
)

func TestQuickstartSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.want(exitUsage, "primum quickstart things.example.org", "quickstart", "example.org")
	m.want(exitUsage, "primum serve --domain h.localhost", "quickstart", "h.localhost")
	m.want(exitUsage, "can't be a domain", "quickstart", "things.example.org/path")
	m.want(exitUsage, ".jsonc", "quickstart", "things.example.org", "--config", "node.json")
	m.want(exitUsage, "no address of one machine", "quickstart", "things.example.org", "--address", "192.0.2.0/24")
	m.want(exitUnreachable, "certificate authority", "quickstart", "things.example.org", "--address", "192.0.2.1", "--ca", "https://127.0.0.1:1/dir")
	m.want(exitUsage, "no https address", "quickstart", "things.example.org", "--address", "192.0.2.1", "--agree", "--ca", "http://127.0.0.1:1/dir")
	if _, err := os.Stat(filepath.Join(m.home, "nodes")); err == nil {
		t.Error("something was written")
	}
	m.want(exitUsage, "which domain", "check", "--web")
	m.want(exitUsage, "--web", "check", "h.localhost")
	m.want(exitUsage, "PORT=HOST:PORT", "check", "things.example.org", "--connect", "443")
	m.want(exitFailed, "none.zone", "check", "things.example.org", "--records", "none.zone")
}

// What it writes and prints without name servers and without a certificate,
// twice, and which yes it needs.
func TestQuickstartWritesAndPrints(t *testing.T) {
	t.Parallel()
	ca := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"newOrder": "https://ca.example/o", "meta": {"termsOfService": "https://ca.example/terms", "caaIdentities": ["ca.example"]}}`))
	}))
	defer ca.Close()
	m := newMachine(t)
	args := []string{"quickstart", "Things.Example.org", "--address", "192.0.2.1", "--address", "2001:db8::1", "--ca", ca.URL, "--dns", "127.0.0.1:1"}
	m.want(exitUsage, "https://ca.example/terms", args...)
	m.tty, m.typed = true, "n\n"
	m.want(exitFailed, "nothing was done", args...)
	file := filepath.Join(m.home, "nodes", "things.example.org.jsonc")
	if _, err := node.LoadConfig(file); err == nil {
		t.Error("a configuration was written without a yes")
	}
	m.typed = "y\n"
	out := m.ok(args...)
	for _, want := range []string{file, " A     192.0.2.1", " AAAA  2001:db8::1", `CAA   0 issue "ca.example"`, "the DNS of example.org is", "Not there yet:  things.example.org. 3600 IN A 192.0.2.1", "name servers of things.example.org"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	c, err := node.LoadConfig(file)
	if err != nil || c.Authority != "things.example.org" || c.ACME.CA != ca.URL || !c.ACME.Agreed || !c.Invite || c.DataDir != filepath.Join(m.home, "nodes", "things.example.org") {
		t.Errorf("%+v, %v", c, err)
	}
	m.tty = false
	lines := jsonLines(t, m.ok(append(args, "--json")...)) // the yes is in the configuration
	if len(lines) != 11 || lines[10]["live"] != false || lines[0]["kept"] != true || lines[1]["type"] != "A" || lines[1]["name"] != "things.example.org." || lines[0]["inside"] != nil {
		t.Errorf("%v", lines)
	}
	// Addresses that strangers don't reach are said, and taken.
	args[3] = "100.64.0.1"
	if out = m.ok(args...); !strings.Contains(out, "Not reached from outside:  100.64.0.1\n") {
		t.Errorf("%s", out)
	}
	if inside, _ := jsonLines(t, m.ok(append(args, "--json")...))[0]["inside"].([]any); len(inside) != 1 || inside[0] != "100.64.0.1" {
		t.Errorf("%v", inside)
	}
}

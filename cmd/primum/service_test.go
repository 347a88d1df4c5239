package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/internal/clock"
	"primum/internal/node"
)

// runNode serves a node of this machine until the test ends.
func runNode(t *testing.T, dir, host string) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{Authority: host, Listen: "127.0.0.1:0", DataDir: dir, Clock: clock.Real()})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- n.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return n
}

// A service is published without a token on the node's own machine, and with
// one from elsewhere; anybody lists it.
func TestServiceCommands(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	n := runNode(t, filepath.Join(m.home, "nodes", "h.localhost"), "h.localhost")
	m.want(exitDone, "no services", "service", "list")
	m.ok("me", "init", "ada@"+n.Authority(), "--recovery", filepath.Join(t.TempDir(), "r.age"))
	file := filepath.Join(t.TempDir(), "advice.json")
	if err := os.WriteFile(file, []byte(m.ok("service", "example", "ada@"+n.Authority())), 0o600); err != nil {
		t.Fatal(err)
	}
	m.want(exitDone, n.BaseURL()+"/services/energy-advice", "service", "publish", file)
	m.want(exitDone, "like this already", "service", "publish", file)
	away := newMachine(t)
	away.want(exitUsage, "a token is needed", "service", "publish", file, "--node", n.Authority())
	away.env["PRIMUM_TOKEN"] = "primum_pub_" + strings.Repeat("A", 43)
	away.want(exitFailed, "unknown, or was removed", "service", "publish", file, "--node", n.Authority())
	token := jsonLines(t, m.ok("operator", "token", "add", "shop", "--json"))[0]["token"].(string)
	m.want(exitDone, "shop  since", "operator", "token", "list")
	m.want(exitUsage, "a name has", "operator", "token", "add", "Shop 1")
	away.env["PRIMUM_TOKEN"] = token
	away.want(exitDone, "like this already", "service", "publish", file, "--node", n.Authority())
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	away.env["PRIMUM_TOKEN"] = ""
	for { // until it stands in the public log
		out := away.ok("service", "list", "--node", n.Authority())
		if strings.Contains(out, n.Authority()+"/energy-advice") && strings.Contains(out, "5 EUR a month") && strings.Contains(out, "power W") {
			break
		}
		if !strings.Contains(out, "no services") {
			t.Fatalf("listed:\n%s", out)
		}
	}
	away.want(exitDone, "energy-advice\n", "__complete", "service", "remove", "--node", n.Authority(), "en")
	away.want(exitDone, `{"removed":"energy-advice"}`, "service", "remove", "energy-advice", "--json", "--node", n.Authority(), "--token-file", secret)
	m.want(exitDone, "shop\n", "__complete", "operator", "token", "remove", "")
	m.want(exitDone, "has ended", "operator", "token", "remove", "shop")
	m.want(exitFailed, "there is no token shop", "operator", "token", "remove", "shop")
	away.want(exitFailed, "unknown, or was removed", "service", "remove", "energy-advice", "--node", n.Authority(), "--token-file", secret)
	away.want(exitUsage, "can't name a service", "service", "remove", "../x", "--node", n.Authority())
	bad := strings.Replace(m.ok("service", "example", "ada@"+n.Authority()), `"v": 1`, `"v": 2`, 1)
	if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	m.want(exitUsage, "not 1 at /v", "service", "publish", file)
}

// A person connects to a service of another domain that never asked: what it
// asks for is shown before the yes, and its values flow.
func TestStoryConnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	flow := w.path(t, "flow")
	data := filepath.Join(t.TempDir(), "data")
	provider := newMachine(t)
	b := provider.start("serve", "--domain", "p.localhost", "--listen", "127.0.0.1:0", "--data", data, "--json")
	authority := b.out.find(t, `"authority":"([^"]+)"`)
	provider.ok("me", "init", "advice@"+authority, "--recovery", filepath.Join(t.TempDir(), "r.age"))
	provider.typed = strings.Replace(provider.ok("service", "example", "advice@"+authority), `"every": "PT1H"`, `"every": "PT1S"`, 1)
	provider.ok("service", "publish", "-", "--data", data)
	for strings.Contains(w.owner.ok("service", "list", "--node", authority), "no services") { // until the log has it
	}
	service := authority + "/energy-advice"
	w.owner.want(exitUsage, "with --with THING", "connect", service)
	w.owner.want(exitUsage, "it asks for one thing", "connect", service, "--ask", "2", "--with", flow)
	w.owner.want(exitFailed, "no service of this name", "connect", authority+"/none")
	w.owner.want(exitUsage, "say DOMAIN/NAME", "connect", "energy advice")
	w.owner.tty, w.owner.typed = true, "n\n"
	e := w.owner.want(exitFailed, "nothing was done", "connect", service, "--with", flow)
	for _, words := range []string{"advice@" + authority, flow, "one mean per second", "energy advice", "5 EUR a month; benefit", "We show you where electricity is lost.", "kept       for 30 days", "within one week"} {
		if !strings.Contains(e.out, words) {
			t.Errorf("the question does not say %q:\n%s", words, e.out)
		}
	}
	w.owner.tty, w.owner.typed = false, ""
	w.owner.want(exitDone, "receives "+flow+" from now on", "connect", "http://"+authority+"/services/energy-advice", "--with", flow, "--yes")
	watch := provider.start("watch", flow, "--json", "--count", "1")
	watch.out.find(t, `"value":([0-9.]+)`)
}

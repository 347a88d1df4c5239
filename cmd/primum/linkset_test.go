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

// published starts a node whose publisher is this machine.
func published(t *testing.T) (m *machine, dir string) {
	t.Helper()
	m, dir = newMachine(t), filepath.Join(t.TempDir(), "node")
	n, err := node.Open(t.Context(), node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: dir, Clock: clock.Real()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, dir
}

func TestLinksArePublishedFromTheShell(t *testing.T) {
	t.Parallel()
	m, dir := published(t)
	m.want(exitDone, "no links yet", "linkset", "list", "--data", dir)
	m.want(exitDone, "1 new", "linkset", "add", "(01)04012345999990", "gs1:pip", "https://shop.example/x", "--title", "X", "--description", "Screwdriver", "--data", dir)
	m.want(exitDone, "0 new", "linkset", "add", "01/04012345999990", "https://ref.gs1.org/voc/pip", "https://shop.example/x", "--title", "X", "--data", dir)
	m.want(exitFailed, "check digit", "linkset", "add", "01/04012345999991", "gs1:pip", "https://shop.example/x", "--data", dir)
	m.want(exitFailed, "href", "linkset", "add", "01/04012345999990", "gs1:pip", "javascript:alert(1)", "--data", dir)
	m.want(exitFailed, "gs1:pip\"?", "linkset", "add", "01/04012345999990", "gs1pip", "https://shop.example/x", "--data", dir)
	m.want(exitUsage, "--all", "linkset", "remove", "01/04012345999990", "--data", dir)
	listed := jsonLines(t, m.ok("linkset", "list", "01/04012345999990", "--json", "--data", dir))
	entry := listed[0]["entries"].([]any)[0].(map[string]any)
	for _, command := range []string{"list", "remove"} {
		m.want(exitDone, "01/04012345999990\n", "__complete", "linkset", command, "--data", dir, "01/0401")
	}
	m.want(exitDone, "1 link removed", "linkset", "remove", "01/04012345999990", entry["id"].(string), "--data", dir)
	m.want(exitFailed, "no such link", "linkset", "remove", "01/04012345999990", "--all", "--data", dir)
}

func TestDelegationsFromTheShell(t *testing.T) {
	t.Parallel()
	m, dir := published(t)
	m.want(exitDone, "nothing is delegated", "linkset", "delegated", "--data", dir)
	for _, names := range []string{"01/0401234*", "01/04012345000000..04012345999999", "*.sensors.example.org"} {
		m.ok("linkset", "delegate", names, "https://s.example.net", "--data", dir)
	}
	m.want(exitFailed, "", "linkset", "delegate", "01/04012344999999..04012345000005", "https://s.example.net", "--data", dir)
	m.want(exitDone, "dns/org/example/sensors", "linkset", "delegated", "--data", dir)
	m.want(exitDone, `{"removed":"*.sensors.example.org"}`, "linkset", "undelegate", "*.sensors.example.org", "--json", "--data", dir)
	if all := jsonLines(t, m.ok("linkset", "delegated", "--json", "--data", dir)); len(all) != 2 {
		t.Errorf("delegated: %v", all)
	}
}

// TestLinksGoOutAndComeBack exports from one node and imports at another.
func TestLinksGoOutAndComeBack(t *testing.T) {
	t.Parallel()
	m, from := published(t)
	_, to := published(t)
	in := filepath.Join(t.TempDir(), "in.csv")
	table := "anchor,itemDescription,linkType,href,title,hreflang,default\n" +
		"01/04012345999990,Screwdriver,gs1:pip,https://shop.example/en,English,en,\n" +
		"01/04012345999990,Schraubendreher,gs1:pip,https://shop.example/de,Deutsch,de,true\n" +
		"01/04012345999990/21/7,Mine,gs1:dpp,https://shop.example/7,Passport,,\n"
	if err := os.WriteFile(in, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	m.want(exitDone, "new: 3", "linkset", "import", in, "--data", from)
	for _, file := range []string{"out.csv", "out.json"} {
		out := filepath.Join(t.TempDir(), file)
		m.ok("linkset", "export", out, "--data", from)
		m.ok("linkset", "import", out, "--data", to)
	}
	keep := filepath.Join(t.TempDir(), "keep.csv")
	if err := os.WriteFile(keep, []byte("a former export"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.env["PRIMUM_TOKEN"] = "primum_pub_x"
	m.want(exitUnreachable, "h.localhost:1", "linkset", "export", keep, "--node", "h.localhost:1")
	delete(m.env, "PRIMUM_TOKEN")
	if b, err := os.ReadFile(keep); err != nil || string(b) != "a former export" {
		t.Errorf("a failed export left %q, %v", b, err)
	}
	if all, err := os.ReadDir(filepath.Dir(keep)); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	if a, b := m.ok("linkset", "export", "--data", from), m.ok("linkset", "export", "--data", to); strings.Count(a, "shop.example") != strings.Count(b, "shop.example") {
		t.Errorf("went out: %s\ncame back: %s", a, b)
	}
	if err := os.WriteFile(in, []byte(table+"01/04012345999991,,gs1:pip,https://shop.example/en,,,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.want(exitFailed, "line 5", "linkset", "import", in, "--data", to)
	if err := os.WriteFile(in, []byte(table+"01/04012345999990,,describeby,https://shop.example/en,,,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if e := m.want(exitFailed, "line 5", "linkset", "import", in, "--data", to); !strings.Contains(e.err, `"describedby"?`) {
		t.Errorf("%s", e.err)
	}
}

package scenario

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"primum/internal/setup"
)

const nsdConf = `server:
  ip-address: 127.0.0.1@%[1]s
  server-count: 1
  username: ""
  chroot: ""
  database: ""
  zonesdir: %[2]q
  pidfile: "%[2]s/pid"
  xfrdfile: "%[2]s/xfrd"
  zonelistfile: "%[2]s/zonelist"
  xfrdir: %[2]q
remote-control:
  control-enable: no
zone:
  name: things.example.org
  zonefile: zone
`

// TestNamesByDNS: the records that an operator is told to add lie in a stock
// name server; with dig's answers alone, in the order of docs/names.md, a
// stranger comes to a thing of a running node.
func TestNamesByDNS(t *testing.T) {
	t.Parallel()
	w := startNames(t, "h.localhost")
	publishNames(w)
	port := serveZone(t, setup.Plan{Domain: "things.example.org", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	said := map[string]string{} // by type
	for _, line := range digLines(t) {
		f := strings.Fields(line)
		out, err := exec.CommandContext(t.Context(), "dig", append([]string{"@127.0.0.1", "-p", port}, f[1:]...)...).Output()
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		said[f[len(f)-1]] = strings.TrimSpace(string(out))
	}
	if said["A"] != "127.0.0.1" || said["PTR"] != "directory._wot._tcp.things.example.org." || said["SRV"] != "0 0 443 things.example.org." {
		t.Fatalf("dig says %q", said)
	}
	// The SRV record's port is the public one; the node of this test speaks plain
	// HTTP on one that the kernel chose.
	_, rest, _ := strings.Cut(said["TXT"], "td=")
	path, _, _ := strings.Cut(rest, `"`)
	var self struct {
		Type       any `json:"@type"`
		Properties map[string]struct{ Forms []struct{ Href string } }
	}
	w.reads(path, &self)
	if !strings.Contains(fmt.Sprint(self.Type), "ThingDirectory") || len(self.Properties["things"].Forms) == 0 {
		t.Fatalf("%s is no directory: %+v", path, self)
	}
	href := strings.TrimPrefix(self.Properties["things"].Forms[0].Href, w.base)
	if href[0] != '/' {
		href = "/" + href
	}
	list, _, _ := strings.Cut(href, "{")
	type described struct{ ID string }
	var things []described
	w.reads(list, &things)
	if !slices.Contains(things, described{"urn:example:meter"}) || !slices.Contains(things, described{w.base + "/open/air/roof"}) {
		t.Errorf("the directory lists %+v", things)
	}
}

// reads asks as a stranger and reads JSON.
func (w *namesWorld) reads(path string, into any) {
	w.t.Helper()
	status, _, body := w.ask(http.MethodGet, path, nil, nil)
	if err := json.Unmarshal(body, into); err != nil || status != http.StatusOK {
		w.t.Fatalf("%s: %d, %v: %.300s", path, status, err, body)
	}
}

// digLines are the commands of the block "dig" in docs/names.md.
func digLines(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../../docs/names.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "```dig\n")
	block, _, ok2 := strings.Cut(rest, "```")
	lines := strings.Split(strings.TrimSpace(block), "\n")
	if !ok || !ok2 || len(lines) < 4 {
		t.Fatal("docs/names.md has no commands of dig")
	}
	return lines
}

// serveZone lets NSD answer for the records of a plan until the test ends.
func serveZone(t *testing.T, p setup.Plan) (port string) {
	t.Helper()
	for _, tool := range []string{"nsd", "dig"} {
		if _, err := exec.LookPath(tool); err != nil {
			needAll(t, tool+" is not on this machine (tools/setup installs it)")
		}
	}
	dir := t.TempDir()
	port = udpPort(t)
	zone := "$ORIGIN " + p.Domain + ".\n@ 60 IN SOA ns hostmaster 1 60 60 600 1\n@ 60 IN NS ns\nns 60 IN A 127.0.0.1\n" + setup.Zone(p.Records())
	for name, text := range map[string]string{"zone": zone, "nsd.conf": fmt.Sprintf(nsdConf, port, dir)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("nsd", "-d", "-c", filepath.Join(dir, "nsd.conf"))
	lines, complaints := startLines(t, cmd)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		for range lines {
		}
		_ = cmd.Wait()
	})
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			_ = c.Close()
			return port
		}
		select {
		case <-lines:
			t.Fatalf("nsd ended: %s", complaints)
		default:
		}
	}
}

// udpPort is a port that the kernel calls free for datagrams and connections.
func udpPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	return port
}

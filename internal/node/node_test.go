package node

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/peer"
	"primum/internal/wire"
)

func begin() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

func config(t *testing.T) Config {
	t.Helper()
	return Config{
		Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "node"), Clock: clock.NewManual(begin()), Version: "test",
	}
}

func open(t *testing.T, c Config) *Node {
	t.Helper()
	n, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// serve serves until the returned function is called.
func serve(t *testing.T, n *Node) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Serve(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	}
}

func get(t *testing.T, n *Node, path string) (int, []byte) {
	t.Helper()
	tr := &http.Transport{DialContext: peer.Dialer{Loopback: true}.DialContext}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get(n.BaseURL() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

func nodeKey(t *testing.T, n *Node) string {
	t.Helper()
	_, b := get(t, n, wire.NodePath)
	var info wire.NodeInfo
	if err := json.Unmarshal(b, &info); err != nil {
		t.Fatal(err)
	}
	return string(info.Keys[0].X)
}

func TestNodeKeepsItsKeyAndPort(t *testing.T) {
	t.Parallel()
	c := config(t)
	n := open(t, c)
	stop := serve(t, n)
	authority, key := n.Authority(), nodeKey(t, n)
	if !strings.HasPrefix(authority, "h.localhost:") || n.BaseURL() != "http://"+authority {
		t.Errorf("authority %q, base %q", authority, n.BaseURL())
	}
	stop()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{keyFile, selfFile, "store/state.db", "store/log.db"} {
		i, err := os.Stat(filepath.Join(c.DataDir, name))
		if err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", name, i, err)
		}
	}
	again := open(t, c)
	stop = serve(t, again)
	defer stop()
	if again.Authority() != authority || nodeKey(t, again) != key {
		t.Errorf("after a restart: authority %q, want %q; key the same: %v", again.Authority(), authority, nodeKey(t, again) == key)
	}
}

func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	good := config(t)
	n := open(t, good)
	for name, change := range map[string]func(*Config){
		"locked":          func(*Config) {},
		"no authority":    func(c *Config) { c.Authority = "" },
		"not a domain":    func(c *Config) { c.Authority = "192.168.1.1" },
		"no directory":    func(c *Config) { c.DataDir = "" },
		"half of TLS":     func(c *Config) { c.TLSCert = "cert.pem" },
		"address in use":  func(c *Config) { c.DataDir = t.TempDir(); c.Listen = n.Addr() },
		"two ports":       func(c *Config) { c.DataDir = t.TempDir(); c.Authority = "h.localhost:9"; c.Listen = "127.0.0.1:10" },
		"not host:port":   func(c *Config) { c.DataDir = t.TempDir(); c.Listen = "8401" },
		"another's store": func(c *Config) { c.DataDir = other(t) },
	} {
		c := good
		change(&c)
		if m, err := Open(t.Context(), c); err == nil {
			t.Errorf("%s: opened", name)
			_ = m.Close()
		}
	}
}

// other is the directory of another domain's node.
func other(t *testing.T) string {
	t.Helper()
	c := config(t)
	c.Authority = "other.localhost"
	n, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return c.DataDir
}

func TestBrokenKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	c := config(t)
	if err := open(t, c).Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.DataDir, keyFile)
	if err := os.WriteFile(path, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "broken" {
		t.Error("the broken key was overwritten")
	}
}

func TestServeOnceAndCloseTwice(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	stop := serve(t, n)
	if status, _ := get(t, n, "/healthz"); status != 200 {
		t.Errorf("healthz: %d", status)
	}
	if err := n.Serve(t.Context()); err == nil {
		t.Error("served twice")
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	stop()
}

// TestStopWaitsForNobodySilent: a connection that was opened and not used does
// not hold up the stop (net/http waits five seconds for it).
func TestStopWaitsForNobodySilent(t *testing.T) {
	t.Parallel()
	n := open(t, config(t))
	stop := serve(t, n)
	c, err := net.Dial("tcp", n.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if code, _ := get(t, n, "/healthz"); code != http.StatusOK { // c was accepted before
		t.Fatalf("status %d", code)
	}
	start := time.Now()
	stop()
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("the stop took %v", took)
	}
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	c := config(t)
	n := open(t, c)
	stop := serve(t, n)
	key := nodeKey(t, n)
	dir := filepath.Join(t.TempDir(), "backup")
	r, err := n.Backup(t.Context(), dir)
	if err != nil || r.Restored || r.Authority != n.Authority() || r.To != dir {
		t.Fatalf("backup: %v, %v", r, err)
	}
	if _, err := n.Backup(t.Context(), dir); err == nil {
		t.Error("a backup was overwritten")
	}
	from := filepath.Join(t.TempDir(), "second")
	if _, err := Backup(t.Context(), c.DataDir, from, begin()); err != nil {
		t.Errorf("backup of a running node from outside: %v", err)
	}
	if _, err := Invite(t.Context(), c.DataDir, begin(), time.Hour); err != nil {
		t.Errorf("invitation from outside: %v", err)
	}
	stop()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	d := c
	d.DataDir = filepath.Join(t.TempDir(), "restored")
	again := Restoration{Backup: dir, DataDir: d.DataDir, Ledger: filepath.Join(c.DataDir, ledgerFolder), Now: begin()}
	if r, err = Restore(t.Context(), again); err != nil || !r.Restored || r.Authority != n.Authority() {
		t.Fatalf("restore: %v, %v", r, err)
	}
	if _, err := Restore(t.Context(), again); err == nil {
		t.Error("restored over a node")
	}
	m := open(t, d)
	stop = serve(t, m)
	defer stop()
	if m.Authority() != n.Authority() || nodeKey(t, m) != key {
		t.Error("the restored node is another one")
	}
	if _, err := Restore(t.Context(), Restoration{Backup: t.TempDir(), DataDir: filepath.Join(t.TempDir(), "x"), Now: begin()}); err == nil {
		t.Error("an empty directory was taken for a backup")
	}
	if _, err := Backup(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "x"), begin()); err == nil {
		t.Error("an empty directory was backed up")
	}
}

func TestConfigFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "serve.json")
	if err := os.WriteFile(file, []byte(`{"authority":"example.org","listen":":443","dataDir":"/var/lib/primum","invite":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(file)
	if err != nil || c.Authority != "example.org" || c.Listen != ":443" || !c.Invite || c.Loopback() {
		t.Errorf("config %+v, %v", c, err)
	}
	for _, bad := range []string{`{"authority":1}`, `{"more":1}`, `{`, ``} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadConfig(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: error %v, want one that names the file", bad, err)
		}
	}
}

func TestListenFollowsTheAuthority(t *testing.T) {
	t.Parallel()
	for range 20 { // the port may be taken by a neighbour meanwhile
		c := config(t)
		free := open(t, c)
		authority := free.Authority()
		if err := free.Close(); err != nil {
			t.Fatal(err)
		}
		c.DataDir, c.Authority, c.Listen = t.TempDir(), authority, ""
		n, err := Open(t.Context(), c)
		if err != nil {
			continue
		}
		if _, port, _ := strings.Cut(authority, ":"); n.Addr() != "127.0.0.1:"+port {
			t.Errorf("listens at %s, want the port of %s", n.Addr(), authority)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	t.Error("no port could be taken again")
}

func TestContactIsMailOrWeb(t *testing.T) {
	t.Parallel()
	for contact, ok := range map[string]bool{"mailto:op@h.example": true, "https://h.example/contact": true, "javascript:1": false, "op@h.example": false} {
		c := config(t)
		c.Contact = contact
		n, err := Open(t.Context(), c)
		if (err == nil) != ok {
			t.Errorf("%s: %v", contact, err)
		}
		if err == nil {
			_ = n.Close()
		}
	}
}

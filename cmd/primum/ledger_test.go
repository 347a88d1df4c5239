package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/ledger"
)

// A stranger's machine verifies a node's ledger, remembers it, copies it, and
// accuses the node when it shows something else.
func TestLedgerVerify(t *testing.T) {
	t.Parallel()
	domain := startServe(t, "h.localhost")
	m := newMachine(t)
	m.want(exitDone, "for the first time", "ledger", "verify", domain)
	m.want(exitDone, "The log continues", "ledger", "verify", domain, "--full")
	m.want(exitUsage, "can't be a domain", "ledger", "verify", "no domain")
	m.want(exitUnreachable, "", "ledger", "verify", "nobody.localhost:1")
	all := jsonLines(t, m.ok("ledger", "verify", domain, "--json"))
	if all[0]["good"] != true || all[0]["public"].(map[string]any)["origin"] != ledger.PublicOrigin(domain) {
		t.Errorf("as JSON: %v", all)
	}

	dir := filepath.Join(t.TempDir(), "copy")
	m.want(exitDone, "new files are in the copy", "ledger", "verify", domain, "--mirror", dir)
	for _, file := range []string{"public/checkpoint", "commitments/checkpoint"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}

	file := filepath.Join(m.home, "ledgers", strings.ReplaceAll(domain, ":", "_")+".json")
	forgeKept(t, file, ledger.PublicOrigin(domain))
	m.want(exitFailed, "another key than before", "ledger", "verify", domain)
	found, err := filepath.Glob(filepath.Join(m.home, "ledgers", "*.evidence"))
	if err != nil || len(found) == 0 {
		t.Errorf("no evidence was kept: %v", err)
	}
	b := m.start("ledger", "watch", domain, "--every", "1s")
	if code := b.stop(); code == exitUsage {
		t.Errorf("watch ended with %d: %s", code, b.err)
	}
}

// forgeKept makes a machine remember another key.
func forgeKept(t *testing.T, file, origin string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var k ledger.Kept
	if err := json.Unmarshal(b, &k); err != nil {
		t.Fatal(err)
	}
	l := k.Logs[origin]
	l.Key = ledger.LogKey(origin, make([]byte, 32))
	k.Logs[origin] = l
	if b, err = json.Marshal(k); err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestLedgerProveRefuses(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	file := filepath.Join(t.TempDir(), "x")
	for text, words := range map[string]string{
		"nonsense": "Not proved: malformed", "c2sp.org/tlog-proof@v1\nindex 1\n\nx": "Not proved: malformed",
		"a.b.c": "Not proved: malformed",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m.want(exitFailed, words, "ledger", "prove", file)
	}
	if err := os.WriteFile(file, []byte("c2sp.org/tlog-proof@v1\nindex 0\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.want(exitUsage, "64 hex digits", "ledger", "prove", file, "--leaf", "abc")
	m.want(exitUsage, "no such file", "ledger", "prove", filepath.Join(t.TempDir(), "none"))
}

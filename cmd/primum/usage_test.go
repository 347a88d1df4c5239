package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"primum/client/vault"
	"primum/identity"
)

// Wrong usage is exit code 2, with a sentence and where to find help.
func TestUsageErrors(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for words, args := range map[string][]string{
		`unknown command "nonsense"`:   {"nonsense"},
		"unknown flag":                 {"watch", "--nonsense"},
		"is used so: primum watch TH":  {"watch"},
		"say with whom":                {"share", "water/flow"},
		"no identity on this machine":  {"things"},
		"there are no keys of a@b.com": {"things", "--as", "a@b.com"},
		"not an address":               {"me", "init", "nobody"},
		"say until when":               {"share", "water/flow", "a@s.localhost"},
		"--may takes":                  {"request", "water/flow", "a@s.localhost", "--for", "7d", "--purpose", "energy advice", "--may", "eat"},
		`required flag(s) "purpose"`:   {"request", "water/flow", "a@s.localhost", "--for", "7d"},
		"say which domain":             {"serve"},
		"say where the devices are":    {"edge"},
		"at least one of the flags":    {"receive"},
		"say what to withdraw":         {"withdraw"},
		"none of the others can be":    {"share", "a/b", "a@s.localhost", "--for", "7d", "--until", "sunday"},
	} {
		e := m.want(exitUsage, words, args...)
		if !strings.Contains(e.err, "-h' for help") {
			t.Errorf("primum %s does not say where help is: %s", strings.Join(args, " "), e.err)
		}
	}
}

func TestUnreachableNode(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	recovery := filepath.Join(t.TempDir(), "recovery.age")
	// Port 1 is nobody's.
	m.want(exitUnreachable, "h.localhost:1", "me", "init", "owner@h.localhost:1", "--recovery", recovery)
	if all, err := vault.List(m.home); err != nil || len(all) != 0 {
		t.Errorf("keys were left behind: %v, %v", all, err)
	}
	if _, err := os.Stat(recovery); err == nil {
		t.Error("a recovery file was left behind")
	}
	makeKeys(t, m, "owner@h.localhost:1")
	m.want(exitUnreachable, "h.localhost:1", "things")
	m.want(exitUnreachable, "h.localhost:1", "grants", "--json")
	m.want(exitUsage, "too few or too many", "me", "show", "extra")
}

// makeKeys makes an identity without any node.
func makeKeys(t *testing.T, m *machine, account string) {
	t.Helper()
	a, err := identity.ParseAddress(account)
	if err != nil {
		t.Fatal(err)
	}
	var out, errOut syncBuffer
	s := m.surroundings(&out, &errOut)
	v, _, err := vault.Create(m.home, vault.New{Address: a, Passphrase: "correct horse", Now: s.clock.Now(), WorkFactor: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSeveralIdentities(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	makeKeys(t, m, "a@h.localhost:1")
	makeKeys(t, m, "b@h.localhost:1")
	m.want(exitUsage, "say which with --as", "me", "show")
	m.want(exitDone, "a@h.localhost:1", "me", "show", "--as", "a@h.localhost:1")
	m.env["PRIMUM_AS"] = "b@h.localhost:1"
	if out := jsonLines(t, m.ok("me", "show", "--json")); out[0]["address"] != "b@h.localhost:1" || len(strings.Fields(out[0]["code"].(string))) < 6 {
		t.Errorf("shown %v", out)
	}
}

func TestLockedKeysNameTheHolder(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	makeKeys(t, m, "a@h.localhost:1")
	v, err := vault.Open(m.home, "a@h.localhost:1", "primum receive (process 4711)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	m.want(exitFailed, "primum receive (process 4711)", "me", "show")
	m.want(exitFailed, "one process at a time", "things")
}

func TestExportAsksForThePassphrase(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	makeKeys(t, m, "a@h.localhost:1")
	file := filepath.Join(t.TempDir(), "id.age")
	m.env["PRIMUM_PASSPHRASE"] = "wrong"
	m.want(exitFailed, "that is not the passphrase", "me", "export", file)
	delete(m.env, "PRIMUM_PASSPHRASE")
	m.want(exitUsage, "this needs a passphrase", "me", "export", file)
	m.tty, m.typed = true, "correct horse\n"
	m.want(exitDone, "is written", "me", "export", file)
	m.typed = "correct horse\n"
	m.want(exitFailed, "exists", "me", "export", file)
}

func TestVersion(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.want(exitDone, "primum test", "version")
	if out := jsonLines(t, m.ok("version", "--json")); out[0]["version"] != "test" {
		t.Errorf("version is %v", out)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	makeKeys(t, m, "a@h.localhost:1")
	if out := m.ok("completion", "bash"); !strings.Contains(out, "primum") {
		t.Error("no completion script")
	}
	if out := m.ok("__complete", "watch", "--as", ""); !strings.Contains(out, "a@h.localhost:1") {
		t.Errorf("addresses are not completed: %s", out)
	}
	if out := m.ok("__complete", "share", "--purpose", ""); !strings.Contains(out, "energy advice") {
		t.Errorf("purposes are not completed: %s", out)
	}
}

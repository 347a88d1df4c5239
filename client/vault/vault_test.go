package vault_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/client/keys"
	"primum/client/vault"
	"primum/identity"
)

var start = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

func address(t *testing.T, s string) identity.Address {
	t.Helper()
	a, err := identity.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newVault(t *testing.T, home string) (*vault.Vault, []byte) {
	t.Helper()
	v, recovery, err := vault.Create(home, vault.New{
		Address: address(t, "owner@h.localhost:8401"), Name: "Olga", Passphrase: "correct horse", Now: start, WorkFactor: 2,
		Holder: "the test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v, recovery
}

func TestCreateThenOpen(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	v, _ := newVault(t, home)
	key := v.ClientKey()
	doc, err := identity.First(v.Document())
	if err != nil {
		t.Fatal(err)
	}
	c, ok := doc.ClientByKey(key.Public().(ed25519.PublicKey))
	if !ok || c.Name != "main" || doc.Name() != "Olga" || doc.Version() != 1 {
		t.Errorf("document has %+v", doc.Document())
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := vault.Open(home, "owner@h.localhost:8401", "again")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if !again.ClientKey().Equal(key) || again.Document() != v.Document() {
		t.Error("another key or document after opening")
	}
	inbox, err := again.InboxKey()
	if err != nil || !bytes.Equal(inbox.Public(), c.InboxKey) {
		t.Errorf("inbox key: %v", err)
	}
	if list, err := vault.List(home); err != nil || len(list) != 1 || list[0] != "owner@h.localhost:8401" {
		t.Errorf("list is %v, %v", list, err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	v, _ := newVault(t, home)
	if _, err := v.StateDir(); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == home {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if e.IsDir() && info.Mode().Perm() != 0o700 || !e.IsDir() && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		files++
		return nil
	})
	if err != nil || files < 4 {
		t.Errorf("walked %d files, %v", files, err)
	}
}

func TestSecondProcessIsToldWho(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	newVault(t, home)
	_, err := vault.Open(home, "owner@h.localhost:8401", "second")
	var locked *vault.LockedError
	if !errors.As(err, &locked) || locked.Holder != "the test" {
		t.Errorf("second open: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	v, _ := newVault(t, home)
	if _, err := vault.Open(home, "nobody@h.localhost:8401", ""); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("unknown address: %v", err)
	}
	if _, err := v.Change("wrong", start, nil); !errors.Is(err, vault.ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := v.Export("wrong", 2); !errors.Is(err, vault.ErrPassphrase) {
		t.Errorf("export with wrong passphrase: %v", err)
	}
	_ = v.Close()
	_, _, err := vault.Create(home, vault.New{Address: address(t, "owner@h.localhost:8401"), Passphrase: "x", Now: start, WorkFactor: 2})
	if !errors.Is(err, vault.ErrExists) {
		t.Errorf("second create: %v", err)
	}
	for name, n := range map[string]vault.New{
		"no passphrase": {Address: address(t, "b@h.localhost"), Now: start},
		"bad client":    {Address: address(t, "b@h.localhost"), Now: start, Passphrase: "x", Client: "a b"},
	} {
		if _, _, err := vault.Create(home, n); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for name, file := range map[string][]byte{"empty": nil, "text": []byte("hello"), "huge": make([]byte, 2<<20)} {
		if _, err := vault.ReadFile(file, "x"); err == nil {
			t.Errorf("%s file: taken", name)
		}
	}
}

func TestDamagedClientFile(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	v, _ := newVault(t, home)
	_ = v.Close()
	if err := os.WriteFile(filepath.Join(v.Dir(), "client.json"), []byte(`{"clientKey":"AA=="}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Open(home, "owner@h.localhost:8401", ""); err == nil || !strings.Contains(err.Error(), "recovery") {
		t.Errorf("damaged file: %v", err)
	}
}

func TestRenewFollows(t *testing.T) {
	t.Parallel()
	v, _ := newVault(t, t.TempDir())
	first, _ := v.Verified()
	compact, err := v.Change("correct horse", start.Add(20*24*time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := identity.Verify(compact, first)
	if err != nil || second.Version() != 2 {
		t.Fatalf("renewed: %v", err)
	}
	if _, err := v.Change("correct horse", start, keys.DropClient("main")); err == nil {
		t.Error("the last client was dropped")
	}
	if _, err := v.Change("correct horse", start, keys.DropClient("phone")); !errors.Is(err, identity.ErrNoClient) {
		t.Errorf("unknown client: %v", err)
	}
}

// The other machine is a client of its own: no client key, no circle's state
// travels (P9).
func TestImportMakesAnotherClient(t *testing.T) {
	t.Parallel()
	v, recovery := newVault(t, t.TempDir())
	export, err := v.Export("correct horse", 2)
	if err != nil {
		t.Fatal(err)
	}
	current, _ := v.Verified()
	for name, file := range map[string][]byte{"export": export, "recovery": recovery} {
		in, err := vault.ReadFile(file, "correct horse")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if in.Address() != v.Address() || in.Document() != v.Document() {
			t.Errorf("%s is about %s", name, in.Address())
		}
		n := vault.New{Client: "laptop", Passphrase: "correct horse", Now: start.Add(time.Hour), WorkFactor: 2}
		other, err := vault.Import(t.TempDir(), in, current, n, name == "recovery")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if other.ClientKey().Equal(v.ClientKey()) {
			t.Errorf("%s: the client key travelled", name)
		}
		next, err := identity.Verify(other.Document(), current)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := map[string]int{"export": 2, "recovery": 1}[name]
		if len(next.Clients()) != want {
			t.Errorf("%s: %d clients, want %d", name, len(next.Clients()), want)
		}
		_ = other.Close()
	}
	in, _ := vault.ReadFile(export, "correct horse")
	n := vault.New{Client: "main", Passphrase: "correct horse", Now: start, WorkFactor: 2}
	if _, err := vault.Import(t.TempDir(), in, current, n, false); err == nil {
		t.Error("two clients of one name")
	}
}

func TestImportRefusesAnotherIdentity(t *testing.T) {
	t.Parallel()
	v, _ := newVault(t, t.TempDir())
	other, _ := newVault(t, t.TempDir())
	export, _ := v.Export("correct horse", 2)
	in, _ := vault.ReadFile(export, "correct horse")
	current, _ := other.Verified() // same address, another key: a node that lies
	n := vault.New{Client: "laptop", Passphrase: "x", Now: start, WorkFactor: 2}
	if _, err := vault.Import(t.TempDir(), in, current, n, false); err == nil {
		t.Error("a document of another identity key was followed")
	}
}

func TestSecretsStayOutOfText(t *testing.T) {
	t.Parallel()
	v, recovery := newVault(t, t.TempDir())
	if bytes.Contains(recovery, v.ClientKey().Seed()) {
		t.Error("the recovery file holds the client key in the clear")
	}
	if !bytes.HasPrefix(recovery, []byte("-----BEGIN AGE ENCRYPTED FILE-----")) {
		t.Error("the recovery file is no age file")
	}
}

func TestHome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ primum, xdg, want string }{
		{"/p", "/x", "/p"},
		{"", "/x", "/x/primum"},
		{"", "", "/home/me/.local/share/primum"},
	} {
		env := map[string]string{"PRIMUM_HOME": c.primum, "XDG_DATA_HOME": c.xdg, "HOME": "/home/me"}
		if got := vault.Home(func(k string) string { return env[k] }); got != c.want {
			t.Errorf("home is %s, want %s", got, c.want)
		}
	}
}

func TestPhrase(t *testing.T) {
	t.Parallel()
	a, err := vault.NewPhrase(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := vault.NewPhrase(rand.Reader)
	if len(a) != 5*6+4 || a == b {
		t.Errorf("phrases %q and %q", a, b)
	}
	if _, err := vault.NewPhrase(strings.NewReader("")); err == nil {
		t.Error("a phrase without randomness")
	}
}

func FuzzReadFile(f *testing.F) {
	f.Add([]byte("-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCg==\n-----END AGE ENCRYPTED FILE-----\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := vault.ReadFile(file, "x"); err == nil {
			t.Error("opened without knowing the passphrase")
		}
	})
}

// A keep that a vault made lets a browser, or another vault, become a client.
func TestKeepMakesAnotherClient(t *testing.T) {
	t.Parallel()
	v, _ := newVault(t, t.TempDir())
	phrase, err := keys.NewPhrase(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Keep("wrong", phrase, rand.Reader); !errors.Is(err, vault.ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	k, err := v.Keep("correct horse", phrase, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i, err := k.Open(keys.Secret{Phrase: phrase})
	if err != nil {
		t.Fatal(err)
	}
	current, _ := v.Verified()
	other, err := vault.Import(t.TempDir(), vault.FromKeep(current.Address(), i), current,
		vault.New{Client: "laptop", Passphrase: "other horse", Now: start, WorkFactor: 2}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if _, err := other.Change("other horse", start, nil); err != nil {
		t.Errorf("the other machine can't renew: %v", err)
	}
}

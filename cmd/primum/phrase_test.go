package main

import (
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"

	"primum/client"
	"primum/client/keys"
	"primum/client/nethttp"
	"primum/client/vault"
	"primum/identity"
)

// An account with twelve words at its node is opened on another machine by them.
func TestImportByPhrase(t *testing.T) {
	t.Parallel()
	m, account := newMachine(t), "ada@"+startServe(t, "h.localhost")
	m.ok("me", "init", account, "--recovery", filepath.Join(t.TempDir(), "r.age"))
	phrase, err := keys.NewPhrase(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaveKeep(t, m.home, account, phrase)

	laptop := newMachine(t)
	laptop.typed = strings.Repeat("zoo ", 12) + "\n"
	laptop.want(exitFailed, "does not open", "me", "import", account, "--phrase", "--client", "laptop")
	laptop.typed = "abandom " + phrase + "\n"
	laptop.want(exitFailed, `perhaps "abandon"`, "me", "import", account, "--phrase", "--client", "laptop")
	laptop.typed = "\n"
	laptop.want(exitUsage, "not an address", "me", "import", "ada", "--phrase")
	laptop.typed = strings.ToUpper(phrase) + "\n"
	laptop.want(exitDone, "client laptop of "+account, "me", "import", account, "--phrase", "--client", "laptop")
	laptop.ok("me", "renew") // by the passphrase of this machine
	m.ok("things")           // reads its own document anew
	m.want(exitDone, "laptop", "me", "clients")
}

func leaveKeep(t *testing.T, home, account, phrase string) {
	t.Helper()
	v, err := vault.Open(home, account, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	k, err := v.Keep("correct horse", phrase, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	n := client.Node{
		Calls: client.Calls{Transport: nethttp.New(nethttp.Options{LAN: true})}, Authority: k.Account.Authority,
		By: client.Key{ID: identity.ClientKeyID(k.Account, v.ClientName()), Signer: v.ClientKey()},
	}
	if err := n.PutKeep(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
}

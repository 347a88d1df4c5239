package client_test

import (
	"crypto/ed25519"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/client"
	"primum/client/link/linktest"
	"primum/identity"
	"primum/internal/wire"
)

var testTime = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

// somebody is an identity with its secrets.
type somebody struct {
	key     ed25519.PrivateKey
	inbox   *identity.InboxKey
	compact string
	doc     *identity.Verified
}

func newSomebody(t *testing.T, account string, seed byte) somebody {
	t.Helper()
	a, err := identity.ParseAddress(account)
	if err != nil {
		t.Fatal(err)
	}
	inbox, err := identity.NewInboxKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := identity.NewID(nil, testTime)
	if err != nil {
		t.Fatal(err)
	}
	s := somebody{key: ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune('a'+seed)), 32))), inbox: inbox}
	pub := s.key.Public().(ed25519.PublicKey)
	recovery := ed25519.NewKeyFromSeed([]byte(strings.Repeat("r", 32))).Public().(ed25519.PublicKey)
	clientKey := ed25519.NewKeyFromSeed([]byte(strings.Repeat("c", 32))).Public().(ed25519.PublicKey)
	s.compact, err = identity.Sign(identity.Document{
		ID: id, Address: a, Kind: identity.Person, IdentityKey: []byte(pub), RecoveryKey: []byte(recovery), Version: 1,
		Clients: []identity.Client{{Name: "phone", Key: []byte(clientKey), InboxKey: inbox.Public(), Suites: []uint16{1}, Added: testTime}},
		Issued:  testTime, Expires: testTime.Add(identity.MaxValidity),
	}, s.key)
	if err != nil {
		t.Fatal(err)
	}
	if s.doc, err = identity.First(s.compact); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedItemOpensForItsClientOnly(t *testing.T) {
	t.Parallel()
	friend := newSomebody(t, "friend@s.localhost", 1)
	s, err := client.SealInbox(wire.InboxOffer, "owner@h.localhost", friend.doc, testTime, []byte("terms"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.OpenInbox(s, "friend@s.localhost", "phone", friend.inbox)
	if err != nil || string(got) != "terms" {
		t.Fatalf("opened %q, %v", got, err)
	}
	other, err := identity.NewInboxKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	moved := s
	moved.From = "mallory@s.localhost"
	for name, open := range map[string]func() ([]byte, error){
		"another key":     func() ([]byte, error) { return client.OpenInbox(s, "friend@s.localhost", "phone", other) },
		"another account": func() ([]byte, error) { return client.OpenInbox(s, "other@s.localhost", "phone", friend.inbox) },
		"another client":  func() ([]byte, error) { return client.OpenInbox(s, "friend@s.localhost", "tablet", friend.inbox) },
		"another sender":  func() ([]byte, error) { return client.OpenInbox(moved, "friend@s.localhost", "phone", friend.inbox) },
	} {
		if b, err := open(); err == nil {
			t.Errorf("%s: opened %q", name, b)
		}
	}
}

// serveIdentity answers WebFinger and the document as a node does.
func serveIdentity(compact func() string) func(client.Request) (client.Response, error) {
	return func(r client.Request) (client.Response, error) {
		base, _, _ := strings.Cut(r.URL, "/.well-known")
		switch {
		case strings.Contains(r.URL, wire.WebFingerPath):
			return linktest.JSON(200, wire.JRD{Links: []wire.Link{{Rel: wire.RelIdentity, Href: base + "/v1/identity/friend"}}}), nil
		case strings.HasSuffix(r.URL, "/v1/identity/friend"):
			return client.Response{Status: 200, Body: []byte(compact())}, nil
		}
		return linktest.JSON(404, wire.Problem{Type: wire.ProblemPrefix + wire.ProbNotFound, Title: "not found"}), nil
	}
}

func TestDirectoryPinsOnFirstUse(t *testing.T) {
	t.Parallel()
	friend := newSomebody(t, "friend@s.localhost", 1)
	imposter := newSomebody(t, "friend@s.localhost", 2)
	served := friend.compact
	f := linktest.New()
	f.Answer = serveIdentity(func() string { return served })
	file := filepath.Join(t.TempDir(), "people.json")
	d, err := client.OpenDirectory(file, client.Calls{Transport: f})
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.Lookup(t.Context(), "friend@s.localhost")
	if err != nil || !v.IdentityKey().Equal(friend.key.Public()) {
		t.Fatalf("first look-up: %v", err)
	}
	if d.Compared("friend@s.localhost") {
		t.Error("compared before anybody compared")
	}
	if err := d.MarkCompared(v); err != nil {
		t.Error(err)
	}
	served = imposter.compact
	d, err = client.OpenDirectory(file, client.Calls{Transport: f}) // a restart forgets no pin
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Lookup(t.Context(), "friend@s.localhost"); !errors.Is(err, identity.ErrPinChanged) {
		t.Errorf("another key: %v", err)
	}
	if !d.Compared("friend@s.localhost") {
		t.Error("the comparison was forgotten")
	}
	if known, ok := d.Known("friend@s.localhost"); !ok || known.Compact() != friend.compact {
		t.Error("the pinned document was replaced")
	}
	if err := d.MarkCompared(imposter.doc); err == nil {
		t.Error("a key that is not pinned was marked as compared")
	}
}

func TestFetchIdentityRefuses(t *testing.T) {
	t.Parallel()
	friend := newSomebody(t, "friend@s.localhost", 1)
	elsewhere := wire.JRD{Links: []wire.Link{{Rel: wire.RelIdentity, Href: "http://evil.localhost/v1/identity/friend"}}}
	for name, answer := range map[string]func(client.Request) (client.Response, error){
		"link to another domain": func(client.Request) (client.Response, error) { return linktest.JSON(200, elsewhere), nil },
		"no link":                func(client.Request) (client.Response, error) { return linktest.JSON(200, wire.JRD{}), nil },
		"no JSON": func(client.Request) (client.Response, error) {
			return client.Response{Status: 200, Body: []byte("<")}, nil
		},
		"no document":        serveIdentity(func() string { return "x.y.z" }),
		"another's document": serveIdentity(func() string { return newSomebody(t, "other@s.localhost", 1).compact }),
		"changed document":   serveIdentity(func() string { return friend.compact + "A" }),
	} {
		f := linktest.New()
		f.Answer = answer
		d, err := client.OpenDirectory(filepath.Join(t.TempDir(), "people.json"), client.Calls{Transport: f})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Lookup(t.Context(), "friend@s.localhost"); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	f := linktest.New()
	if _, err := client.FetchIdentity(t.Context(), client.Calls{Transport: f}, "no address"); err == nil || len(f.Requests()) > 0 {
		t.Errorf("no address: %v after %d requests", err, len(f.Requests()))
	}
}

func TestProblemsOfNodes(t *testing.T) {
	t.Parallel()
	f := linktest.New()
	n := client.Node{Calls: client.Calls{Transport: f}, Authority: "h.localhost:8401"}
	for name, c := range map[string]struct {
		response    client.Response
		unreachable bool
		text        string
	}{
		"problem":          {linktest.JSON(403, wire.Problem{Type: wire.ProblemPrefix + wire.ProbForbidden, Title: "Forbidden", Detail: "not yours"}), false, "not yours"},
		"bare status":      {client.Response{Status: 404}, false, "404"},
		"proxy's 502":      {client.Response{Status: 502, Body: []byte("<html>")}, true, "502"},
		"node's own 503":   {linktest.JSON(503, wire.Problem{Type: wire.ProblemPrefix + wire.ProbStorage, Title: "Disk full"}), true, "Disk full"},
		"redirect":         {client.Response{Status: 302}, false, "302"},
		"problem, no type": {client.Response{Status: 400, Header: map[string]string{"content-type": "application/problem+json"}, Body: []byte("{}")}, false, "400"},
	} {
		f.Answer = func(client.Request) (client.Response, error) { return c.response, nil }
		_, err := n.Grants(t.Context())
		if err == nil || errors.Is(err, client.ErrUnreachable) != c.unreachable || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A document signed by the recovery key follows the one known, and is still
// known after a restart; it doesn't stand alone.
func TestDirectoryFollowsARecovery(t *testing.T) {
	t.Parallel()
	friend := newSomebody(t, "friend@s.localhost", 1)
	recovery := ed25519.NewKeyFromSeed([]byte(strings.Repeat("r", 32)))
	next, err := friend.doc.Next(testTime.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	fresh := ed25519.NewKeyFromSeed([]byte(strings.Repeat("n", 32)))
	next.IdentityKey = []byte(fresh.Public().(ed25519.PublicKey))
	recovered, err := identity.Sign(next, recovery)
	if err != nil {
		t.Fatal(err)
	}
	served := friend.compact
	f := linktest.New()
	f.Answer = serveIdentity(func() string { return served })
	file := filepath.Join(t.TempDir(), "people.json")
	open := func() *client.Directory {
		d, err := client.OpenDirectory(file, client.Calls{Transport: f})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open()
	if _, err := d.Lookup(t.Context(), "friend@s.localhost"); err != nil {
		t.Fatal(err)
	}
	served = recovered
	v, err := d.Lookup(t.Context(), "friend@s.localhost")
	if err != nil || !v.IdentityKey().Equal(fresh.Public()) {
		t.Fatalf("after the recovery: %v", err)
	}
	d = open()
	if v, ok := d.Known("friend@s.localhost"); !ok || v.Version() != 2 {
		t.Error("the recovered document was forgotten")
	}
	then, err := v.Next(testTime.Add(2 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if served, err = identity.Sign(then, fresh); err != nil {
		t.Fatal(err)
	}
	if v, err := d.Lookup(t.Context(), "friend@s.localhost"); err != nil || v.Version() != 3 {
		t.Errorf("the version after: %v", err)
	}
	stranger, err := client.OpenDirectory(filepath.Join(t.TempDir(), "people.json"), client.Calls{Transport: f})
	if err != nil {
		t.Fatal(err)
	}
	served = recovered
	if _, err := stranger.Lookup(t.Context(), "friend@s.localhost"); err == nil {
		t.Error("a document of a recovery key was taken by a stranger")
	}
}

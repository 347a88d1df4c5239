package client_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"testing"
	"time"

	"primum/client"
	"primum/client/link/linktest"
	"primum/client/nethttp"
	"primum/identity"
	"primum/internal/node"
	"primum/internal/wire"
	"primum/mls"
)

// startNode runs a node on a free port and gives its authority.
func startNode(t *testing.T, host string) string {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{Authority: host, Listen: "127.0.0.1:0", DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = n.Close()
	})
	return n.Authority()
}

// account is somebody with an account at a node.
type account struct {
	client.Node
	key     ed25519.PrivateKey
	inbox   *identity.InboxKey
	address identity.Address
}

func openAccount(t *testing.T, authority, user string) account {
	t.Helper()
	a, err := identity.ParseAddress(user + "@" + authority)
	if err != nil {
		t.Fatal(err)
	}
	pub, key, _ := ed25519.GenerateKey(nil)
	recovery, _, _ := ed25519.GenerateKey(nil)
	clientPub, clientKey, _ := ed25519.GenerateKey(nil)
	inbox, err := identity.NewInboxKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	id, _ := identity.NewID(nil, now)
	doc, err := identity.Sign(identity.Document{
		ID: id, Address: a, Kind: identity.Person, IdentityKey: []byte(pub), RecoveryKey: []byte(recovery), Version: 1,
		Clients: []identity.Client{{Name: "phone", Key: []byte(clientPub), InboxKey: inbox.Public(), Suites: []uint16{1}, Added: now}},
		Issued:  now, Expires: now.Add(identity.MaxValidity),
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	tr := nethttp.New(nethttp.Options{})
	t.Cleanup(tr.Close)
	acc := account{key: clientKey, inbox: inbox, address: a, Node: client.Node{
		Calls: client.Calls{Transport: tr}, Authority: authority,
		By: client.Key{ID: identity.ClientKeyID(a, "phone"), Signer: clientKey},
	}}
	if err := acc.NewAccount(t.Context(), wire.NewAccount{Identity: doc}); err != nil {
		t.Fatal(err)
	}
	return acc
}

// Two nodes that never heard of each other: an account on each, found by
// name, and a sealed document from one to the other, live.
func TestRealNodes(t *testing.T) {
	t.Parallel()
	h, s := startNode(t, "h.localhost"), startNode(t, "s.localhost")
	owner, friend := openAccount(t, h, "owner"), openAccount(t, s, "friend")
	info, err := owner.Info(t.Context())
	if err != nil || info.Authority != h || len(info.Keys) == 0 {
		t.Fatalf("info %+v, %v", info, err)
	}
	session, err := client.Connect(t.Context(), friend.Node)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.SubscribeInbox(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	compact, err := client.FetchIdentity(t.Context(), owner.Calls, friend.address.String())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := identity.First(compact)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := client.SealInbox(wire.InboxRequest, owner.address.String(), doc, time.Now().Add(time.Hour), []byte("please"))
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Post(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
	e := linktest.Receive(t, session.Events(), "inbox item")
	if e.Control == nil || e.Control.Item == nil {
		t.Fatalf("event %+v", e)
	}
	var got wire.Sealed
	if err := json.Unmarshal(e.Control.Item.Sealed, &got); err != nil {
		t.Fatal(err)
	}
	plain, err := client.OpenInbox(got, friend.address.String(), "phone", friend.inbox)
	if err != nil || string(plain) != "please" {
		t.Errorf("opened %q, %v", plain, err)
	}
	page, err := friend.Inbox(t.Context(), 0)
	if err != nil || len(page.Items) != 1 || page.Items[0].Seq != e.Control.Item.Seq {
		t.Errorf("page %+v, %v", page, err)
	}
}

func TestRealNodeKeyPackages(t *testing.T) {
	t.Parallel()
	friend := openAccount(t, startNode(t, "s.localhost"), "friend")
	if n, err := friend.KeyPackageCount(t.Context()); err != nil || len(n.Stock) != 0 {
		t.Fatalf("count %+v, %v", n, err)
	}
	p := wire.KeyPackages{Suite: 1}
	for i := range 3 {
		kp, _, err := mls.NewKeyPackage(mls.KeyPackageOptions{
			Suite: mls.X25519AES128GCMSHA256Ed25519, Identity: []byte(friend.address.String()), Signer: friend.key,
			NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(80 * 24 * time.Hour), LastResort: i == 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			p.LastResort = kp.Bytes()
			continue
		}
		p.OneTime = append(p.OneTime, kp.Bytes())
	}
	if n, err := friend.PutKeyPackages(t.Context(), p); err != nil || len(n.Stock) != 1 || n.Stock[0] != (wire.SuiteCount{Suite: 1, OneTime: 2, LastResort: true}) {
		t.Errorf("count %+v, %v", n, err)
	}
}

func TestRealNodeRefusals(t *testing.T) {
	t.Parallel()
	h := startNode(t, "h.localhost")
	owner := openAccount(t, h, "owner")
	stranger := owner.Node
	stranger.By.Signer = testKey()
	unsigned := owner.Node
	unsigned.By = client.Key{}
	circle := wire.CircleID{1}.String()
	for name, c := range map[string]struct {
		err     error
		problem string
	}{
		"another key":    {second(stranger.Grants(t.Context())), wire.ProbBadSignature},
		"no signature":   {second(unsigned.Grants(t.Context())), wire.ProbUnsigned},
		"unknown circle": {second(owner.Circle(t.Context(), circle)), wire.ProbNotFound},
		"account twice":  {owner.NewAccount(t.Context(), wire.NewAccount{Identity: "x.y.z"}), wire.ProbMalformed},
	} {
		if !client.IsProblem(c.err, c.problem) {
			t.Errorf("%s: %v, want %s", name, c.err, c.problem)
		}
	}
}

func second[T any](_ T, err error) error { return err }

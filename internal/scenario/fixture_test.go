package scenario

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"testing"
	"time"

	"primum/client"
	"primum/client/nethttp"
	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/node"
	"primum/internal/wire"
	"primum/mls"
)

// startNode runs a node in this process until the test ends.
func startNode(t testing.TB, host string, dir string, c clock.Clock) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{Authority: host, Listen: "127.0.0.1:0", DataDir: dir, Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- n.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close node: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return n
}

// account is a person with one client, by hand: no vault, no actor.
type account struct {
	address identity.Address
	client  ed25519.PrivateKey
	inbox   *identity.InboxKey
	doc     *identity.Verified
	node    client.Node
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pub(k ed25519.PrivateKey) []byte { return k.Public().(ed25519.PublicKey) }

// newAccount signs up at a node.
func newAccount(t testing.TB, authority, user string, c clock.Clock) *account {
	t.Helper()
	address, err := identity.ParseAddress(user + "@" + authority)
	if err != nil {
		t.Fatal(err)
	}
	a := &account{address: address, client: newKey(t)}
	if a.inbox, err = identity.NewInboxKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	now := c.Now().UTC().Truncate(time.Second)
	id, err := identity.NewID(rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	identityKey := newKey(t)
	compact, err := identity.Sign(identity.Document{
		ID: id, Address: address, Kind: identity.Person, Name: user,
		IdentityKey: pub(identityKey), RecoveryKey: pub(newKey(t)),
		Clients: []identity.Client{{Name: "cli", Key: pub(a.client), InboxKey: a.inbox.Public(), Suites: suites(), Added: now}},
		Version: 1, Issued: now, Expires: now.Add(30 * 24 * time.Hour),
	}, identityKey)
	if err != nil {
		t.Fatal(err)
	}
	if a.doc, err = identity.First(compact); err != nil {
		t.Fatal(err)
	}
	a.node = client.Node{
		Calls:     client.Calls{Transport: nethttp.New(nethttp.Options{}), Clock: c, Rand: rand.Reader},
		Authority: authority,
		By:        client.Key{ID: identity.ClientKeyID(address, "cli"), Signer: a.client},
	}
	if err := a.node.NewAccount(t.Context(), wire.NewAccount{Identity: compact}); err != nil {
		t.Fatal(err)
	}
	return a
}

// rawCircle is a home circle opened by hand: the anchor's group and its
// owner's, with a live session each.
type rawCircle struct {
	id            wire.CircleID
	leaf          ed25519.PrivateKey
	anchor, owner *mls.Group
	out, in       *client.Session
}

// newRawCircle claims an edge that does not exist for the owner.
func newRawCircle(t testing.TB, a *account, c clock.Clock) *rawCircle {
	t.Helper()
	r := &rawCircle{leaf: newKey(t)}
	_, _ = rand.Read(r.id[:])
	now := c.Now().UTC().Truncate(time.Second)
	kp, private, err := mls.NewKeyPackage(mls.KeyPackageOptions{
		Suite: mls.Suites()[0], Identity: []byte(a.address.String()), Signer: a.client,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(90 * 24 * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	r.anchor, err = mls.Create(mls.Config{Signer: r.leaf, Now: c.Now}, r.id[:], mls.Suites()[0], random, nil)
	if err != nil {
		t.Fatal(err)
	}
	info, err := r.anchor.GroupInfo()
	if err != nil {
		t.Fatal(err)
	}
	home := claimHome(t, a, r, kp, now)
	home.GroupInfo = info
	if err := a.node.OpenHome(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	r.connect(t, a)
	staged, err := r.anchor.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{kp}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.out.Commit(t.Context(), r.id, staged.Commit, staged.Welcome); err != nil {
		t.Fatal(err)
	}
	if err := r.anchor.Merge(); err != nil {
		t.Fatal(err)
	}
	if r.owner, err = mls.Join(mls.Config{Signer: a.client, Now: c.Now}, staged.Welcome, kp, private, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

func claimHome(t testing.TB, a *account, r *rawCircle, kp *mls.KeyPackage, now time.Time) wire.NewHome {
	t.Helper()
	thing := newKey(t)
	id, err := identity.NewID(rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	sum := sha256.Sum256(kp.Bytes())
	claim, err := grant.SignClaim(grant.Claim{
		ID: id, Number: 1, ThingKey: pub(thing), Home: r.id.String(), Node: a.address.Authority, AnchorKey: pub(r.leaf), Suite: suites()[0],
		Owner: a.address, OwnerIdentityKey: []byte(a.doc.IdentityKey()),
		KeyPackage: base64.RawURLEncoding.EncodeToString(sum[:]), Nonce: nonce, At: now,
	}, thing)
	if err != nil {
		t.Fatal(err)
	}
	counter, err := grant.SignCountersignature(grant.Countersignature{
		ID: id, Account: a.address, Client: "cli", Hash: grant.Hash(claim), At: now, Nonce: nonce,
	}, a.client)
	if err != nil {
		t.Fatal(err)
	}
	return wire.NewHome{Claim: claim, Countersignature: counter}
}

// connect opens the anchor's session, by its leaf key, and the owner's.
func (r *rawCircle) connect(t testing.TB, a *account) {
	t.Helper()
	var err error
	asAnchor := a.node
	asAnchor.By = client.Key{ID: identity.CircleKeyID(r.id.String()), Signer: r.leaf}
	if r.out, err = client.Connect(t.Context(), asAnchor); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.out.Close)
	if err := r.out.Prove(t.Context(), r.id, r.leaf); err != nil {
		t.Fatal(err)
	}
	if r.in, err = client.Connect(t.Context(), a.node); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.in.Close)
}

// suites are all that this program has, as an identity document lists them.
func suites() (ids []uint16) {
	for _, s := range mls.Suites() {
		ids = append(ids, uint16(s))
	}
	return ids
}

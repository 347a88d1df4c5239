package consent_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/consent"
	"primum/internal/jws"
	"primum/internal/relay"
	"primum/internal/store"
	"primum/internal/wire"
	"primum/mls"
)

const authority = "h.localhost:8401"

func start() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

// world is a node's book on a store on disk, with one owner.
type world struct {
	t       testing.TB
	dir     string
	clock   *clock.Manual
	store   *store.Store
	relay   *relay.Relay
	book    *consent.Book
	nodeKey ed25519.PrivateKey
	changed []string // accounts; the tests that look at it are single-threaded

	owner *identity.Verified
	idKey ed25519.PrivateKey
	// recovery outranks idKey; signer, if set, signs the next document.
	recovery, signer ed25519.PrivateKey
	clients          map[string]ed25519.PrivateKey
	friend           grant.Grantee
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), clock: clock.NewManual(start()), nodeKey: newKey(t), idKey: newKey(t), recovery: newKey(t)}
	w.clients = map[string]ed25519.PrivateKey{"laptop": newKey(t), "phone": newKey(t)}
	w.open(w.dir)
	t.Cleanup(func() { _ = w.store.Close() })
	w.friend = grant.Grantee{Account: w.address("friend@s.localhost:8402"), IdentityKey: jws.Bytes(public(newKey(t))), Kind: identity.Person}
	w.publish("laptop", "phone")
	return w
}

func (w *world) open(dir string) {
	w.t.Helper()
	var err error
	w.store, err = store.Open(context.Background(), dir, store.Options{})
	w.must(err)
	w.relay = relay.New(relay.Options{Store: w.store.Circles, Clock: w.clock})
	w.book = consent.New(consent.Options{
		Store: w.store, Relay: w.relay, Clock: w.clock, Authority: authority, Key: w.nodeKey, Ledger: promiser{w},
		Changed: func(accounts ...string) { w.changed = append(w.changed, accounts...) },
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) refused(err error, name string) wire.Refusal {
	w.t.Helper()
	var r *wire.Refusal
	if !errors.As(err, &r) || r.Name != name || r.Error() == "" {
		w.t.Fatalf("error is %v (%+v), want refusal %s", err, r, name)
	}
	return *r
}

func (w *world) address(s string) identity.Address {
	w.t.Helper()
	a, err := identity.ParseAddress(s)
	w.must(err)
	return a
}

func (w *world) id() string {
	w.t.Helper()
	id, err := identity.NewID(nil, w.clock.Now())
	w.must(err)
	return id
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

func hexID() string { return hex.EncodeToString(random(16)) }

// publish makes the owner's next identity document, with these clients.
func (w *world) publish(clients ...string) {
	w.t.Helper()
	recovery := w.recovery
	d := identity.Document{
		ID: w.id(), Address: w.address("owner@" + authority), Kind: identity.Person, IdentityKey: jws.Bytes(public(w.idKey)),
		RecoveryKey: jws.Bytes(public(recovery)), Version: 1, Issued: w.clock.Now(), Expires: w.clock.Now().Add(30 * 24 * time.Hour),
	}
	var previous uint64
	if w.owner != nil {
		next, err := w.owner.Next(w.clock.Now())
		w.must(err)
		d, previous = next, w.owner.Version()
	}
	d.ID, d.Clients = w.id(), nil
	for _, name := range clients {
		inbox, err := identity.NewInboxKey(nil)
		w.must(err)
		d.Clients = append(d.Clients, identity.Client{
			Name: name, Key: jws.Bytes(public(w.clients[name])), InboxKey: inbox.Public(), Suites: []uint16{1}, Added: start(),
		})
	}
	signer := w.idKey
	if w.signer != nil {
		signer, d.IdentityKey = w.signer, jws.Bytes(public(w.idKey))
	}
	compact, err := identity.Sign(d, signer)
	w.must(err)
	if w.owner == nil {
		w.owner, err = identity.First(compact)
	} else {
		w.owner, err = identity.Verify(compact, w.owner)
	}
	w.must(err)
	doc := store.Identity{
		Account: w.owner.Address().String(), Version: w.owner.Version(), Hash: w.owner.Hash(), IdentityKey: w.owner.IdentityKey(),
		Expires: w.owner.Expires(), Received: w.clock.Now(), Document: compact,
	}
	if previous == 0 {
		w.must(w.store.Accounts.Create(context.Background(), store.Account{Address: doc.Account, Created: w.clock.Now()}, doc, nil))
		return
	}
	w.must(w.store.Identities.Put(context.Background(), doc, previous))
}

// given is a grant as the owner's client made it.
type given struct {
	grant.Signed
	circle string
	anchor ed25519.PrivateKey // leaf key
	group  *mls.Group
}

func (w *world) give(change ...func(*grant.Params)) *given {
	w.t.Helper()
	g := &given{circle: hexID(), anchor: newKey(w.t)}
	p := grant.Params{
		Now: w.clock.Now(), Owner: w.owner.Address(), Client: "laptop", Signer: w.clients["laptop"], Grantee: w.friend,
		Node: authority, Home: hexID(), Circle: g.circle, AnchorKey: public(g.anchor), Suite: 1,
		Valid: grant.Interval{From: w.clock.Now(), Until: w.clock.Now().Add(7 * 24 * time.Hour)},
		Shares: []grant.Share{{
			Thing: "urn:uuid:water", Actions: []string{grant.OpObserve, grant.OpRead}, Affordances: []string{"flow"},
			Precision: grant.Precision{Every: grant.Duration(time.Minute), Stat: grant.Mean},
		}},
		Purpose: grant.Purpose{Class: "dpv:OptimisationForConsumer", Label: "energy advice"},
	}
	for _, f := range change {
		f(&p)
	}
	var err error
	g.Signed, err = grant.New(p)
	w.must(err)
	return g
}

func (w *world) file(g *given) wire.Receipt {
	w.t.Helper()
	r, err := w.book.File(w.t.Context(), wire.NewEnvelope{Envelope: g.Envelope})
	w.must(err)
	return r
}

// countersign is a client's signature under a document.
func (w *world) countersign(client, document string) string {
	w.t.Helper()
	c, err := grant.SignCountersignature(grant.Countersignature{
		ID: w.id(), Account: w.owner.Address(), Client: client, Hash: grant.Hash(document), At: w.clock.Now(), Nonce: random(16),
	}, w.clients[client])
	w.must(err)
	return c
}

func (w *world) closing(g *given, client string) wire.NewClosing {
	w.t.Helper()
	return wire.NewClosing{Closing: g.Closing, Countersignature: w.countersign(client, g.Closing)}
}

func circleID(t testing.TB, s string) wire.CircleID {
	t.Helper()
	id, err := wire.ParseCircleID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// groupInfo makes the anchor's group for a circle, once.
func (w *world) groupInfo(id wire.CircleID, anchor ed25519.PrivateKey) ([]byte, *mls.Group) {
	w.t.Helper()
	g, err := mls.Create(mls.Config{Signer: anchor, Now: w.clock.Now}, id[:], mls.Suites()[0], []byte("anchor"), nil)
	w.must(err)
	info, err := g.GroupInfo()
	w.must(err)
	return info, g
}

func (w *world) openCircle(g *given) {
	w.t.Helper()
	id := circleID(w.t, g.circle)
	info, group := w.groupInfo(id, g.anchor)
	g.group = group
	_, err := w.book.OpenCircle(w.t.Context(), id, public(g.anchor), info)
	w.must(err)
}

// send has the anchor append a value.
func (w *world) send(g *given) error {
	w.t.Helper()
	m, err := g.group.Seal([]byte("value"), nil, 256)
	w.must(err)
	_, err = w.relay.Append(w.t.Context(), relay.Append{
		Circle: circleID(w.t, g.circle), Caller: relay.Caller{Key: public(g.anchor)}, Message: m,
	})
	return err
}

// states is a grant's history.
func (w *world) states(id string) (states string) {
	w.t.Helper()
	events, err := w.store.Grants.Events(w.t.Context(), id)
	w.must(err)
	for _, e := range events {
		states += e.State + " by " + e.By + ";"
	}
	return states
}

// inParallel does f for all items, width at once, and returns the times taken,
// sorted.
func inParallel[T any](width int, items []T, f func(T)) []time.Duration {
	took := make([]time.Duration, len(items))
	next := make(chan int)
	var wg sync.WaitGroup
	for range width {
		wg.Go(func() {
			for i := range next {
				begin := time.Now()
				f(items[i])
				took[i] = time.Since(begin)
			}
		})
	}
	for i := range items {
		next <- i
	}
	close(next)
	wg.Wait()
	slices.Sort(took)
	return took
}

package scenario

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/client/link"
	"primum/client/monitor"
	"primum/client/nethttp"
	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/node"
	"primum/internal/notary"
	"primum/internal/wire"
	logbook "primum/ledger"
)

// handGrant is a grant that an account by hand gave, and what its node promised.
type handGrant struct {
	grant.Signed
	key     []byte // k_grant
	given   wire.Receipt
	ended   wire.Receipt
	circle  wire.CircleID
	closing wire.NewClosing
}

// handGive makes a grant and its closing; nothing is filed yet.
func handGive(t testing.TB, owner, friend *account, now time.Time) *handGrant {
	t.Helper()
	purpose, err := grant.FindPurpose("energy advice")
	if err != nil {
		t.Fatal(err)
	}
	g := &handGrant{}
	_, _ = rand.Read(g.circle[:])
	home := make([]byte, 16)
	_, _ = rand.Read(home)
	now = now.UTC().Truncate(time.Second)
	g.Signed, err = grant.New(grant.Params{
		Now: now, Owner: owner.address, Client: "cli", Signer: owner.client,
		Grantee: grant.Grantee{Account: friend.address, IdentityKey: []byte(friend.doc.IdentityKey()), Kind: identity.Person},
		Node:    owner.address.Authority, Home: hex.EncodeToString(home), Circle: g.circle.String(), AnchorKey: pub(newKey(t)), Suite: suites()[0],
		Valid: grant.Interval{From: now, Until: now.Add(7 * 24 * time.Hour)}, Purpose: purpose,
		Shares: []grant.Share{{
			Thing: "urn:uuid:meter", Actions: []string{grant.OpObserve}, Affordances: []string{"flow"},
			Precision: circle.Precision{Every: grant.Duration(time.Minute), Stat: grant.Mean},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	env, err := grant.VerifyEnvelope(g.Envelope, owner.doc)
	if err != nil {
		t.Fatal(err)
	}
	g.key = env.KGrant
	g.closing = handClosing(t, owner, g, now)
	return g
}

func handClosing(t testing.TB, owner *account, g *handGrant, now time.Time) wire.NewClosing {
	t.Helper()
	id, err := identity.NewID(rand.Reader, now)
	if err != nil {
		t.Fatal(err)
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	counter, err := grant.SignCountersignature(grant.Countersignature{
		ID: id, Account: owner.address, Client: "cli", Hash: grant.Hash(g.Closing), At: now, Nonce: nonce,
	}, owner.client)
	if err != nil {
		t.Fatal(err)
	}
	return wire.NewClosing{Closing: g.Closing, Countersignature: counter}
}

func (g *handGrant) file(t testing.TB, owner *account) {
	t.Helper()
	var err error
	if g.given, err = owner.node.FileEnvelope(t.Context(), wire.NewEnvelope{Envelope: g.Envelope}); err != nil {
		t.Fatal(err)
	}
}

func (g *handGrant) end(t testing.TB, owner *account) {
	t.Helper()
	var err error
	if g.ended, err = owner.node.FileClosing(t.Context(), g.closing); err != nil {
		t.Fatal(err)
	}
}

func (g *handGrant) leaf(s grant.State) [32]byte { return wire.GrantCommitment(g.key, string(s)) }

// proved demands that a node keeps the promise of a receipt, at the latest
// within a tick of 1 s by the machine's clock or when the manual one was moved.
func proved(t testing.TB, a *account, g *handGrant, r wire.Receipt) {
	t.Helper()
	info, err := a.node.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := logbook.ReadPromise(r.Promise, info.Keys[0].X)
	leaf := g.leaf(grant.State(r.State))
	if err != nil || !bytes.Equal(p.Leaf, leaf[:]) {
		t.Fatalf("promise of %s: %v", r.State, err)
	}
	var text []byte
	eventually(t, "the promised leaf is in the log", func() bool {
		text, err = a.node.LedgerProof(t.Context(), leaf)
		return err == nil || !client.IsProblem(err, wire.ProbNotYet)
	})
	if err != nil {
		t.Fatalf("proof of %s: %v", r.State, err)
	}
	receipt, err := logbook.ParseReceipt(text)
	if err == nil {
		_, err = p.Kept(receipt, info.Ledger.Commitments)
	}
	if err != nil {
		t.Fatalf("proof of %s: %v", r.State, err)
	}
}

// handNode runs a node whose ledger ticks every minute of a manual clock.
func handNode(t *testing.T, dir string, c *clock.Manual, change ...func(*node.Config)) *nodeRun {
	t.Helper()
	cfg := node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: dir, Clock: c, LedgerEvery: node.Duration(time.Minute)}
	for _, f := range change {
		f(&cfg)
	}
	return runNode(t, cfg)
}

// handWorld is a node with an owner who has given two grants, of which the log
// has the leaves, and a backup; then one of them was withdrawn, and that is in
// the log too. Then the node's database is lost.
type handWorld struct {
	clock        *clock.Manual
	dir, backup  string
	owner        *account
	kept, ended  *handGrant
	at           string // where the node listens
	authority    string
	copyOfLedger string // of before the withdrawal
	mirror       string // that a stranger made after it
}

func newHandWorld(t *testing.T, witnesses ...string) *handWorld {
	t.Helper()
	return newHandWorldAt(t, clock.NewManual(time.Date(2026, 11, 23, 8, 0, 30, 0, time.UTC)), witnesses...)
}

func newHandWorldAt(t *testing.T, c *clock.Manual, witnesses ...string) *handWorld {
	t.Helper()
	w := &handWorld{clock: c}
	base := t.TempDir()
	w.dir, w.backup, w.copyOfLedger = filepath.Join(base, "h"), filepath.Join(base, "backup"), filepath.Join(base, "copy")
	n := handNode(t, w.dir, w.clock, func(c *node.Config) { c.Witnesses = witnesses })
	w.at, w.authority = n.node.Addr(), n.node.Authority()
	w.owner = newAccount(t, w.authority, "owner", w.clock)
	friend := newAccount(t, w.authority, "friend", w.clock)
	w.kept, w.ended = handGive(t, w.owner, friend, w.clock.Now()), handGive(t, w.owner, friend, w.clock.Now())
	w.kept.file(t, w.owner)
	w.ended.file(t, w.owner)
	w.tick()
	proved(t, w.owner, w.kept, w.kept.given)
	proved(t, w.owner, w.ended, w.ended.given)
	if _, err := node.Backup(t.Context(), w.dir, w.backup, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "copy the ledger between two writings", func() bool {
		_ = os.RemoveAll(w.copyOfLedger)
		return os.CopyFS(w.copyOfLedger, os.DirFS(filepath.Join(w.dir, "ledger"))) == nil
	})
	w.ended.end(t, w.owner)
	w.tick()
	proved(t, w.owner, w.ended, w.ended.ended)
	w.mirror = filepath.Join(base, "mirror")
	w.watch(t)
	n.stop(t)
	return w
}

// watch mirrors the ledger from another machine, as "primum ledger watch", once
// the public log has the checkpoint of the newest tick.
func (w *handWorld) watch(t *testing.T) {
	t.Helper()
	m := monitor.Monitor{Calls: link.Calls{Transport: nethttp.New(nethttp.Options{}), Clock: w.clock}, Dir: t.TempDir()}
	eventually(t, "the last tick is a public fact", func() bool {
		n, r, err := m.Verify(t.Context(), w.authority, logbook.Options{})
		if err == nil && len(r.Findings) > 0 {
			err = r.Findings[0]
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, _ := r.Kept.Fact(logbook.TypeCommitments, ""); e.Ref != strconv.FormatUint(r.Commitments.Checkpoint.Size, 10) {
			return false
		}
		if _, err = m.Mirror(t.Context(), n, r, w.mirror); err != nil {
			t.Fatal(err)
		}
		return true
	})
}

func (w *handWorld) tick() { w.clock.Advance(time.Minute) }

// restore restores into a new directory.
func (w *handWorld) restore(t *testing.T, change func(*node.Restoration)) (node.Report, string, error) {
	t.Helper()
	o := node.Restoration{Backup: w.backup, DataDir: filepath.Join(t.TempDir(), "again"), Now: w.clock.Now()}
	change(&o)
	r, err := node.Restore(t.Context(), o)
	return r, o.DataDir, err
}

// start starts the restored node where the lost one was.
func (w *handWorld) start(t *testing.T, dir string) (*nodeRun, error) {
	t.Helper()
	cfg := node.Config{Authority: w.authority, Listen: w.at, DataDir: dir, Clock: w.clock, LedgerEvery: node.Duration(time.Minute)}
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		return nil, err
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return runNode(t, cfg), nil
}

// states are those of the two grants at the node.
func (w *handWorld) states(t *testing.T) (kept, ended string) {
	t.Helper()
	list, err := w.owner.node.Grants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range list {
		switch g.ID {
		case w.kept.Grant:
			kept = g.State
		case w.ended.Grant:
			ended = g.State
		}
	}
	return kept, ended
}

// inLog counts each entry of a ledger folder's commitments log.
func inLog(t *testing.T, folder string, log logbook.Log) map[[32]byte]int {
	t.Helper()
	kept, err := notary.ReadKept(filepath.Join(folder, notary.Commitments), log)
	if err != nil {
		t.Fatal(err)
	}
	all := map[[32]byte]int{}
	err = kept.Entries(func(_ uint64, entry []byte) error {
		if len(entry) != logbook.LeafSize {
			return errors.New("an entry is no leaf")
		}
		all[[32]byte(entry)]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

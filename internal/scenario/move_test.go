package scenario

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"primum/client"
	"primum/client/monitor"
	"primum/client/nethttp"
	"primum/client/portable"
	"primum/client/vault"
	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/edge"
	"primum/internal/edge/mqtt"
	"primum/internal/node"
	"primum/internal/wire"
	logbook "primum/ledger"
)

// canaryName is a name that stands nowhere else on the disk of a node.
const canaryName = "canary7q2xk9"

// TestMoveAndErase: an owner takes everything from node H to node S: an export
// with a release of the edge, a new account, a claim by that release, an import
// that gives the grants again. The friend's values go on. Then the account at H
// is erased: its name and what it wrote are nowhere in H's files.
func TestMoveAndErase(t *testing.T) {
	w := newWorld(t)
	dir := filepath.Join(t.TempDir(), "h")
	h := runNode(t, node.Config{Authority: "h.localhost", Listen: "127.0.0.1:0", DataDir: dir, Clock: w.clock, LedgerEvery: node.Duration(time.Minute)})
	home := startBroker(t)
	announceOwn(t, home)
	owner := w.person(t, h.node, canaryName, identity.Person, "")
	friend := w.person(t, w.s, "friend", identity.Person, "")
	e := w.runEdge(t, edge.Config{Broker: &mqtt.Options{URL: home.URL()}, Settle: time.Millisecond})
	w.settle(t, "find the things", func() bool { return hasThings(e, false) })
	claim(t, owner, e)
	w.settle(t, "describe water", func() bool { _, err := owner.Find("water/flow"); return err == nil })
	old := w.give(t, owner, friend.Address(), "", time.Minute, readOps, "water/flow")
	seen, _ := watch(t, friend, old)
	w.minute(t, home, e, seen, 0)
	publishNotice(t, owner)
	if !onDisk(t, dir, canaryName) {
		t.Fatal("the canary is not on the disk before: the test would show nothing")
	}

	// Export, with the release for the new account.
	mover := w.person(t, w.s, "mover", identity.Person, "")
	to, err := identity.First(w.vaults[mover.Address()].Document())
	if err != nil {
		t.Fatal(err)
	}
	f := exported(t, w, owner, to)
	checkExport(t, f, old)

	// Claim with it, and import.
	takeOver(t, mover, e, f)
	w.settle(t, "describe water at S", func() bool { _, err := mover.Find("water/flow"); return err == nil })
	renewed := imported(t, w, mover, f)
	seen, _ = watch(t, friend, renewed)
	w.minute(t, home, e, seen, 100)

	// Erase at H. The old grant is withdrawn there first: one step each.
	for _, g := range owner.Owner.Given() {
		if g.State.Valid() {
			if _, nodeErr, err := owner.Withdraw(t.Context(), g.ID, time.Second); err != nil || nodeErr != nil {
				t.Fatalf("withdraw at H: %v, %v", err, nodeErr)
			}
		}
	}
	stranger := &monitor.Monitor{Calls: client.Calls{Transport: nethttp.New(nethttp.Options{LAN: true}), Clock: w.clock}, Dir: t.TempDir()}
	_, before, err := stranger.Verify(t.Context(), h.node.Authority(), logbook.Options{Patience: -1})
	if err != nil {
		t.Fatalf("verify H before: %v", err)
	}
	out := erase(t, w.clock, w.vaults[owner.Address()], owner)
	if out.Receipt == nil || out.Gone["account"] != 1 || out.Gone["notices"] != 1 || len(out.Remains) == 0 {
		t.Errorf("erasure says %+v", out)
	}
	if err := owner.Close(); err != nil {
		t.Fatal(err)
	}
	if onDisk(t, dir, canaryName) {
		t.Error("after the erasure the canary is still on the disk of H")
	}
	// The friend's values still go on, at S, and H's log goes on from where the
	// stranger knew it, with the erasure in it.
	w.minute(t, home, e, seen, 200)
	provenErasure(t, w, h.node, out.Receipt)
	_, after, err := stranger.Verify(t.Context(), h.node.Authority(), logbook.Options{Patience: -1})
	if err != nil || after.Commitments.Checkpoint.Size <= before.Commitments.Checkpoint.Size {
		t.Errorf("verify H after: %v, %d entries, before %d", err, after.Commitments.Checkpoint.Size, before.Commitments.Checkpoint.Size)
	}
}

// provenErasure waits for the tick after the erasure, and checks the proof of
// its leaf as anybody who has the receipt can.
func provenErasure(t *testing.T, w *world, n *node.Node, r *wire.RightReceipt) {
	t.Helper()
	leaf := logbook.RightLeaf(r.Key, wire.RightErasure, sha256.Sum256([]byte(r.Receipt)))
	at := client.Node{Calls: client.Calls{Transport: nethttp.New(nethttp.Options{LAN: true}), Clock: w.clock}, Authority: n.Authority()}
	info, err := at.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.settle(t, "the erasure is in the log", func() bool {
		text, err := at.LedgerProof(t.Context(), leaf)
		if err != nil {
			return false
		}
		receipt, err := logbook.ParseReceipt(text)
		if err == nil {
			_, err = receipt.Verify(leaf[:], info.Ledger.Commitments)
		}
		if err != nil {
			t.Fatalf("proof of the erasure: %v", err)
		}
		return true
	})
}

func publishNotice(t *testing.T, owner *client.Client) {
	t.Helper()
	body, err := json.Marshal(wire.Notice{
		Title: "Meter of " + canaryName, Language: "en", Items: []wire.NoticeItem{{What: "flow", Every: "1m"}}, Contact: "mailto:" + canaryName + "@h.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	url := client.Request{
		Method: "PUT", URL: identity.BaseURL(owner.Home.Authority) + "/v1/notices/watermeter", Body: body,
		Header: map[string]string{"Content-Type": "application/json"},
	}
	if _, err := owner.Home.Send(t.Context(), owner.Home.By, url); err != nil {
		t.Fatal(err)
	}
}

// exported is the file, as another program would read it.
func exported(t *testing.T, w *world, owner *client.Client, to *identity.Verified) portable.File {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	v := w.vaults[owner.Address()]
	f, err := portable.Export(ctx, owner, portable.Options{Now: w.clock.Now(), Identity: v.Document()})
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	signer, err := v.IdentitySigner("a phrase")
	if err != nil {
		t.Fatal(err)
	}
	if err := portable.AddReleases(&f, to, signer, w.clock.Now()); err != nil {
		t.Fatalf("release: %v", err)
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	again, err := portable.Parse(b)
	if err != nil {
		t.Fatalf("parse export: %v", err)
	}
	return again
}

func checkExport(t *testing.T, f portable.File, given string) {
	t.Helper()
	if len(f.Node) == 0 || f.NodeWhy != "" || f.Node[0].Receipt == nil {
		t.Fatalf("the node's part is missing: %q", f.NodeWhy)
	}
	for _, kind := range []string{"account", "identities", "homes", "given", "notices", "key-packages"} {
		if len(f.Node[0].Holds[kind]) == 0 {
			t.Errorf("the node's part has no %s", kind)
		}
	}
	if len(f.Given) != 1 || f.Given[0].ID != given || f.Given[0].Terms == "" || len(f.Given[0].Share) != 1 {
		t.Errorf("given: %+v", f.Given)
	}
	if len(f.Things) < 2 || len(f.Releases) != 1 {
		t.Errorf("%d things, %d releases", len(f.Things), len(f.Releases))
	}
	points := 0
	for _, s := range f.History {
		if s.Thing == "water" && s.Name == "flow" {
			points = len(s.Points)
		}
		if s.Why != "" {
			t.Errorf("history of %s/%s: %s", s.Thing, s.Name, s.Why)
		}
	}
	if points < 30 {
		t.Errorf("history has %d points of the meter", points)
	}
}

func takeOver(t *testing.T, mover *client.Client, e *edge.Edge, f portable.File) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	code, err := e.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	// Without a release the edge belongs to somebody.
	if _, err := mover.Claim(ctx, e.ClaimURL(), code); err == nil {
		t.Fatal("another account claimed the edge without a release")
	}
	if code, err = e.NewCode(); err != nil {
		t.Fatal(err)
	}
	_, err = mover.TakeOver(ctx, e.ClaimURL(), code, func(key ed25519.PublicKey) string { return f.ReleaseOf(key, mover.Address()) })
	if err != nil {
		t.Fatalf("take over: %v", err)
	}
}

// imported gives again what can be, and returns the one grant.
func imported(t *testing.T, w *world, mover *client.Client, f portable.File) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := portable.Node(ctx, mover.Home, f)
	if err != nil || got.Taken["notices"] != 1 {
		t.Fatalf("import at S: %+v, %v", got, err)
	}
	if n := portable.Learn(mover, f); n != 1 {
		t.Errorf("learned of %d people", n)
	}
	plan, err := portable.Prepare(ctx, mover, f, w.clock.Now())
	if err != nil || len(plan.Give) != 1 || len(plan.Left) != 0 || len(plan.Wait) != 0 {
		t.Fatalf("plan: %+v, %v", plan, err)
	}
	id, err := mover.Give(ctx, plan.Give[0].Params)
	if err != nil {
		t.Fatalf("give again: %v", err)
	}
	if err := mover.Opened(ctx, id); err != nil {
		t.Fatalf("open: %v", err)
	}
	again, err := portable.Prepare(ctx, mover, f, w.clock.Now())
	if err != nil || len(again.Give) != 0 || again.Left[0].Why != portable.WhyGiven {
		t.Errorf("a second import would give %+v, %v", again, err)
	}
	for _, g := range mover.Owner.Given() {
		if g.ID == id && (g.State != grant.Given || !g.ValidUntil.Equal(f.Given[0].Until)) {
			t.Errorf("given again: %+v", g)
		}
	}
	return id
}

func erase(t *testing.T, c clock.Clock, v *vault.Vault, owner *client.Client) wire.Erased {
	t.Helper()
	signer, err := v.IdentitySigner("a phrase")
	if err != nil {
		t.Fatal(err)
	}
	at := c.Now().UTC().Truncate(time.Second)
	sig, err := signer.Sign(nil, wire.CloseAccountBytes(owner.Address(), at), crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	out, err := owner.Home.Erase(t.Context(), wire.CloseAccount{At: at, Signature: sig})
	if err != nil {
		t.Fatalf("erase: %v", err)
	}
	return out
}

// onDisk tells whether some file below dir has the text, in any of its bytes.
func onDisk(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, []byte(text)) {
			t.Logf("%s has it", d.Name())
			found = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

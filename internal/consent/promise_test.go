package consent_test

import (
	"testing"
	"time"

	"primum/grant"
	"primum/internal/wire"
	"primum/ledger"
)

// promiser promises by the next full hour.
type promiser struct{ w *world }

func (p promiser) Due() time.Time { return p.w.clock.Now().Truncate(time.Hour).Add(time.Hour) }

func (p promiser) Promise(leaf [32]byte, due time.Time) (string, error) {
	return ledger.Promise{Origin: ledger.CommitmentsOrigin(authority), Leaf: leaf[:], By: due}.Sign("", p.w.nodeKey)
}

// promised checks a promise as a client does.
func (w *world) promised(g *given, r wire.Receipt) ledger.Promise {
	w.t.Helper()
	p, err := ledger.ReadPromise(r.Promise, public(w.nodeKey))
	w.must(err)
	env, err := grant.VerifyEnvelope(g.Envelope, w.owner)
	w.must(err)
	if want := wire.GrantCommitment(env.KGrant, r.State); string(p.Leaf) != string(want[:]) || p.Origin != ledger.CommitmentsOrigin(authority) {
		w.t.Fatalf("promised %x in %s, want %x of %s", p.Leaf, p.Origin, want, r.State)
	}
	return p
}

func (w *world) queued() (leaves map[[32]byte]bool) {
	w.t.Helper()
	pending, err := w.store.Leaves.Pending(w.t.Context(), 1000)
	w.must(err)
	leaves = map[[32]byte]bool{}
	for _, l := range pending {
		leaves[l.Hash] = true
	}
	return leaves
}

func TestEveryEventIsPromised(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.give()
	first := w.file(g)
	p := w.promised(g, first)
	if !p.By.Equal(start().Add(time.Hour)) || !w.queued()[[32]byte(p.Leaf)] {
		t.Fatalf("promised by %s, queued %d", p.By, len(w.queued()))
	}
	w.clock.Advance(2 * time.Hour)
	if again := w.file(g); again.Promise != first.Promise {
		t.Fatal("the same leaf is promised for another time")
	}
	closed, err := w.book.Close(t.Context(), w.closing(g, "phone"))
	w.must(err)
	if p := w.promised(g, closed); !p.By.Equal(start().Add(3 * time.Hour)) {
		t.Fatalf("the withdrawal is promised by %s", p.By)
	}
	again, err := w.book.Close(t.Context(), w.closing(g, "phone"))
	w.must(err)
	if again != closed || len(w.queued()) != 2 {
		t.Fatalf("withdrawn again: %+v, queued %d", again, len(w.queued()))
	}
}

func TestWhatEndsAGrantIsCommittedTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	revoked, expired, old := w.give(), w.give(), w.give()
	renewed := w.give(func(p *grant.Params) { p.Replaces = old.Grant })
	for _, g := range []*given{revoked, expired, old} {
		w.file(g)
	}
	closing := w.closing(old, "laptop")
	_, err := w.book.File(t.Context(), wire.NewEnvelope{Envelope: renewed.Envelope, Replaces: &closing})
	w.must(err)
	r, err := w.book.Revoke(t.Context(), w.friend.Account.String(), revoked.Grant)
	w.must(err)
	w.promised(revoked, r)
	w.clock.Advance(8 * 24 * time.Hour)
	_, err = w.book.Sweep(t.Context())
	w.must(err)
	queued := w.queued()
	for g, state := range map[*given]grant.State{revoked: grant.Revoked, expired: grant.Expired, old: grant.Superseded, renewed: grant.Given} {
		env, err := grant.VerifyEnvelope(g.Envelope, w.owner)
		w.must(err)
		if !queued[wire.GrantCommitment(env.KGrant, string(state))] {
			t.Errorf("nothing commits to %s", state)
		}
	}
}

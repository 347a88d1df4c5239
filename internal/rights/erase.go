package rights

import (
	"context"
	"errors"
	"slices"
	"time"

	"primum/grant"
	"primum/internal/store"
	"primum/internal/wire"
)

// ErasedWithin is by when nothing of an erased account is on the node's disk.
// It is done at once; only where somebody keeps reading a journal it waits for
// the next sweep.
const ErasedWithin = sweepEvery + time.Minute

// ReasonErased is the fence of circles whose owner has had the account erased.
const ReasonErased = "revoked"

// Erase erases an account and tells what remains and why. The caller has checked
// the identity key's signature. Refusals: conflict while a grant that the
// account gave still runs.
func (d *Desk) Erase(ctx context.Context, account string) (wire.Erased, error) {
	out := wire.Erased{}
	living := []string{string(grant.Given), string(grant.Paused)}
	homes, grants, err := d.o.Store.Accounts.Leaving(ctx, account, living)
	if err != nil {
		return out, runs(err)
	}
	// From here on it is carried through, whoever asked may be gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	// The account last: if the node stops in between, it is there to ask again.
	if err := errors.Join(d.eraseCircles(ctx, homes, grants), d.o.Forget(ctx, account)); err != nil {
		return out, err
	}
	e, err := d.o.Store.Accounts.Close(ctx, account, d.o.Clock.Now(), living)
	if err != nil {
		return out, runs(err)
	}
	// What came meanwhile.
	if err := errors.Join(d.eraseCircles(ctx, e.Homes, e.Grants), d.o.Forget(ctx, account)); err != nil {
		return out, err
	}
	out.Gone, out.Remains, out.By = e.Gone, remains(e), d.now()
	if err := d.scrub(ctx); err != nil {
		d.o.Log.Warn("journals not emptied yet", "error", err)
		out.By = out.By.Add(ErasedWithin)
	}
	out.Receipt, err = d.answered(ctx, wire.RightErasure, out, out.By)
	return out, err
}

// runs says why an account can't be closed yet.
func runs(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return refuse(wire.ProbConflict, "", "a grant that the account gave still runs; withdraw it first")
	}
	return err
}

// eraseCircles ends the circles and erases what was sealed in them.
func (d *Desk) eraseCircles(ctx context.Context, homes, grants []wire.CircleID) error {
	for _, c := range slices.Concat(homes, grants) {
		var gone *wire.Refusal
		if err := d.o.Fence(ctx, c, ReasonErased); err != nil && !errors.As(err, &gone) {
			return err
		}
	}
	return d.o.Store.Circles.Erase(ctx, homes, grants)
}

// remains says what an erasure leaves, and why.
func remains(e store.Erasure) []wire.Remains {
	out := []wire.Remains{{
		What: "name", Count: 1, Until: "for good",
		Why: "a keyed hash of the account's name, so that nobody else gets it and is taken for you",
	}, {
		What: "commitments", Count: 1, Until: "for good",
		Why: "the ledger is append-only; it holds keyed hashes whose keys are erased here, so that they tell nothing to anybody",
	}, {
		What: "backups", Count: 1, Until: "the operator's next backups have replaced them",
		Why: "copies of the store that the operator made before; a node that is restored from one erases you again when you ask again",
	}}
	if e.Given > 0 {
		out = append(out, wire.Remains{
			What: "given", Count: e.Given, Until: "the grantee's account is erased",
			Why: "your grantees may see that a grant ended and when; your name, the envelopes and all documents are gone from it",
		})
	}
	if e.Had > 0 {
		out = append(out, wire.Remains{
			What: "received", Count: e.Had, Until: "its owner's account is erased",
			Why: "an owner's own record of whom they gave what, with your address",
		})
	}
	return append(out, wire.Remains{
		What: "others", Count: 1, Until: "each of them says for itself",
		Why: "what grantees have seen before, and what other nodes were sent; this node can't erase it",
	})
}

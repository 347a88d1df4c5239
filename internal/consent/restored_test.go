package consent_test

import (
	"testing"
	"time"

	"primum/grant"
	"primum/internal/consent"
	"primum/internal/store"
	"primum/internal/wire"
)

// TestWhatTheLogEndedStaysEnded: of a restored store, every grant whose end the
// log knows is over and fenced for that reason, and no active set opens it,
// though the anchor (an old one, too) still lists it.
func TestWhatTheLogEndedStaysEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.claim(newKey(t), 1)
	w.openHome(h)
	ofHome := func(p *grant.Params) { p.Home, p.AskAgainAfter = h.id.String(), grant.Duration(90*24*time.Hour) }
	ends := map[grant.State]*given{grant.Given: w.give(ofHome)}
	for _, s := range []grant.State{grant.Withdrawn, grant.Revoked, grant.Superseded, grant.Expired} {
		ends[s] = w.give(ofHome)
	}
	var listed []grant.ActiveGrant
	for _, g := range ends {
		w.file(g)
		w.openCircle(g)
		listed = append(listed, grant.ActiveGrant{Grant: g.Grant, Opening: grant.Hash(g.Opening), Circle: g.circle})
	}
	w.restore()
	all, grants, err := consent.Endings(t.Context(), w.store)
	w.must(err)
	if grants != 5 || len(all) != 20 {
		t.Fatalf("%d grants with %d possible ends", grants, len(all))
	}
	for s, g := range ends {
		if s == grant.Given {
			continue
		}
		env, err := grant.VerifyEnvelope(g.Envelope, w.owner)
		w.must(err)
		e, ok := all[wire.GrantCommitment(env.KGrant, string(s))]
		if !ok || e.Grant.ID != g.Grant || e.State != s {
			t.Fatalf("the end %s: %+v", s, e)
		}
		w.must(e.Apply(t.Context(), w.store, 7, w.clock.Now()))
	}
	doc, err := grant.SignActive(grant.Active{ID: w.id(), Home: h.id.String(), Grants: listed, At: w.clock.Now()}, h.anchor)
	w.must(err)
	w.must(w.book.Active(t.Context(), h.id, wire.ActiveSet{Document: doc}))
	w.must(w.send(ends[grant.Given]))
	for s, fence := range map[grant.State]string{
		grant.Withdrawn: consent.ReasonWithdrawn, grant.Revoked: consent.ReasonRevoked, grant.Superseded: consent.ReasonSuperseded,
		grant.Expired: store.FenceExpired,
	} {
		g := ends[s]
		w.refused(w.send(g), wire.ProbFenced)
		if got := w.fenceOf(circleID(t, g.circle)); got != fence {
			t.Errorf("%s is fenced as %q", s, got)
		}
		if got := w.states(g.Grant); got != "Given by owner;"+string(s)+" by node;" {
			t.Errorf("history is %s", got)
		}
	}
	w.refused(w.book.MayAsk(t.Context(), w.owner.Address().String(), w.friend.Account.String()), wire.ProbAskLater)
	r, err := w.book.Close(t.Context(), w.closing(ends[grant.Withdrawn], "phone"))
	w.must(err)
	w.promised(ends[grant.Withdrawn], r)
	env, err := grant.VerifyEnvelope(ends[grant.Withdrawn].Envelope, w.owner)
	w.must(err)
	if n, placed, err := w.store.Leaves.IndexOf(t.Context(), wire.GrantCommitment(env.KGrant, r.State)); err != nil || !placed || n != 7 {
		t.Errorf("the leaf of the withdrawal: %d %t %v", n, placed, err)
	}
}

package anchor

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
	"primum/mls"
)

// Given takes a grant from an owner's client.
func (an *Anchor) Given(home *core.Room, client string, b core.GrantBundle) {
	g, err := an.judge(b)
	if err != nil {
		an.Log.Warn("grant not taken", "from", client, "why", err)
		if g == nil {
			an.Bad(home, err)
			return
		}
	}
	switch known := an.Grants[g.ID]; {
	case known != nil && known.State == core.GrantWaiting && core.SignedAgain(known.Bundle, g.Bundle, known.envelope, g.envelope):
	case known != nil:
		an.report(known) // a terminal id stays terminal; a live one is the same, one that waits its giver's
		return
	}
	if errors.Is(err, grant.ErrStale) || errors.Is(err, grant.ErrNotYet) {
		g.State, g.Reason, g.Text = core.GrantWaiting, core.ReasonStale, err.Error()
		an.keepGrant(g)
		return
	}
	if err == nil {
		err = an.openGrant(g)
	}
	if err != nil {
		an.decline(g, err)
		return
	}
	an.keepGrant(g)
}

func (an *Anchor) decline(g *anchorGrant, why error) {
	g.State, g.Reason, g.Text = core.GrantDeclined, reasonOf(why), why.Error()
	an.Emit(core.Event{Kind: core.EventDeclined, Circle: g.Circle, Grant: g.ID, Reason: g.Reason, Text: g.Text})
	an.keepGrant(g)
}

// declineOrphans: a grant whose client left while it waited is nobody's word
// any more.
func (an *Anchor) declineOrphans() {
	for _, id := range core.SortedKeys(an.Grants) {
		g := an.Grants[id]
		if g.State != core.GrantWaiting {
			continue
		}
		if _, err := grant.VerifyEnvelope(g.Bundle.Envelope, an.owner()); err != nil {
			an.decline(g, fmt.Errorf("the client that gave it is gone; give it anew: %w", err))
		}
	}
}

// reasonOf is one word for an error.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, grant.ErrExpired):
		return "expired"
	case errors.Is(err, grant.ErrSigner), errors.Is(err, identity.ErrNoClient):
		return "signer"
	case errors.Is(err, grant.ErrMismatch):
		return "mismatch"
	case errors.Is(err, core.ErrUnknown):
		return "unknown"
	}
	return "refused"
}

// judge verifies the documents of a grant. Where they belong to a grant that
// can be named, it comes back also with an error.
func (an *Anchor) judge(b core.GrantBundle) (*anchorGrant, error) {
	owner := an.owner()
	var unsure grant.Envelope
	if err := core.Unverified(b.Envelope, &unsure); err != nil {
		return nil, err
	}
	if unsure.Owner != owner.Address() || unsure.Home != an.State.Home.Circle.String() || identity.CheckID(unsure.Grant) != nil {
		return nil, fmt.Errorf("the envelope is of another home: %w", grant.ErrMismatch)
	}
	circle, err := core.ParseID(unsure.Circle)
	if err != nil {
		return nil, err
	}
	g := &anchorGrant{ID: unsure.Grant, Bundle: b, Circle: circle}
	if g.envelope, err = grant.VerifyEnvelope(b.Envelope, owner); err != nil {
		if known := an.Grants[g.ID]; known == nil && errors.Is(err, grant.ErrSigner) {
			return nil, err // anybody's word about any id
		}
		return g, err
	}
	if g.terms, g.opening, err = grant.VerifyGrant(g.envelope, b.Terms, b.Opening); err != nil {
		return g, err
	}
	c, err := grant.VerifyClosing(b.Closing, ed25519.PublicKey(g.envelope.GrantKey))
	if err != nil {
		return g, err
	}
	if c.Grant != g.ID || c.Opening != g.envelope.OpeningHash {
		return g, fmt.Errorf("the closing is of another grant: %w", grant.ErrMismatch)
	}
	return g, an.judgeNow(g)
}

// judgeNow asks what depends on time and state; only what is right but for its
// time may wait.
func (an *Anchor) judgeNow(g *anchorGrant) error {
	now := an.Now()
	if !now.Before(g.envelope.ValidUntil) {
		return fmt.Errorf("take grant: %w", grant.ErrExpired)
	}
	if g.opening.Node != an.State.Home.Node || !slices.Contains(an.suites, g.opening.Suite) {
		return fmt.Errorf("the opening names another node, or a suite that this thing has not: %w", grant.ErrMismatch)
	}
	if an.pair(g) < 0 {
		return fmt.Errorf("the circle is none of this edge's stock: %w", core.ErrUnknown)
	}
	if an.suspended() {
		return fmt.Errorf("giving is suspended until the owner's next identity document; give it anew then: %w", core.ErrRefused)
	}
	if err := grant.CheckFresh(g.envelope, an.owner(), now); err != nil {
		if errors.Is(err, identity.ErrExpired) || errors.Is(err, identity.ErrNotYet) {
			return fmt.Errorf("%w: %w", grant.ErrStale, err)
		}
		return err
	}
	return nil
}

// pair finds the grant's circle in the stock: assigned to the client that
// signed.
func (an *Anchor) pair(g *anchorGrant) int {
	return slices.IndexFunc(an.State.Stock, func(p stockPair) bool {
		return p.Circle == g.Circle && p.Client == g.envelope.Client && bytes.Equal(PublicSeed(p.Seed), g.envelope.AnchorKey)
	})
}

func PublicSeed(seed []byte) jws.Bytes {
	return jws.Bytes(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}

// openGrant makes the grant's circle.
func (an *Anchor) openGrant(g *anchorGrant) error {
	i := an.pair(g)
	now := an.Now()
	r := &core.Room{RoomState: core.RoomState{
		ID: g.Circle, Grant: g.ID, Node: an.State.Home.Node, Seed: an.State.Stock[i].Seed, Mark: now.Truncate(time.Second), EpochAt: now,
	}}
	r.Config = an.config(r)
	var err error
	r.MLS, err = an.createGroup(r, mls.Suite(g.opening.Suite), core.CircleContext{Opening: g.envelope.OpeningHash, Set: core.SetHash(g.Bundle.Terms, g.Bundle.Opening)})
	if err != nil {
		return err
	}
	an.State.Stock = slices.Delete(slices.Clone(an.State.Stock), i, i+1)
	an.Touch(partAnchor)
	g.State, g.Since = core.GrantOpen, now
	an.AddRoom(r)
	an.Emit(core.Event{Kind: core.EventGranted, Circle: g.Circle, Grant: g.ID, Account: g.envelope.Grantee.String()})
	return nil
}

func (an *Anchor) keepGrant(g *anchorGrant) {
	an.Grants[g.ID] = g
	an.Put(g.part(), core.StoreJSON(g))
	an.report(g)
}

func (an *Anchor) reportOf(g *anchorGrant) core.GrantReport {
	rep := core.GrantReport{Grant: g.ID, State: g.State, Reason: g.Reason, Text: g.Text, At: an.Now()}
	if r := an.roomOf(g); r != nil {
		for _, k := range core.SortedKeys(r.Leaves) {
			rep.Clients = append(rep.Clients, r.Leaves[k].Client)
		}
		slices.Sort(rep.Clients)
		rep.Full, rep.Unfit = r.Overflow, r.Unfit
	}
	return rep
}

// report tells the owner how a grant stands.
func (an *Anchor) report(g *anchorGrant) {
	an.tellHome(core.HomeMessage{T: core.HomeStatus, Status: []core.GrantReport{an.reportOf(g)}}, "")
}

// withdraw is lock two: at the persist that follows, nothing more is sealed, and
// the circle is erased. It gives the statement for this very signature.
func (an *Anchor) withdraw(w core.Withdrawal, reason string) (string, error) {
	id, err := grant.UnverifiedClosing(w.Closing)
	if err != nil {
		return "", fmt.Errorf("withdraw: %w", err)
	}
	g := an.Grants[id]
	if g == nil || an.owner() == nil || an.Home() == nil {
		return "", fmt.Errorf("withdraw %s: %w", core.Clip(id), core.ErrUnknown)
	}
	wd, err := grant.VerifyWithdrawal(w.Closing, w.Countersignature, g.envelope, an.owner())
	if err != nil {
		return "", fmt.Errorf("withdraw: %w", err)
	}
	if g.State != core.GrantEnded {
		an.endGrant(g, reason)
	}
	docID, err := identity.NewID(an.Rand, an.Now())
	if err != nil {
		return "", fmt.Errorf("withdraw: %w", err)
	}
	return grant.SignStatement(grant.Statement{
		ID: docID, Nonce: wd.Nonce, Grant: g.ID, Circle: g.Circle.String(), Epoch: g.Epoch, At: g.Ended.Truncate(time.Millisecond),
	}, ed25519.NewKeyFromSeed(an.Home().Seed))
}

// endGrant erases the circle of a grant for good.
func (an *Anchor) endGrant(g *anchorGrant, reason string) {
	now := an.Now()
	if r := an.roomOf(g); r != nil {
		g.Epoch = r.MLS.Epoch()
		an.lastCommit(r)
		an.EraseRoom(r)
		for _, ref := range core.SortedKeys(an.State.Commands) {
			if an.State.Commands[ref].Circle == g.Circle {
				an.dropCommand(ref)
			}
		}
		an.Unwish("keys-" + g.Circle.String())
		an.Unwish("open-" + g.Circle.String())
	}
	g.State, g.Reason, g.Text, g.Ended, g.flows = core.GrantEnded, reason, "", now, nil
	g.Bundle.Terms, g.Bundle.Opening = "", "" // envelope and closing answer repetitions
	an.keepGrant(g)
	an.Emit(core.Event{Kind: core.EventEnded, Circle: g.Circle, Grant: g.ID, Account: g.envelope.Grantee.String(), Reason: reason})
	if account := g.envelope.Grantee.String(); !an.needs(account) {
		an.book.Drop(account)
		an.Unwish("id-" + account)
		an.Touch(core.PartIdentities)
	}
}

func (an *Anchor) needs(account string) bool {
	_, ok := an.pinOf(account)
	return ok
}

// lastCommit removes all other leaves. It is sent if it can be; its key is kept
// in memory only, so that the files hold nothing of the circle.
func (an *Anchor) lastCommit(r *core.Room) {
	var others []uint32
	for _, m := range r.MLS.Members() {
		if m.Leaf != r.MLS.Me() {
			others = append(others, m.Leaf)
		}
	}
	if len(others) == 0 || !r.Opened || r.Stopped != "" {
		return
	}
	if r.MLS.Pending() {
		r.MLS.Discard()
	}
	at := an.commitTime(r)
	have, err := core.ParseContext(r.MLS.Extensions())
	var exts []mls.Extension
	if err == nil { // no documents are active any more: that tells an end from a removal
		exts, err = core.CircleContext{Opening: have.Opening, Set: core.SetHash()}.Extensions()
	}
	var staged *mls.Staged
	if err == nil {
		staged, err = r.MLS.Commit(mls.CommitOptions{Remove: others, Extensions: exts, AuthenticatedData: core.AtBytes(at)})
	}
	if err != nil {
		an.Log.Error("remove the members of an ended circle", "circle", r.ID.String(), "error", err)
		return
	}
	an.lastKeys[r.ID] = ed25519.NewKeyFromSeed(r.Seed)
	an.Wish("last-"+r.ID.String(), core.Effect{
		Kind: core.EffectCommit, Node: r.Node, Circle: r.ID, Epoch: r.MLS.Epoch(), Commit: staged.Commit,
	})
}

// planGrant keeps one grant's circle as its terms and documents say.
func (an *Anchor) planGrant(g *anchorGrant, now time.Time) {
	if !now.Before(g.envelope.ValidUntil) {
		an.endGrant(g, "expired")
		return
	}
	an.Wake(g.envelope.ValidUntil)
	r := an.roomOf(g)
	if r == nil {
		an.endGrant(g, "revoked") // an older version erased it
		return
	}
	an.planPause(g, r, now)
	an.planOpen(r)
	v := an.book.Get(g.envelope.Grantee.String())
	if !r.Opened || v == nil {
		return
	}
	if !an.suiteStands(g, r) {
		an.endGrant(g, core.ReasonWeak)
		return
	}
	r.Overflow = overflow(v, g.terms.MaxClients)
	an.planRoster(r, v, g.terms.MaxClients, core.HashOfSet([]string{g.envelope.TermsHash, g.envelope.OpeningHash, v.Hash()}), now)
}

// suiteStands judges a circle's suite once, before anybody is let in, by the
// identity document that its giver should have gone by: who was shown an older
// one was deceived. Later documents don't count: a circle keeps its suite.
func (an *Anchor) suiteStands(g *anchorGrant, r *core.Room) bool {
	if g.Judged || len(r.Leaves) > 0 {
		return true
	}
	if v := an.book.DocumentAt(g.envelope.Grantee.String(), g.terms.Created); v != nil {
		if err := core.CheckSuite(g.opening.Suite, g.opening.AnchorSuites, v, g.terms.MaxClients); err != nil {
			an.Log.Warn("circle not opened", "grant", g.ID, "why", err)
			return false
		}
	}
	g.Judged = true
	an.Touch(g.part())
	return true
}

// overflow names the clients for which there is no room.
func overflow(v *identity.Verified, most int) (names []string) {
	for i, c := range v.Clients() {
		if i >= most {
			names = append(names, c.Name)
		}
	}
	return names
}

// planPause pauses and resumes a grant.
func (an *Anchor) planPause(g *anchorGrant, r *core.Room, now time.Time) {
	reason := an.pauseReason(g, r, now)
	r.Hold = reason
	if waiting := r.Waiting(); r.Hold == "" && waiting != "" {
		r.Hold = "last-resort"
	}
	if (reason != "") == (g.State == core.GrantPaused) && (reason == "" || reason == g.Reason) {
		return
	}
	switch {
	case reason == "":
		g.State, g.Reason = core.GrantOpen, ""
		g.Pauses[len(g.Pauses)-1].To = now
		an.Emit(core.Event{Kind: core.EventResumed, Circle: g.Circle, Grant: g.ID})
	default:
		if g.State != core.GrantPaused {
			g.Pauses = append(g.Pauses, span{From: now})
		}
		g.State, g.Reason, g.flows = core.GrantPaused, reason, nil
		an.Emit(core.Event{Kind: core.EventPaused, Circle: g.Circle, Grant: g.ID, Reason: reason})
	}
	an.Touch(g.part())
	an.report(g)
}

func (an *Anchor) pauseReason(g *anchorGrant, r *core.Room, now time.Time) string {
	if r.Fenced != "" {
		return "fenced"
	}
	if an.owner().ExpiredAt(now) {
		return "owner-identity-expired"
	}
	if v := an.book.Get(g.envelope.Grantee.String()); v != nil {
		if v.ExpiredAt(now) {
			return "identity-expired"
		}
		an.Wake(v.Expires())
	}
	an.Wake(an.owner().Expires())
	if _, out := an.leaseOut(g.terms.Lease.D(), now); out {
		return "lease"
	}
	if now.Before(g.envelope.ValidFrom) {
		an.Wake(g.envelope.ValidFrom)
		return "not-yet"
	}
	return ""
}

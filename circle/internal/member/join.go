package member

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
	"primum/identity"
	"primum/mls"
)

// Clocks of a member.
const (
	renewEvery   = 7 * 24 * time.Hour // own leaf
	renewAgain   = core.UpdateEvery + time.Minute
	rejoinFirst  = 15 * time.Minute
	rejoinLater  = 6 * time.Hour
	InboxExpires = 7 * 24 * time.Hour
)

// Welcomed tries to enter a circle by a Welcome from its log.
func (m *Member) Welcomed(r *core.Room, in *core.Incoming) {
	if rj := r.Member.Rejoin; rj != nil {
		p := privatePackage{Package: rj.Package, Private: rj.Private}
		if m.tryPackage(r, in, p, func() {}) {
			return
		}
	}
	held := m.Packages.Held
	for i := range held {
		p := held[i]
		used := func() {
			if p.LastResort {
				held[i].Used = true // it is replaced at the next count
			} else {
				m.Packages.Held = slices.Delete(held, i, i+1)
			}
			m.Touch(partPackages)
		}
		if m.tryPackage(r, in, p, used) {
			return
		}
	}
}

// tryPackage reports whether the Welcome was for this package.
func (m *Member) tryPackage(r *core.Room, in *core.Incoming, p privatePackage, used func()) bool {
	kp, err := mls.ParseKeyPackage(p.Package)
	if err != nil || !mls.WelcomeFor(in.Raw, kp.Ref()) {
		return false
	}
	priv, err := mls.ParseKeyPackagePrivate(p.Private)
	if err != nil {
		return false
	}
	defer priv.Erase()
	g, err := mls.Join(r.Config, in.Raw, kp, priv, nil)
	if err == nil {
		err = m.checkJoined(r, g)
	}
	if err != nil {
		m.Bad(r, err)
		return true
	}
	used()
	m.enter(r, g, p.LastResort)
	return true
}

// checkJoined requires what the opening says: the circle, its context, the
// anchor as the one who welcomed, and nobody beside it but clients of the own
// account.
func (m *Member) checkJoined(r *core.Room, g *mls.Group) error {
	if !bytes.Equal(g.GroupID(), r.ID[:]) {
		return fmt.Errorf("welcome into another circle: %w", core.ErrRefused)
	}
	if s := core.OrLegacy(r.Member.Suite); g.Suite() != s {
		return fmt.Errorf("welcome into a circle of %s, not of %s: %w", g.Suite(), s, core.ErrRefused)
	}
	c, err := core.ParseContext(g.Extensions())
	if err != nil {
		return err
	}
	if c.Opening != r.Member.Opening {
		return fmt.Errorf("the circle names another opening: %w", core.ErrRefused)
	}
	for _, member := range g.Members() {
		anchor := bytes.Equal(member.SignatureKey, r.Member.AnchorKey)
		if anchor != (member.Leaf == g.WelcomeSigner()) {
			return fmt.Errorf("the welcome is not the anchor's: %w", core.ErrRefused)
		}
		if !anchor && string(member.Identity) != m.Mem.Account {
			return fmt.Errorf("the circle holds a member that has no place in it: %w", core.ErrRefused)
		}
	}
	return nil
}

// enter lives in the circle from now on.
func (m *Member) enter(r *core.Room, g *mls.Group, lastResort bool) {
	reason := ""
	if r.Member.Lost != "" {
		reason = "rejoined"
	}
	r.MLS, r.Stopped, r.Fenced = g, "", ""
	m.NewEpoch(r, time.Time{})
	c, _ := core.ParseContext(g.Extensions())
	mr := r.Member
	mr.Set, mr.Lost, mr.Rejoin = c.Set, "", nil
	mr.Renew, mr.Waits, mr.Renewed, mr.Proposed = true, lastResort, time.Time{}, 0
	if mr.Seen == nil {
		mr.Seen = map[string]time.Time{}
	}
	m.Touch(r.Part())
	if r.Home {
		m.renumber(r)
	}
	m.Unwish("rejoin-" + r.ID.String())
	if mg := m.GrantOf(r.ID); mg != nil {
		mg.Joined = true
		m.Touch(mg.part())
		// A newer document than the one the circle lives by was published while
		// this client could not say so here: it may drop another one.
		if own := m.Own(); c.Set != core.SetHash(mg.Terms, mg.Opening, own.Compact()) && len(own.Compact()) <= core.MaxDocument {
			m.tellIdentityIn(r, own)
		}
	}
	m.Emit(core.Event{Kind: core.EventJoined, Circle: r.ID, Grant: r.Grant, Reason: reason})
}

// authorize is the validity of a commit, a pure function of state, commit and
// documents: the anchor commits, with a path, at a time that doesn't run
// backwards, adds only clients of the own account, and never changes which
// opening the circle lives by.
func (m *Member) authorize(r *core.Room, v *mls.CommitView) error {
	committer, ok := leafOf(r.MLS, v.Committer)
	switch {
	case v.External || !ok || !bytes.Equal(committer.SignatureKey, r.Member.AnchorKey):
		return core.ErrNotCommitter
	case v.PSK || v.ReInit || !v.HasPath:
		return errors.New("a commit of a kind that has no place in a circle")
	}
	at, err := core.CommitAt(v.AuthenticatedData)
	if err != nil {
		return err
	}
	if at.Before(r.Mark) {
		return errors.New("the commit's time runs backwards")
	}
	c, err := core.ParseContext(v.Extensions)
	if err != nil {
		return err
	}
	if c.Opening != r.Member.Opening {
		return errors.New("the commit changes the opening")
	}
	for _, add := range v.Adds {
		if !m.mayAdd(r, add, at) {
			return errors.New("the commit adds a member that is no client of this account, or not one for this circle's suite")
		}
	}
	if g := m.GrantOf(r.ID); g != nil && len(v.Adds) > 0 && !at.Before(g.terms.Valid.Until) {
		return errors.New("the commit adds a member after the grant's end")
	}
	return nil
}

func leafOf(g *mls.Group, leaf uint32) (mls.Member, bool) {
	for _, member := range g.Members() {
		if member.Leaf == leaf {
			return member, true
		}
	}
	return mls.Member{}, false
}

// mayAdd: a client of one of the newest versions of the own document that lists
// the circle's suite, with a key package that is valid at the commit's time.
func (m *Member) mayAdd(r *core.Room, add mls.Member, at time.Time) bool {
	if string(add.Identity) != m.Mem.Account || !at.Before(add.NotAfter) {
		return false
	}
	for _, compact := range m.Book.Versions(m.Mem.Account) {
		if v, err := identity.First(compact); err == nil {
			if c, ok := v.ClientByKey(add.SignatureKey); ok && core.Speaks(c, r.MLS.Suite()) {
				return true
			}
		}
	}
	c, ok := m.Own().ClientByKey(add.SignatureKey)
	return ok && core.Speaks(c, r.MLS.Suite())
}

// CommitSeen takes note of a commit that was accepted.
func (m *Member) CommitSeen(r *core.Room, in *core.Incoming) {
	if in.Gone {
		m.removed(r, in)
		return
	}
	c, err := core.ParseContext(r.MLS.Extensions())
	if err == nil {
		r.Member.Set = c.Set
	}
	for _, u := range in.View.Updates {
		if bytes.Equal(u.SignatureKey, m.Public) {
			r.Member.Renew, r.Member.Waits, r.Member.Renewed = false, false, m.Now()
		}
	}
	if len(in.View.Adds)+len(in.View.Removes) > 0 {
		m.Emit(core.Event{Kind: core.EventRoster, Circle: r.ID, Grant: r.Grant})
	}
}

// removed: where no document is active any more the circle has ended; else this
// client was dropped, or was silent for too long and may ask again.
func (m *Member) removed(r *core.Room, in *core.Incoming) {
	c, err := core.ParseContext(in.View.Extensions)
	ended := err == nil && c.Set == core.SetHash()
	_, current := m.Own().ClientByKey(m.Public)
	g := m.GrantOf(r.ID)
	switch {
	case !ended && current:
		m.LoseState(r, "removed")
	case !ended:
		m.endRoom(r, "removed")
	case g != nil && !m.Now().Before(g.terms.Valid.Until):
		m.endRoom(r, "expired")
	default:
		m.endRoom(r, "withdrawn")
	}
}

// endRoom erases a circle's keys.
func (m *Member) endRoom(r *core.Room, reason string) {
	g := m.GrantOf(r.ID)
	m.EraseRoom(r)
	m.Unwish("rejoin-" + r.ID.String())
	if g != nil {
		g.State = EndState(reason)
		m.Touch(g.part())
	}
	e := core.Event{Kind: core.EventEnded, Circle: r.ID, Grant: r.Grant, Reason: reason}
	if g != nil {
		e.Account = g.Owner
	}
	m.Emit(e)
}

func EndState(reason string) grant.State {
	switch reason {
	case "expired":
		return grant.Expired
	case "superseded":
		return grant.Superseded
	case "revoked", "removed", "replaced", core.ReasonWeak:
		return grant.Revoked
	}
	return grant.Withdrawn
}

// LoseState erases keys that can't follow the log and asks to be let in again.
func (m *Member) LoseState(r *core.Room, reason string) {
	if r.Member.Lost != "" {
		return
	}
	r.MLS, r.Sealed, r.Synced, r.Pending = nil, nil, false, nil
	r.Member.Lost = reason
	r.Member.Calls = nil
	r.Queue = slices.DeleteFunc(r.Queue, func(o core.Outgoing) bool { return o.Raw != nil })
	m.Touch(r.Part())
	m.Emit(core.Event{Kind: core.EventStopped, Circle: r.ID, Grant: r.Grant, Reason: reason, Text: "this client can't follow the circle any more and asks to be let in again"})
}

// planRejoin asks the anchor, by a key package in the log.
func (m *Member) planRejoin(r *core.Room, now time.Time) {
	mr := r.Member
	if mr.Lost == "" || !r.HeadKnown {
		return
	}
	if mr.Rejoin != nil {
		again := mr.Rejoin.At.Add(min(rejoinFirst<<min(mr.Rejoin.Tries, 8), rejoinLater))
		if now.Before(again) {
			m.Wake(again)
			m.wishRejoin(r)
			return
		}
	}
	nonce, err := m.Random(core.RejoinNonce)
	if err == nil {
		var p privatePackage
		p, err = m.NewPackage(core.OrLegacy(mr.Suite), false, mls.Extension{Type: core.ExtRejoin, Data: core.RejoinData(r.ID, r.HeadEpoch, nonce)})
		if err == nil {
			tries := 0
			if mr.Rejoin != nil {
				tries = mr.Rejoin.Tries + 1
			}
			mr.Rejoin = &core.Rejoin{Package: p.Package, Private: p.Private, At: now, Tries: tries}
		}
	}
	if err != nil {
		m.Log.Error("ask to rejoin", "circle", r.ID.String(), "error", err)
		return
	}
	m.Touch(r.Part())
	m.Unwish("rejoin-" + r.ID.String())
	m.wishRejoin(r)
}

func (m *Member) wishRejoin(r *core.Room) {
	if !r.Member.Rejoin.Sent {
		m.Wish("rejoin-"+r.ID.String(), core.Effect{
			Kind: core.EffectAppend, Node: r.Node, Circle: r.ID, Epoch: r.HeadEpoch, Message: r.Member.Rejoin.Package,
		})
	}
}

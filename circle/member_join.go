package circle

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/mls"
)

// Clocks of a member.
const (
	renewEvery   = 7 * 24 * time.Hour // own leaf
	renewAgain   = updateEvery + time.Minute
	rejoinFirst  = 15 * time.Minute
	rejoinLater  = 6 * time.Hour
	inboxExpires = 7 * 24 * time.Hour
)

// welcomed tries to enter a circle by a Welcome from its log.
func (m *Member) welcomed(r *room, in *incoming) {
	if rj := r.Member.Rejoin; rj != nil {
		p := privatePackage{Package: rj.Package, Private: rj.Private}
		if m.tryPackage(r, in, p, func() {}) {
			return
		}
	}
	for i := range m.ms.Stock {
		p := m.ms.Stock[i]
		used := func() {
			if p.LastResort {
				m.ms.Rotate, m.ms.Stock[i].Used = true, true
			} else {
				m.ms.Stock = slices.Delete(m.ms.Stock, i, i+1)
			}
			m.touch(partMember)
		}
		if m.tryPackage(r, in, p, used) {
			return
		}
	}
}

// tryPackage reports whether the Welcome was for this package.
func (m *Member) tryPackage(r *room, in *incoming, p privatePackage, used func()) bool {
	kp, err := mls.ParseKeyPackage(p.Package)
	if err != nil || !mls.WelcomeFor(in.raw, kp.Ref()) {
		return false
	}
	priv, err := mls.ParseKeyPackagePrivate(p.Private)
	if err != nil {
		return false
	}
	defer priv.Erase()
	g, err := mls.Join(r.config, in.raw, kp, priv, nil)
	if err == nil {
		err = m.checkJoined(r, g)
	}
	if err != nil {
		m.bad(r, err)
		return true
	}
	used()
	m.enter(r, g, p.LastResort)
	return true
}

// checkJoined requires what the opening says: the circle, its context, the
// anchor as the one who welcomed, and nobody beside it but clients of the own
// account.
func (m *Member) checkJoined(r *room, g *mls.Group) error {
	if !bytes.Equal(g.GroupID(), r.ID[:]) {
		return fmt.Errorf("welcome into another circle: %w", ErrRefused)
	}
	c, err := parseContext(g.Extensions())
	if err != nil {
		return err
	}
	if c.Opening != r.Member.Opening {
		return fmt.Errorf("the circle names another opening: %w", ErrRefused)
	}
	for _, member := range g.Members() {
		anchor := bytes.Equal(member.SignatureKey, r.Member.AnchorKey)
		if anchor != (member.Leaf == g.WelcomeSigner()) {
			return fmt.Errorf("the welcome is not the anchor's: %w", ErrRefused)
		}
		if !anchor && string(member.Identity) != m.ms.Account {
			return fmt.Errorf("the circle holds a member that has no place in it: %w", ErrRefused)
		}
	}
	return nil
}

// enter lives in the circle from now on.
func (m *Member) enter(r *room, g *mls.Group, lastResort bool) {
	reason := ""
	if r.Member.Lost != "" {
		reason = "rejoined"
	}
	r.group, r.Stopped, r.Fenced = g, "", ""
	m.newEpoch(r, time.Time{})
	c, _ := parseContext(g.Extensions())
	mr := r.Member
	mr.Set, mr.Lost, mr.Rejoin = c.Set, "", nil
	mr.Renew, mr.Waits, mr.Renewed, mr.Proposed = true, lastResort, time.Time{}, 0
	if mr.Seen == nil {
		mr.Seen = map[string]time.Time{}
	}
	m.touch(r.part())
	if r.Home {
		m.renumber(r)
	}
	m.unwish("rejoin-" + r.ID.String())
	if mg := m.grantOf(r.ID); mg != nil {
		mg.Joined = true
		m.touch(mg.part())
	}
	m.emit(Event{Kind: EventJoined, Circle: r.ID, Grant: r.Grant, Reason: reason})
}

// authorize is the validity of a commit, a pure function of state, commit and
// documents: the anchor commits, with a path, at a time that doesn't run
// backwards, adds only clients of the own account, and never changes which
// opening the circle lives by.
func (m *Member) authorize(r *room, v *mls.CommitView) error {
	committer, ok := leafOf(r.group, v.Committer)
	switch {
	case v.External || !ok || !bytes.Equal(committer.SignatureKey, r.Member.AnchorKey):
		return errNotCommitter
	case v.PSK || v.ReInit || !v.HasPath:
		return errors.New("a commit of a kind that has no place in a circle")
	}
	at, err := commitAt(v.AuthenticatedData)
	if err != nil {
		return err
	}
	if at.Before(r.Mark) {
		return errors.New("the commit's time runs backwards")
	}
	c, err := parseContext(v.Extensions)
	if err != nil {
		return err
	}
	if c.Opening != r.Member.Opening {
		return errors.New("the commit changes the opening")
	}
	for _, add := range v.Adds {
		if !m.mayAdd(add, at) {
			return errors.New("the commit adds a member that is no client of this account")
		}
	}
	if g := m.grantOf(r.ID); g != nil && len(v.Adds) > 0 && !at.Before(g.terms.Valid.Until) {
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

// mayAdd: a client of one of the newest versions of the own document, with a key
// package that is valid at the commit's time.
func (m *Member) mayAdd(add mls.Member, at time.Time) bool {
	if string(add.Identity) != m.ms.Account || !at.Before(add.NotAfter) {
		return false
	}
	for _, compact := range m.book.versions(m.ms.Account) {
		if v, err := identity.First(compact); err == nil {
			if _, ok := v.ClientByKey(add.SignatureKey); ok {
				return true
			}
		}
	}
	_, ok := m.own().ClientByKey(add.SignatureKey)
	return ok
}

// commitSeen takes note of a commit that was accepted.
func (m *Member) commitSeen(r *room, in *incoming) {
	if in.gone {
		m.removed(r, in)
		return
	}
	c, err := parseContext(r.group.Extensions())
	if err == nil {
		r.Member.Set = c.Set
	}
	for _, u := range in.view.Updates {
		if bytes.Equal(u.SignatureKey, m.public) {
			r.Member.Renew, r.Member.Waits, r.Member.Renewed = false, false, m.now()
		}
	}
	if len(in.view.Adds)+len(in.view.Removes) > 0 {
		m.emit(Event{Kind: EventRoster, Circle: r.ID, Grant: r.Grant})
	}
}

// removed: where no document is active any more the circle has ended; else this
// client was dropped, or was silent for too long and may ask again.
func (m *Member) removed(r *room, in *incoming) {
	c, err := parseContext(in.view.Extensions)
	ended := err == nil && c.Set == setHash()
	_, current := m.own().ClientByKey(m.public)
	g := m.grantOf(r.ID)
	switch {
	case !ended && current:
		m.loseState(r, "removed")
	case !ended:
		m.endRoom(r, "removed")
	case g != nil && !m.now().Before(g.terms.Valid.Until):
		m.endRoom(r, "expired")
	default:
		m.endRoom(r, "withdrawn")
	}
}

// endRoom erases a circle's keys.
func (m *Member) endRoom(r *room, reason string) {
	g := m.grantOf(r.ID)
	m.eraseRoom(r)
	m.unwish("rejoin-" + r.ID.String())
	if g != nil {
		g.State = endState(reason)
		m.touch(g.part())
	}
	e := Event{Kind: EventEnded, Circle: r.ID, Grant: r.Grant, Reason: reason}
	if g != nil {
		e.Account = g.Owner
	}
	m.emit(e)
}

func endState(reason string) grant.State {
	switch reason {
	case "expired":
		return grant.Expired
	case "superseded":
		return grant.Superseded
	case "revoked", "removed", "replaced":
		return grant.Revoked
	}
	return grant.Withdrawn
}

// loseState erases keys that can't follow the log and asks to be let in again.
func (m *Member) loseState(r *room, reason string) {
	if r.Member.Lost != "" {
		return
	}
	r.group, r.sealed, r.synced, r.Pending = nil, nil, false, nil
	r.Member.Lost = reason
	r.Member.Calls = nil
	r.Queue = slices.DeleteFunc(r.Queue, func(o outgoing) bool { return o.Raw != nil })
	m.touch(r.part())
	m.emit(Event{Kind: EventStopped, Circle: r.ID, Grant: r.Grant, Reason: reason, Text: "this client can't follow the circle any more and asks to be let in again"})
}

// planRejoin asks the anchor, by a key package in the log.
func (m *Member) planRejoin(r *room, now time.Time) {
	mr := r.Member
	if mr.Lost == "" || !r.headKnown {
		return
	}
	if mr.Rejoin != nil {
		again := mr.Rejoin.At.Add(min(rejoinFirst<<min(mr.Rejoin.Tries, 8), rejoinLater))
		if now.Before(again) {
			m.wake(again)
			m.wishRejoin(r)
			return
		}
	}
	nonce, err := m.random(rejoinNonce)
	if err == nil {
		var p privatePackage
		p, err = m.newPackage(false, mls.Extension{Type: extRejoin, Data: rejoinData(r.ID, r.headEpoch, nonce)})
		if err == nil {
			tries := 0
			if mr.Rejoin != nil {
				tries = mr.Rejoin.Tries + 1
			}
			mr.Rejoin = &rejoin{Package: p.Package, Private: p.Private, At: now, Tries: tries}
		}
	}
	if err != nil {
		m.log.Error("ask to rejoin", "circle", r.ID.String(), "error", err)
		return
	}
	m.touch(r.part())
	m.unwish("rejoin-" + r.ID.String())
	m.wishRejoin(r)
}

func (m *Member) wishRejoin(r *room) {
	if !r.Member.Rejoin.Sent {
		m.wish("rejoin-"+r.ID.String(), Effect{
			Kind: EffectAppend, Node: r.Node, Circle: r.ID, Epoch: r.headEpoch, Message: r.Member.Rejoin.Package,
		})
	}
}

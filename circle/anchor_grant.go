package circle

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
	"primum/mls"
)

// given takes a grant from an owner's client.
func (an *Anchor) given(home *room, client string, b grantBundle) {
	g, err := an.judge(b)
	if err != nil {
		an.log.Warn("grant not taken", "from", client, "why", err)
		if g == nil {
			an.bad(home, err)
			return
		}
	}
	switch known := an.grants[g.ID]; {
	case known != nil && known.State == grantWaiting:
		g.Circle = known.Circle
	case known != nil:
		an.report(known) // a terminal id stays terminal; a live one is the same
		return
	}
	if errors.Is(err, grant.ErrStale) || errors.Is(err, grant.ErrNotYet) {
		g.State, g.Reason, g.Text = grantWaiting, reasonStale, err.Error()
		an.keepGrant(g)
		return
	}
	if err == nil {
		err = an.openGrant(g)
	}
	if err != nil {
		g.State, g.Reason, g.Text = grantDeclined, reasonOf(err), err.Error()
		an.emit(Event{Kind: EventDeclined, Circle: g.Circle, Grant: g.ID, Reason: g.Reason, Text: g.Text})
	}
	an.keepGrant(g)
}

// reasonStale: the envelope waits for a current client's signature.
const reasonStale = "stale"

// reasonOf is one word for an error.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, grant.ErrExpired):
		return "expired"
	case errors.Is(err, grant.ErrSigner), errors.Is(err, identity.ErrNoClient):
		return "signer"
	case errors.Is(err, grant.ErrMismatch):
		return "mismatch"
	case errors.Is(err, ErrUnknown):
		return "unknown"
	}
	return "refused"
}

// judge verifies the documents of a grant. Where they belong to a grant that
// can be named, it comes back also with an error.
func (an *Anchor) judge(b grantBundle) (*anchorGrant, error) {
	owner := an.owner()
	var unsure grant.Envelope
	if err := unverified(b.Envelope, &unsure); err != nil {
		return nil, err
	}
	if unsure.Owner != owner.Address() || unsure.Home != an.st.Home.Circle.String() || identity.CheckID(unsure.Grant) != nil {
		return nil, fmt.Errorf("the envelope is of another home: %w", grant.ErrMismatch)
	}
	circle, err := ParseID(unsure.Circle)
	if err != nil {
		return nil, err
	}
	g := &anchorGrant{ID: unsure.Grant, Bundle: b, Circle: circle}
	if g.envelope, err = grant.VerifyEnvelope(b.Envelope, owner); err != nil {
		if known := an.grants[g.ID]; known == nil && errors.Is(err, grant.ErrSigner) {
			return nil, err // anybody's word about any id
		}
		return g, err
	}
	if g.terms, _, err = grant.VerifyGrant(g.envelope, b.Terms, b.Opening); err != nil {
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

// judgeNow asks what depends on time and state.
func (an *Anchor) judgeNow(g *anchorGrant) error {
	now := an.now()
	if !now.Before(g.envelope.ValidUntil) {
		return fmt.Errorf("take grant: %w", grant.ErrExpired)
	}
	if an.suspended() {
		return fmt.Errorf("%w: giving is suspended until the owner's next identity document", grant.ErrStale)
	}
	if err := grant.CheckFresh(g.envelope, an.owner(), now); err != nil {
		if errors.Is(err, identity.ErrExpired) || errors.Is(err, identity.ErrNotYet) {
			return fmt.Errorf("%w: %w", grant.ErrStale, err)
		}
		return err
	}
	var o grant.Opening
	if err := unverified(g.Bundle.Opening, &o); err != nil {
		return err
	}
	if o.Node != an.st.Home.Node || o.Suite != uint16(suite) {
		return fmt.Errorf("the opening names another node or suite: %w", grant.ErrMismatch)
	}
	if an.pair(g) < 0 {
		return fmt.Errorf("the circle is none of this edge's stock: %w", ErrUnknown)
	}
	return nil
}

// pair finds the grant's circle in the stock: assigned to the client that
// signed, unless the grant waited for another client to sign it again.
func (an *Anchor) pair(g *anchorGrant) int {
	return slices.IndexFunc(an.st.Stock, func(p stockPair) bool {
		known := an.grants[g.ID]
		mine := p.Client == g.envelope.Client || known != nil && known.Circle == p.Circle
		return p.Circle == g.Circle && mine && bytes.Equal(publicSeed(p.Seed), g.envelope.AnchorKey)
	})
}

func publicSeed(seed []byte) jws.Bytes {
	return jws.Bytes(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))
}

// openGrant makes the grant's circle.
func (an *Anchor) openGrant(g *anchorGrant) error {
	i := an.pair(g)
	now := an.now()
	r := &room{roomState: roomState{
		ID: g.Circle, Grant: g.ID, Node: an.st.Home.Node, Seed: an.st.Stock[i].Seed, Mark: now.Truncate(time.Second), EpochAt: now,
	}}
	r.config = an.config(r)
	var err error
	r.group, err = an.createGroup(r, circleContext{Opening: g.envelope.OpeningHash, Set: setHash(g.Bundle.Terms, g.Bundle.Opening)})
	if err != nil {
		return err
	}
	an.st.Stock = slices.Delete(slices.Clone(an.st.Stock), i, i+1)
	an.touch(partAnchor)
	g.State, g.Since = grantOpen, now
	an.addRoom(r)
	an.emit(Event{Kind: EventGranted, Circle: g.Circle, Grant: g.ID, Account: g.envelope.Grantee.String()})
	return nil
}

func (an *Anchor) keepGrant(g *anchorGrant) {
	an.grants[g.ID] = g
	an.put(g.part(), jsonPart{g})
	an.report(g)
}

func (an *Anchor) reportOf(g *anchorGrant) grantReport {
	rep := grantReport{Grant: g.ID, State: g.State, Reason: g.Reason, Text: g.Text, At: an.now()}
	if r := an.rooms[g.Circle]; r != nil {
		for _, k := range sortedKeys(r.Leaves) {
			rep.Clients = append(rep.Clients, r.Leaves[k].Client)
		}
		slices.Sort(rep.Clients)
		rep.Full = r.overflow
	}
	return rep
}

// report tells the owner how a grant stands.
func (an *Anchor) report(g *anchorGrant) {
	an.tellHome(homeMessage{T: homeStatus, Status: []grantReport{an.reportOf(g)}}, "")
}

// withdraw is lock two: at the persist that follows, nothing more is sealed, and
// the circle is erased. It gives the statement for this very signature.
func (an *Anchor) withdraw(w Withdrawal, reason string) (string, error) {
	id, err := grant.UnverifiedClosing(w.Closing)
	if err != nil {
		return "", fmt.Errorf("withdraw: %w", err)
	}
	g := an.grants[id]
	if g == nil || an.owner() == nil || an.home() == nil {
		return "", fmt.Errorf("withdraw %s: %w", clip(id), ErrUnknown)
	}
	wd, err := grant.VerifyWithdrawal(w.Closing, w.Countersignature, g.envelope, an.owner())
	if err != nil {
		return "", fmt.Errorf("withdraw: %w", err)
	}
	if g.State != grantEnded {
		an.endGrant(g, reason)
	}
	docID, err := identity.NewID(an.rand, an.now())
	if err != nil {
		return "", fmt.Errorf("withdraw: %w", err)
	}
	return grant.SignStatement(grant.Statement{
		ID: docID, Nonce: wd.Nonce, Grant: g.ID, Circle: g.Circle.String(), Epoch: g.Epoch, At: g.Ended.Truncate(time.Millisecond),
	}, ed25519.NewKeyFromSeed(an.home().Seed))
}

// endGrant erases the circle of a grant for good.
func (an *Anchor) endGrant(g *anchorGrant, reason string) {
	now := an.now()
	if r := an.rooms[g.Circle]; r != nil {
		g.Epoch = r.group.Epoch()
		an.lastCommit(r)
		an.eraseRoom(r)
	}
	g.State, g.Reason, g.Text, g.Ended, g.flows = grantEnded, reason, "", now, nil
	g.Bundle.Terms, g.Bundle.Opening = "", "" // envelope and closing answer repetitions
	for _, ref := range sortedKeys(an.st.Commands) {
		if an.st.Commands[ref].Circle == g.Circle {
			an.dropCommand(ref)
		}
	}
	an.unwish("keys-" + g.Circle.String())
	an.unwish("open-" + g.Circle.String())
	an.keepGrant(g)
	an.emit(Event{Kind: EventEnded, Circle: g.Circle, Grant: g.ID, Account: g.envelope.Grantee.String(), Reason: reason})
	if account := g.envelope.Grantee.String(); !an.needs(account) {
		an.book.drop(account)
		an.unwish("id-" + account)
		an.touch(partIdentities)
	}
}

func (an *Anchor) needs(account string) bool {
	_, ok := an.pinOf(account)
	return ok
}

// lastCommit removes all other leaves. It is sent if it can be; its key is kept
// in memory only, so that the files hold nothing of the circle.
func (an *Anchor) lastCommit(r *room) {
	var others []uint32
	for _, m := range r.group.Members() {
		if m.Leaf != r.group.Me() {
			others = append(others, m.Leaf)
		}
	}
	if len(others) == 0 || !r.Opened || r.Stopped != "" {
		return
	}
	if r.group.Pending() {
		r.group.Discard()
	}
	at := an.commitTime(r)
	have, err := parseContext(r.group.Extensions())
	var exts []mls.Extension
	if err == nil { // no documents are active any more: that tells an end from a removal
		exts, err = circleContext{Opening: have.Opening, Set: setHash()}.extensions()
	}
	var staged *mls.Staged
	if err == nil {
		staged, err = r.group.Commit(mls.CommitOptions{Remove: others, Extensions: exts, AuthenticatedData: atBytes(at)})
	}
	if err != nil {
		an.log.Error("remove the members of an ended circle", "circle", r.ID.String(), "error", err)
		return
	}
	an.lastKeys[r.ID] = ed25519.NewKeyFromSeed(r.Seed)
	an.wish("last-"+r.ID.String(), Effect{
		Kind: EffectCommit, Node: r.Node, Circle: r.ID, Epoch: r.group.Epoch(), Commit: staged.Commit,
	})
}

// planGrant keeps one grant's circle as its terms and documents say.
func (an *Anchor) planGrant(g *anchorGrant, now time.Time) {
	if !now.Before(g.envelope.ValidUntil) {
		an.endGrant(g, "expired")
		return
	}
	an.wake(g.envelope.ValidUntil)
	r := an.rooms[g.Circle]
	an.planPause(g, r, now)
	an.planOpen(r)
	v := an.book.get(g.envelope.Grantee.String())
	if !r.Opened || v == nil {
		return
	}
	r.overflow = overflow(v, g.terms.MaxClients)
	an.planRoster(r, v, g.terms.MaxClients, hashOfSet([]string{g.envelope.TermsHash, g.envelope.OpeningHash, v.Hash()}), now)
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
func (an *Anchor) planPause(g *anchorGrant, r *room, now time.Time) {
	reason := an.pauseReason(g, r, now)
	r.hold = reason
	if waiting := r.waiting(); r.hold == "" && waiting != "" {
		r.hold = "last-resort"
	}
	if (reason != "") == (g.State == grantPaused) && (reason == "" || reason == g.Reason) {
		return
	}
	switch {
	case reason == "":
		g.State, g.Reason = grantOpen, ""
		g.Pauses[len(g.Pauses)-1].To = now
		an.emit(Event{Kind: EventResumed, Circle: g.Circle, Grant: g.ID})
	default:
		if g.State != grantPaused {
			g.Pauses = append(g.Pauses, span{From: now})
		}
		g.State, g.Reason, g.flows = grantPaused, reason, nil
		an.emit(Event{Kind: EventPaused, Circle: g.Circle, Grant: g.ID, Reason: reason})
	}
	an.touch(g.part())
	an.report(g)
}

func (an *Anchor) pauseReason(g *anchorGrant, r *room, now time.Time) string {
	if r.Fenced != "" {
		return "fenced"
	}
	if an.owner().ExpiredAt(now) {
		return "owner-identity-expired"
	}
	if v := an.book.get(g.envelope.Grantee.String()); v != nil {
		if v.ExpiredAt(now) {
			return "identity-expired"
		}
		an.wake(v.Expires())
	}
	an.wake(an.owner().Expires())
	if _, out := an.leaseOut(g.terms.Lease.D(), now); out {
		return "lease"
	}
	if now.Before(g.envelope.ValidFrom) {
		an.wake(g.envelope.ValidFrom)
		return "not-yet"
	}
	return ""
}

package anchor

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
	"primum/mls"
)

// maxLifetime is the longest life of a key package that is taken (90 days, and a
// day for clocks and time zones).
const maxLifetime = 91 * 24 * time.Hour

// BeginClaim makes a new home circle and the claim for it. A claimed anchor
// accepts only its owner's identity key (claim n+1 after a restore). Nothing is
// in force before FinishClaim; a second BeginClaim replaces the first.
func (an *Anchor) BeginClaim(r core.ClaimRequest) (offer core.ClaimOffer, err error) {
	err = an.Do(func() error {
		v, kp, nonce, err := an.checkClaimRequest(r)
		if err != nil {
			return fmt.Errorf("claim this edge: %w", err)
		}
		h, err := an.makeOffer(r, v, kp, nonce)
		if err != nil {
			return fmt.Errorf("claim this edge: %w", err)
		}
		an.State.Offer, an.State.Claims = h, h.Number
		an.Touch(partAnchor)
		offer.Claim = h.Claim
		return nil
	})
	return offer, err
}

func (an *Anchor) checkClaimRequest(r core.ClaimRequest) (*identity.Verified, *mls.KeyPackage, []byte, error) {
	v, err := an.claimant(r.Identity, r.Release)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := v.ValidAt(an.Now()); err != nil {
		return nil, nil, nil, err
	}
	if _, err := identity.ParseAuthority(r.Node); err != nil {
		return nil, nil, nil, fmt.Errorf("node %q: %w", core.Clip(r.Node), err)
	}
	c, ok := v.Client(r.Client)
	if !ok {
		return nil, nil, nil, fmt.Errorf("client %q: %w", core.Clip(r.Client), identity.ErrNoClient)
	}
	kp, err := an.claimPackage(r, v, c)
	if err != nil {
		return nil, nil, nil, err
	}
	nonce, err := base64.RawURLEncoding.DecodeString(r.Nonce)
	if err != nil || len(nonce) < 16 || len(nonce) > 32 || r.Number > 1<<32 {
		return nil, nil, nil, fmt.Errorf("nonce is not 16 to 32 bytes in base64url, or the number impossible: %w", core.ErrRefused)
	}
	return v, kp, nonce, nil
}

// claimant is who asks: of a claimed edge only its owner, or to whom its owner
// has released it.
func (an *Anchor) claimant(compact, release string) (*identity.Verified, error) {
	h := an.State.Home
	if h == nil {
		return identity.First(compact)
	}
	known := an.owner()
	if known == nil {
		return nil, fmt.Errorf("the owner's identity document is missing: %w", core.ErrUnknown)
	}
	if release != "" {
		return an.released(compact, release, known)
	}
	v, err := identity.Follow(compact, known)
	if err != nil {
		return nil, fmt.Errorf("this edge belongs to somebody, who alone can claim it again: %w", err)
	}
	return v, nil
}

// released is to whom the owner has released the edge.
func (an *Anchor) released(compact, release string, owner *identity.Verified) (*identity.Verified, error) {
	v, err := identity.First(compact)
	if err != nil {
		return nil, err
	}
	key := ed25519.PublicKey(publicOf(an.thingKey()))
	if err := grant.VerifyRelease(release, key, an.State.Home.Number, owner, v, an.Now()); err != nil {
		return nil, fmt.Errorf("take over this edge: %w", err)
	}
	return v, nil
}

// claimPackage takes the key package of the strongest suite that this thing and
// all clients of the owner have.
func (an *Anchor) claimPackage(r core.ClaimRequest, v *identity.Verified, c identity.Client) (*mls.KeyPackage, error) {
	best := core.BestSuite(an.suites, v, core.MaxRoster)
	for _, b := range [][]byte{r.KeyPackage, r.Fallback} {
		if kp, err := mls.ParseKeyPackage(b); err == nil && kp.Suite() == best {
			return checkPackage(b, v.Address().String(), c, best, an.Now())
		}
	}
	return nil, fmt.Errorf("no key package is of %s, the strongest that this thing and all clients have: %w", best, core.ErrWeakSuite)
}

// checkPackage checks a key package of one client of an account, for a circle of
// a suite.
func checkPackage(b []byte, account string, c identity.Client, s mls.Suite, now time.Time) (*mls.KeyPackage, error) {
	kp, err := mls.ParseKeyPackage(b)
	if err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	switch {
	case kp.Suite() != s:
		return nil, fmt.Errorf("key package: of %s in a circle of %s: %w", kp.Suite(), s, core.ErrRefused)
	case !core.Speaks(c, s):
		return nil, fmt.Errorf("key package: the client does not list %s: %w", s, core.ErrRefused)
	case string(kp.Identity()) != account:
		return nil, fmt.Errorf("key package: of another account: %w", core.ErrRefused)
	case !bytes.Equal(kp.SignatureKey(), c.Key):
		return nil, fmt.Errorf("key package: not of the client's key: %w", core.ErrRefused)
	case now.Before(kp.NotBefore().Add(-core.MaxSkew)) || !now.Before(kp.NotAfter()):
		return nil, fmt.Errorf("key package: not valid now: %w", core.ErrRefused)
	case kp.NotAfter().Sub(kp.NotBefore()) > maxLifetime:
		return nil, fmt.Errorf("key package: valid for more than 90 days: %w", core.ErrRefused)
	}
	return kp, nil
}

func (an *Anchor) makeOffer(r core.ClaimRequest, v *identity.Verified, kp *mls.KeyPackage, nonce []byte) (*homeClaim, error) {
	now := an.Now()
	circle, seed, err := an.FreshCircle()
	if err != nil {
		return nil, err
	}
	id, err := identity.NewID(an.Rand, now)
	if err != nil {
		return nil, err
	}
	leaf := ed25519.NewKeyFromSeed(seed)
	h := &homeClaim{
		Number: max(an.State.Claims, r.Number) + 1, Owner: v.Address().String(), OwnerKey: jws.Bytes(v.IdentityKey()),
		Identity: v.Compact(), Node: r.Node, Circle: circle, Client: r.Client, Seed: seed,
		Release: r.Release,
	}
	h.Claim, err = grant.SignClaim(grant.Claim{
		ID: id, Number: h.Number, ThingKey: publicOf(an.thingKey()), Home: circle.String(), Node: r.Node,
		AnchorKey: publicOf(leaf), Suite: uint16(kp.Suite()), Suites: an.suites, Owner: v.Address(), OwnerIdentityKey: h.OwnerKey,
		KeyPackage: core.HashBytes(kp.Bytes()), Nonce: nonce, At: now.Truncate(time.Second),
	}, an.thingKey())
	if err != nil {
		return nil, err
	}
	return h, an.offerGroup(h, v, kp)
}

func publicOf(k ed25519.PrivateKey) jws.Bytes { return jws.Bytes(k.Public().(ed25519.PublicKey)) }

// offerGroup makes the group of an offered home with its first client in it.
func (an *Anchor) offerGroup(h *homeClaim, v *identity.Verified, kp *mls.KeyPackage) error {
	r := &core.Room{RoomState: core.RoomState{ID: h.Circle, Seed: h.Seed}}
	r.Config = an.config(r)
	g, err := an.createGroup(r, kp.Suite(), core.CircleContext{Opening: jws.Hash(h.Claim), Set: core.SetHash(h.Claim, v.Compact())})
	if err != nil {
		return err
	}
	staged, err := g.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{kp}, AuthenticatedData: core.AtBytes(an.Now())})
	if err != nil {
		return err
	}
	if err := g.Merge(); err != nil {
		return err
	}
	h.Welcome = staged.Welcome
	h.Group, err = g.MarshalBinary()
	return err
}

// createGroup makes a group with the anchor alone, under a random credential.
func (an *Anchor) createGroup(r *core.Room, s mls.Suite, c core.CircleContext) (*mls.Group, error) {
	exts, err := c.Extensions()
	if err != nil {
		return nil, err
	}
	name, err := an.Random(16)
	if err != nil {
		return nil, err
	}
	return mls.Create(r.Config, r.ID[:], s, name, exts)
}

// FinishClaim takes the countersignature of the client that began. From now on
// the claim is in force; circles of an earlier claim are erased.
func (an *Anchor) FinishClaim(countersignature string) (w core.HomeWelcome, err error) {
	err = an.Do(func() error {
		h := an.State.Offer
		if done := an.State.Home; h == nil && done != nil && done.Countersignature == countersignature {
			w.Welcome = done.Welcome // the answer was lost
			return nil
		}
		if h == nil {
			return fmt.Errorf("finish claim: none was begun: %w", core.ErrUnknown)
		}
		v, err := an.claimant(h.Identity, h.Release)
		if err != nil {
			return fmt.Errorf("finish claim: %w", err)
		}
		if _, err := grant.VerifyClaimed(h.Claim, countersignature, v); err != nil {
			return fmt.Errorf("finish claim: %w", err)
		}
		r := &core.Room{RoomState: core.RoomState{
			ID: h.Circle, Home: true, Node: h.Node, Seed: h.Seed, Mark: an.Now().Truncate(time.Second), EpochAt: an.Now(),
		}}
		r.FillMaps()
		r.Config = an.config(r)
		if r.MLS, err = mls.Load(r.Config, h.Group); err != nil {
			return fmt.Errorf("finish claim: %w", err)
		}
		h.Countersignature = countersignature
		w.Welcome = h.Welcome
		an.enterHome(h, r, v)
		return nil
	})
	return w, err
}

// enterHome puts a claim in force.
func (an *Anchor) enterHome(h *homeClaim, r *core.Room, v *identity.Verified) {
	for _, g := range an.Grants {
		if g.live() || g.State == core.GrantWaiting {
			an.endGrant(g, "reclaimed")
		}
	}
	for _, old := range an.Rooms {
		an.EraseRoom(old)
	}
	h.Seed, h.Group, h.Release = nil, nil, ""
	an.State.Home, an.State.Offer, an.State.Restored, an.State.Suspension = h, nil, false, ""
	an.State.Stock, an.State.Lives = nil, map[string]*life{h.Client: {At: an.Now()}}
	an.State.Untold = []string{""}
	for _, t := range an.things {
		an.State.Untold = append(an.State.Untold, t.ID)
	}
	if _, _, err := an.book.Take(v.Compact(), h.OwnerKey); err != nil {
		an.Log.Error("keep the owner's identity document", "error", err)
	}
	an.Touch(core.PartIdentities)
	for _, m := range r.MLS.Members() {
		if m.Leaf != r.MLS.Me() {
			r.Leaves[keyName(m.SignatureKey)] = &core.LeafState{Client: h.Client, Epoch: r.MLS.Epoch(), Heard: an.Now()}
			an.State.Lives[h.Client].Leaf = keyName(m.SignatureKey)
		}
	}
	an.Touch(partAnchor)
	an.AddRoom(r)
	an.Emit(core.Event{Kind: core.EventClaimed, Circle: r.ID, Account: h.Owner})
}

// keyName names a leaf by its signature key.
func keyName(key []byte) string { return base64.RawURLEncoding.EncodeToString(key) }

// planOpen has a circle opened at its node, with the group as it is now.
func (an *Anchor) planOpen(r *core.Room) {
	key := "open-" + r.ID.String()
	if r.Opened || r.MLS == nil {
		an.Unwish(key)
		return
	}
	if an.Wishes[key] != nil {
		return
	}
	info, err := r.MLS.GroupInfo()
	if err != nil {
		an.Log.Error("describe a circle", "circle", r.ID.String(), "error", err)
		return
	}
	e := core.Effect{Kind: core.EffectOpenCircle, Node: r.Node, Circle: r.ID, Grant: r.Grant, GroupInfo: info}
	if h := an.State.Home; r.Home {
		e.Kind, e.Claim, e.Countersignature = core.EffectOpenHome, h.Claim, h.Countersignature
	}
	an.Wish(key, e)
}

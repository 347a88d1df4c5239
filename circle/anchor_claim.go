package circle

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
	"primum/mls"
)

// ClaimRequest is what an owner's client posts on the LAN. Presence (button,
// code) is the caller's to check.
type ClaimRequest struct {
	Node       string `json:"node"`             // authority of the owner's node
	Identity   string `json:"identity"`         // the owner's identity document
	Client     string `json:"client"`           // name of the client that asks
	KeyPackage []byte `json:"keyPackage"`       // of that client
	Nonce      string `json:"nonce"`            // base64url, 16 to 32 bytes
	Number     uint64 `json:"number,omitempty"` // highest claim of this thing that the client knows
}

// ClaimOffer is the thing's half of a claim.
type ClaimOffer struct {
	Claim string `json:"claim"` // JWS by the thing's key
}

// HomeWelcome ends a claim on the LAN.
type HomeWelcome struct {
	Welcome []byte `json:"welcome"`
}

// maxLifetime is the longest life of a key package that is taken (90 days, and a
// day for clocks and time zones).
const maxLifetime = 91 * 24 * time.Hour

// BeginClaim makes a new home circle and the claim for it. A claimed anchor
// accepts only its owner's identity key (claim n+1 after a restore). Nothing is
// in force before FinishClaim; a second BeginClaim replaces the first.
func (an *Anchor) BeginClaim(r ClaimRequest) (offer ClaimOffer, err error) {
	err = an.do(func() error {
		v, kp, nonce, err := an.checkClaimRequest(r)
		if err != nil {
			return fmt.Errorf("claim this edge: %w", err)
		}
		h, err := an.makeOffer(r, v, kp, nonce)
		if err != nil {
			return fmt.Errorf("claim this edge: %w", err)
		}
		an.st.Offer, an.st.Claims = h, h.Number
		an.touch(partAnchor)
		offer.Claim = h.Claim
		return nil
	})
	return offer, err
}

func (an *Anchor) checkClaimRequest(r ClaimRequest) (*identity.Verified, *mls.KeyPackage, []byte, error) {
	v, err := an.claimant(r.Identity)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := v.ValidAt(an.now()); err != nil {
		return nil, nil, nil, err
	}
	if _, err := identity.ParseAuthority(r.Node); err != nil {
		return nil, nil, nil, fmt.Errorf("node %q: %w", clip(r.Node), err)
	}
	c, ok := v.Client(r.Client)
	if !ok {
		return nil, nil, nil, fmt.Errorf("client %q: %w", clip(r.Client), identity.ErrNoClient)
	}
	kp, err := checkPackage(r.KeyPackage, v.Address().String(), c, an.now())
	if err != nil {
		return nil, nil, nil, err
	}
	nonce, err := base64.RawURLEncoding.DecodeString(r.Nonce)
	if err != nil || len(nonce) < 16 || len(nonce) > 32 || r.Number > 1<<32 {
		return nil, nil, nil, fmt.Errorf("nonce is not 16 to 32 bytes in base64url, or the number impossible: %w", ErrRefused)
	}
	return v, kp, nonce, nil
}

// claimant is who asks: of a claimed edge only its owner.
func (an *Anchor) claimant(compact string) (*identity.Verified, error) {
	h := an.st.Home
	if h == nil {
		return identity.First(compact)
	}
	known := an.owner()
	if known == nil {
		return nil, fmt.Errorf("the owner's identity document is missing: %w", ErrUnknown)
	}
	v, err := identity.Follow(compact, known)
	if err != nil {
		return nil, fmt.Errorf("this edge belongs to somebody, who alone can claim it again: %w", err)
	}
	return v, nil
}

// checkPackage checks a key package of one client of an account.
func checkPackage(b []byte, account string, c identity.Client, now time.Time) (*mls.KeyPackage, error) {
	kp, err := mls.ParseKeyPackage(b)
	if err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	switch {
	case kp.Suite() != suite || !hasSuite(c):
		return nil, fmt.Errorf("key package: cipher suite %d is not one of both: %w", kp.Suite(), ErrRefused)
	case string(kp.Identity()) != account:
		return nil, fmt.Errorf("key package: of another account: %w", ErrRefused)
	case !bytes.Equal(kp.SignatureKey(), c.Key):
		return nil, fmt.Errorf("key package: not of the client's key: %w", ErrRefused)
	case now.Before(kp.NotBefore().Add(-maxSkew)) || !now.Before(kp.NotAfter()):
		return nil, fmt.Errorf("key package: not valid now: %w", ErrRefused)
	case kp.NotAfter().Sub(kp.NotBefore()) > maxLifetime:
		return nil, fmt.Errorf("key package: valid for more than 90 days: %w", ErrRefused)
	}
	return kp, nil
}

func hasSuite(c identity.Client) bool {
	for _, s := range c.Suites {
		if s == uint16(suite) {
			return true
		}
	}
	return false
}

func (an *Anchor) makeOffer(r ClaimRequest, v *identity.Verified, kp *mls.KeyPackage, nonce []byte) (*homeClaim, error) {
	now := an.now()
	circle, seed, err := an.freshCircle()
	if err != nil {
		return nil, err
	}
	id, err := identity.NewID(an.rand, now)
	if err != nil {
		return nil, err
	}
	leaf := ed25519.NewKeyFromSeed(seed)
	h := &homeClaim{
		Number: max(an.st.Claims, r.Number) + 1, Owner: v.Address().String(), OwnerKey: jws.Bytes(v.IdentityKey()),
		Identity: v.Compact(), Node: r.Node, Circle: circle, Client: r.Client, Seed: seed,
	}
	h.Claim, err = grant.SignClaim(grant.Claim{
		ID: id, Number: h.Number, ThingKey: publicOf(an.thingKey()), Home: circle.String(), Node: r.Node,
		AnchorKey: publicOf(leaf), Suite: uint16(suite), Owner: v.Address(), OwnerIdentityKey: h.OwnerKey,
		KeyPackage: hashBytes(r.KeyPackage), Nonce: nonce, At: now.Truncate(time.Second),
	}, an.thingKey())
	if err != nil {
		return nil, err
	}
	return h, an.offerGroup(h, v, kp)
}

func publicOf(k ed25519.PrivateKey) jws.Bytes { return jws.Bytes(k.Public().(ed25519.PublicKey)) }

// hashBytes is the hash of bytes as documents write it.
func hashBytes(b []byte) string { return jws.Hash(string(b)) }

func (a *actor) freshCircle() (c ID, seed []byte, err error) {
	b, err := a.random(len(c) + ed25519.SeedSize)
	if err != nil {
		return c, nil, err
	}
	copy(c[:], b)
	return c, b[len(c):], nil
}

// offerGroup makes the group of an offered home with its first client in it.
func (an *Anchor) offerGroup(h *homeClaim, v *identity.Verified, kp *mls.KeyPackage) error {
	r := &room{roomState: roomState{ID: h.Circle, Seed: h.Seed}}
	r.config = an.config(r)
	g, err := an.createGroup(r, circleContext{Opening: jws.Hash(h.Claim), Set: setHash(h.Claim, v.Compact())})
	if err != nil {
		return err
	}
	staged, err := g.Commit(mls.CommitOptions{Add: []*mls.KeyPackage{kp}, AuthenticatedData: atBytes(an.now())})
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
func (an *Anchor) createGroup(r *room, c circleContext) (*mls.Group, error) {
	exts, err := c.extensions()
	if err != nil {
		return nil, err
	}
	name, err := an.random(16)
	if err != nil {
		return nil, err
	}
	return mls.Create(r.config, r.ID[:], suite, name, exts)
}

// FinishClaim takes the countersignature of the client that began. From now on
// the claim is in force; circles of an earlier claim are erased.
func (an *Anchor) FinishClaim(countersignature string) (w HomeWelcome, err error) {
	err = an.do(func() error {
		h := an.st.Offer
		if done := an.st.Home; h == nil && done != nil && done.Countersignature == countersignature {
			w.Welcome = done.Welcome // the answer was lost
			return nil
		}
		if h == nil {
			return fmt.Errorf("finish claim: none was begun: %w", ErrUnknown)
		}
		v, err := an.claimant(h.Identity)
		if err != nil {
			return fmt.Errorf("finish claim: %w", err)
		}
		if _, err := grant.VerifyClaimed(h.Claim, countersignature, v); err != nil {
			return fmt.Errorf("finish claim: %w", err)
		}
		r := &room{roomState: roomState{
			ID: h.Circle, Home: true, Node: h.Node, Seed: h.Seed, Mark: an.now().Truncate(time.Second), EpochAt: an.now(),
		}}
		r.fillMaps()
		r.config = an.config(r)
		if r.group, err = mls.Load(r.config, h.Group); err != nil {
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
func (an *Anchor) enterHome(h *homeClaim, r *room, v *identity.Verified) {
	for _, g := range an.grants {
		if g.live() || g.State == grantWaiting {
			an.endGrant(g, "reclaimed")
		}
	}
	for _, old := range an.rooms {
		an.eraseRoom(old)
	}
	h.Seed, h.Group = nil, nil
	an.st.Home, an.st.Offer, an.st.Restored, an.st.Suspension = h, nil, false, ""
	an.st.Stock, an.st.Lives = nil, map[string]*life{h.Client: {At: an.now()}}
	an.st.Untold = []string{""}
	for _, t := range an.things {
		an.st.Untold = append(an.st.Untold, t.ID)
	}
	if _, _, err := an.book.take(v.Compact(), h.OwnerKey); err != nil {
		an.log.Error("keep the owner's identity document", "error", err)
	}
	an.touch(partIdentities)
	for _, m := range r.group.Members() {
		if m.Leaf != r.group.Me() {
			r.Leaves[keyName(m.SignatureKey)] = &leafState{Client: h.Client, Epoch: r.group.Epoch(), Heard: an.now()}
			an.st.Lives[h.Client].Leaf = keyName(m.SignatureKey)
		}
	}
	an.touch(partAnchor)
	an.addRoom(r)
	an.emit(Event{Kind: EventClaimed, Circle: r.ID, Account: h.Owner})
}

// keyName names a leaf by its signature key.
func keyName(key []byte) string { return base64.RawURLEncoding.EncodeToString(key) }

// planOpen has a circle opened at its node, with the group as it is now.
func (an *Anchor) planOpen(r *room) {
	key := "open-" + r.ID.String()
	if r.Opened || r.group == nil {
		an.unwish(key)
		return
	}
	if an.wishes[key] != nil {
		return
	}
	info, err := r.group.GroupInfo()
	if err != nil {
		an.log.Error("describe a circle", "circle", r.ID.String(), "error", err)
		return
	}
	e := Effect{Kind: EffectOpenCircle, Node: r.Node, Circle: r.ID, Grant: r.Grant, GroupInfo: info}
	if h := an.st.Home; r.Home {
		e.Kind, e.Claim, e.Countersignature = EffectOpenHome, h.Claim, h.Countersignature
	}
	an.wish(key, e)
}

// Package owner is a member that also decides about things of its own: it
// claims, gives and withdraws.
package owner

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"time"

	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
	"primum/mls"
)

const (
	partHomeThings = "t-" // and the circle id
	partGiven      = "o-" // and the grant id
)

// Owner is a Member that also decides about things of its own.
type Owner struct {
	member.Member
	GivenGrants map[string]*ownerGrant
	things      map[core.ID]map[string]core.Thing
}

// ownerGrant is a grant as its owner's client stores it.
type ownerGrant struct {
	ID      string           `json:"id"`
	Home    core.ID          `json:"home"`
	Bundle  core.GrantBundle `json:"bundle"`
	State   grant.State      `json:"state"`
	Reason  string           `json:"reason,omitempty"`
	Text    string           `json:"text,omitempty"`
	Clients []string         `json:"clients,omitempty"`
	Unfit   []string         `json:"unfit,omitempty"` // of the grantee, without the circle's suite
	At      time.Time        `json:"at"`
	// Opened: the anchor has made the circle.
	Opened bool `json:"opened,omitempty"`
	// Anew: the edge was claimed again; the same terms are to be given there.
	Anew       core.ID      `json:"anew,omitzero"`
	Withdrawal *withdrawing `json:"withdrawal,omitempty"`

	Envelope grant.Envelope `json:"-"`
	terms    grant.Terms
	opening  grant.Opening
}

// withdrawing is how far a withdrawal is.
type withdrawing struct {
	member.WithdrawalInfo
	Reason string      `json:"reason"`
	Nonces []jws.Bytes `json:"nonces"` // of every countersignature that was sent
	Last   string      `json:"last"`   // the newest countersignature
	Tries  int         `json:"tries"`
	Next   time.Time   `json:"next"` // when it is repeated
}

func (g *ownerGrant) part() string { return partGiven + g.ID }

func (g *ownerGrant) live() bool { return g.State == grant.Given || g.State == grant.Paused }

// Open opens or makes the owner that lives in dir, and locks it.
func Open(dir string, opts member.Options) (*Owner, error) {
	o := &Owner{}
	if err := o.Prepare(opts); err != nil {
		return nil, err
	}
	o.Role, o.HasHomes = o, true
	if err := o.OpenWith(dir, opts); err != nil {
		return nil, err
	}
	return o, nil
}

// Recall reads the owner's parts.
func (o *Owner) Recall(files map[string][]byte) error {
	o.GivenGrants, o.things = map[string]*ownerGrant{}, map[core.ID]map[string]core.Thing{}
	if err := o.Member.Recall(files); err != nil {
		return err
	}
	for name, b := range files {
		var err error
		switch {
		case len(name) > len(partGiven) && name[:len(partGiven)] == partGiven:
			err = o.restoreGiven(name, b)
		case len(name) > len(partHomeThings) && name[:len(partHomeThings)] == partHomeThings:
			err = o.restoreThings(name, b)
		}
		if err != nil {
			return fmt.Errorf(core.BadState, name, err)
		}
	}
	return nil
}

func (o *Owner) restoreGiven(name string, b []byte) error {
	g := &ownerGrant{}
	if err := json.Unmarshal(b, g); err != nil {
		return err
	}
	if err := g.parse(); err != nil {
		return err
	}
	o.GivenGrants[g.ID] = g
	o.Parts[name] = core.StoreJSON(g)
	return nil
}

func (g *ownerGrant) parse() error {
	if err := core.Unverified(g.Bundle.Envelope, &g.Envelope); err != nil {
		return err
	}
	if err := core.Unverified(g.Bundle.Opening, &g.opening); err != nil {
		return err
	}
	return core.Unverified(g.Bundle.Terms, &g.terms)
}

func (o *Owner) restoreThings(name string, b []byte) error {
	c, err := core.ParseID(name[len(partHomeThings):])
	if err != nil {
		return err
	}
	things := map[string]core.Thing{}
	if err := json.Unmarshal(b, &things); err != nil {
		return err
	}
	o.setThings(c, things)
	return nil
}

func (o *Owner) setThings(c core.ID, things map[string]core.Thing) {
	o.things[c] = things
	o.Parts[partHomeThings+c.String()] = core.StoreJSON(things)
}

func (o *Owner) keepGiven(g *ownerGrant) {
	o.GivenGrants[g.ID] = g
	o.Put(g.part(), core.StoreJSON(g))
}

// BeginClaim makes what the client posts to an edge on the LAN; node is the
// authority of the own node.
func (o *Owner) BeginClaim(node string) (req core.ClaimRequest, err error) {
	err = o.Do(func() error {
		packages, err := o.claimPackages()
		if err != nil {
			return fmt.Errorf("claim an edge: %w", err)
		}
		nonce, err := o.Random(16)
		if err != nil {
			return fmt.Errorf("claim an edge: %w", err)
		}
		req = core.ClaimRequest{
			Node: node, Identity: o.Own().Compact(), Client: o.Mem.Client, KeyPackage: packages[0], Fallback: packages[1],
			Nonce: base64.RawURLEncoding.EncodeToString(nonce),
		}
		for _, h := range o.Mem.Homes {
			req.Number = max(req.Number, h.Number)
		}
		return nil
	})
	return req, err
}

// claimPackages are key packages for the strongest suite that all own clients
// have and, where that is another, for suite 1: which of them it is depends on
// the thing, and its signed claim shows that it chose rightly.
func (o *Owner) claimPackages() (packages [2][]byte, err error) {
	best := core.BestSuite(core.SuiteIDs(nil), o.Own(), core.MaxRoster)
	fallback := core.BestSuite(nil, o.Own(), core.MaxRoster)
	for i, s := range []mls.Suite{best, fallback} {
		if s == 0 || (i == 1 && s == best) {
			continue
		}
		p, err := o.NewPackage(s, false)
		if err != nil {
			return packages, err
		}
		o.Keep(p)
		packages[i] = p.Package
	}
	if packages[0] == nil {
		return packages, fmt.Errorf("the clients of this account have no cipher suite in common: %w", core.ErrRefused)
	}
	return packages, nil
}

// SignClaim checks the edge's offer against the request and the key that the
// label or terminal pinned, and countersigns.
func (o *Owner) SignClaim(r core.ClaimRequest, offer core.ClaimOffer, thingKey ed25519.PublicKey) (countersignature string, err error) {
	err = o.Do(func() error {
		if _, err := o.checkClaim(r, offer, thingKey); err != nil {
			return fmt.Errorf("sign the claim: %w", err)
		}
		if countersignature, _, err = o.Countersign(offer.Claim); err != nil {
			return fmt.Errorf("sign the claim: %w", err)
		}
		o.Mem.Signed = map[string]string{jws.Hash(offer.Claim): countersignature}
		o.Touch(member.PartMember)
		return nil
	})
	return countersignature, err
}

func (o *Owner) checkClaim(r core.ClaimRequest, offer core.ClaimOffer, thingKey ed25519.PublicKey) (grant.Claim, error) {
	c, err := grant.VerifyClaim(offer.Claim)
	if err != nil {
		return c, err
	}
	switch {
	case !member.SameKey(thingKey, c.ThingKey):
		return c, fmt.Errorf("the thing shows another key than its label: %w", grant.ErrSigner)
	case c.Nonce.String() != r.Nonce || !answers(c, r) || c.Node != r.Node:
		return c, fmt.Errorf("the claim answers another request: %w", grant.ErrMismatch)
	case c.Owner != o.Own().Address() || !member.SameKey(c.OwnerIdentityKey, o.Own().IdentityKey()):
		return c, fmt.Errorf("the claim names another owner: %w", grant.ErrMismatch)
	}
	if err := core.CheckSuite(c.Suite, c.Suites, o.Own(), core.MaxRoster); err != nil {
		return c, err
	}
	for _, h := range o.Mem.Homes {
		if member.SameKey(h.ThingKey, c.ThingKey) && c.Number <= h.Number {
			return c, fmt.Errorf("claim %d of this thing is known already: %w", h.Number, core.ErrRefused)
		}
	}
	return c, nil
}

// answers: the claim goes by the key package of its suite.
func answers(c grant.Claim, r core.ClaimRequest) bool {
	for _, b := range [][]byte{r.KeyPackage, r.Fallback} {
		if kp, err := mls.ParseKeyPackage(b); err == nil && uint16(kp.Suite()) == c.Suite {
			return c.KeyPackage == core.HashBytes(b)
		}
	}
	return false
}

// JoinHome enters the home circle of the claim that SignClaim signed last, by the
// Welcome from the LAN.
func (o *Owner) JoinHome(offer core.ClaimOffer, w core.HomeWelcome) (id core.ID, err error) {
	err = o.Do(func() error {
		countersignature := o.Mem.Signed[jws.Hash(offer.Claim)]
		c, err := grant.VerifyClaimed(offer.Claim, countersignature, o.Own())
		if err != nil {
			return fmt.Errorf("join home: %w", err)
		}
		if id, err = core.ParseID(c.Home); err != nil {
			return fmt.Errorf("join home: %w", err)
		}
		if r := o.Rooms[id]; r != nil && r.MLS != nil {
			return nil // again
		}
		if o.Rooms[id] == nil && !o.AddHome(id, c, offer.Claim, countersignature) {
			return fmt.Errorf("join home: a later claim of this thing is known: %w", core.ErrRefused)
		}
		r := o.Rooms[id]
		o.Welcomed(r, &core.Incoming{Kind: core.InWelcome, Raw: w.Welcome})
		if r.MLS == nil {
			o.EraseRoom(r)
			delete(o.Mem.Homes, id.String())
			return fmt.Errorf("join home: the welcome does not open: %w", core.ErrRefused)
		}
		o.homeJoined(r, c)
		return nil
	})
	return id, err
}

// KnownHome takes a home that somebody else has the documents of.
func (o *Owner) KnownHome(claim, countersignature string) error {
	return o.Do(func() error { return o.TakeHome(claim, countersignature) })
}

// homeJoined closes earlier homes of the same thing, and tells the other clients
// of the account about this one.
func (o *Owner) homeJoined(r *core.Room, c grant.Claim) {
	for _, h := range o.Mem.Homes {
		if member.SameKey(h.ThingKey, c.ThingKey) && h.Number < c.Number {
			o.closeHome(h, r.ID)
		}
	}
	o.OfferHomes(o.Own())
	o.Emit(core.Event{Kind: core.EventHome, Circle: r.ID, Thing: base64.RawURLEncoding.EncodeToString(c.ThingKey)})
}

// closeHome gives the same terms anew in the next home of the same thing.
func (o *Owner) closeHome(h *member.OwnedHome, next core.ID) {
	h.Closed, h.Stock = true, nil
	o.Touch(member.PartMember)
	if r := o.Rooms[h.Circle]; r != nil {
		o.EraseRoom(r)
	}
	for _, g := range o.GivenGrants {
		if g.Home != h.Circle || !g.live() {
			continue
		}
		g.State, g.Reason = grant.Revoked, "replaced"
		if g.Withdrawal == nil && o.Now().Before(g.Envelope.ValidUntil) && o.gave(g) {
			g.Anew = next
		}
		o.Touch(g.part())
	}
}

// HomeInfo is one home circle.
type HomeInfo struct {
	Circle   core.ID
	Node     string
	ThingKey ed25519.PublicKey
	Number   uint64
	Joined   bool
	// Ready: the documents that the circle's context names are all here.
	Ready   bool
	Clients []string
	Suite   mls.Suite // of the circle
	// Unfit are clients that can't enter: they don't list its suite.
	Unfit []string
	// Life is when each client was last heard, as it signed.
	Life map[string]time.Time
	// Silent are clients that pause the grants.
	Silent []string
	// Closed: a later claim of the same edge took its place.
	Closed bool
}

// Homes lists the home circles.
func (o *Owner) Homes() []HomeInfo {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	var out []HomeInfo
	for _, key := range core.SortedKeys(o.Mem.Homes) {
		h := o.Mem.Homes[key]
		info := HomeInfo{
			Circle: h.Circle, Node: h.Node, ThingKey: ed25519.PublicKey(h.ThingKey), Number: h.Number, Closed: h.Closed,
			Life: map[string]time.Time{}, Suite: h.Cipher(),
		}
		if r := o.Rooms[h.Circle]; r != nil && r.MLS != nil {
			info.Joined, info.Ready = true, r.Member.Ready
			info.Clients = o.clientsIn(r)
		}
		for _, name := range core.SortedKeys(h.Lives) {
			l := h.Lives[name]
			info.Life[name] = l.At
			if l.Unfit {
				info.Unfit = append(info.Unfit, name)
			}
			if l.Silent && !l.Excused {
				info.Silent = append(info.Silent, name)
			}
		}
		out = append(out, info)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Number < out[j].Number })
	return out
}

func (o *Owner) clientsIn(r *core.Room) (names []string) {
	for _, m := range r.MLS.Members() {
		if c, ok := o.Own().ClientByKey(m.SignatureKey); ok {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Things lists the descriptions in a home.
func (o *Owner) Things(home core.ID) []core.Thing {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	var out []core.Thing
	h := o.Mem.Homes[home.String()]
	if h == nil {
		return nil
	}
	for _, id := range h.ThingIDs {
		t, ok := o.things[home][id]
		if !ok {
			t = core.Thing{ID: id}
		}
		out = append(out, t)
	}
	return out
}

// Given lists the grants given, ended ones too, newest last.
func (o *Owner) Given() []member.GrantInfo {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	out := make([]member.GrantInfo, 0, len(o.GivenGrants))
	for _, id := range core.SortedKeys(o.GivenGrants) {
		out = append(out, o.infoOf(o.GivenGrants[id]))
	}
	sort.SliceStable(out, func(i, j int) bool { return o.GivenGrants[out[i].ID].At.Before(o.GivenGrants[out[j].ID].At) })
	return out
}

func (o *Owner) infoOf(g *ownerGrant) member.GrantInfo {
	c, _ := core.ParseID(g.Envelope.Circle)
	info := member.GrantInfo{
		ID: g.ID, Circle: c, State: g.State, Reason: g.Reason, Owner: o.Mem.Account, Grantee: g.Envelope.Grantee.String(),
		Terms: g.Bundle.Terms, Request: g.Bundle.Request, Home: g.Home, Shared: member.SharedNames(g.terms),
		ValidFrom: g.Envelope.ValidFrom, ValidUntil: g.Envelope.ValidUntil, Joined: len(g.Clients) > 0, Clients: g.Clients,
		Unfit: g.Unfit, Suite: core.OrLegacy(g.opening.Suite), KGrant: slices.Clone([]byte(g.Envelope.KGrant)),
	}
	if h := o.Mem.Homes[g.Home.String()]; h != nil {
		info.Node = h.Node
	}
	for i, s := range info.Shared {
		for id := range o.things[g.Home] {
			if grant.ThingPseudonym(g.Envelope.KGrant, id) == s.Thing {
				info.Shared[i].Source = core.Source{Thing: id, Name: s.Name}
			}
		}
	}
	if g.Withdrawal != nil {
		w := g.Withdrawal.WithdrawalInfo
		info.Withdrawal = &w
	}
	return info
}

// Requests lists requests that wait for a yes or no.
func (o *Owner) Requests() []member.RequestInfo {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	return o.OpenRequests()
}

// Refuse says no to a request, to the node too (askAgainAfter).
func (o *Owner) Refuse(request string, askAgain time.Duration) error {
	return o.Do(func() error {
		q, ok := o.Mem.Requests[request]
		if !ok {
			return fmt.Errorf("refuse request %s: %w", core.Clip(request), core.ErrUnknown)
		}
		v := o.Book.Get(q.From)
		id, err := identity.NewID(o.Rand, o.Now())
		if err != nil {
			return err
		}
		if askAgain <= 0 {
			askAgain = grant.DefaultAskAgainAfter.D()
		}
		now := o.Now().Truncate(time.Second)
		doc, err := grant.SignRefusal(grant.Refusal{
			ID: id, Request: request, From: o.Own().Address(), Client: o.Mem.Client, To: v.Address(), At: now,
			AskAgainAfter: grant.Duration(askAgain),
		}, o.Signer)
		if err != nil {
			return fmt.Errorf("refuse request: %w", err)
		}
		delete(o.Mem.Requests, request)
		o.Touch(member.PartMember)
		o.Post(v, member.LetterNotice, member.Letter{T: member.LetterRefusal, Refusal: doc}, now.Add(member.InboxExpires))
		o.Send(core.Effect{Kind: core.EffectFileRefusal, Account: q.From, Until: now.Add(askAgain), Document: []byte(doc)})
		return nil
	})
}

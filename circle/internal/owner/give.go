package owner

import (
	"cmp"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"primum/circle/internal/core"
	"primum/circle/internal/member"
	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
)

// SharedAffordance is one affordance that a grant gives.
type SharedAffordance struct {
	Source    core.Source
	Title     string // what the grantee shall call the thing
	Ops       []string
	Precision core.Precision
	Input     *grant.Input // what it takes, for the grantee to see; nil where that is not known
}

// GiveParams is a yes. All affordances are of one home.
type GiveParams struct {
	Home           core.ID
	Grantee        string // identity document
	Request        string // id of the request that it answers, if any
	Share          []SharedAffordance
	Purpose        grant.Purpose
	Service        string
	From, Until    time.Time // From zero: now
	Pseudonymous   bool      // the owner's account is not told
	MaxClients     int       // 0: 8
	Bucket         int       // bytes of a message: 256, 1024, 4096; 0: what fits
	Notice         grant.Notice
	Country        string
	Retention      grant.Duration
	DeletesWithin  grant.Duration // after the end; 0: 30 days
	AskAgainAfter  grant.Duration // 0: 90 days
	Conditionality *grant.Conditionality
	Replaces       string // grant id of a renewal
	ShortLease     bool   // the terms touch locks, cameras, health
}

// Give signs a grant and sends it on its ways: to the node, through the home
// circle to the anchor, to the grantee's inbox.
func (o *Owner) Give(p GiveParams) (grantID string, err error) {
	err = o.Do(func() error {
		grantID, err = o.give(p)
		if err != nil {
			return fmt.Errorf("give: %w", err)
		}
		return nil
	})
	return grantID, err
}

func (o *Owner) give(p GiveParams) (string, error) {
	h, r, err := o.homeFor(p.Home)
	if err != nil {
		return "", err
	}
	grantee, err := o.granteeOf(p)
	if err != nil {
		return "", err
	}
	shares, err := o.shares(p)
	if err != nil {
		return "", err
	}
	old := o.GivenGrants[p.Replaces]
	if p.Replaces != "" && (old == nil || !old.live()) {
		return "", fmt.Errorf("the grant to be replaced, %s: %w", core.Clip(p.Replaces), core.ErrUnknown)
	}
	i := slices.IndexFunc(h.Stock, func(s core.StockEntry) bool { return s.Client == o.Mem.Client })
	if i < 0 {
		return "", fmt.Errorf("the thing has no circle ready for this client; it sends more when it is online: %w", core.ErrNotYet)
	}
	params, err := o.GrantParams(p, h, h.Stock[i], grantee, shares)
	if err != nil {
		return "", err
	}
	signed, err := grant.New(params)
	if err != nil {
		return "", err
	}
	h.Stock = slices.Delete(slices.Clone(h.Stock), i, i+1)
	g := &ownerGrant{ID: signed.Grant, Home: p.Home, State: grant.Given, At: o.Now(), Bundle: core.GrantBundle{
		Envelope: signed.Envelope, Terms: signed.Terms, Opening: signed.Opening, Closing: signed.Closing, Request: p.Request,
	}}
	if err := g.parse(); err != nil {
		return "", err
	}
	return g.ID, o.sendGrant(r, h, g, old, grantee)
}

// homeFor is a home where this client may act.
func (o *Owner) homeFor(c core.ID) (*member.OwnedHome, *core.Room, error) {
	h, r := o.Mem.Homes[c.String()], o.Rooms[c]
	switch {
	case h == nil:
		return nil, nil, fmt.Errorf("home %s: %w", c, core.ErrUnknown)
	case h.Closed:
		return nil, nil, fmt.Errorf("home %s was claimed anew: %w", c, core.ErrEnded)
	case r == nil || r.MLS == nil || !r.Member.Ready:
		return nil, nil, fmt.Errorf("this client has not all documents of the home yet: %w", core.ErrNotYet)
	}
	return h, r, nil
}

func (o *Owner) granteeOf(p GiveParams) (*identity.Verified, error) {
	v, err := o.TakeIdentity(p.Grantee)
	if err != nil {
		return nil, err
	}
	if err := v.ValidAt(o.Now()); err != nil {
		return nil, err
	}
	if v.Address() == o.Own().Address() {
		return nil, fmt.Errorf("that is the owner itself: %w", core.ErrRefused)
	}
	if q, ok := o.Mem.Requests[p.Request]; p.Request != "" && (!ok || q.From != v.Address().String()) {
		return nil, fmt.Errorf("request %s: %w", core.Clip(p.Request), core.ErrUnknown)
	}
	return v, nil
}

// shares gathers affordances of one thing that are shared alike.
func (o *Owner) shares(p GiveParams) ([]grant.Share, error) {
	var out []grant.Share
	h := o.Mem.Homes[p.Home.String()]
	for _, s := range p.Share {
		if !slices.Contains(h.ThingIDs, s.Source.Thing) {
			return nil, fmt.Errorf("thing %q: %w", core.Clip(s.Source.Thing), core.ErrUnknown)
		}
		like := func(g grant.Share) bool {
			return s.Input == nil && g.Input == nil && g.Thing == s.Source.Thing && g.Title == s.Title && slices.Equal(g.Actions, s.Ops) && samePrecision(g.Precision, s.Precision)
		}
		if i := slices.IndexFunc(out, like); i >= 0 {
			out[i].Affordances = append(out[i].Affordances, s.Source.Name)
			continue
		}
		out = append(out, grant.Share{
			Thing: s.Source.Thing, Title: s.Title, Actions: s.Ops, Affordances: []string{s.Source.Name}, Precision: s.Precision, Input: s.Input,
		})
	}
	return out, nil
}

func samePrecision(a, b core.Precision) bool {
	pa, pb := a.Place, b.Place
	a.Place, b.Place = nil, nil
	return a == b && (pa == nil) == (pb == nil) && (pa == nil || *pa == *pb)
}

func (o *Owner) GrantParams(p GiveParams, h *member.OwnedHome, s core.StockEntry, grantee *identity.Verified, shares []grant.Share) (grant.Params, error) {
	out := grant.Params{
		Rand: o.Rand, Now: o.Now(), Owner: o.Own().Address(), Client: o.Mem.Client, Signer: o.Signer,
		Grantee: grant.Grantee{
			Account: grantee.Address(), IdentityKey: jws.Bytes(grantee.IdentityKey()), Kind: grantee.Kind(), Name: grantee.Name(),
		},
		Node: h.Node, Home: h.Circle.String(), Circle: s.Circle.String(), AnchorKey: ed25519.PublicKey(s.Key), AnchorSuites: s.Suites,
		Valid: grant.Interval{From: p.From, Until: p.Until}, Replaces: p.Replaces, Shares: shares, Purpose: p.Purpose, Service: p.Service,
		Country: p.Country, Notice: p.Notice, Pseudonymous: p.Pseudonymous, MaxClients: p.MaxClients, Bucket: p.Bucket,
		Retention: p.Retention, DeletesWithin: p.DeletesWithin, AskAgainAfter: p.AskAgainAfter, Conditionality: p.Conditionality,
	}
	if out.Bucket == 0 {
		out.Bucket = o.fittingBucket(p.Home, shares)
	}
	if p.ShortLease {
		out.Lease = grant.ShortLease
	}
	best := core.BestSuite(s.Suites, grantee, cmp.Or(p.MaxClients, grant.DefaultMaxClients))
	if best == 0 {
		return out, fmt.Errorf("the thing and the clients of %s have no cipher suite in common: %w", grantee.Address(), core.ErrRefused)
	}
	out.Suite = uint16(best)
	return out, nil
}

// sealedOverhead is what a message has beyond its plaintext, rounded up.
const sealedOverhead = 150

// fittingBucket is the smallest size that holds all values of one clock.
func (o *Owner) fittingBucket(home core.ID, shares []grant.Share) int {
	several := 0
	var items []core.Inner
	for _, s := range shares {
		if s.Thing != shares[0].Thing {
			several = 50
		}
		for _, name := range s.Affordances {
			value, unit := json.RawMessage("12345.678"), "kWh"
			if !o.isNumber(home, s.Thing, name) {
				value = json.RawMessage(`"` + fmt.Sprintf("%0120d", 0) + `"`)
			}
			items = append(items, core.Inner{Op: grant.OpObserve, Name: name, At: time.Unix(1<<31, 0).UTC(), Value: value, Unit: unit})
		}
	}
	size := len(core.EncodeInner(items...)) + several*len(items) + sealedOverhead
	for _, b := range []int{core.SizeSmall, core.SizeMedium} {
		if size <= b {
			return b
		}
	}
	return core.SizeHome
}

// isNumber looks the affordance up in the thing's description; what is not
// described yet may be a text.
func (o *Owner) isNumber(home core.ID, thing, name string) bool {
	var td struct {
		Properties map[string]struct {
			Type string `json:"type"`
		} `json:"properties"`
	}
	t, ok := o.things[home][thing]
	if !ok || json.Unmarshal(t.Description, &td) != nil {
		return false
	}
	p, ok := td.Properties[name]
	return ok && (p.Type == "number" || p.Type == "integer" || p.Type == "boolean")
}

// sendGrant sends a grant on its ways.
func (o *Owner) sendGrant(r *core.Room, h *member.OwnedHome, g, old *ownerGrant, grantee *identity.Verified) error {
	say := core.HomeMessage{T: core.HomeGive, Grant: &g.Bundle}
	file := core.Effect{Kind: core.EffectFileEnvelope, Node: h.Node, Grant: g.ID, Envelope: g.Bundle.Envelope}
	if old != nil {
		w, err := o.signWithdrawal(old, "superseded")
		if err != nil {
			return err
		}
		say.Withdrawal = &w
		file.Closing, file.Countersignature = w.Closing, w.Countersignature
		old.State = grant.Superseded
		o.Touch(old.part())
	}
	offer := member.Letter{T: member.LetterOffer, Terms: g.Bundle.Terms, Opening: g.Bundle.Opening, Request: g.Bundle.Request}
	if g.terms.Owner == grant.OwnerNamed {
		named, _, err := o.Countersign(g.Bundle.Terms)
		if err != nil {
			return err
		}
		offer.Owner = named
	}
	delete(o.Mem.Requests, g.Bundle.Request)
	o.Touch(member.PartMember)
	o.keepGiven(g)
	o.Send(file)
	o.Post(grantee, member.LetterOffer, offer, core.MinTime(o.Now().Add(member.InboxExpires), g.Envelope.ValidUntil))
	o.Say(r, say, "give:"+g.ID)
	return nil
}

// signAgainAfter is how old an envelope is at least that is signed again.
const signAgainAfter = time.Hour

// signAgain renews the envelope of a grant that waited too long for the anchor.
func (o *Owner) signAgain(r *core.Room, g *ownerGrant) {
	again := g.Envelope.Issued.Add(signAgainAfter)
	if r == nil || r.MLS == nil || !o.gave(g) {
		return
	}
	if o.Now().Before(again) {
		o.Wake(again)
		return
	}
	id, err := identity.NewID(o.Rand, o.Now())
	if err != nil {
		o.Log.Error("sign envelope again", "error", err)
		return
	}
	e := g.Envelope
	e.ID, e.Issued = id, o.Now().Truncate(time.Second)
	compact, err := grant.SignEnvelope(e, o.Signer)
	if err != nil {
		o.Log.Error("sign envelope again", "error", err)
		return
	}
	g.Bundle.Envelope, g.Envelope = compact, e
	o.Touch(g.part())
	// The node may have refused the first one as too old.
	o.Send(core.Effect{Kind: core.EffectFileEnvelope, Node: r.Node, Grant: g.ID, Envelope: compact})
	o.Say(r, core.HomeMessage{T: core.HomeGive, Grant: &g.Bundle}, "give:"+g.ID)
}

// gave tells whether this very client gave a grant: nothing that another one
// gave is ever signed here without a person's word. A name alone proves nothing,
// a dropped client may have had it before.
func (o *Owner) gave(g *ownerGrant) bool {
	if g.Envelope.Client != o.Mem.Client {
		return false
	}
	_, err := grant.VerifyEnvelope(g.Bundle.Envelope, o.Own())
	return err == nil
}

// giveAnew gives the terms of a grant again, in the next home of the same thing.
func (o *Owner) giveAnew(g *ownerGrant) {
	next := g.Anew
	h, r := o.Mem.Homes[next.String()], o.Rooms[next]
	grantee := o.Book.Get(g.Envelope.Grantee.String())
	if h == nil || h.Closed || !o.Now().Before(g.Envelope.ValidUntil) || grantee == nil {
		g.Anew = core.ID{}
		o.Touch(g.part())
		return
	}
	if r == nil || r.MLS == nil || !r.Member.Ready || len(h.Stock) == 0 || len(h.ThingIDs) == 0 {
		return
	}
	t := g.terms
	p := GiveParams{
		Home: next, Grantee: grantee.Compact(), Purpose: t.Process.Purpose, Service: t.Process.Service, Until: t.Valid.Until,
		Pseudonymous: t.Owner == grant.OwnerPseudonymous, MaxClients: t.MaxClients, Bucket: t.Bucket, Notice: t.Notice,
		Retention: t.Process.Storage.Retention, AskAgainAfter: t.AskAgainAfter, Conditionality: t.Conditionality,
		ShortLease: t.Lease < grant.DefaultLease,
	}
	if len(t.Jurisdiction) == len("loc:DE") {
		p.Country = t.Jurisdiction[len("loc:"):]
	}
	for _, d := range t.Details {
		for _, id := range h.ThingIDs {
			if grant.ThingPseudonym(g.Envelope.KGrant, id) != d.Identifier {
				continue
			}
			for _, name := range d.Datatypes {
				p.Share = append(p.Share, SharedAffordance{Source: core.Source{Thing: id, Name: name}, Title: d.Title, Ops: d.Actions, Precision: d.Precision, Input: d.Input})
			}
		}
	}
	g.Anew = core.ID{}
	o.Touch(g.part())
	if _, err := o.give(p); err != nil {
		o.Problem(next, g.ID, "anew", "a grant could not be given again: "+err.Error())
	}
}

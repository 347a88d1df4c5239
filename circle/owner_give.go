package circle

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
)

// SharedAffordance is one affordance that a grant gives.
type SharedAffordance struct {
	Source    Source
	Title     string // what the grantee shall call the thing
	Ops       []string
	Precision Precision
}

// GiveParams is a yes. All affordances are of one home.
type GiveParams struct {
	Home           ID
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
	AskAgainAfter  grant.Duration // 0: 90 days
	Conditionality *grant.Conditionality
	Replaces       string // grant id of a renewal
	ShortLease     bool   // the terms touch locks, cameras, health
}

// Give signs a grant and sends it on its ways: to the node, through the home
// circle to the anchor, to the grantee's inbox.
func (o *Owner) Give(p GiveParams) (grantID string, err error) {
	err = o.do(func() error {
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
	old := o.given[p.Replaces]
	if p.Replaces != "" && (old == nil || !old.live()) {
		return "", fmt.Errorf("the grant to be replaced, %s: %w", clip(p.Replaces), ErrUnknown)
	}
	i := slices.IndexFunc(h.Stock, func(s stockEntry) bool { return s.Client == o.ms.Client })
	if i < 0 {
		return "", fmt.Errorf("the thing has no circle ready for this client; it sends more when it is online: %w", ErrNotYet)
	}
	signed, err := grant.New(o.grantParams(p, h, h.Stock[i], grantee, shares))
	if err != nil {
		return "", err
	}
	h.Stock = slices.Delete(slices.Clone(h.Stock), i, i+1)
	g := &ownerGrant{ID: signed.Grant, Home: p.Home, State: grant.Given, At: o.now(), Bundle: grantBundle{
		Envelope: signed.Envelope, Terms: signed.Terms, Opening: signed.Opening, Closing: signed.Closing, Request: p.Request,
	}}
	if err := g.parse(); err != nil {
		return "", err
	}
	return g.ID, o.sendGrant(r, h, g, old, grantee)
}

// homeFor is a home where this client may act.
func (o *Owner) homeFor(c ID) (*ownedHome, *room, error) {
	h, r := o.ms.Homes[c.String()], o.rooms[c]
	switch {
	case h == nil:
		return nil, nil, fmt.Errorf("home %s: %w", c, ErrUnknown)
	case h.Closed:
		return nil, nil, fmt.Errorf("home %s was claimed anew: %w", c, ErrEnded)
	case r == nil || r.group == nil || !r.Member.Ready:
		return nil, nil, fmt.Errorf("this client has not all documents of the home yet: %w", ErrNotYet)
	}
	return h, r, nil
}

func (o *Owner) granteeOf(p GiveParams) (*identity.Verified, error) {
	v, err := o.takeIdentity(p.Grantee)
	if err != nil {
		return nil, err
	}
	if err := v.ValidAt(o.now()); err != nil {
		return nil, err
	}
	if v.Address() == o.own().Address() {
		return nil, fmt.Errorf("that is the owner itself: %w", ErrRefused)
	}
	if !slices.ContainsFunc(v.Clients(), hasSuite) {
		return nil, fmt.Errorf("no client of %s speaks cipher suite %d: %w", v.Address(), suite, ErrRefused)
	}
	if q, ok := o.ms.Requests[p.Request]; p.Request != "" && (!ok || q.From != v.Address().String()) {
		return nil, fmt.Errorf("request %s: %w", clip(p.Request), ErrUnknown)
	}
	return v, nil
}

// shares gathers affordances of one thing that are shared alike.
func (o *Owner) shares(p GiveParams) ([]grant.Share, error) {
	var out []grant.Share
	h := o.ms.Homes[p.Home.String()]
	for _, s := range p.Share {
		if !slices.Contains(h.ThingIDs, s.Source.Thing) {
			return nil, fmt.Errorf("thing %q: %w", clip(s.Source.Thing), ErrUnknown)
		}
		like := func(g grant.Share) bool {
			return g.Thing == s.Source.Thing && g.Title == s.Title && slices.Equal(g.Actions, s.Ops) && samePrecision(g.Precision, s.Precision)
		}
		if i := slices.IndexFunc(out, like); i >= 0 {
			out[i].Affordances = append(out[i].Affordances, s.Source.Name)
			continue
		}
		out = append(out, grant.Share{
			Thing: s.Source.Thing, Title: s.Title, Actions: s.Ops, Affordances: []string{s.Source.Name}, Precision: s.Precision,
		})
	}
	return out, nil
}

func samePrecision(a, b Precision) bool {
	pa, pb := a.Place, b.Place
	a.Place, b.Place = nil, nil
	return a == b && (pa == nil) == (pb == nil) && (pa == nil || *pa == *pb)
}

func (o *Owner) grantParams(p GiveParams, h *ownedHome, s stockEntry, grantee *identity.Verified, shares []grant.Share) grant.Params {
	out := grant.Params{
		Rand: o.rand, Now: o.now(), Owner: o.own().Address(), Client: o.ms.Client, Signer: o.signer,
		Grantee: grant.Grantee{
			Account: grantee.Address(), IdentityKey: jws.Bytes(grantee.IdentityKey()), Kind: grantee.Kind(), Name: grantee.Name(),
		},
		Node: h.Node, Home: h.Circle.String(), Circle: s.Circle.String(), AnchorKey: ed25519.PublicKey(s.Key), Suite: uint16(suite),
		Valid: grant.Interval{From: p.From, Until: p.Until}, Replaces: p.Replaces, Shares: shares, Purpose: p.Purpose, Service: p.Service,
		Country: p.Country, Notice: p.Notice, Pseudonymous: p.Pseudonymous, MaxClients: p.MaxClients, Bucket: p.Bucket,
		Retention: p.Retention, AskAgainAfter: p.AskAgainAfter, Conditionality: p.Conditionality,
	}
	if out.Bucket == 0 {
		out.Bucket = o.fittingBucket(p.Home, shares)
	}
	if p.ShortLease {
		out.Lease = grant.ShortLease
	}
	return out
}

// sealedOverhead is what a message has beyond its plaintext, rounded up.
const sealedOverhead = 150

// fittingBucket is the smallest size that holds all values of one clock.
func (o *Owner) fittingBucket(home ID, shares []grant.Share) int {
	several := 0
	var items []inner
	for _, s := range shares {
		if s.Thing != shares[0].Thing {
			several = 50
		}
		for _, name := range s.Affordances {
			value, unit := json.RawMessage("12345.678"), "kWh"
			if !o.isNumber(home, s.Thing, name) {
				value = json.RawMessage(`"` + fmt.Sprintf("%0120d", 0) + `"`)
			}
			items = append(items, inner{Op: grant.OpObserve, Name: name, At: time.Unix(1<<31, 0).UTC(), Value: value, Unit: unit})
		}
	}
	size := len(encodeInner(items...)) + several*len(items) + sealedOverhead
	for _, b := range []int{sizeSmall, sizeMedium} {
		if size <= b {
			return b
		}
	}
	return sizeHome
}

// isNumber looks the affordance up in the thing's description.
func (o *Owner) isNumber(home ID, thing, name string) bool {
	var td struct {
		Properties map[string]struct {
			Type string `json:"type"`
		} `json:"properties"`
	}
	t, ok := o.things[home][thing]
	if !ok || json.Unmarshal(t.Description, &td) != nil {
		return true
	}
	p, ok := td.Properties[name]
	return !ok || p.Type == "number" || p.Type == "integer" || p.Type == "boolean"
}

// sendGrant sends a grant on its ways.
func (o *Owner) sendGrant(r *room, h *ownedHome, g, old *ownerGrant, grantee *identity.Verified) error {
	say := homeMessage{T: homeGive, Grant: &g.Bundle}
	file := Effect{Kind: EffectFileEnvelope, Node: h.Node, Grant: g.ID, Envelope: g.Bundle.Envelope}
	if old != nil {
		w, err := o.signWithdrawal(old, "superseded")
		if err != nil {
			return err
		}
		say.Withdrawal = &w
		file.Closing, file.Countersignature = w.Closing, w.Countersignature
		old.State = grant.Superseded
		o.touch(old.part())
	}
	offer := letter{T: letterOffer, Terms: g.Bundle.Terms, Opening: g.Bundle.Opening, Request: g.Bundle.Request}
	if g.terms.Owner == grant.OwnerNamed {
		named, _, err := o.countersign(g.Bundle.Terms)
		if err != nil {
			return err
		}
		offer.Owner = named
	}
	delete(o.ms.Requests, g.Bundle.Request)
	o.touch(partMember)
	o.keepGiven(g)
	o.send(file)
	o.post(grantee, letterOffer, offer, minTime(o.now().Add(inboxExpires), g.envelope.ValidUntil))
	o.say(r, say, "give:"+g.ID)
	return nil
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// signAgainAfter is how old an envelope is at least that is signed again.
const signAgainAfter = time.Hour

// signAgain renews the envelope of a grant that waited too long for the anchor.
func (o *Owner) signAgain(r *room, g *ownerGrant) {
	again := g.envelope.Issued.Add(signAgainAfter)
	if !o.signsAgain(g) || r == nil || r.group == nil {
		return
	}
	if o.now().Before(again) {
		o.wake(again)
		return
	}
	id, err := identity.NewID(o.rand, o.now())
	if err != nil {
		o.log.Error("sign envelope again", "error", err)
		return
	}
	e := g.envelope
	e.ID, e.Client, e.Issued = id, o.ms.Client, o.now().Truncate(time.Second)
	compact, err := grant.SignEnvelope(e, o.signer)
	if err != nil {
		o.log.Error("sign envelope again", "error", err)
		return
	}
	g.Bundle.Envelope, g.envelope = compact, e
	o.touch(g.part())
	// The node may have refused the first one as too old.
	o.send(Effect{Kind: EffectFileEnvelope, Node: r.Node, Grant: g.ID, Envelope: compact})
	o.say(r, homeMessage{T: homeGive, Grant: &g.Bundle}, "give:"+g.ID)
}

// signsAgain: the client that gave, or where it is gone the first of the
// account.
func (o *Owner) signsAgain(g *ownerGrant) bool {
	own := o.own()
	if _, ok := own.Client(g.envelope.Client); ok {
		return g.envelope.Client == o.ms.Client
	}
	return own.Clients()[0].Name == o.ms.Client
}

// giveAnew gives the terms of a grant again, in the next home of the same thing.
func (o *Owner) giveAnew(g *ownerGrant) {
	next := g.Anew
	h, r := o.ms.Homes[next.String()], o.rooms[next]
	grantee := o.book.get(g.envelope.Grantee.String())
	if h == nil || h.Closed || !o.now().Before(g.envelope.ValidUntil) || grantee == nil {
		g.Anew = ID{}
		o.touch(g.part())
		return
	}
	if r == nil || r.group == nil || !r.Member.Ready || len(h.Stock) == 0 || len(h.ThingIDs) == 0 {
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
			if grant.ThingPseudonym(g.envelope.KGrant, id) != d.Identifier {
				continue
			}
			for _, name := range d.Datatypes {
				p.Share = append(p.Share, SharedAffordance{Source: Source{id, name}, Title: d.Title, Ops: d.Actions, Precision: d.Precision})
			}
		}
	}
	g.Anew = ID{}
	o.touch(g.part())
	if _, err := o.give(p); err != nil {
		o.problem(next, g.ID, "anew", "a grant could not be given again: "+err.Error())
	}
}

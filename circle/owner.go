package circle

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
)

const (
	partHomeThings = "t-" // and the circle id
	partGiven      = "o-" // and the grant id
)

// Owner is a Member that also decides about things of its own.
type Owner struct {
	Member
	given  map[string]*ownerGrant
	things map[ID]map[string]Thing
}

// ownedHome is a home circle as one owner client stores it.
type ownedHome struct {
	Circle           ID                      `json:"circle"`
	Number           uint64                  `json:"number"`
	Node             string                  `json:"node"`
	ThingKey         jws.Bytes               `json:"thingKey"`
	AnchorKey        jws.Bytes               `json:"anchorKey"`
	Claim            string                  `json:"claim"`
	Countersignature string                  `json:"countersignature"`
	Closed           bool                    `json:"closed,omitempty"`
	Stock            []stockEntry            `json:"stock,omitempty"` // of this client, not used yet
	ThingIDs         []string                `json:"thingIds,omitempty"`
	Lives            map[string]clientReport `json:"lives,omitempty"`
}

// ownerGrant is a grant as its owner's client stores it.
type ownerGrant struct {
	ID      string      `json:"id"`
	Home    ID          `json:"home"`
	Bundle  grantBundle `json:"bundle"`
	State   grant.State `json:"state"`
	Reason  string      `json:"reason,omitempty"`
	Text    string      `json:"text,omitempty"`
	Clients []string    `json:"clients,omitempty"`
	At      time.Time   `json:"at"`
	// Opened: the anchor has made the circle.
	Opened bool `json:"opened,omitempty"`
	// Anew: the edge was claimed again; the same terms are to be given there.
	Anew       ID           `json:"anew,omitzero"`
	Withdrawal *withdrawing `json:"withdrawal,omitempty"`

	envelope grant.Envelope
	terms    grant.Terms
}

// withdrawing is how far a withdrawal is.
type withdrawing struct {
	WithdrawalInfo
	Reason string      `json:"reason"`
	Nonces []jws.Bytes `json:"nonces"` // of every countersignature that was sent
	Last   string      `json:"last"`   // the newest countersignature
	Tries  int         `json:"tries"`
	Next   time.Time   `json:"next"` // when it is repeated
}

func (g *ownerGrant) part() string { return partGiven + g.ID }

func (g *ownerGrant) live() bool { return g.State == grant.Given || g.State == grant.Paused }

// OpenOwner opens or makes the owner that lives in dir, and locks it.
func OpenOwner(dir string, opts MemberOptions) (*Owner, error) {
	o := &Owner{}
	if err := o.prepare(opts); err != nil {
		return nil, err
	}
	o.role = o
	if err := o.openWith(dir, opts); err != nil {
		return nil, err
	}
	return o, nil
}

// restore reads the owner's parts.
func (o *Owner) restore(files map[string][]byte) error {
	o.given, o.things = map[string]*ownerGrant{}, map[ID]map[string]Thing{}
	if err := o.Member.restore(files); err != nil {
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
			return fmt.Errorf(errBadState, name, err)
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
	o.given[g.ID] = g
	o.parts[name] = jsonPart{g}
	return nil
}

func (g *ownerGrant) parse() error {
	if err := unverified(g.Bundle.Envelope, &g.envelope); err != nil {
		return err
	}
	return unverified(g.Bundle.Terms, &g.terms)
}

func (o *Owner) restoreThings(name string, b []byte) error {
	c, err := ParseID(name[len(partHomeThings):])
	if err != nil {
		return err
	}
	things := map[string]Thing{}
	if err := json.Unmarshal(b, &things); err != nil {
		return err
	}
	o.setThings(c, things)
	return nil
}

func (o *Owner) setThings(c ID, things map[string]Thing) {
	o.things[c] = things
	o.parts[partHomeThings+c.String()] = jsonPart{things}
}

func (o *Owner) keepGiven(g *ownerGrant) {
	o.given[g.ID] = g
	o.put(g.part(), jsonPart{g})
}

// BeginClaim makes what the client posts to an edge on the LAN; node is the
// authority of the own node.
func (o *Owner) BeginClaim(node string) (req ClaimRequest, err error) {
	err = o.do(func() error {
		p, err := o.newPackage(false)
		if err != nil {
			return fmt.Errorf("claim an edge: %w", err)
		}
		nonce, err := o.random(16)
		if err != nil {
			return fmt.Errorf("claim an edge: %w", err)
		}
		o.ms.Stock = append(o.ms.Stock, p)
		o.touch(partMember)
		req = ClaimRequest{
			Node: node, Identity: o.own().Compact(), Client: o.ms.Client, KeyPackage: p.Package,
			Nonce: base64.RawURLEncoding.EncodeToString(nonce),
		}
		for _, h := range o.ms.Homes {
			req.Number = max(req.Number, h.Number)
		}
		return nil
	})
	return req, err
}

// SignClaim checks the edge's offer against the request and the key that the
// label or terminal pinned, and countersigns.
func (o *Owner) SignClaim(r ClaimRequest, offer ClaimOffer, thingKey ed25519.PublicKey) (countersignature string, err error) {
	err = o.do(func() error {
		if _, err := o.checkClaim(r, offer, thingKey); err != nil {
			return fmt.Errorf("sign the claim: %w", err)
		}
		if countersignature, _, err = o.countersign(offer.Claim); err != nil {
			return fmt.Errorf("sign the claim: %w", err)
		}
		o.ms.Signed = map[string]string{jws.Hash(offer.Claim): countersignature}
		o.touch(partMember)
		return nil
	})
	return countersignature, err
}

func (o *Owner) checkClaim(r ClaimRequest, offer ClaimOffer, thingKey ed25519.PublicKey) (grant.Claim, error) {
	c, err := grant.VerifyClaim(offer.Claim)
	if err != nil {
		return c, err
	}
	switch {
	case !sameKey(thingKey, c.ThingKey):
		return c, fmt.Errorf("the thing shows another key than its label: %w", grant.ErrSigner)
	case c.Nonce.String() != r.Nonce || c.KeyPackage != hashBytes(r.KeyPackage) || c.Node != r.Node:
		return c, fmt.Errorf("the claim answers another request: %w", grant.ErrMismatch)
	case c.Owner != o.own().Address() || !sameKey(c.OwnerIdentityKey, o.own().IdentityKey()):
		return c, fmt.Errorf("the claim names another owner: %w", grant.ErrMismatch)
	case c.Suite != uint16(suite):
		return c, fmt.Errorf("the claim names cipher suite %d: %w", c.Suite, ErrRefused)
	}
	for _, h := range o.ms.Homes {
		if sameKey(h.ThingKey, c.ThingKey) && c.Number <= h.Number {
			return c, fmt.Errorf("claim %d of this thing is known already: %w", h.Number, ErrRefused)
		}
	}
	return c, nil
}

// JoinHome enters the home circle of the claim that SignClaim signed last, by the
// Welcome from the LAN.
func (o *Owner) JoinHome(offer ClaimOffer, w HomeWelcome) (id ID, err error) {
	err = o.do(func() error {
		countersignature := o.ms.Signed[jws.Hash(offer.Claim)]
		c, err := grant.VerifyClaimed(offer.Claim, countersignature, o.own())
		if err != nil {
			return fmt.Errorf("join home: %w", err)
		}
		if id, err = ParseID(c.Home); err != nil {
			return fmt.Errorf("join home: %w", err)
		}
		if r := o.rooms[id]; r != nil && r.group != nil {
			return nil // again
		}
		if o.rooms[id] == nil && !o.addHome(id, c, offer.Claim, countersignature) {
			return fmt.Errorf("join home: a later claim of this thing is known: %w", ErrRefused)
		}
		r := o.rooms[id]
		o.welcomed(r, &incoming{kind: inWelcome, raw: w.Welcome})
		if r.group == nil {
			o.eraseRoom(r)
			delete(o.ms.Homes, id.String())
			return fmt.Errorf("join home: the welcome does not open: %w", ErrRefused)
		}
		o.homeJoined(r, c)
		return nil
	})
	return id, err
}

// homeJoined closes earlier homes of the same thing, and tells the other clients
// of the account about this one.
func (o *Owner) homeJoined(r *room, c grant.Claim) {
	for _, h := range o.ms.Homes {
		if sameKey(h.ThingKey, c.ThingKey) && h.Number < c.Number {
			o.closeHome(h, r.ID)
		}
	}
	o.offerHomes(o.own())
	o.emit(Event{Kind: EventHome, Circle: r.ID, Thing: base64.RawURLEncoding.EncodeToString(c.ThingKey)})
}

// closeHome gives the same terms anew in the next home of the same thing.
func (o *Owner) closeHome(h *ownedHome, next ID) {
	h.Closed, h.Stock = true, nil
	o.touch(partMember)
	if r := o.rooms[h.Circle]; r != nil {
		o.eraseRoom(r)
	}
	for _, g := range o.given {
		if g.Home != h.Circle || !g.live() {
			continue
		}
		g.State, g.Reason = grant.Revoked, "replaced"
		if g.Withdrawal == nil && o.now().Before(g.envelope.ValidUntil) && g.envelope.Client == o.ms.Client {
			g.Anew = next
		}
		o.touch(g.part())
	}
}

// offerHomes tells other clients of the own account which homes there are.
func (m *Member) offerHomes(v *identity.Verified) {
	if len(v.Clients()) < 2 {
		return
	}
	for _, key := range sortedKeys(m.ms.Homes) {
		h := m.ms.Homes[key]
		if h.Closed {
			continue
		}
		m.post(v, letterNotice, letter{T: letterHome, Claim: h.Claim, Countersignature: h.Countersignature}, m.now().Add(inboxExpires))
	}
}

// HomeInfo is one home circle.
type HomeInfo struct {
	Circle   ID
	Node     string
	ThingKey ed25519.PublicKey
	Number   uint64
	Joined   bool
	// Ready: the documents that the circle's context names are all here.
	Ready   bool
	Clients []string
	// Life is when each client was last heard, as it signed.
	Life map[string]time.Time
	// Silent are clients that pause the grants.
	Silent []string
	// Closed: a later claim of the same edge took its place.
	Closed bool
}

// Homes lists the home circles.
func (o *Owner) Homes() []HomeInfo {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []HomeInfo
	for _, key := range sortedKeys(o.ms.Homes) {
		h := o.ms.Homes[key]
		info := HomeInfo{
			Circle: h.Circle, Node: h.Node, ThingKey: ed25519.PublicKey(h.ThingKey), Number: h.Number, Closed: h.Closed,
			Life: map[string]time.Time{},
		}
		if r := o.rooms[h.Circle]; r != nil && r.group != nil {
			info.Joined, info.Ready = true, r.Member.Ready
			info.Clients = o.clientsIn(r)
		}
		for _, name := range sortedKeys(h.Lives) {
			l := h.Lives[name]
			info.Life[name] = l.At
			if l.Silent && !l.Excused {
				info.Silent = append(info.Silent, name)
			}
		}
		out = append(out, info)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Number < out[j].Number })
	return out
}

func (o *Owner) clientsIn(r *room) (names []string) {
	for _, m := range r.group.Members() {
		if c, ok := o.own().ClientByKey(m.SignatureKey); ok {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Things lists the descriptions in a home.
func (o *Owner) Things(home ID) []Thing {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []Thing
	h := o.ms.Homes[home.String()]
	if h == nil {
		return nil
	}
	for _, id := range h.ThingIDs {
		t, ok := o.things[home][id]
		if !ok {
			t = Thing{ID: id}
		}
		out = append(out, t)
	}
	return out
}

// Given lists the grants given, ended ones too, newest last.
func (o *Owner) Given() []GrantInfo {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]GrantInfo, 0, len(o.given))
	for _, id := range sortedKeys(o.given) {
		out = append(out, o.infoOf(o.given[id]))
	}
	sort.SliceStable(out, func(i, j int) bool { return o.given[out[i].ID].At.Before(o.given[out[j].ID].At) })
	return out
}

func (o *Owner) infoOf(g *ownerGrant) GrantInfo {
	c, _ := ParseID(g.envelope.Circle)
	info := GrantInfo{
		ID: g.ID, Circle: c, State: g.State, Reason: g.Reason, Owner: o.ms.Account, Grantee: g.envelope.Grantee.String(),
		Terms: g.Bundle.Terms, Request: g.Bundle.Request, Home: g.Home, Shared: sharedNames(g.terms),
		ValidFrom: g.envelope.ValidFrom, ValidUntil: g.envelope.ValidUntil, Joined: len(g.Clients) > 0, Clients: g.Clients,
	}
	if h := o.ms.Homes[g.Home.String()]; h != nil {
		info.Node = h.Node
	}
	for i, s := range info.Shared {
		for id := range o.things[g.Home] {
			if grant.ThingPseudonym(g.envelope.KGrant, id) == s.Thing {
				info.Shared[i].Source = Source{Thing: id, Name: s.Name}
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
func (o *Owner) Requests() []RequestInfo {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.openRequests()
}

// RequestInfo is a request as the owner sees it.
type RequestInfo struct {
	ID       string        `json:"id"`
	From     string        `json:"from"`     // account
	Identity string        `json:"identity"` // its identity document
	Document string        `json:"document"` // JWS
	Received time.Time     `json:"received"`
	Request  grant.Request `json:"request"`
}

// Refuse says no to a request, to the node too (askAgainAfter).
func (o *Owner) Refuse(request string, askAgain time.Duration) error {
	return o.do(func() error {
		q, ok := o.ms.Requests[request]
		if !ok {
			return fmt.Errorf("refuse request %s: %w", clip(request), ErrUnknown)
		}
		v := o.book.get(q.From)
		id, err := identity.NewID(o.rand, o.now())
		if err != nil {
			return err
		}
		if askAgain <= 0 {
			askAgain = grant.DefaultAskAgainAfter.D()
		}
		now := o.now().Truncate(time.Second)
		doc, err := grant.SignRefusal(grant.Refusal{
			ID: id, Request: request, From: o.own().Address(), Client: o.ms.Client, To: v.Address(), At: now,
			AskAgainAfter: grant.Duration(askAgain),
		}, o.signer)
		if err != nil {
			return fmt.Errorf("refuse request: %w", err)
		}
		delete(o.ms.Requests, request)
		o.touch(partMember)
		o.post(v, letterNotice, letter{T: letterRefusal, Refusal: doc}, now.Add(inboxExpires))
		o.send(Effect{Kind: EffectFileRefusal, Account: q.From, Until: now.Add(askAgain), Document: []byte(doc)})
		return nil
	})
}

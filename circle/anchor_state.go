package circle

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"primum/circle/internal/reduce"
	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
	"primum/mls"
)

const (
	partAnchor = "anchor"
	partThings = "things"
	partGrant  = "g-" // and the grant's id
)

// anchorState is what an anchor stores beside circles, grants and things.
type anchorState struct {
	ThingSeed []byte           `json:"thingSeed"` // secret
	Claims    uint64           `json:"claims"`    // highest number used
	Home      *homeClaim       `json:"home,omitempty"`
	Offer     *homeClaim       `json:"offer,omitempty"`
	Stock     []stockPair      `json:"stock,omitempty"`
	Lives     map[string]*life `json:"lives,omitempty"` // by client
	Rule      Precision        `json:"rule"`            // of the home circle
	Untold    []string         `json:"untold,omitempty"`
	// Restored: the state is not the newest one this anchor had; only a new
	// claim helps.
	Restored   bool               `json:"restored,omitempty"`
	Suspension string             `json:"suspension,omitempty"`
	Commands   map[string]command `json:"commands,omitempty"` // by Event.Ref
	// Present: the node was restored and waits for the active set.
	Present bool `json:"present,omitempty"`
}

// homeClaim is a claim, offered or in force.
type homeClaim struct {
	Number           uint64    `json:"number"`
	Owner            string    `json:"owner"`
	OwnerKey         jws.Bytes `json:"ownerKey"`
	Identity         string    `json:"identity"`
	Node             string    `json:"node"`
	Circle           ID        `json:"circle"`
	Claim            string    `json:"claim"`
	Countersignature string    `json:"countersignature,omitempty"`
	Client           string    `json:"client"`
	Seed             []byte    `json:"seed,omitempty"`  // leaf key; secret, moves to the circle
	Group            []byte    `json:"group,omitempty"` // likewise
	Welcome          []byte    `json:"welcome,omitempty"`
}

// stockPair is a fresh circle id with its leaf key, for one owner client.
type stockPair struct {
	Client string `json:"client"`
	Circle ID     `json:"circle"`
	Seed   []byte `json:"seed"` // secret
	Told   bool   `json:"told,omitempty"`
}

// life is what an anchor knows of one owner client.
type life struct {
	Leaf    string    `json:"leaf,omitempty"` // signature key, base64url
	Count   uint64    `json:"count"`
	Prev    string    `json:"prev"`
	At      time.Time `json:"at"` // signed time of the newest message that counts
	Gap     bool      `json:"gap,omitempty"`
	Excused bool      `json:"excused,omitempty"`
	Silent  bool      `json:"silent,omitempty"`
	Told    bool      `json:"told,omitempty"` // of the gap
	Parts   joiner    `json:"parts"`
}

// heldPackage waits to be taken into a circle.
type heldPackage struct {
	Client string `json:"client"`
	Bytes  []byte `json:"bytes"`
	Rejoin bool   `json:"rejoin,omitempty"`
}

// leafState is what an anchor knows of a leaf, by signature key.
type leafState struct {
	Client  string    `json:"client"`
	Epoch   uint64    `json:"epoch"` // in which it joined
	Heard   time.Time `json:"heard"`
	Updated time.Time `json:"updated,omitzero"`
	// Waits: it came by a last-resort package and has not renewed its leaf.
	Waits bool `json:"waits,omitempty"`

	asked uint64 // epoch, plus one, in which an Update was received
}

// sentValue is the newest value of one affordance in a circle.
type sentValue struct {
	At    time.Time       `json:"at"`
	Value json.RawMessage `json:"value,omitempty"`
	Unit  string          `json:"unit,omitempty"`
}

// States of a grant at its anchor.
const (
	grantWaiting  = "waiting"  // the envelope must be signed again
	grantOpen     = "given"    // has a circle
	grantPaused   = "paused"   // has one and seals nothing
	grantEnded    = "ended"    // terminal
	grantDeclined = "declined" // never had one
)

// anchorGrant is one grant at its anchor.
type anchorGrant struct {
	ID     string      `json:"id"`
	State  string      `json:"state"`
	Reason string      `json:"reason,omitempty"`
	Text   string      `json:"text,omitempty"`
	Bundle grantBundle `json:"bundle"`
	Circle ID          `json:"circle"`
	Epoch  uint64      `json:"epoch,omitempty"` // in which it ended
	Ended  time.Time   `json:"ended,omitzero"`
	Pauses []span      `json:"pauses,omitempty"`
	Since  time.Time   `json:"since"` // when the circle was opened

	envelope grant.Envelope
	terms    grant.Terms
	hashes   []string // of all four documents, computed once
	flows    []*flow
}

// set is the hashes of the documents that are active while the grant lives.
func (g *anchorGrant) set() []string {
	if g.hashes == nil {
		b := g.Bundle
		for _, compact := range []string{b.Envelope, b.Terms, b.Opening, b.Closing} {
			g.hashes = append(g.hashes, jws.Hash(compact))
		}
	}
	return g.hashes
}

// span is a stretch of time, open when To is zero.
type span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to,omitzero"`
}

func (s span) overlaps(from, to time.Time) bool {
	return from.Before(s.To) && s.From.Before(to) || s.To.IsZero() && s.From.Before(to)
}

// live tells whether the grant has a circle.
func (g *anchorGrant) live() bool { return g.State == grantOpen || g.State == grantPaused }

func (g *anchorGrant) part() string { return partGrant + g.ID }

// restore reads the anchor's parts.
func (an *Anchor) restore(files map[string][]byte) error {
	an.st, an.grants, an.things = anchorState{}, map[string]*anchorGrant{}, nil
	an.homeFlows, an.nonces, an.lastKeys = map[Source]*flow{}, map[string][]issued{}, map[ID]ed25519.PrivateKey{}
	an.parts[partAnchor], an.parts[partThings] = jsonPart{&an.st}, jsonPart{&an.things}
	an.parts[partIdentities] = jsonPart{&an.book}
	if err := decodePart(files, partAnchor, &an.st); err != nil {
		return err
	}
	if err := decodePart(files, partThings, &an.things); err != nil {
		return err
	}
	if err := an.book.restore(files); err != nil {
		return err
	}
	for name, b := range files {
		if len(name) > len(partGrant) && name[:len(partGrant)] == partGrant {
			if err := an.restoreGrant(name, b); err != nil {
				return err
			}
		}
	}
	if an.st.ThingSeed == nil {
		return an.begin()
	}
	for _, r := range an.rooms {
		r.config = an.config(r)
	}
	an.interrupted()
	return nil
}

func (an *Anchor) restoreGrant(name string, b []byte) error {
	g := &anchorGrant{}
	err := json.Unmarshal(b, g)
	if err == nil && g.live() {
		err = g.parse()
	}
	if err == nil && g.Bundle.Envelope != "" {
		err = unverified(g.Bundle.Envelope, &g.envelope)
	}
	if err != nil {
		return fmt.Errorf(errBadState, name, err)
	}
	an.grants[g.ID] = g
	an.parts[name] = jsonPart{g}
	return nil
}

// parse reads documents that were verified when they came.
func (g *anchorGrant) parse() error {
	if err := unverified(g.Bundle.Envelope, &g.envelope); err != nil {
		return err
	}
	return unverified(g.Bundle.Terms, &g.terms)
}

// unverified reads the payload of a document that was verified before it was
// stored.
func unverified(compact string, v any) error {
	u, err := jws.Parse(compact, grant.MaxSize)
	if err != nil {
		return err
	}
	return jws.DecodeStrict(u.UntrustedPayload(), v)
}

// begin makes a new anchor.
func (an *Anchor) begin() error {
	seed, err := an.random(ed25519.SeedSize)
	if err != nil {
		return err
	}
	an.st = anchorState{ThingSeed: seed, Rule: defaultHomeRule(), Lives: map[string]*life{}}
	an.touch(partAnchor)
	return nil
}

func defaultHomeRule() Precision {
	exact := 30
	return Precision{Every: grant.Duration(time.Minute), Stat: grant.Last, Place: &exact}
}

func (an *Anchor) thingKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(an.st.ThingSeed) }

// config is what mls needs for one of the anchor's circles.
func (an *Anchor) config(r *room) mls.Config {
	return mls.Config{
		Signer: ed25519.NewKeyFromSeed(r.Seed), Now: an.now, Rand: an.rand, Window: -1,
		Authorize: func(v *mls.CommitView) error {
			if v.External || v.Committer != 0 { // the anchor's own leaf, from the creation on
				return errNotCommitter
			}
			return nil
		},
	}
}

func (an *Anchor) home() *room {
	if an.st.Home == nil {
		return nil
	}
	return an.rooms[an.st.Home.Circle]
}

func (an *Anchor) owner() *identity.Verified {
	if an.st.Home == nil {
		return nil
	}
	return an.book.get(an.st.Home.Owner)
}

func (an *Anchor) grantOf(c ID) *anchorGrant {
	r := an.rooms[c]
	if r == nil {
		return nil
	}
	if g := an.grants[r.Grant]; g != nil && g.live() {
		return g
	}
	return nil
}

// Signer signs for a circle's leaf: requests with keyid "circle:HEX" and proofs
// on the socket. Nil for a circle that is not known or has ended.
func (an *Anchor) Signer(c ID) crypto.Signer {
	an.mu.Lock()
	defer an.mu.Unlock()
	if r := an.rooms[c]; r != nil && len(r.Seed) == ed25519.SeedSize {
		return ed25519.NewKeyFromSeed(r.Seed)
	}
	if k, ok := an.lastKeys[c]; ok {
		return k
	}
	return nil
}

func ruleOf(p Precision) reduce.Rule {
	r := reduce.Rule{Every: p.Every.D(), Stat: string(p.Stat), Round: p.Round, Place: reduce.PlaceNone, Delay: p.Delay.D()}
	if p.Place != nil {
		r.Place = *p.Place
	}
	return r
}

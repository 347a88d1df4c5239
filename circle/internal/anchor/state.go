package anchor

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"primum/circle/internal/core"
	"primum/circle/internal/reduce"
	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
	"primum/mls"
)

const (
	partAnchor = "anchor"
	partThings = "things"
	PartGrant  = "g-" // and the grant's id
)

// anchorState is what an anchor stores beside circles, grants and things.
type anchorState struct {
	ThingSeed []byte           `json:"thingSeed"` // secret
	Claims    uint64           `json:"claims"`    // highest number used
	Home      *homeClaim       `json:"home,omitempty"`
	Offer     *homeClaim       `json:"offer,omitempty"`
	Stock     []stockPair      `json:"stock,omitempty"`
	Lives     map[string]*life `json:"lives,omitempty"` // by client
	Rule      core.Precision   `json:"rule"`            // of the home circle
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
	Circle           core.ID   `json:"circle"`
	Claim            string    `json:"claim"`
	Countersignature string    `json:"countersignature,omitempty"`
	Client           string    `json:"client"`
	Seed             []byte    `json:"seed,omitempty"`  // leaf key; secret, moves to the circle
	Group            []byte    `json:"group,omitempty"` // likewise
	Welcome          []byte    `json:"welcome,omitempty"`
	Release          string    `json:"release,omitempty"` // that the offer rests on
}

// stockPair is a fresh circle id with its leaf key, for one owner client.
type stockPair struct {
	Client string  `json:"client"`
	Circle core.ID `json:"circle"`
	Seed   []byte  `json:"seed"` // secret
	// Suites are those that were told with it.
	Suites []uint16 `json:"suites,omitempty"`
	Told   bool     `json:"told,omitempty"`
}

// life is what an anchor knows of one owner client.
type life struct {
	Leaf    string      `json:"leaf,omitempty"` // signature key, base64url
	Count   uint64      `json:"count"`
	Prev    string      `json:"prev"`
	At      time.Time   `json:"at"` // signed time of the newest message that counts
	Gap     bool        `json:"gap,omitempty"`
	Excused bool        `json:"excused,omitempty"`
	Silent  bool        `json:"silent,omitempty"`
	Told    bool        `json:"told,omitempty"`  // of the gap
	Unfit   bool        `json:"unfit,omitempty"` // doesn't list the home's suite
	Parts   core.Joiner `json:"parts"`
}

// anchorGrant is one grant at its anchor.
type anchorGrant struct {
	ID     string           `json:"id"`
	State  string           `json:"state"`
	Reason string           `json:"reason,omitempty"`
	Text   string           `json:"text,omitempty"`
	Bundle core.GrantBundle `json:"bundle"`
	Circle core.ID          `json:"circle"`
	Epoch  uint64           `json:"epoch,omitempty"` // in which it ended
	Ended  time.Time        `json:"ended,omitzero"`
	Pauses []span           `json:"pauses,omitempty"`
	Since  time.Time        `json:"since"` // when the circle was opened
	// Judged: the suite was compared with the grantee's identity document.
	Judged bool `json:"judged,omitempty"`

	envelope grant.Envelope
	terms    grant.Terms
	opening  grant.Opening
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
func (g *anchorGrant) live() bool { return g.State == core.GrantOpen || g.State == core.GrantPaused }

func (g *anchorGrant) part() string { return PartGrant + g.ID }

// Recall reads the anchor's parts.
func (an *Anchor) Recall(files map[string][]byte) error {
	an.State, an.Grants, an.things = anchorState{}, map[string]*anchorGrant{}, nil
	an.homeFlows, an.Nonces, an.lastKeys = map[core.Source]*flow{}, map[string][]issued{}, map[core.ID]ed25519.PrivateKey{}
	an.Parts[partAnchor], an.Parts[partThings] = core.StoreJSON(&an.State), core.StoreJSON(&an.things)
	an.Parts[core.PartIdentities] = core.StoreJSON(&an.book)
	if err := core.DecodePart(files, partAnchor, &an.State); err != nil {
		return err
	}
	if err := core.DecodePart(files, partThings, &an.things); err != nil {
		return err
	}
	if err := an.book.Restore(files); err != nil {
		return err
	}
	for name, b := range files {
		if len(name) > len(PartGrant) && name[:len(PartGrant)] == PartGrant {
			if err := an.restoreGrant(name, b); err != nil {
				return err
			}
		}
	}
	if an.State.ThingSeed == nil {
		return an.begin()
	}
	for _, r := range an.Rooms {
		r.Config = an.config(r)
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
		err = core.Unverified(g.Bundle.Envelope, &g.envelope)
	}
	if err != nil {
		return fmt.Errorf(core.BadState, name, err)
	}
	an.Grants[g.ID] = g
	an.Parts[name] = core.StoreJSON(g)
	return nil
}

// parse reads documents that were verified when they came.
func (g *anchorGrant) parse() error {
	if err := core.Unverified(g.Bundle.Envelope, &g.envelope); err != nil {
		return err
	}
	if err := core.Unverified(g.Bundle.Opening, &g.opening); err != nil {
		return err
	}
	return core.Unverified(g.Bundle.Terms, &g.terms)
}

// begin makes a new anchor.
func (an *Anchor) begin() error {
	seed, err := an.Random(ed25519.SeedSize)
	if err != nil {
		return err
	}
	an.State = anchorState{ThingSeed: seed, Rule: defaultHomeRule(), Lives: map[string]*life{}}
	an.Touch(partAnchor)
	return nil
}

func defaultHomeRule() core.Precision {
	exact := 30
	return core.Precision{Every: grant.Duration(time.Minute), Stat: grant.Last, Place: &exact}
}

func (an *Anchor) thingKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(an.State.ThingSeed) }

// config is what mls needs for one of the anchor's circles.
func (an *Anchor) config(r *core.Room) mls.Config {
	return mls.Config{
		Signer: ed25519.NewKeyFromSeed(r.Seed), Now: an.Now, Rand: an.Rand, Window: -1, PublicHandshakes: true,
		Authorize: func(v *mls.CommitView) error {
			if v.External || v.Committer != 0 { // the anchor's own leaf, from the creation on
				return core.ErrNotCommitter
			}
			return nil
		},
	}
}

func (an *Anchor) Home() *core.Room {
	if an.State.Home == nil {
		return nil
	}
	return an.Rooms[an.State.Home.Circle]
}

func (an *Anchor) owner() *identity.Verified {
	if an.State.Home == nil {
		return nil
	}
	return an.book.Get(an.State.Home.Owner)
}

// roomOf is the circle of a grant: a grant that was refused or waits may name
// any circle, also another grant's.
func (an *Anchor) roomOf(g *anchorGrant) *core.Room {
	if r := an.Rooms[g.Circle]; r != nil && !r.Home && r.Grant == g.ID {
		return r
	}
	return nil
}

func (an *Anchor) grantOf(c core.ID) *anchorGrant {
	r := an.Rooms[c]
	if r == nil {
		return nil
	}
	if g := an.Grants[r.Grant]; g != nil && g.live() {
		return g
	}
	return nil
}

// Signer signs for a circle's leaf: requests with keyid "circle:HEX" and proofs
// on the socket. Nil for a circle that is not known or has ended.
func (an *Anchor) Signer(c core.ID) crypto.Signer {
	an.Mu.Lock()
	defer an.Mu.Unlock()
	if r := an.Rooms[c]; r != nil && len(r.Seed) == ed25519.SeedSize {
		return ed25519.NewKeyFromSeed(r.Seed)
	}
	if k, ok := an.lastKeys[c]; ok {
		return k
	}
	return nil
}

func ruleOf(p core.Precision) reduce.Rule {
	r := reduce.Rule{Every: p.Every.D(), Stat: string(p.Stat), Round: p.Round, Place: reduce.PlaceNone, Delay: p.Delay.D()}
	if p.Place != nil {
		r.Place = *p.Place
	}
	return r
}

// Package anchor is the thing's end of its circles: the only committer, which
// follows signed documents alone, reduces values to each grant's precision and
// seals them on the grant's clock.
package anchor

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"primum/circle/internal/core"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/jws"
	"primum/mls"
)

// History is where an anchor finds past values; the edge implements it.
type History interface {
	// History gives the samples of an affordance with from ≤ At < to, oldest
	// first, at most limit of them.
	History(thing, name string, from, to time.Time, limit int) ([]core.Sample, error)
}

// Options is what an anchor needs from outside.
type Options struct {
	Clock   clock.Clock  // nil: the machine's
	Rand    io.Reader    // nil: crypto/rand
	History History      // nil: no history
	Log     *slog.Logger // nil: none; no secret and no value is logged
	// Suites are those of a constrained thing; nil: all that mls has.
	Suites []mls.Suite

	Step func(string) error // tests crash here
}

// Anchor is the thing's end: device or edge.
type Anchor struct {
	core.Actor
	history   History
	suites    []uint16 // its own, the strongest first
	State     anchorState
	book      core.Identities
	Grants    map[string]*anchorGrant
	things    []core.Thing
	homeFlows map[core.Source]*flow
	homeBatch int // messages of the largest batch of values
	Nonces    map[string][]issued
	lastKeys  map[core.ID]ed25519.PrivateKey // of circles whose last commit is on its way
	hinted    map[string]bool                // accounts whose identity document is said to be newer
	hintedAt  map[core.ID]time.Time          // when, by circle
}

// Open opens or makes the anchor that lives in dir, and locks it.
func Open(dir string, o Options) (*Anchor, error) {
	an := &Anchor{Actor: core.NewActor(o.Clock, o.Rand, o.Log), history: o.History, suites: core.SuiteIDs(o.Suites)}
	an.Role, an.Admits, an.Stepped = an, an.proposalWelcome, o.Step
	if err := an.Open(dir); err != nil {
		return nil, err
	}
	return an, nil
}

// Claimed is who owns an edge.
type Claimed struct {
	Owner  string // account
	Node   string
	Home   core.ID
	Number uint64
}

// ThingKey is the thing's public key: what the label and the QR pin.
func (an *Anchor) ThingKey() ed25519.PublicKey {
	an.Mu.Lock()
	defer an.Mu.Unlock()
	return an.thingKey().Public().(ed25519.PublicKey)
}

// Claimed tells who owns the edge.
func (an *Anchor) Claimed() (Claimed, bool) {
	an.Mu.Lock()
	defer an.Mu.Unlock()
	h := an.State.Home
	if h == nil {
		return Claimed{}, false
	}
	return Claimed{Owner: h.Owner, Node: h.Node, Home: h.Circle, Number: h.Number}, true
}

// SetThings replaces the descriptions that the owner sees.
func (an *Anchor) SetThings(things []core.Thing) error {
	seen := map[string]bool{}
	for _, t := range things {
		if t.ID == "" || len(t.ID) > 256 || seen[t.ID] {
			return fmt.Errorf("set things: %q: an id is missing, too long or stands twice: %w", core.Clip(t.ID), core.ErrRefused)
		}
		if len(t.Description) > 256<<10 || (len(t.Description) > 0 && !json.Valid(t.Description)) {
			return fmt.Errorf("set things: the description of %q is no JSON of at most 256 KiB: %w", core.Clip(t.ID), core.ErrRefused)
		}
		seen[t.ID] = true
	}
	return an.Do(func() error {
		old := map[string]core.Thing{}
		for _, t := range an.things {
			old[t.ID] = t
		}
		changed := len(things) != len(an.things)
		for _, t := range things {
			if o, ok := old[t.ID]; !ok || o.Title != t.Title || !bytes.Equal(o.Description, t.Description) {
				changed = true
				an.untold(t.ID)
			}
		}
		if !changed {
			return nil
		}
		an.things = append([]core.Thing(nil), things...)
		an.untold("") // the list itself
		an.Touch(partThings)
		return nil
	})
}

// untold marks a description that the home circle has not seen.
func (an *Anchor) untold(id string) {
	for _, u := range an.State.Untold {
		if u == id {
			return
		}
	}
	an.State.Untold = append(an.State.Untold, id)
	an.Touch(partAnchor)
}

// Withdraw takes a closing by any path (LAN). The statement is made at the
// persist after which nothing more is sealed; a repetition gets a new one.
func (an *Anchor) Withdraw(w core.Withdrawal) (statement string, err error) {
	err = an.Do(func() error {
		statement, err = an.withdraw(w, "withdrawn")
		return err
	})
	if err != nil {
		return "", err
	}
	return statement, nil
}

// Identity takes an identity document by any path.
func (an *Anchor) Identity(compact string) error {
	return an.Do(func() error { return an.takeIdentity(compact) })
}

// takeIdentity takes a document of the owner or of a grantee.
func (an *Anchor) takeIdentity(compact string) error {
	account, err := core.DocumentAccount(compact)
	if err != nil {
		return fmt.Errorf("take identity document: %w", err)
	}
	pin, wanted := an.pinOf(account)
	if !wanted {
		return fmt.Errorf("take identity document of %s: %w", core.Clip(account), core.ErrUnknown)
	}
	v, news, err := an.book.Take(compact, pin)
	if err != nil {
		return fmt.Errorf("take identity document: %w", err)
	}
	if v.Issued().After(an.Now().Add(core.MaxSkew)) {
		an.Log.Warn("identity document from the future", "account", account)
	}
	an.book.Accounts[account].Asked = an.Now()
	an.TouchSoft(core.PartIdentities)
	if news {
		an.Touch(core.PartIdentities)
	}
	if h := an.State.Home; news && h != nil && h.Owner == account {
		an.declineOrphans()
	}
	return nil
}

// pinOf is the identity key by which an account is known here.
func (an *Anchor) pinOf(account string) (pin []byte, wanted bool) {
	if h := an.State.Home; h != nil && h.Owner == account {
		return h.OwnerKey, true
	}
	for _, g := range an.Grants {
		if g.live() && g.envelope.Grantee.String() == account {
			return g.envelope.GranteeIdentityKey, true
		}
	}
	return nil, false
}

// Reset destroys keys, circles and queues: a physical reset.
func (an *Anchor) Reset() error {
	return an.Do(func() error {
		for _, r := range an.Rooms {
			an.EraseRoom(r)
		}
		for _, g := range an.Grants {
			an.Put(g.part(), nil)
		}
		an.Grants, an.things = map[string]*anchorGrant{}, nil
		an.KeepEvents(func(core.Event) bool { return false })
		an.Base.Outbox = nil
		an.book.Accounts, an.book.Verified = map[string]*core.KnownIdentity{}, map[string]*identity.Verified{}
		an.Wishes, an.Tries = map[string]*core.Effect{}, map[string]*core.Try{}
		an.homeFlows = map[core.Source]*flow{}
		clear(an.lastKeys)
		for _, p := range []string{partThings, core.PartEvents, core.PartBase, core.PartIdentities} {
			an.Touch(p)
		}
		return an.begin()
	})
}

// Backup is what a restored anchor starts from.
type Backup struct {
	Format    int          `json:"format"`
	ThingSeed jws.Bytes    `json:"thingSeed"` // secret
	Claims    uint64       `json:"claims"`
	Owner     string       `json:"owner,omitempty"`
	OwnerKey  jws.Bytes    `json:"ownerKey,omitempty"`
	Identity  string       `json:"identity,omitempty"`
	Node      string       `json:"node,omitempty"`
	Things    []core.Thing `json:"things,omitempty"`
}

// Backup is what a restored anchor starts from: no ratchet state, no leaf key.
// It holds the thing's key: keep it as safe as the thing.
func (an *Anchor) Backup() ([]byte, error) {
	an.Mu.Lock()
	defer an.Mu.Unlock()
	if err := an.Ready(); err != nil {
		return nil, err
	}
	b := Backup{Format: 1, ThingSeed: an.State.ThingSeed, Claims: an.State.Claims, Things: an.things}
	if h := an.State.Home; h != nil {
		b.Owner, b.OwnerKey, b.Node, b.Identity = h.Owner, h.OwnerKey, h.Node, h.Identity
		if v := an.owner(); v != nil {
			b.Identity = v.Compact()
		}
	}
	return json.Marshal(b)
}

// Restore makes a new directory from a backup; the anchor then waits to be
// claimed again by its owner.
func Restore(dir string, saved []byte, o Options) (*Anchor, error) {
	var b Backup
	if err := jws.DecodeStrict(saved, &b); err != nil {
		return nil, fmt.Errorf("restore anchor: %w", err)
	}
	if b.Format != 1 || len(b.ThingSeed) != ed25519.SeedSize {
		return nil, fmt.Errorf("restore anchor: not a backup of this program: %w", core.ErrRefused)
	}
	an, err := Open(dir, o)
	if err != nil {
		return nil, err
	}
	err = an.Do(func() error { return an.adopt(b) })
	if err != nil {
		return nil, errors.Join(err, an.Close())
	}
	return an, nil
}

func (an *Anchor) adopt(b Backup) error {
	if an.State.Claims != 0 || len(an.Rooms) != 0 {
		return fmt.Errorf("restore anchor: the directory is in use: %w", core.ErrRefused)
	}
	an.State.ThingSeed, an.State.Claims, an.things = b.ThingSeed, b.Claims, b.Things
	if b.Owner != "" {
		an.State.Home = &homeClaim{Number: b.Claims, Owner: b.Owner, OwnerKey: b.OwnerKey, Node: b.Node, Identity: b.Identity}
		if _, _, err := an.book.Take(b.Identity, b.OwnerKey); err != nil {
			return fmt.Errorf("restore anchor: %w", err)
		}
		an.Touch(core.PartIdentities)
	}
	an.Touch(partAnchor)
	an.Touch(partThings)
	an.restored("this edge was restored from a backup: its owner must claim it again")
	return nil
}

// restored stops everything until the owner claims again.
func (an *Anchor) restored(text string) {
	if an.State.Restored {
		return
	}
	an.State.Restored = true
	an.Touch(partAnchor)
	an.Emit(core.Event{Kind: core.EventStopped, Reason: core.StoppedRollback, Text: text})
}

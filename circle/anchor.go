package circle

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"primum/identity"
	"primum/internal/clock"
	"primum/internal/jws"
)

// History is where an anchor finds past values; the edge implements it.
type History interface {
	// History gives the samples of an affordance with from ≤ At < to, oldest
	// first, at most limit of them.
	History(thing, name string, from, to time.Time, limit int) ([]Sample, error)
}

// AnchorOptions is what an anchor needs from outside.
type AnchorOptions struct {
	Clock   clock.Clock  // nil: the machine's
	Rand    io.Reader    // nil: crypto/rand
	History History      // nil: no history
	Log     *slog.Logger // nil: none; no secret and no value is logged

	stepped func(string) error // tests crash here
}

// Anchor is the thing's end: device or edge.
type Anchor struct {
	actor
	history   History
	st        anchorState
	book      identities
	grants    map[string]*anchorGrant
	things    []Thing
	homeFlows map[Source]*flow
	homeBatch int // messages of the largest batch of values
	nonces    map[string][]issued
	lastKeys  map[ID]ed25519.PrivateKey // of circles whose last commit is on its way
}

var errNotCommitter = errors.New("only the anchor commits")

// OpenAnchor opens or makes the anchor that lives in dir, and locks it.
func OpenAnchor(dir string, o AnchorOptions) (*Anchor, error) {
	an := &Anchor{actor: newActor(o.Clock, o.Rand, o.Log), history: o.History}
	an.role, an.stepped = an, o.stepped
	if err := an.open(dir); err != nil {
		return nil, err
	}
	return an, nil
}

func (a *actor) random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(a.rand, b); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	return b, nil
}

// Claimed is who owns an edge.
type Claimed struct {
	Owner  string // account
	Node   string
	Home   ID
	Number uint64
}

// ThingKey is the thing's public key: what the label and the QR pin.
func (an *Anchor) ThingKey() ed25519.PublicKey {
	an.mu.Lock()
	defer an.mu.Unlock()
	return an.thingKey().Public().(ed25519.PublicKey)
}

// Claimed tells who owns the edge.
func (an *Anchor) Claimed() (Claimed, bool) {
	an.mu.Lock()
	defer an.mu.Unlock()
	h := an.st.Home
	if h == nil {
		return Claimed{}, false
	}
	return Claimed{Owner: h.Owner, Node: h.Node, Home: h.Circle, Number: h.Number}, true
}

// SetThings replaces the descriptions that the owner sees.
func (an *Anchor) SetThings(things []Thing) error {
	seen := map[string]bool{}
	for _, t := range things {
		if t.ID == "" || len(t.ID) > 256 || seen[t.ID] {
			return fmt.Errorf("set things: %q: an id is missing, too long or stands twice: %w", clip(t.ID), ErrRefused)
		}
		if len(t.Description) > 256<<10 || (len(t.Description) > 0 && !json.Valid(t.Description)) {
			return fmt.Errorf("set things: the description of %q is no JSON of at most 256 KiB: %w", clip(t.ID), ErrRefused)
		}
		seen[t.ID] = true
	}
	return an.do(func() error {
		old := map[string]Thing{}
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
		an.things = append([]Thing(nil), things...)
		an.untold("") // the list itself
		an.touch(partThings)
		return nil
	})
}

// untold marks a description that the home circle has not seen.
func (an *Anchor) untold(id string) {
	for _, u := range an.st.Untold {
		if u == id {
			return
		}
	}
	an.st.Untold = append(an.st.Untold, id)
	an.touch(partAnchor)
}

// Withdraw takes a closing by any path (LAN). The statement is made at the
// persist after which nothing more is sealed; a repetition gets a new one.
func (an *Anchor) Withdraw(w Withdrawal) (statement string, err error) {
	err = an.do(func() error {
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
	return an.do(func() error { return an.takeIdentity(compact) })
}

// takeIdentity takes a document of the owner or of a grantee.
func (an *Anchor) takeIdentity(compact string) error {
	account, err := documentAccount(compact)
	if err != nil {
		return fmt.Errorf("take identity document: %w", err)
	}
	pin, wanted := an.pinOf(account)
	if !wanted {
		return fmt.Errorf("take identity document of %s: %w", clip(account), ErrUnknown)
	}
	v, news, err := an.book.take(compact, pin)
	if err != nil {
		return fmt.Errorf("take identity document: %w", err)
	}
	if v.Issued().After(an.now().Add(maxSkew)) {
		an.log.Warn("identity document from the future", "account", account)
	}
	an.book.Accounts[account].Asked = an.now()
	an.touchSoft(partIdentities)
	if news {
		an.touch(partIdentities)
	}
	return nil
}

// pinOf is the identity key by which an account is known here.
func (an *Anchor) pinOf(account string) (pin []byte, wanted bool) {
	if h := an.st.Home; h != nil && h.Owner == account {
		return h.OwnerKey, true
	}
	for _, g := range an.grants {
		if g.live() && g.envelope.Grantee.String() == account {
			return g.envelope.GranteeIdentityKey, true
		}
	}
	return nil, false
}

// Reset destroys keys, circles and queues: a physical reset.
func (an *Anchor) Reset() error {
	return an.do(func() error {
		for _, r := range an.rooms {
			an.eraseRoom(r)
		}
		for _, g := range an.grants {
			an.put(g.part(), nil)
		}
		an.grants, an.things, an.events = map[string]*anchorGrant{}, nil, nil
		an.base.Outbox = nil
		an.book.Accounts, an.book.verified = map[string]*knownIdentity{}, map[string]*identity.Verified{}
		an.wishes, an.tries = map[string]*Effect{}, map[string]*try{}
		an.homeFlows = map[Source]*flow{}
		clear(an.lastKeys)
		for _, p := range []string{partThings, partEvents, partBase, partIdentities} {
			an.touch(p)
		}
		return an.begin()
	})
}

// backup is what a restored anchor starts from.
type backup struct {
	Format    int       `json:"format"`
	ThingSeed jws.Bytes `json:"thingSeed"` // secret
	Claims    uint64    `json:"claims"`
	Owner     string    `json:"owner,omitempty"`
	OwnerKey  jws.Bytes `json:"ownerKey,omitempty"`
	Identity  string    `json:"identity,omitempty"`
	Node      string    `json:"node,omitempty"`
	Things    []Thing   `json:"things,omitempty"`
}

// Backup is what a restored anchor starts from: no ratchet state, no leaf key.
// It holds the thing's key: keep it as safe as the thing.
func (an *Anchor) Backup() ([]byte, error) {
	an.mu.Lock()
	defer an.mu.Unlock()
	if err := an.ready(); err != nil {
		return nil, err
	}
	b := backup{Format: 1, ThingSeed: an.st.ThingSeed, Claims: an.st.Claims, Things: an.things}
	if h := an.st.Home; h != nil {
		b.Owner, b.OwnerKey, b.Node, b.Identity = h.Owner, h.OwnerKey, h.Node, h.Identity
		if v := an.owner(); v != nil {
			b.Identity = v.Compact()
		}
	}
	return json.Marshal(b)
}

// RestoreAnchor makes a new directory from a backup; the anchor then waits to be
// claimed again by its owner.
func RestoreAnchor(dir string, saved []byte, o AnchorOptions) (*Anchor, error) {
	var b backup
	if err := jws.DecodeStrict(saved, &b); err != nil {
		return nil, fmt.Errorf("restore anchor: %w", err)
	}
	if b.Format != 1 || len(b.ThingSeed) != ed25519.SeedSize {
		return nil, fmt.Errorf("restore anchor: not a backup of this program: %w", ErrRefused)
	}
	an, err := OpenAnchor(dir, o)
	if err != nil {
		return nil, err
	}
	err = an.do(func() error { return an.adopt(b) })
	if err != nil {
		return nil, errors.Join(err, an.Close())
	}
	return an, nil
}

func (an *Anchor) adopt(b backup) error {
	if an.st.Claims != 0 || len(an.rooms) != 0 {
		return fmt.Errorf("restore anchor: the directory is in use: %w", ErrRefused)
	}
	an.st.ThingSeed, an.st.Claims, an.things = b.ThingSeed, b.Claims, b.Things
	if b.Owner != "" {
		an.st.Home = &homeClaim{Number: b.Claims, Owner: b.Owner, OwnerKey: b.OwnerKey, Node: b.Node, Identity: b.Identity}
		if _, _, err := an.book.take(b.Identity, b.OwnerKey); err != nil {
			return fmt.Errorf("restore anchor: %w", err)
		}
		an.touch(partIdentities)
	}
	an.touch(partAnchor)
	an.touch(partThings)
	an.restored("this edge was restored from a backup: its owner must claim it again")
	return nil
}

// restored stops everything until the owner claims again.
func (an *Anchor) restored(text string) {
	if an.st.Restored {
		return
	}
	an.st.Restored = true
	an.touch(partAnchor)
	an.emit(Event{Kind: EventStopped, Reason: stoppedRollback, Text: text})
}

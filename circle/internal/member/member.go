// Package member is a client of a person or service in the circles of grants
// given to its account.
package member

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sort"
	"time"

	"primum/circle/internal/core"
	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/mls"
)

const (
	PartMember   = "member"
	partPackages = "packages"
	partGrant    = "g-" // and the grant's id
)

// Options is what a client's actor needs from outside.
type Options struct {
	Clock  clock.Clock   // nil: the machine's
	Rand   io.Reader     // nil: crypto/rand
	Signer crypto.Signer // the client key (Ed25519)
	// Identity is the own account's newest identity document. It is verified
	// against the one known before; the client is found by Signer's public key.
	Identity string
	Log      *slog.Logger // nil: none; no secret and no value is logged

	Step func(string) error // tests crash here
}

// memberState is what a member stores beside circles and grants.
type memberState struct {
	Account string `json:"account"`
	Client  string `json:"client"`
	// Stock is where an older program kept what is in packages now.
	Stock    []privatePackage       `json:"stock,omitempty"`
	Pins     identity.Pins          `json:"pins"`
	Requests map[string]RequestInfo `json:"requests,omitempty"` // received, by id
	Asked    map[string]string      `json:"asked,omitempty"`    // own requests: account by id
	Homes    map[string]*OwnedHome  `json:"homes,omitempty"`    // of an owner, by circle
	Signed   map[string]string      `json:"signed,omitempty"`   // countersignatures, by hash of the claim
}

// Member is a client of a person or a service in the circles of grants given to
// its account. One client has one directory.
type Member struct {
	core.Actor
	// HasHomes: this is an owner, who takes home circles.
	HasHomes bool
	Signer   crypto.Signer
	Public   ed25519.PublicKey
	Mem      memberState
	Book     core.Identities
	Taken    map[string]*memberGrant // grants given to this account, by id
	Packages packageStock
}

// memberGrant is a grant as its grantee stores it.
type memberGrant struct {
	ID      string      `json:"id"`
	Circle  core.ID     `json:"circle"`
	Node    string      `json:"node"`
	Terms   string      `json:"terms"`
	Opening string      `json:"opening"`
	Suite   uint16      `json:"suite,omitempty"` // of the circle; 0: suite 1
	Owner   string      `json:"owner,omitempty"`
	Sender  string      `json:"sender,omitempty"` // of the offer; Owner is who signed for the terms
	Request string      `json:"request,omitempty"`
	State   grant.State `json:"state"`
	Joined  bool        `json:"joined,omitempty"`
	At      time.Time   `json:"at"`
	Last    time.Time   `json:"last,omitzero"`

	terms grant.Terms
}

func (g *memberGrant) part() string { return partGrant + g.ID }

// Open opens or makes the member that lives in dir, and locks it.
func Open(dir string, o Options) (*Member, error) {
	m := &Member{}
	if err := m.Prepare(o); err != nil {
		return nil, err
	}
	m.Role = m
	if err := m.OpenWith(dir, o); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Member) Prepare(o Options) error {
	if o.Signer == nil {
		return fmt.Errorf("open member: a client key is needed: %w", core.ErrRefused)
	}
	public, ok := o.Signer.Public().(ed25519.PublicKey)
	if !ok {
		return fmt.Errorf("open member: the client key is no Ed25519 key: %w", core.ErrRefused)
	}
	m.Actor = core.NewActor(o.Clock, o.Rand, o.Log)
	m.Block, m.Stepped = 8, o.Step
	m.Signer, m.Public = o.Signer, public
	return nil
}

func (m *Member) OpenWith(dir string, o Options) error {
	if err := m.Open(dir); err != nil {
		return err
	}
	if err := m.Do(func() error { return m.begin(o.Identity) }); err != nil {
		return errors.Join(fmt.Errorf("open member: %w", err), m.Close())
	}
	return nil
}

// begin takes the own identity document that came with the options.
func (m *Member) begin(compact string) error {
	v, news, err := m.Book.Take(compact, nil)
	if errors.Is(err, identity.ErrRollback) && m.Mem.Account != "" {
		return nil // an older one than is known
	}
	if err != nil {
		return err
	}
	account := v.Address().String()
	if m.Mem.Account != "" && m.Mem.Account != account {
		return fmt.Errorf("the directory belongs to %s, not to %s: %w", m.Mem.Account, account, core.ErrRefused)
	}
	c, ok := v.ClientByKey(m.Public)
	if !ok && m.Mem.Client == "" {
		return fmt.Errorf("the client key is not in the identity document of %s: %w", account, identity.ErrNoClient)
	}
	if m.Mem.Account == "" || (ok && m.Mem.Client != c.Name) {
		m.Mem.Account, m.Mem.Client = account, c.Name
		m.Touch(PartMember)
	}
	if news {
		m.Touch(core.PartIdentities)
		m.tellIdentity(v)
	}
	return nil
}

func (m *Member) Own() *identity.Verified { return m.Book.Get(m.Mem.Account) }

// Recall reads the member's parts.
func (m *Member) Recall(files map[string][]byte) error {
	m.Mem, m.Taken, m.Packages = memberState{}, map[string]*memberGrant{}, packageStock{}
	m.Parts[PartMember], m.Parts[core.PartIdentities] = core.StoreJSON(&m.Mem), core.StoreJSON(&m.Book)
	m.Parts[partPackages] = core.StoreJSON(&m.Packages)
	if err := core.DecodePart(files, PartMember, &m.Mem); err != nil {
		return err
	}
	if err := core.DecodePart(files, partPackages, &m.Packages); err != nil {
		return err
	}
	if len(m.Mem.Stock) > 0 {
		m.Packages.Held, m.Mem.Stock = append(m.Packages.Held, m.Mem.Stock...), nil
		m.Touch(PartMember)
		m.Touch(partPackages)
	}
	if m.Mem.Requests == nil {
		m.Mem.Requests = map[string]RequestInfo{}
	}
	if m.Mem.Asked == nil {
		m.Mem.Asked = map[string]string{}
	}
	if m.Mem.Homes == nil {
		m.Mem.Homes = map[string]*OwnedHome{}
	}
	if err := m.Book.Restore(files); err != nil {
		return err
	}
	for name, b := range files {
		if len(name) > len(partGrant) && name[:len(partGrant)] == partGrant {
			if err := m.restoreGrant(name, b); err != nil {
				return err
			}
		}
	}
	for _, r := range m.Rooms {
		r.Config = m.config(r)
	}
	return nil
}

func (m *Member) restoreGrant(name string, b []byte) error {
	g := &memberGrant{}
	err := json.Unmarshal(b, g)
	if err == nil {
		err = core.Unverified(g.Terms, &g.terms)
	}
	if err != nil {
		return fmt.Errorf(core.BadState, name, err)
	}
	m.Taken[g.ID] = g
	m.Parts[name] = core.StoreJSON(g)
	return nil
}

// config is what mls needs for one of the member's circles.
func (m *Member) config(r *core.Room) mls.Config {
	return mls.Config{
		Signer: m.Signer, Now: m.Now, Rand: m.Rand, Window: -1, PublicHandshakes: true,
		Authorize: func(v *mls.CommitView) error { return m.authorize(r, v) },
	}
}

// Identity takes a newer identity document of the own or another account by any
// path. An own one is told to every circle this client is in.
func (m *Member) Identity(compact string) error {
	return m.Do(func() error {
		_, err := m.TakeIdentity(compact)
		return err
	})
}

func (m *Member) TakeIdentity(compact string) (*identity.Verified, error) {
	v, news, err := m.Book.Take(compact, m.pinned(compact))
	if err != nil {
		return nil, fmt.Errorf("take identity document: %w", err)
	}
	account := v.Address().String()
	if _, ok := m.Mem.Pins.Get(account); !ok {
		if _, err := m.Mem.Pins.Check(account, v.IdentityKey(), m.Now()); err != nil {
			return nil, fmt.Errorf("take identity document: %w", err)
		}
		m.Touch(PartMember)
	} else if pin, _ := m.Mem.Pins.Get(account); !SameKey(pin.Key, v.IdentityKey()) {
		m.Mem.Pins.Replace(account, v.IdentityKey(), m.Now()) // it followed the known one
		m.Touch(PartMember)
	}
	if news {
		m.Touch(core.PartIdentities)
		if account == m.Mem.Account {
			m.tellIdentity(v)
		}
	}
	return v, nil
}

func (m *Member) pinned(compact string) []byte {
	account, err := core.DocumentAccount(compact)
	if err != nil {
		return nil
	}
	if pin, ok := m.Mem.Pins.Get(account); ok {
		return pin.Key
	}
	return nil
}

// tellIdentity tells the own document to every circle.
func (m *Member) tellIdentity(v *identity.Verified) {
	for _, id := range m.RoomIDs() {
		r := m.Rooms[id]
		switch {
		case r.MLS == nil || len(v.Compact()) > core.MaxDocument:
		case r.Home:
			m.Say(r, core.HomeMessage{T: core.HomeIdentity, Documents: []string{v.Compact()}}, "")
		default:
			m.tellIdentityIn(r, v)
		}
	}
	m.OfferHomes(v)
	m.offerTaken(v)
}

func (m *Member) tellIdentityIn(r *core.Room, v *identity.Verified) {
	m.Enqueue(r, core.Outgoing{Plain: core.EncodeInner(core.Inner{Op: core.OpDocuments, Documents: []string{v.Compact()}}), Size: core.SizePage})
}

// GrantInfo is a grant as a member or owner knows it.
type GrantInfo struct {
	ID         string
	Circle     core.ID
	State      grant.State
	Reason     string // why it is paused or was declined
	Owner      string // account; empty when pseudonymous
	Grantee    string
	Node       string
	Terms      string  // JWS
	Request    string  // what it answers
	Home       core.ID // owner only
	Shared     []SharedName
	ValidFrom  time.Time
	ValidUntil time.Time
	Joined     bool
	Clients    []string // of the grantee, in the circle (owner only)
	Unfit      []string // of the grantee, that can't enter it (owner only)
	// Suite of the circle. Where it is not the first of mls.Suites, what is
	// recorded today could be read by a later quantum computer.
	Suite      mls.Suite
	LastValue  time.Time
	Withdrawal *WithdrawalInfo // owner only
	// KGrant keys the leaves of the grant's events in its node's commitments log
	// (owner only).
	KGrant []byte
}

// SharedName is an affordance of a grant, by the name that it has there.
type SharedName struct {
	Thing     string // pseudonym
	Title     string // what the owner calls the thing
	Name      string // affordance
	Ops       []string
	Precision core.Precision
	Input     *grant.Input // what it takes, where something may be put in and the owner said so
	Source    core.Source  // owner only
}

// SharedNames lists what terms share.
func SharedNames(t grant.Terms) (out []SharedName) {
	for _, d := range t.Details {
		for _, name := range d.Datatypes {
			out = append(out, SharedName{Thing: d.Identifier, Title: d.Title, Name: name, Ops: d.Actions, Precision: d.Precision, Input: d.Input})
		}
	}
	return out
}

// Grants lists the grants given to this account, ended ones too, newest last.
func (m *Member) Grants() []GrantInfo {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	out := make([]GrantInfo, 0, len(m.Taken))
	for _, id := range core.SortedKeys(m.Taken) {
		g := m.Taken[id]
		out = append(out, GrantInfo{
			ID: g.ID, Circle: g.Circle, State: g.State, Owner: g.Owner, Grantee: m.Mem.Account, Node: g.Node, Terms: g.Terms,
			Request: g.Request, Shared: SharedNames(g.terms), ValidFrom: g.terms.Valid.From, ValidUntil: g.terms.Valid.Until,
			Joined: g.Joined, LastValue: g.Last, Suite: core.OrLegacy(g.Suite),
		})
	}
	sort.SliceStable(out, func(i, j int) bool { return m.Taken[out[i].ID].At.Before(m.Taken[out[j].ID].At) })
	return out
}

// Forget removes an ended grant from the list.
func (m *Member) Forget(grantID string) error {
	return m.Do(func() error {
		g := m.Taken[grantID]
		if g == nil {
			return fmt.Errorf("forget grant %s: %w", core.Clip(grantID), core.ErrUnknown)
		}
		if !g.State.Terminal() {
			return fmt.Errorf("forget grant %s: it has not ended: %w", core.Clip(grantID), core.ErrRefused)
		}
		delete(m.Taken, grantID)
		m.Put(g.part(), nil)
		return nil
	})
}

func (m *Member) GrantOf(c core.ID) *memberGrant {
	if r := m.Rooms[c]; r != nil {
		return m.Taken[r.Grant]
	}
	for _, g := range m.Taken {
		if g.Circle == c {
			return g
		}
	}
	return nil
}

// memberBackup is what another directory of this client starts from.
type memberBackup struct {
	Format     int               `json:"format"`
	Account    string            `json:"account"`
	Identities []string          `json:"identities"`
	Pins       identity.Pins     `json:"pins"`
	Grants     []json.RawMessage `json:"grants,omitempty"`
	Homes      []json.RawMessage `json:"homes,omitempty"`
	Given      []json.RawMessage `json:"given,omitempty"`
}

// Backup is what another directory of this client starts from: documents, no
// ratchet state, no key.
func (m *Member) Backup() ([]byte, error) {
	m.Mu.Lock()
	defer m.Mu.Unlock()
	if err := m.Ready(); err != nil {
		return nil, err
	}
	return json.Marshal(m.backup())
}

func (m *Member) backup() memberBackup {
	b := memberBackup{Format: 1, Account: m.Mem.Account, Pins: m.Mem.Pins}
	for _, account := range core.SortedKeys(m.Book.Verified) {
		b.Identities = append(b.Identities, m.Book.Verified[account].Compact())
	}
	for _, id := range core.SortedKeys(m.Taken) {
		b.Grants = append(b.Grants, core.MustJSON(m.Taken[id]))
	}
	return b
}

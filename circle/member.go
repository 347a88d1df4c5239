package circle

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

	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/mls"
)

const partMember = "member"

// MemberOptions is what a client's actor needs from outside.
type MemberOptions struct {
	Clock  clock.Clock   // nil: the machine's
	Rand   io.Reader     // nil: crypto/rand
	Signer crypto.Signer // the client key (Ed25519)
	// Identity is the own account's newest identity document. It is verified
	// against the one known before; the client is found by Signer's public key.
	Identity string
	Log      *slog.Logger // nil: none; no secret and no value is logged

	stepped func(string) error // tests crash here
}

// memberState is what a member stores beside circles and grants.
type memberState struct {
	Account string           `json:"account"`
	Client  string           `json:"client"`
	Stock   []privatePackage `json:"stock,omitempty"`
	// Rotate: the last-resort package was used.
	Rotate   bool                   `json:"rotate,omitempty"`
	Pins     identity.Pins          `json:"pins"`
	Requests map[string]RequestInfo `json:"requests,omitempty"` // received, by id
	Asked    map[string]string      `json:"asked,omitempty"`    // own requests: account by id
	Homes    map[string]*ownedHome  `json:"homes,omitempty"`    // of an owner, by circle
	Signed   map[string]string      `json:"signed,omitempty"`   // countersignatures, by hash of the claim
}

// Member is a client of a person or a service in the circles of grants given to
// its account. One client has one directory.
type Member struct {
	actor
	signer crypto.Signer
	public ed25519.PublicKey
	ms     memberState
	book   identities
	taken  map[string]*memberGrant // grants given to this account, by id
}

// memberGrant is a grant as its grantee stores it.
type memberGrant struct {
	ID      string      `json:"id"`
	Circle  ID          `json:"circle"`
	Node    string      `json:"node"`
	Terms   string      `json:"terms"`
	Opening string      `json:"opening"`
	Owner   string      `json:"owner,omitempty"`
	Request string      `json:"request,omitempty"`
	State   grant.State `json:"state"`
	Joined  bool        `json:"joined,omitempty"`
	At      time.Time   `json:"at"`
	Last    time.Time   `json:"last,omitzero"`

	terms grant.Terms
}

func (g *memberGrant) part() string { return partGrant + g.ID }

// OpenMember opens or makes the member that lives in dir, and locks it.
func OpenMember(dir string, o MemberOptions) (*Member, error) {
	m := &Member{}
	if err := m.prepare(o); err != nil {
		return nil, err
	}
	m.role = m
	if err := m.openWith(dir, o); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Member) prepare(o MemberOptions) error {
	if o.Signer == nil {
		return fmt.Errorf("open member: a client key is needed: %w", ErrRefused)
	}
	public, ok := o.Signer.Public().(ed25519.PublicKey)
	if !ok {
		return fmt.Errorf("open member: the client key is no Ed25519 key: %w", ErrRefused)
	}
	m.actor = newActor(o.Clock, o.Rand, o.Log)
	m.block, m.stepped = 8, o.stepped
	m.signer, m.public = o.Signer, public
	return nil
}

func (m *Member) openWith(dir string, o MemberOptions) error {
	if err := m.open(dir); err != nil {
		return err
	}
	if err := m.do(func() error { return m.begin(o.Identity) }); err != nil {
		return errors.Join(fmt.Errorf("open member: %w", err), m.Close())
	}
	return nil
}

// begin takes the own identity document that came with the options.
func (m *Member) begin(compact string) error {
	v, news, err := m.book.take(compact, nil)
	if errors.Is(err, identity.ErrRollback) && m.ms.Account != "" {
		return nil // an older one than is known
	}
	if err != nil {
		return err
	}
	account := v.Address().String()
	if m.ms.Account != "" && m.ms.Account != account {
		return fmt.Errorf("the directory belongs to %s, not to %s: %w", m.ms.Account, account, ErrRefused)
	}
	c, ok := v.ClientByKey(m.public)
	if !ok && m.ms.Client == "" {
		return fmt.Errorf("the client key is not in the identity document of %s: %w", account, identity.ErrNoClient)
	}
	if m.ms.Account == "" || (ok && m.ms.Client != c.Name) {
		m.ms.Account, m.ms.Client = account, c.Name
		m.touch(partMember)
	}
	if news {
		m.touch(partIdentities)
		m.tellIdentity(v)
	}
	return nil
}

func (m *Member) own() *identity.Verified { return m.book.get(m.ms.Account) }

// restore reads the member's parts.
func (m *Member) restore(files map[string][]byte) error {
	m.ms, m.taken = memberState{}, map[string]*memberGrant{}
	m.parts[partMember], m.parts[partIdentities] = jsonPart{&m.ms}, jsonPart{&m.book}
	if err := decodePart(files, partMember, &m.ms); err != nil {
		return err
	}
	if m.ms.Requests == nil {
		m.ms.Requests = map[string]RequestInfo{}
	}
	if m.ms.Asked == nil {
		m.ms.Asked = map[string]string{}
	}
	if m.ms.Homes == nil {
		m.ms.Homes = map[string]*ownedHome{}
	}
	if err := m.book.restore(files); err != nil {
		return err
	}
	for name, b := range files {
		if len(name) > len(partGrant) && name[:len(partGrant)] == partGrant {
			if err := m.restoreGrant(name, b); err != nil {
				return err
			}
		}
	}
	for _, r := range m.rooms {
		r.config = m.config(r)
	}
	return nil
}

func (m *Member) restoreGrant(name string, b []byte) error {
	g := &memberGrant{}
	err := json.Unmarshal(b, g)
	if err == nil {
		err = unverified(g.Terms, &g.terms)
	}
	if err != nil {
		return fmt.Errorf(errBadState, name, err)
	}
	m.taken[g.ID] = g
	m.parts[name] = jsonPart{g}
	return nil
}

// config is what mls needs for one of the member's circles.
func (m *Member) config(r *room) mls.Config {
	return mls.Config{
		Signer: m.signer, Now: m.now, Rand: m.rand, Window: -1,
		Authorize: func(v *mls.CommitView) error { return m.authorize(r, v) },
	}
}

// Identity takes a newer identity document of the own or another account by any
// path. An own one is told to every circle this client is in.
func (m *Member) Identity(compact string) error {
	return m.do(func() error {
		_, err := m.takeIdentity(compact)
		return err
	})
}

func (m *Member) takeIdentity(compact string) (*identity.Verified, error) {
	v, news, err := m.book.take(compact, m.pinned(compact))
	if err != nil {
		return nil, fmt.Errorf("take identity document: %w", err)
	}
	account := v.Address().String()
	if _, ok := m.ms.Pins.Get(account); !ok {
		if _, err := m.ms.Pins.Check(account, v.IdentityKey(), m.now()); err != nil {
			return nil, fmt.Errorf("take identity document: %w", err)
		}
		m.touch(partMember)
	} else if pin, _ := m.ms.Pins.Get(account); !sameKey(pin.Key, v.IdentityKey()) {
		m.ms.Pins.Replace(account, v.IdentityKey(), m.now()) // it followed the known one
		m.touch(partMember)
	}
	if news {
		m.touch(partIdentities)
		if account == m.ms.Account {
			m.tellIdentity(v)
		}
	}
	return v, nil
}

func (m *Member) pinned(compact string) []byte {
	account, err := documentAccount(compact)
	if err != nil {
		return nil
	}
	if pin, ok := m.ms.Pins.Get(account); ok {
		return pin.Key
	}
	return nil
}

// tellIdentity tells the own document to every circle.
func (m *Member) tellIdentity(v *identity.Verified) {
	for _, id := range m.roomIDs() {
		r := m.rooms[id]
		if r.group == nil || len(v.Compact()) > maxDocument {
			continue
		}
		if r.Home {
			m.say(r, homeMessage{T: homeIdentity, Documents: []string{v.Compact()}}, "")
			continue
		}
		m.enqueue(r, outgoing{Plain: encodeInner(inner{Op: opDocuments, Documents: []string{v.Compact()}}), Size: sizePage})
	}
	m.offerHomes(v)
}

// GrantInfo is a grant as a member or owner knows it.
type GrantInfo struct {
	ID         string
	Circle     ID
	State      grant.State
	Reason     string // why it is paused or was declined
	Owner      string // account; empty when pseudonymous
	Grantee    string
	Node       string
	Terms      string // JWS
	Request    string // what it answers
	Home       ID     // owner only
	Shared     []SharedName
	ValidFrom  time.Time
	ValidUntil time.Time
	Joined     bool
	Clients    []string // of the grantee, in the circle (owner only)
	LastValue  time.Time
	Withdrawal *WithdrawalInfo // owner only
}

// SharedName is an affordance of a grant, by the name that it has there.
type SharedName struct {
	Thing     string // pseudonym
	Title     string // what the owner calls the thing
	Name      string // affordance
	Ops       []string
	Precision Precision
	Source    Source // owner only
}

// sharedNames lists what terms share.
func sharedNames(t grant.Terms) (out []SharedName) {
	for _, d := range t.Details {
		for _, name := range d.Datatypes {
			out = append(out, SharedName{Thing: d.Identifier, Title: d.Title, Name: name, Ops: d.Actions, Precision: d.Precision})
		}
	}
	return out
}

// Grants lists the grants given to this account, ended ones too, newest last.
func (m *Member) Grants() []GrantInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]GrantInfo, 0, len(m.taken))
	for _, id := range sortedKeys(m.taken) {
		g := m.taken[id]
		out = append(out, GrantInfo{
			ID: g.ID, Circle: g.Circle, State: g.State, Owner: g.Owner, Grantee: m.ms.Account, Node: g.Node, Terms: g.Terms,
			Request: g.Request, Shared: sharedNames(g.terms), ValidFrom: g.terms.Valid.From, ValidUntil: g.terms.Valid.Until,
			Joined: g.Joined, LastValue: g.Last,
		})
	}
	sort.SliceStable(out, func(i, j int) bool { return m.taken[out[i].ID].At.Before(m.taken[out[j].ID].At) })
	return out
}

// Forget removes an ended grant from the list.
func (m *Member) Forget(grantID string) error {
	return m.do(func() error {
		g := m.taken[grantID]
		if g == nil {
			return fmt.Errorf("forget grant %s: %w", clip(grantID), ErrUnknown)
		}
		if !g.State.Terminal() {
			return fmt.Errorf("forget grant %s: it has not ended: %w", clip(grantID), ErrRefused)
		}
		delete(m.taken, grantID)
		m.put(g.part(), nil)
		return nil
	})
}

func (m *Member) grantOf(c ID) *memberGrant {
	if r := m.rooms[c]; r != nil {
		return m.taken[r.Grant]
	}
	for _, g := range m.taken {
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
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.ready(); err != nil {
		return nil, err
	}
	return json.Marshal(m.backup())
}

func (m *Member) backup() memberBackup {
	b := memberBackup{Format: 1, Account: m.ms.Account, Pins: m.ms.Pins}
	for _, account := range sortedKeys(m.book.verified) {
		b.Identities = append(b.Identities, m.book.verified[account].Compact())
	}
	for _, id := range sortedKeys(m.taken) {
		b.Grants = append(b.Grants, mustJSON(m.taken[id]))
	}
	return b
}

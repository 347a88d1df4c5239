package person

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"path/filepath"
	"time"

	"primum/circle"
	"primum/client"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/wire"
	"primum/mls"
	"primum/oath"
	"primum/oath/trace"
)

// phone is the client that every human of the cast has.
const phone = "phone"

// machine is one client of a human: its keys and where its state is.
type machine struct {
	name  string
	key   ed25519.PrivateKey
	inbox *identity.InboxKey
}

// human is an account that the check made: an ordinary person with a phone, and
// with further clients that the check plays by hand.
type human struct {
	address  identity.Address
	key      ed25519.PrivateKey // identity key
	doc      *identity.Verified
	machines []machine
	tape     *trace.Tape
	calls    client.Calls
	dir      string
	open     *client.Client // the phone at work
	closed   bool           // the account is gone
}

func newKey(random io.Reader) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return key, nil
}

func pub(k ed25519.PrivateKey) []byte { return k.Public().(ed25519.PublicKey) }

// newHuman signs up at the target through its public door, and opens the phone.
// Clients beside the phone are not opened.
func (c *Cast) newHuman(ctx context.Context, clients ...string) (*human, error) {
	user, shown, err := ordinaryName()
	if err != nil {
		return nil, err
	}
	address, err := identity.ParseAddress(user + "@" + c.run.Target.Domain)
	if err != nil {
		return nil, fmt.Errorf("name a test person: %w", err)
	}
	h := &human{address: address, dir: filepath.Join(c.dir, user), tape: trace.NewTape(c.net, c.clock)}
	h.calls = client.Calls{Transport: h.tape, Clock: c.clock}
	if h.key, err = newKey(rand.Reader); err != nil {
		return nil, err
	}
	d, err := h.firstDocument(shown, c.clock, append([]string{phone}, clients...))
	if err != nil {
		return nil, err
	}
	if c.builds.SignUp != nil {
		c.builds.SignUp(&d)
	}
	compact, err := identity.Sign(d, h.key)
	if err == nil {
		h.doc, err = identity.First(compact)
	}
	if err != nil {
		return nil, fmt.Errorf("sign identity document: %w", err)
	}
	if err := (client.Node{Calls: h.calls, Authority: address.Authority}).NewAccount(ctx, wire.NewAccount{Identity: compact, Invite: c.run.Invite()}); err != nil {
		return nil, signUpFailed(err)
	}
	c.keep(h)
	return h, h.start(ctx)
}

// signUpFailed makes a refused account a reason for people.
func signUpFailed(err error) error {
	switch {
	case client.IsProblem(err, wire.ProbInvite):
		return oath.Unshown("accounts are by invitation here: a stranger's check can't make its test persons")
	case client.IsProblem(err, wire.ProbTooMany):
		return oath.Unshown("the node opens no more accounts for this address now: check again later")
	}
	return fmt.Errorf("open a test person's account: %w", err)
}

func (h *human) firstDocument(shown string, clk clock.Clock, clients []string) (d identity.Document, err error) {
	now := clk.Now().UTC().Truncate(time.Second)
	recovery, err := newKey(rand.Reader)
	if err != nil {
		return d, err
	}
	d = identity.Document{
		Address: h.address, Kind: identity.Person, Name: shown, IdentityKey: pub(h.key), RecoveryKey: pub(recovery),
		Version: 1, Issued: now, Expires: now.Add(30 * 24 * time.Hour),
	}
	if d.ID, err = identity.NewID(rand.Reader, now); err != nil {
		return d, fmt.Errorf("name identity document: %w", err)
	}
	for _, name := range clients {
		m := machine{name: name}
		if m.key, err = newKey(rand.Reader); err != nil {
			return d, err
		}
		if m.inbox, err = identity.NewInboxKey(rand.Reader); err != nil {
			return d, fmt.Errorf("make inbox key: %w", err)
		}
		h.machines = append(h.machines, m)
		d.Clients = append(d.Clients, identity.Client{Name: name, Key: pub(m.key), InboxKey: m.inbox.Public(), Suites: suites(), Added: now})
	}
	return d, nil
}

// suites are all that this program has, as an identity document lists them.
func suites() (ids []uint16) {
	for _, s := range mls.Suites() {
		ids = append(ids, uint16(s))
	}
	return ids
}

// start opens the phone and waits until its key packages are at the node.
func (h *human) start(ctx context.Context) error {
	m := h.machines[0]
	var err error
	h.open, err = client.Open(ctx, client.Options{
		Calls: h.calls, Dir: filepath.Join(h.dir, m.name),
		Keys: client.Keys{Address: h.address.String(), Client: m.name, Signer: m.key, Inbox: m.inbox, Document: h.doc.Compact()},
	})
	if err != nil {
		return fmt.Errorf("start a test person's client: %w", err)
	}
	if away, err := h.open.Sync(ctx); err != nil || len(away) > 0 {
		err = errors.Join(err, h.open.Close())
		h.open = nil
		return fmt.Errorf("a test person's client does not get in: %w", cmp.Or(err, client.ErrUnreachable))
	}
	if err := h.open.Settled(ctx); err != nil {
		return fmt.Errorf("publish key packages: %w", err)
	}
	return nil
}

// node is the target, asked as one of the human's clients.
func (h *human) node(name string) client.Node {
	for _, m := range h.machines {
		if m.name == name {
			return client.Node{Calls: h.calls, Authority: h.address.Authority, By: client.Key{ID: identity.ClientKeyID(h.address, name), Signer: m.key}}
		}
	}
	return client.Node{Calls: h.calls, Authority: h.address.Authority}
}

// given is what the owner's client knows of a grant that it gave.
func (h *human) given(id string) (circle.GrantInfo, bool) {
	for _, g := range h.open.Owner.Given() {
		if g.ID == id {
			return g, true
		}
	}
	return circle.GrantInfo{}, false
}

// received is what the grantee's client knows of a grant.
func (h *human) received(id string) (circle.GrantInfo, bool) {
	for _, g := range h.open.Owner.Grants() {
		if g.ID == id {
			return g, true
		}
	}
	return circle.GrantInfo{}, false
}

// leave ends what the human gave, and closes the phone and, where it is still
// there, the account.
func (h *human) leave(ctx context.Context) error {
	var err error
	if h.open != nil && !h.closed {
		for _, g := range h.open.Owner.Given() {
			if g.State.Valid() {
				_, _, _ = h.open.Withdraw(ctx, g.ID, 2*time.Second) // the node refuses to close what still gives
			}
		}
	}
	if !h.closed {
		h.tape.Cable(false)
		at := h.calls.Clock.Now().UTC().Truncate(time.Second)
		sign := ed25519.Sign(h.key, wire.CloseAccountBytes(h.address.String(), at))
		err = h.node(phone).CloseAccount(ctx, wire.CloseAccount{At: at, Signature: sign})
		h.closed = err == nil
	}
	if h.open != nil {
		err = errors.Join(err, h.open.Close())
		h.open = nil
	}
	return err
}

// ordinaryName is a name as people have: the node shall not know who checks it.
func ordinaryName() (user, shown string, err error) {
	given := []string{
		"anna", "ben", "clara", "david", "elif", "felix", "greta", "hasan", "ines", "jonas", "karim", "lena", "maja", "noah", "olga",
		"paul", "rosa", "samir", "tilda", "umut", "vera", "willi", "yara", "zoe",
	}
	family := []string{
		"adler", "brandt", "conti", "demir", "ebert", "fuchs", "garcia", "hansen", "ivanov", "jung", "keller", "lange", "moreau", "nowak",
		"otto", "petrov", "rossi", "sommer", "toth", "urban", "vogel", "weiss", "yilmaz", "ziegler",
	}
	i, j, n, err := three(len(given), len(family), 9000)
	if err != nil {
		return "", "", err
	}
	return fmt.Sprintf("%s.%s%d", given[i], family[j], 1000+n), given[i], nil
}

func three(a, b, c int) (x, y, z int, err error) {
	out := [3]int{}
	for i, most := range []int{a, b, c} {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(most)))
		if err != nil {
			return 0, 0, 0, fmt.Errorf("draw a name: %w", err)
		}
		out[i] = int(n.Int64())
	}
	return out[0], out[1], out[2], nil
}

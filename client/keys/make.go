package keys

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"time"

	"primum/identity"
	"primum/mls"
)

// New says what identity, or what client of one, to make.
type New struct {
	Address identity.Address
	Kind    identity.Kind // default Person
	Name    string        // shown to others; may be empty
	Client  string        // name of this machine, default "main"
	Browser bool          // the client lives in a browser
	Suites  []uint16      // MLS suites, best first; default all that mls has
	Now     time.Time
	Rand    io.Reader // nil for crypto/rand
}

func (n New) withDefaults() (New, error) {
	if n.Kind == "" {
		n.Kind = identity.Person
	}
	if n.Client == "" {
		n.Client = "main"
	}
	if n.Suites == nil {
		n.Suites = Suites()
	}
	if n.Rand == nil {
		n.Rand = rand.Reader
	}
	return n, identity.CheckClientName(n.Client)
}

// Suites are all MLS suites that this program has, the strongest first.
func Suites() (ids []uint16) {
	for _, s := range mls.Suites() {
		ids = append(ids, uint16(s))
	}
	return ids
}

// Identity are the secrets that name an account for good. Recovery, which
// outranks Key, may be absent: not every secret opens it.
type Identity struct {
	Key      []byte // Ed25519 seed
	Recovery []byte // Ed25519 seed, or nil
}

// Signer is the identity key.
func (i Identity) Signer() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(i.Key) }

// Erase overwrites the secrets.
func (i Identity) Erase() {
	clear(i.Key)
	clear(i.Recovery)
}

// Format keeps the secrets out of every %v.
func (i Identity) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "identity key (secret)") }

// Client are the secrets of one client.
type Client struct {
	Name  string    `json:"name"`
	Key   []byte    `json:"key"`   // Ed25519 seed
	Inbox []byte    `json:"inbox"` // X25519 private key
	Added time.Time `json:"added"`
}

// Signer is the client's signature key.
func (c Client) Signer() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(c.Key) }

// InboxKey opens what is sealed to the client.
func (c Client) InboxKey() (*identity.InboxKey, error) { return identity.ParseInboxKey(c.Inbox) }

// Format keeps the secrets out of every %v.
func (c Client) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "keys of client %s (secret)", c.Name)
}

// MakeClient makes the keys of one client, and what the identity document says
// of it.
func MakeClient(n New) (Client, identity.Client, error) {
	n, err := n.withDefaults()
	if err != nil {
		return Client{}, identity.Client{}, err
	}
	seed, err := seed(n.Rand)
	if err != nil {
		return Client{}, identity.Client{}, err
	}
	inbox, err := identity.NewInboxKey(n.Rand)
	if err != nil {
		return Client{}, identity.Client{}, err
	}
	c := Client{Name: n.Client, Key: seed, Inbox: inbox.Bytes(), Added: second(n.Now)}
	return c, identity.Client{
		Name: c.Name, Key: public(seed), InboxKey: inbox.Public(), Suites: n.Suites, Browser: n.Browser, Added: c.Added,
	}, nil
}

// Make makes an identity with one client and signs its first document. Nothing
// is known at any node yet.
func Make(n New) (secrets Identity, c Client, document string, err error) {
	if n, err = n.withDefaults(); err != nil {
		return secrets, c, "", err
	}
	if secrets.Key, err = seed(n.Rand); err != nil {
		return secrets, c, "", err
	}
	if secrets.Recovery, err = seed(n.Rand); err != nil {
		return secrets, c, "", err
	}
	c, member, err := MakeClient(n)
	if err != nil {
		return secrets, c, "", err
	}
	id, err := identity.NewID(n.Rand, n.Now)
	if err != nil {
		return secrets, c, "", err
	}
	document, err = identity.Sign(identity.Document{
		ID: id, Address: n.Address, Kind: n.Kind, Name: n.Name,
		IdentityKey: public(secrets.Key), RecoveryKey: public(secrets.Recovery),
		Clients: []identity.Client{member}, Version: 1,
		Issued: second(n.Now), Expires: second(n.Now).Add(identity.MaxValidity),
	}, secrets.Signer())
	if err != nil {
		return secrets, c, "", fmt.Errorf("sign identity document: %w", err)
	}
	return secrets, c, document, nil
}

// Change changes the payload of the next identity document before it is signed.
type Change func(*identity.Document) error

// Next signs the document that follows current: renewed from now, with the
// changes applied in order. The key must be current's identity key.
func Next(current *identity.Verified, key ed25519.PrivateKey, now time.Time, changes ...Change) (string, error) {
	if !key.Public().(ed25519.PublicKey).Equal(current.IdentityKey()) {
		return "", fmt.Errorf("sign identity document of %s: %w", current.Address(), ErrOtherIdentity)
	}
	d, err := current.Next(now)
	if err != nil {
		return "", err
	}
	for _, change := range changes {
		if err := change(&d); err != nil {
			return "", err
		}
	}
	return identity.Sign(d, key)
}

// AddClient lists a further client.
func AddClient(member identity.Client) Change {
	return func(d *identity.Document) error {
		if slices.ContainsFunc(d.Clients, func(c identity.Client) bool { return c.Name == member.Name }) {
			return fmt.Errorf("%w: %q", ErrClientName, member.Name)
		}
		d.Clients = append(d.Clients, member)
		return nil
	}
}

// OnlyClient lists a client and takes all others off.
func OnlyClient(member identity.Client) Change {
	return func(d *identity.Document) error {
		d.Clients = []identity.Client{member}
		return nil
	}
}

// DropClient takes a client off, whose circles it then leaves. The last one
// stays: it is ErrLastClient.
func DropClient(name string) Change {
	return func(d *identity.Document) error {
		n := len(d.Clients)
		d.Clients = slices.DeleteFunc(d.Clients, func(c identity.Client) bool { return c.Name == name })
		switch {
		case len(d.Clients) == n:
			return fmt.Errorf("drop %q: %w", name, identity.ErrNoClient)
		case len(d.Clients) == 0:
			return ErrLastClient
		}
		return nil
	}
}

// KnowSuites lists the suites of this program for one client.
func KnowSuites(name string) Change {
	return func(d *identity.Document) error {
		for i := range d.Clients {
			if d.Clients[i].Name == name {
				d.Clients[i].Suites = Suites()
			}
		}
		return nil
	}
}

func seed(random io.Reader) ([]byte, error) {
	b := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, b); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return b, nil
}

func public(seed []byte) []byte {
	return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
}

func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

package vault

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"primum/identity"
	"primum/internal/durable"
	"primum/mls"
)

// New says what identity to make.
type New struct {
	Address    identity.Address
	Kind       identity.Kind // default Person
	Name       string        // shown to others; may be empty
	Client     string        // name of this machine, default "main"
	Country    string        // ISO 3166-1, may be empty
	Passphrase string        // wraps the identity key
	Suites     []uint16      // MLS suites of this client, best first; default all that mls has
	Now        time.Time
	Rand       io.Reader // nil for crypto/rand
	WorkFactor int       // of scrypt as a power of two; 0 for the usual
	Holder     string    // see Open
}

func (n New) withDefaults() (New, error) {
	if n.Passphrase == "" {
		return n, errors.New("make identity: the passphrase is empty")
	}
	if n.Kind == "" {
		n.Kind = identity.Person
	}
	if n.Client == "" {
		n.Client = "main"
	}
	if n.Suites == nil {
		n.Suites = suites()
	}
	if n.Rand == nil {
		n.Rand = rand.Reader
	}
	return n, identity.CheckClientName(n.Client)
}

// suites are all that this program has, the strongest first.
func suites() (ids []uint16) {
	for _, s := range mls.Suites() {
		ids = append(ids, uint16(s))
	}
	return ids
}

// secrets is what the passphrase protects. The recovery key is only in the
// recovery file.
type secrets struct {
	Address     string `json:"address"`
	IdentityKey []byte `json:"identityKey"`           // Ed25519 seed
	RecoveryKey []byte `json:"recoveryKey,omitempty"` // Ed25519 seed
	Document    string `json:"document"`              // newest when written
}

func (s secrets) identityKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(s.IdentityKey) }

// Create makes an identity: keys, the first identity document, and the
// recovery file, returned for the caller to keep apart from this machine. The
// vault is open and locked. Nothing is known at any node yet.
func Create(home string, n New) (v *Vault, recovery []byte, err error) {
	if n, err = n.withDefaults(); err != nil {
		return nil, nil, err
	}
	var seeds [2][]byte
	for i := range seeds {
		seeds[i] = make([]byte, ed25519.SeedSize)
		if _, err := io.ReadFull(n.Rand, seeds[i]); err != nil {
			return nil, nil, fmt.Errorf("make keys: %w", err)
		}
	}
	s := secrets{Address: n.Address.String(), IdentityKey: seeds[0], RecoveryKey: seeds[1]}
	keys, member, err := newClient(n)
	if err != nil {
		return nil, nil, err
	}
	id, err := identity.NewID(n.Rand, n.Now)
	if err != nil {
		return nil, nil, err
	}
	s.Document, err = identity.Sign(identity.Document{
		ID: id, Address: n.Address, Kind: n.Kind, Name: n.Name,
		IdentityKey: public(seeds[0]), RecoveryKey: public(seeds[1]),
		Clients: []identity.Client{member}, Version: 1,
		Issued: n.Now.UTC().Truncate(time.Second), Expires: n.Now.UTC().Truncate(time.Second).Add(identity.MaxValidity),
	}, s.identityKey())
	if err != nil {
		return nil, nil, fmt.Errorf("sign identity document: %w", err)
	}
	return place(home, n, keys, s)
}

func public(seed []byte) []byte {
	return ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
}

func newClient(n New) (clientKeys, identity.Client, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(n.Rand, seed); err != nil {
		return clientKeys{}, identity.Client{}, fmt.Errorf("make client key: %w", err)
	}
	inbox, err := identity.NewInboxKey(n.Rand)
	if err != nil {
		return clientKeys{}, identity.Client{}, err
	}
	added := n.Now.UTC().Truncate(time.Second)
	keys := clientKeys{
		Address: n.Address.String(), Client: n.Client, ClientKey: seed,
		InboxKey: inbox.Bytes(), Country: n.Country, Added: added,
	}
	return keys, identity.Client{
		Name: n.Client, Key: public(seed), InboxKey: inbox.Public(), Suites: n.Suites, Added: added,
	}, nil
}

// place writes a new directory. client.json comes last: without it the
// directory is none of ours and Create may try again.
func place(home string, n New, keys clientKeys, s secrets) (*Vault, []byte, error) {
	dir := Dir(home, s.Address)
	if err := durable.MakeDir(dir); err != nil {
		return nil, nil, fmt.Errorf("make directory of keys: %w", err)
	}
	l, err := lock(dir, s.Address, n.Holder)
	if err != nil {
		return nil, nil, err
	}
	v := &Vault{dir: dir, lock: l, keys: keys}
	recovery, err := v.fill(n, s)
	if err != nil {
		_ = v.Close()
		return nil, nil, err
	}
	return v, recovery, nil
}

func (v *Vault) fill(n New, s secrets) ([]byte, error) {
	if _, err := os.Stat(filepath.Join(v.dir, clientFile)); err == nil {
		return nil, fmt.Errorf("make identity %s: %w", s.Address, ErrExists)
	}
	recovery, err := wrapJSON(s, n.Passphrase, n.WorkFactor)
	if err != nil {
		return nil, err
	}
	kept := s
	kept.RecoveryKey, kept.Document = nil, ""
	wrapped, err := wrapJSON(kept, n.Passphrase, n.WorkFactor)
	if err != nil {
		return nil, err
	}
	if err := durable.WriteFile(filepath.Join(v.dir, wrappedFile), wrapped); err != nil {
		return nil, fmt.Errorf("keep identity key: %w", err)
	}
	if err := v.SetDocument(s.Document); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(v.keys, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("keep client key: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(v.dir, clientFile), b); err != nil {
		return nil, fmt.Errorf("keep client key: %w", err)
	}
	return recovery, nil
}

func wrapJSON(v any, passphrase string, workFactor int) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	return wrap(b, passphrase, workFactor)
}

// Remove deletes an identity whose account could not be opened. The vault is
// closed.
func (v *Vault) Remove() error {
	if err := durable.Remove(filepath.Join(v.dir, clientFile)); err != nil {
		return err
	}
	dir := v.dir
	if err := v.Close(); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

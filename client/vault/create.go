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

	"primum/client/keys"
	"primum/identity"
	"primum/internal/durable"
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
	if n.Client == "" {
		n.Client = "main"
	}
	if n.Rand == nil {
		n.Rand = rand.Reader
	}
	return n, identity.CheckClientName(n.Client)
}

func (n New) keys() keys.New {
	return keys.New{
		Address: n.Address, Kind: n.Kind, Name: n.Name, Client: n.Client,
		Suites: n.Suites, Now: n.Now, Rand: n.Rand,
	}
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
	made, c, document, err := keys.Make(n.keys())
	if err != nil {
		return nil, nil, err
	}
	return place(home, n, c, secrets{
		Address: n.Address.String(), IdentityKey: made.Key, RecoveryKey: made.Recovery, Document: document,
	})
}

// place writes a new directory. client.json comes last: without it the
// directory is none of ours and Create may try again.
func place(home string, n New, c keys.Client, s secrets) (*Vault, []byte, error) {
	dir := Dir(home, s.Address)
	if err := durable.MakeDir(dir); err != nil {
		return nil, nil, fmt.Errorf("make directory of keys: %w", err)
	}
	l, err := lock(dir, s.Address, n.Holder)
	if err != nil {
		return nil, nil, err
	}
	v := &Vault{dir: dir, lock: l, keys: clientKeys{
		Address: s.Address, Client: c.Name, ClientKey: c.Key, InboxKey: c.Inbox, Country: n.Country, Added: c.Added,
	}}
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

package vault

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"primum/client/keys"
	"primum/identity"
	"primum/internal/durable"
)

// Change signs the next identity document: renewed from now, with change (nil
// for a mere renewal) applied, and this client listing the cipher suites that
// this program has. It is not kept: publish it, then SetDocument.
func (v *Vault) Change(passphrase string, now time.Time, change keys.Change) (string, error) {
	s, err := v.unlock(passphrase)
	if err != nil {
		return "", err
	}
	current, err := v.Verified()
	if err != nil {
		return "", fmt.Errorf("read own identity document: %w", err)
	}
	changes := []keys.Change{keys.KnowSuites(v.keys.Client)}
	if change != nil {
		changes = append(changes, change)
	}
	return keys.Next(current, s.identityKey(), now, changes...)
}

func (v *Vault) unlock(passphrase string) (secrets, error) {
	file, err := durable.ReadFile(filepath.Join(v.dir, wrappedFile))
	if err != nil {
		return secrets{}, fmt.Errorf("read wrapped identity key: %w", err)
	}
	return readSecrets(file, passphrase)
}

func readSecrets(file []byte, passphrase string) (s secrets, err error) {
	b, err := unwrap(file, passphrase)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, errors.New("the file holds no keys of ours")
	}
	if len(s.IdentityKey) != ed25519.SeedSize {
		return s, errors.New("the file holds no identity key")
	}
	return s, nil
}

// IdentitySigner opens the identity key, for what a client's key alone must not
// sign: a release of a thing, the end of the account. Drop it after that.
func (v *Vault) IdentitySigner(passphrase string) (crypto.Signer, error) {
	s, err := v.unlock(passphrase)
	if err != nil {
		return nil, err
	}
	return s.identityKey(), nil
}

// Export writes the identity for another machine: the identity key and the
// newest document, wrapped. No client key and no state of any circle is in it
// (P9): the other machine becomes a client of its own.
func (v *Vault) Export(passphrase string, workFactor int) ([]byte, error) {
	s, err := v.unlock(passphrase)
	if err != nil {
		return nil, err
	}
	s.Document = v.Document()
	return wrapJSON(s, passphrase, workFactor)
}

// Imported is what an export or recovery file holds, opened.
type Imported struct{ s secrets }

// ReadFile opens an export or recovery file.
func ReadFile(file []byte, passphrase string) (Imported, error) {
	s, err := readSecrets(file, passphrase)
	return Imported{s}, err
}

// Address is the account's.
func (i Imported) Address() string { return i.s.Address }

// Document is the newest identity document when the file was written. The
// node may have a newer one.
func (i Imported) Document() string { return i.s.Document }

// Import makes this machine a new client of the identity. Current is the
// newest document, as the node has it; it must be signed by the file's keys.
// The new document is in the vault and not known at the node yet. With drop,
// all other clients are taken off.
func Import(home string, i Imported, current *identity.Verified, n New, drop bool) (*Vault, error) {
	n.Address, n.Kind = current.Address(), current.Kind()
	n, err := n.withDefaults()
	if err != nil {
		return nil, err
	}
	if current.Address().String() != i.s.Address {
		return nil, fmt.Errorf("import %s: the node's document is of %s", i.s.Address, current.Address())
	}
	c, member, err := keys.MakeClient(n.keys())
	if err != nil {
		return nil, err
	}
	change := keys.AddClient(member)
	if drop {
		change = keys.OnlyClient(member)
	}
	i.s.Document, err = keys.Next(current, i.s.identityKey(), n.Now, change)
	if err != nil {
		return nil, fmt.Errorf("import: %w", err)
	}
	v, _, err := place(home, n, c, i.s)
	return v, err
}

// Keep wraps the identity key under a recovery phrase of twelve words, for the
// portal. The vault holds no recovery key, so the phrase does not open one.
func (v *Vault) Keep(passphrase, phrase string, random io.Reader) (keys.Keep, error) {
	s, err := v.unlock(passphrase)
	if err != nil {
		return keys.Keep{}, err
	}
	a, err := identity.ParseAddress(v.Address())
	if err != nil {
		return keys.Keep{}, err
	}
	return keys.NewKeep(a).SetPhrase(keys.Identity{Key: s.IdentityKey}, phrase, random)
}

// FromKeep is what a keep opened, for Import.
func FromKeep(address identity.Address, i keys.Identity) Imported {
	return Imported{secrets{Address: address.String(), IdentityKey: i.Key, RecoveryKey: i.Recovery}}
}

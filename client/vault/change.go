package vault

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"primum/identity"
	"primum/internal/durable"
)

// Change signs the next identity document: renewed from now, with change (nil
// for a mere renewal) applied, and this client listing the cipher suites that
// this program has. It is not kept: publish it, then SetDocument.
func (v *Vault) Change(passphrase string, now time.Time, change func(*identity.Document) error) (string, error) {
	s, err := v.unlock(passphrase)
	if err != nil {
		return "", err
	}
	current, err := v.Verified()
	if err != nil {
		return "", fmt.Errorf("read own identity document: %w", err)
	}
	return signNext(current, s.identityKey(), now, func(d *identity.Document) error {
		for i := range d.Clients {
			if d.Clients[i].Name == v.keys.Client {
				d.Clients[i].Suites = suites()
			}
		}
		if change == nil {
			return nil
		}
		return change(d)
	})
}

func signNext(current *identity.Verified, key ed25519.PrivateKey, now time.Time, change func(*identity.Document) error) (string, error) {
	d, err := current.Next(now)
	if err != nil {
		return "", err
	}
	if change != nil {
		if err := change(&d); err != nil {
			return "", err
		}
	}
	return identity.Sign(d, key)
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

// DropClient is a change that takes a client off the document, whose circles
// it then leaves.
func DropClient(name string) func(*identity.Document) error {
	return func(d *identity.Document) error {
		n := len(d.Clients)
		d.Clients = slices.DeleteFunc(d.Clients, func(c identity.Client) bool { return c.Name == name })
		switch {
		case len(d.Clients) == n:
			return fmt.Errorf("drop %q: %w", name, identity.ErrNoClient)
		case len(d.Clients) == 0:
			return errors.New("the last client can't be dropped; suspend the account instead")
		}
		return nil
	}
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
	key := i.s.identityKey()
	if current.Address().String() != i.s.Address || !key.Public().(ed25519.PublicKey).Equal(current.IdentityKey()) {
		return nil, fmt.Errorf("import %s: the node's document is signed by another identity key than the file's", i.s.Address)
	}
	keys, member, err := newClient(n)
	if err != nil {
		return nil, err
	}
	i.s.Document, err = signNext(current, key, n.Now, func(d *identity.Document) error {
		if drop {
			d.Clients = nil
		}
		if slices.ContainsFunc(d.Clients, func(c identity.Client) bool { return c.Name == member.Name }) {
			return fmt.Errorf("import: the identity has a client named %q; name this machine otherwise", member.Name)
		}
		d.Clients = append(d.Clients, member)
		return nil
	})
	if err != nil {
		return nil, err
	}
	v, _, err := place(home, n, keys, i.s)
	return v, err
}

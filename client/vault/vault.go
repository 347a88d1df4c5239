// Package vault keeps a person's keys on disk: one directory per address,
// mode 0700 with files of mode 0600, used by one process at a time.
//
// In an address's directory:
//
//	identity.jws   the account's own identity document (public)
//	client.json    this machine's client key and inbox key
//	identity.age   the identity key, wrapped by a passphrase (age, scrypt)
//	state/         what package circle keeps; see there
//
// The identity key is needed only to change or renew the identity document.
// The recovery key, which outranks it, is in the recovery file alone.
package vault

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"primum/identity"
	"primum/internal/durable"
)

const (
	identityFile = "identity.jws"
	clientFile   = "client.json"
	wrappedFile  = "identity.age"
	stateDir     = "state"
	holderFile   = "holder"
)

var (
	// ErrNotFound: no such address on this machine.
	ErrNotFound = errors.New("no such identity on this machine")
	// ErrExists: the address has a directory already.
	ErrExists = errors.New("this identity exists on this machine already")
	// ErrPassphrase: the passphrase opens nothing.
	ErrPassphrase = errors.New("the passphrase does not open the file")
)

// LockedError says that another process uses the address.
type LockedError struct {
	Address string
	Holder  string // what the other process says about itself
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("the keys of %s are in use by %s", e.Address, e.Holder)
}

// Home is the directory of all vaults: $PRIMUM_HOME, else primum in
// $XDG_DATA_HOME, else ~/.local/share/primum.
func Home(env func(string) string) string {
	if h := env("PRIMUM_HOME"); h != "" {
		return h
	}
	if h := env("XDG_DATA_HOME"); h != "" {
		return filepath.Join(h, "primum")
	}
	return filepath.Join(env("HOME"), ".local", "share", "primum")
}

// DefaultHome is Home of this process.
func DefaultHome() string { return Home(os.Getenv) }

// dirName is an address as the name of a directory.
func dirName(address string) string {
	return strings.ReplaceAll(url.PathEscape(address), ":", "%3A")
}

// Dir is where the keys of an address are, or would be.
func Dir(home, address string) string { return filepath.Join(home, dirName(address)) }

// Has tells whether home has keys of an address.
func Has(home, address string) bool {
	_, err := os.Stat(filepath.Join(Dir(home, address), clientFile))
	return err == nil
}

// List is the addresses with keys under home, sorted.
func List(home string) ([]string, error) {
	entries, err := os.ReadDir(home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list identities: %w", err)
	}
	var out []string
	for _, e := range entries {
		name, err := url.PathUnescape(e.Name())
		if err != nil || !strings.Contains(name, "@") || !e.IsDir() {
			continue
		}
		if _, err := os.Stat(filepath.Join(home, e.Name(), clientFile)); err == nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// clientKeys is the content of client.json.
type clientKeys struct {
	Address   string    `json:"address"`
	Client    string    `json:"client"`
	ClientKey []byte    `json:"clientKey"` // Ed25519 seed
	InboxKey  []byte    `json:"inboxKey"`  // X25519 private key
	Country   string    `json:"country,omitempty"`
	Added     time.Time `json:"added"`
}

// Vault is one opened address. Safe for concurrent use, but for Close.
type Vault struct {
	dir  string
	keys clientKeys
	lock *durable.Lock

	mu       sync.Mutex
	document string
}

// Open locks and reads the keys of an address. Holder is what a second process
// is told about this one, e.g. "primum watch (process 4711)".
func Open(home, address, holder string) (*Vault, error) {
	dir := Dir(home, address)
	if !Has(home, address) {
		return nil, fmt.Errorf("open keys of %s: %w", address, ErrNotFound)
	}
	l, err := lock(dir, address, holder)
	if err != nil {
		return nil, err
	}
	v := &Vault{dir: dir, lock: l}
	if err := v.read(); err != nil {
		_ = v.Close()
		return nil, fmt.Errorf("open keys of %s: %w", address, err)
	}
	return v, nil
}

func lock(dir, address, holder string) (*durable.Lock, error) {
	l, err := durable.LockDir(dir)
	if errors.Is(err, durable.ErrLocked) {
		who, _ := os.ReadFile(filepath.Join(dir, holderFile))
		if len(who) == 0 {
			who = []byte("another process")
		}
		return nil, &LockedError{Address: address, Holder: strings.TrimSpace(string(who))}
	}
	if err != nil {
		return nil, fmt.Errorf("lock keys of %s: %w", address, err)
	}
	// Who holds the lock is told for convenience; the lock itself is the
	// system's. A failure to tell changes nothing.
	_ = os.WriteFile(filepath.Join(dir, holderFile), []byte(holder+"\n"), 0o600)
	return l, nil
}

func (v *Vault) read() error {
	b, err := durable.ReadFile(filepath.Join(v.dir, clientFile))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &v.keys); err != nil || len(v.keys.ClientKey) != ed25519.SeedSize {
		return fmt.Errorf("%s is damaged; import the recovery file", clientFile)
	}
	doc, err := durable.ReadFile(filepath.Join(v.dir, identityFile))
	if err != nil {
		return err
	}
	v.document = string(doc)
	return nil
}

// Close gives the address back to other processes.
func (v *Vault) Close() error {
	if v.lock == nil {
		return nil
	}
	_ = os.Remove(filepath.Join(v.dir, holderFile))
	err := v.lock.Close()
	v.lock = nil
	return err
}

// Address is the account's.
func (v *Vault) Address() string { return v.keys.Address }

// ClientName is this machine's name in the identity document.
func (v *Vault) ClientName() string { return v.keys.Client }

// Country is what `me init --country` said, or empty.
func (v *Vault) Country() string { return v.keys.Country }

// ClientKey signs for this client.
func (v *Vault) ClientKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(v.keys.ClientKey) }

// InboxKey opens what is sealed to this client.
func (v *Vault) InboxKey() (*identity.InboxKey, error) {
	return identity.ParseInboxKey(v.keys.InboxKey)
}

// Document is the account's newest identity document known here.
func (v *Vault) Document() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.document
}

// SetDocument keeps a newer identity document; the caller has verified it.
func (v *Vault) SetDocument(compact string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := durable.WriteFile(filepath.Join(v.dir, identityFile), []byte(compact)); err != nil {
		return fmt.Errorf("keep identity document: %w", err)
	}
	v.document = compact
	return nil
}

// StateDir is where the actors of this client keep their state; it exists.
func (v *Vault) StateDir() (string, error) {
	dir := filepath.Join(v.dir, stateDir)
	return dir, durable.MakeDir(dir)
}

// Dir is the address's directory, for sockets and notes beside the keys.
func (v *Vault) Dir() string { return v.dir }

// Verified is Document, verified. It was verified when it was set: only its
// form is checked again here.
func (v *Vault) Verified() (*identity.Verified, error) { return identity.First(v.Document()) }

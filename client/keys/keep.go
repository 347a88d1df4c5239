package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"primum/identity"
	"primum/internal/jws"
)

// Limits of a keep.
const (
	MaxKeep = 16 << 10 // bytes of its JSON
	MaxWays = 16       // wrapped copies
	version = 1
	saltLen = 32
	prfLen  = 32
)

// Kinds of secrets that open a way.
const (
	KindPhrase  = "phrase"
	KindPasskey = "passkey"
)

// Refusals, told apart with errors.Is.
var (
	// ErrKeep: not a keep of the given account, or one of a later version.
	ErrKeep = errors.New("the wrapped identity key is damaged or of another account")
	// ErrSecret: the secret opens none of the ways.
	ErrSecret = errors.New("the secret does not open the identity key")
	// ErrOtherIdentity: the key is not that of the identity document.
	ErrOtherIdentity = errors.New("the identity key is not the one of the identity document")
	// ErrKeepRollback: an older keep than the one known here.
	ErrKeepRollback = errors.New("an older copy of the wrapped identity key")
	// ErrFull: no room for a further way.
	ErrFull = errors.New("too many passkeys")
	// ErrClientName: the account has a client of that name.
	ErrClientName = errors.New("the account has a client of that name")
	// ErrLastClient: it can't be dropped.
	ErrLastClient = errors.New("the last client can't be dropped; suspend the account instead")
)

// Keep holds the wrapped copies of an identity key: docs/spec/keep.md. Without
// one of the secrets it tells nothing but how many there are. Whoever opens it
// checks by Seal that all of it was written together by one who held the
// identity key.
type Keep struct {
	Version int              `json:"version"`
	Account identity.Address `json:"account"`
	Serial  uint64           `json:"serial"` // from 1, one more at every change
	Ways    []Way            `json:"ways"`
	Seal    jws.Bytes        `json:"seal"` // HMAC-SHA-256 under the identity key
}

// Way is one wrapped copy.
type Way struct {
	Kind  string    `json:"kind"` // KindPhrase or KindPasskey
	Salt  jws.Bytes `json:"salt"` // 32 bytes
	Nonce jws.Bytes `json:"nonce"`
	Box   jws.Bytes `json:"box"` // AES-256-GCM over one or two Ed25519 seeds
}

// Secret is what opens a way: a phrase in the form of ParsePhrase, or a PRF
// output of 32 bytes. Exactly one is set.
type Secret struct {
	Phrase string
	PRF    []byte
}

// Format keeps the secret out of every %v.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret") }

func (s Secret) kind() (kind string, key []byte, err error) {
	switch {
	case s.Phrase != "" && s.PRF != nil:
		return "", nil, fmt.Errorf("%w: it is two", ErrSecret)
	case s.Phrase != "":
		p, err := ParsePhrase(s.Phrase)
		return KindPhrase, []byte(p), err
	case len(s.PRF) == prfLen:
		return KindPasskey, s.PRF, nil
	}
	return "", nil, fmt.Errorf("%w: a passkey gives %d bytes", ErrSecret, prfLen)
}

// NewKeep is an empty keep; SetPhrase and AddPasskey fill it.
func NewKeep(account identity.Address) Keep { return Keep{Version: version, Account: account} }

// SetPhrase wraps the secrets under a phrase in place of any earlier one.
func (k Keep) SetPhrase(i Identity, phrase string, random io.Reader) (Keep, error) {
	k.Ways = slices.DeleteFunc(slices.Clone(k.Ways), func(w Way) bool { return w.Kind == KindPhrase })
	return k.add(i, Secret{Phrase: phrase}, random)
}

// AddPasskey wraps the identity key under a PRF output. The recovery key stays
// behind the phrase: what a passkey opens can't outrank the identity key.
func (k Keep) AddPasskey(i Identity, prf []byte, random io.Reader) (Keep, error) {
	return k.add(Identity{Key: i.Key}, Secret{PRF: prf}, random)
}

func (k Keep) add(i Identity, s Secret, random io.Reader) (Keep, error) {
	if len(k.Ways) >= MaxWays {
		return k, ErrFull
	}
	w, err := wrap(k.Account, i, s, random)
	if err != nil {
		return k, err
	}
	k.Ways = append(slices.Clone(k.Ways), w)
	k.Serial++
	if k.Seal, err = k.sum(i.Key); err != nil {
		return k, err
	}
	return k, nil
}

// Has tells whether there is a way of a kind.
func (k Keep) Has(kind string) bool {
	return slices.ContainsFunc(k.Ways, func(w Way) bool { return w.Kind == kind })
}

// Open unwraps with a secret: ErrSecret when it opens nothing, ErrPhrase when
// it is none, ErrKeep when what it opens did not write this keep.
func (k Keep) Open(s Secret) (Identity, error) {
	kind, key, err := s.kind()
	if err != nil {
		return Identity{}, err
	}
	for _, w := range k.Ways {
		if w.Kind != kind {
			continue
		}
		i, err := w.open(k.Account, key)
		if err != nil {
			continue
		}
		sum, err := k.sum(i.Key)
		if err != nil || !hmac.Equal(sum, k.Seal) {
			i.Erase()
			return Identity{}, ErrKeep
		}
		return i, nil
	}
	return Identity{}, ErrSecret
}

// sum seals the whole document: ways of two keeps can't be put together.
func (k Keep) sum(identityKey []byte) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, identityKey, nil, "primum keep 1 seal", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("seal keep: %w", err)
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte("primum keep 1\x00" + k.Account.String() + "\x00"))
	m.Write(binary.BigEndian.AppendUint64(nil, k.Serial))
	for _, w := range k.Ways {
		m.Write([]byte(w.Kind + "\x00"))
		m.Write(slices.Concat(w.Salt, w.Nonce, []byte{byte(len(w.Box))}, w.Box))
	}
	return m.Sum(nil), nil
}

func wrap(account identity.Address, i Identity, s Secret, random io.Reader) (Way, error) {
	kind, key, err := s.kind()
	if err != nil {
		return Way{}, err
	}
	w := Way{Kind: kind, Salt: make([]byte, saltLen), Nonce: make([]byte, 12)}
	for _, b := range [][]byte{w.Salt, w.Nonce} {
		if _, err := io.ReadFull(random, b); err != nil {
			return w, fmt.Errorf("wrap identity key: %w", err)
		}
	}
	box, err := w.cipher(key)
	if err != nil {
		return w, err
	}
	plain := slices.Concat(i.Key, i.Recovery)
	w.Box = box.Seal(nil, w.Nonce, plain, w.about(account))
	clear(plain)
	return w, nil
}

func (w Way) open(account identity.Address, key []byte) (Identity, error) {
	box, err := w.cipher(key)
	if err != nil {
		return Identity{}, err
	}
	plain, err := box.Open(nil, w.Nonce, w.Box, w.about(account))
	if err != nil {
		return Identity{}, ErrSecret
	}
	i := Identity{Key: plain[:ed25519.SeedSize:ed25519.SeedSize]}
	if len(plain) == 2*ed25519.SeedSize {
		i.Recovery = plain[ed25519.SeedSize:]
	}
	return i, nil
}

// cipher is AES-256-GCM under a key of the secret for this way alone.
func (w Way) cipher(secret []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, w.Salt, "primum keep 1 "+w.Kind, 32)
	if err != nil {
		return nil, fmt.Errorf("wrap identity key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("wrap identity key: %w", err)
	}
	return cipher.NewGCM(block)
}

// about is the associated data: a box opens only for its account and kind.
func (w Way) about(account identity.Address) []byte {
	return []byte("primum keep 1\x00" + w.Kind + "\x00" + account.String())
}

// Bytes is the keep as JSON.
func (k Keep) Bytes() ([]byte, error) {
	b, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("write keep: %w", err)
	}
	return b, nil
}

// ParseKeep reads a keep strictly; every refusal is ErrKeep.
func ParseKeep(b []byte) (Keep, error) {
	var k Keep
	if len(b) > MaxKeep {
		return k, fmt.Errorf("%w: %d bytes", ErrKeep, len(b))
	}
	if err := jws.DecodeStrict(b, &k); err != nil {
		return k, fmt.Errorf("%w: %w", ErrKeep, err)
	}
	return k, k.check()
}

func (k Keep) check() error {
	switch {
	case k.Version != version:
		return fmt.Errorf("%w: version %d", ErrKeep, k.Version)
	case k.Account == identity.Address{} || k.Serial == 0 || len(k.Seal) != sha256.Size:
		return fmt.Errorf("%w: something is missing", ErrKeep)
	case len(k.Ways) == 0 || len(k.Ways) > MaxWays:
		return fmt.Errorf("%w: %d ways", ErrKeep, len(k.Ways))
	}
	for _, w := range k.Ways {
		if err := w.check(); err != nil {
			return err
		}
	}
	return nil
}

func (w Way) check() error {
	one := ed25519.SeedSize + 16
	switch {
	case w.Kind != KindPhrase && w.Kind != KindPasskey:
		return fmt.Errorf("%w: a way of another kind", ErrKeep)
	case len(w.Salt) != saltLen || len(w.Nonce) != 12:
		return fmt.Errorf("%w: salt or nonce", ErrKeep)
	case len(w.Box) != one && len(w.Box) != one+ed25519.SeedSize:
		return fmt.Errorf("%w: box", ErrKeep)
	}
	return nil
}

// WrittenBy tells whether the holder of an identity key wrote this keep.
func (k Keep) WrittenBy(i Identity) bool {
	sum, err := k.sum(i.Key)
	return err == nil && hmac.Equal(sum, k.Seal)
}

package core

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/jws"
	"primum/mls"
)

// Private-use extensions (RFC 9420 §17.3).
const (
	// ExtContext stands in the group context: a version, the hash of the
	// opening (of a home circle: of the claim), the hash of the documents.
	ExtContext uint16 = 0xF0A1
	// ExtRejoin stands in a key package: circle, epoch, nonce.
	ExtRejoin uint16 = 0xF0A2
	// ExtRequired is required_capabilities (RFC 9420 §17.3).
	ExtRequired uint16 = 3

	contextVersion = 1
	hashSize       = sha256.Size
	atSize         = 8
	RejoinNonce    = 16
)

// CircleContext is what the group context says beside the circle's id.
type CircleContext struct {
	Opening string // hash of the document, base64url
	Set     string // hash of the set of active documents, base64url
}

// Extensions writes the group context's extensions.
func (c CircleContext) Extensions() ([]mls.Extension, error) {
	data := []byte{contextVersion}
	for _, h := range []string{c.Opening, c.Set} {
		b, err := base64.RawURLEncoding.DecodeString(h)
		if err != nil || len(b) != hashSize {
			return nil, fmt.Errorf("write circle context: %q is no hash", h)
		}
		data = append(data, b...)
	}
	return []mls.Extension{
		{Type: ExtRequired, Data: requiredCapabilities()},
		{Type: ExtContext, Data: data},
	}, nil
}

// requiredCapabilities: the extension above, no proposals, no credentials beyond
// the defaults (RFC 9420 §11.1): three vectors.
func requiredCapabilities() []byte {
	return []byte{2, byte(ExtContext >> 8), byte(ExtContext & 0xff), 0, 0}
}

// ParseContext reads the group context's extensions: exactly the two.
func ParseContext(exts []mls.Extension) (c CircleContext, err error) {
	for _, e := range exts {
		switch e.Type {
		case ExtContext:
			if len(e.Data) != 1+2*hashSize || e.Data[0] != contextVersion {
				return c, errors.New("circle context is malformed")
			}
			c.Opening = base64.RawURLEncoding.EncodeToString(e.Data[1 : 1+hashSize])
			c.Set = base64.RawURLEncoding.EncodeToString(e.Data[1+hashSize:])
		case ExtRequired:
			if !bytes.Equal(e.Data, requiredCapabilities()) {
				return c, errors.New("the circle requires other capabilities")
			}
		default:
			return c, fmt.Errorf("group context extension %#x has no place in a circle", e.Type)
		}
	}
	if c.Opening == "" || len(exts) != 2 {
		return c, errors.New("the group context is not a circle's")
	}
	return c, nil
}

// SetHash is one hash of a set of documents.
func SetHash(compacts ...string) string {
	hashes := make([]string, 0, len(compacts))
	for _, c := range compacts {
		hashes = append(hashes, jws.Hash(c))
	}
	return HashOfSet(hashes)
}

// HashOfSet is setHash where the documents' hashes are known; it sorts them.
func HashOfSet(hashes []string) string {
	sort.Strings(hashes)
	h := sha256.New()
	for _, s := range hashes {
		h.Write([]byte(s))
		h.Write([]byte{'\n'})
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// AtBytes is the authenticated data of a commit: its time in Unix seconds.
func AtBytes(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(t.Unix(), 0)))
}

// CommitAt reads what atBytes wrote.
func CommitAt(aad []byte) (time.Time, error) {
	if len(aad) != atSize {
		return time.Time{}, errors.New("commit carries no time")
	}
	n := binary.BigEndian.Uint64(aad)
	if n > 1<<40 {
		return time.Time{}, errors.New("commit carries an impossible time")
	}
	return time.Unix(int64(n), 0).UTC(), nil
}

// RejoinData is the extension of a key package that asks to rejoin: signed with
// it by the client's key.
func RejoinData(c ID, epoch uint64, nonce []byte) []byte {
	b := append([]byte(nil), c[:]...)
	b = binary.BigEndian.AppendUint64(b, epoch)
	return append(b, nonce...)
}

// ParseRejoin reads the rejoin extension of a key package.
func ParseRejoin(exts []mls.Extension) (c ID, epoch uint64, err error) {
	for _, e := range exts {
		if e.Type != ExtRejoin {
			continue
		}
		if len(e.Data) != len(c)+8+RejoinNonce {
			return c, 0, errors.New("rejoin request is malformed")
		}
		copy(c[:], e.Data)
		return c, binary.BigEndian.Uint64(e.Data[len(c):]), nil
	}
	return c, 0, errors.New("key package asks for nothing")
}

const PartIdentities = "identities"

// KeepVersions is how many versions of an identity document are kept, because a
// commit may be judged by one that is not the newest.
const KeepVersions = 4

// KnownIdentity is an account's documents, newest last.
type KnownIdentity struct {
	Compacts []string  `json:"compacts"`
	Asked    time.Time `json:"asked"` // when the newest was looked for
}

// Identities is the book of identity documents that an actor goes by.
type Identities struct {
	Accounts map[string]*KnownIdentity     `json:"accounts"`
	Verified map[string]*identity.Verified `json:"-"`
}

func (b *Identities) Restore(files map[string][]byte) error {
	b.Accounts, b.Verified = map[string]*KnownIdentity{}, map[string]*identity.Verified{}
	if err := DecodePart(files, PartIdentities, b); err != nil {
		return err
	}
	for account, k := range b.Accounts {
		if k == nil || len(k.Compacts) == 0 {
			return fmt.Errorf("read identity document of %s: none is kept", account)
		}
		v, err := identity.First(k.Compacts[0])
		for _, c := range k.Compacts[1:] {
			if err == nil {
				v, err = identity.Follow(c, v)
			}
		}
		if err != nil {
			return fmt.Errorf("read identity document of %s: %w", account, err)
		}
		b.Verified[account] = v
	}
	return nil
}

// Get is the newest document of an account, or nil.
func (b *Identities) Get(account string) *identity.Verified { return b.Verified[account] }

// Versions are the documents kept of an account, newest last.
func (b *Identities) Versions(account string) []string {
	if k := b.Accounts[account]; k != nil {
		return k.Compacts
	}
	return nil
}

// Take takes a document: the first of its account under a pinned key, else one
// that follows the known one. It reports whether it is news.
func (b *Identities) Take(compact string, pin []byte) (v *identity.Verified, news bool, err error) {
	account, err := DocumentAccount(compact)
	if err != nil {
		return nil, false, err
	}
	known := b.Verified[account]
	if known == nil {
		if v, err = identity.First(compact); err != nil {
			return nil, false, err
		}
		if pin != nil && !bytes.Equal(v.IdentityKey(), pin) {
			return nil, false, fmt.Errorf("identity document of %s: %w", account, identity.ErrSigner)
		}
		b.Accounts[account] = &KnownIdentity{Compacts: []string{compact}}
		b.Verified[account] = v
		return v, true, nil
	}
	if v, err = identity.Follow(compact, known); err != nil {
		return nil, false, err
	}
	if v.Hash() == known.Hash() {
		return known, false, nil
	}
	b.Accounts[account].add(compact)
	b.Verified[account] = v
	return v, true, nil
}

// add keeps the newest versions. The oldest one kept must stand by itself: one
// that a recovery key signed stands on the one before.
func (k *KnownIdentity) add(compact string) {
	k.Compacts = append(k.Compacts, compact)
	for i := len(k.Compacts) - KeepVersions; i > 0; i-- {
		if _, err := identity.First(k.Compacts[i]); err == nil {
			k.Compacts = append([]string(nil), k.Compacts[i:]...)
			return
		}
	}
}

// DocumentAccount tells whose an identity document claims to be.
func DocumentAccount(compact string) (string, error) {
	u, err := jws.Parse(compact, identity.MaxSize)
	if err != nil {
		return "", err
	}
	var d struct {
		Address string `json:"address"`
	}
	if err := json.Unmarshal(u.UntrustedPayload(), &d); err != nil || d.Address == "" {
		return "", errors.New("identity document names no account")
	}
	return d.Address, nil
}

func (b *Identities) Drop(account string) {
	delete(b.Accounts, account)
	delete(b.Verified, account)
}

// HashBytes is the hash of bytes as documents write it.
func HashBytes(b []byte) string { return jws.Hash(string(b)) }

// SignedAgain tells whether is, the envelope of b, says nothing new against was,
// that of a, but when its client signed it.
func SignedAgain(a, b GrantBundle, was, is grant.Envelope) bool {
	is.ID, is.Issued = was.ID, was.Issued
	return a.Terms == b.Terms && a.Opening == b.Opening && a.Closing == b.Closing && bytes.Equal(MustJSON(was), MustJSON(is))
}

func SeveralThings(t grant.Terms) bool {
	for _, d := range t.Details {
		if d.Identifier != t.Details[0].Identifier {
			return true
		}
	}
	return false
}

// Unverified reads the payload of a document that was verified before it was
// stored.
func Unverified(compact string, v any) error {
	u, err := jws.Parse(compact, grant.MaxSize)
	if err != nil {
		return err
	}
	return jws.DecodeStrict(u.UntrustedPayload(), v)
}

var ErrNotCommitter = errors.New("only the anchor commits")

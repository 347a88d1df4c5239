package guest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"primum/identity"
	"primum/internal/wire"
)

// wordBits are the bits of the two words: 2 × 11. Who stands in the middle has
// committed before it knows what they are made of, so it has one guess.
const wordBits = 22

// Party is one side: its account, its identity key, and a nonce of 32 random
// bytes that is used for one link.
type Party struct {
	Account identity.Address
	Key     []byte // identity key, Ed25519
	Nonce   []byte
}

func (p Party) check() error {
	if p.Account == (identity.Address{}) || len(p.Key) != keySize || len(p.Nonce) != keySize {
		return fmt.Errorf("%w: account, key or nonce is missing", ErrForged)
	}
	return nil
}

// Words are the two words that both people compare. They depend on the secret,
// too: who has not got it can't even search for a match.
func (l Link) Words(owner, guest Party) (string, error) {
	k, err := l.key("words")
	if err != nil {
		return "", err
	}
	sum := mac(k, "words", l.ID[:],
		[]byte(owner.Account.String()), owner.Key, owner.Nonce, []byte(guest.Account.String()), guest.Key, guest.Nonce)
	n := binary.BigEndian.Uint32(sum) >> (32 - wordBits)
	list := identity.Words()
	return list[n>>11] + " " + list[n&2047], nil
}

// commitment hides and binds the owner's nonce and key until the guest has
// shown its own.
func (l Link) commitment(owner Party) []byte {
	sum := sha256.Sum256(encode("primum link commitment", l.ID[:], []byte(owner.Account.String()), owner.Key, owner.Nonce))
	return sum[:]
}

// offerMAC is over what the owner shows first.
func (l Link) offerMAC(account string, expires time.Time, commitment []byte) ([]byte, error) {
	k, err := l.key("owner")
	if err != nil {
		return nil, err
	}
	return mac(k, "offer", l.ID[:], []byte(account), seconds(expires), commitment), nil
}

// answerMAC is over what the guest shows; it stands in its identity document.
func (l Link) answerMAC(commitment []byte, guest Party) ([]byte, error) {
	k, err := l.key("guest")
	if err != nil {
		return nil, err
	}
	return mac(k, "answer", l.ID[:], commitment, []byte(guest.Account.String()), guest.Key, guest.Nonce), nil
}

// revealMAC is over what opens the commitment, for this guest.
func (l Link) revealMAC(owner, guest Party) ([]byte, error) {
	k, err := l.key("owner")
	if err != nil {
		return nil, err
	}
	return mac(k, "reveal", l.ID[:], owner.Key, owner.Nonce, []byte(guest.Account.String()), guest.Key, guest.Nonce), nil
}

func mac(key []byte, what string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(encode("primum link "+what, parts...))
	return h.Sum(nil)
}

// encode writes a label and parts, each behind its length in 4 bytes (big
// endian): no two lists have the same bytes.
func encode(label string, parts ...[]byte) []byte {
	b := appendPart(nil, []byte(label))
	for _, p := range parts {
		b = appendPart(b, p)
	}
	return b
}

func appendPart(b, p []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
}

// seconds is a time in whole seconds since 1970, 8 bytes.
func seconds(t time.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(t.Unix())) }

// sameStatus checks what both sides read of a node first: it is about this link.
func (l Link) sameStatus(s wire.LinkStatus) (owner, guest identity.Address, err error) {
	guest, err = identity.ParseAddress(s.Guest)
	if err != nil || guest.String() != s.Guest || guest.Authority != l.Authority || guest.User != l.ID.GuestName() {
		return owner, guest, fmt.Errorf("%w: the node names another guest", ErrForged)
	}
	owner, err = identity.ParseAddress(s.Owner)
	if err != nil || owner.String() != s.Owner || owner.Authority != l.Authority {
		return owner, guest, fmt.Errorf("%w: the node names another owner", ErrForged)
	}
	return owner, guest, nil
}

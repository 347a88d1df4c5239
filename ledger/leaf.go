package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// LeafSize is the length of an entry of the commitments log, in bytes.
const LeafSize = sha256.Size

// Leaf is what the commitments log holds about one thing: HMAC-SHA256 of a
// label under the key of that thing. Without the key it says nothing; when the
// key is deleted nobody can ever say what it stood for.
func Leaf(key []byte, label string) [LeafSize]byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(label))
	return [LeafSize]byte(m.Sum(nil))
}

// Events of a grant, as GrantLeaf takes them.
const (
	EventGiven      = "given"
	EventActive     = "active"
	EventRefused    = "refused"
	EventWithdrawn  = "withdrawn"
	EventRevoked    = "revoked"
	EventExpired    = "expired"
	EventSuperseded = "superseded"
)

// GrantLeaf is the leaf of an event of a grant under its k_grant, which owner,
// anchor and node know and the grantee does not. Each event happens to a grant
// once, so the leaf can be made again from the grant alone, after a restore too.
func GrantLeaf(kGrant []byte, event string) [LeafSize]byte {
	return Leaf(kGrant, "primum ledger v1 grant\x00"+event)
}

// DayLeaf commits to the root of an access log's day ("2026-11-23") under a
// fresh random key of 32 bytes.
func DayLeaf(key []byte, day string, root [32]byte) [LeafSize]byte {
	return Leaf(key, "primum ledger v1 day\x00"+day+"\x00"+string(root[:]))
}

// EpochLeaf commits to an epoch of a circle: the SHA-256 of its commit and of
// its confirmed transcript, under a fresh random key of 32 bytes.
func EpochLeaf(key []byte, epoch uint64, commit, transcript [32]byte) [LeafSize]byte {
	label := binary.BigEndian.AppendUint64([]byte("primum ledger v1 epoch\x00"), epoch)
	label = append(append(label, commit[:]...), transcript[:]...)
	return Leaf(key, string(label))
}

// RightLeaf commits to an exercised right ("access", "erase", …) and the
// SHA-256 of its receipt's document, under a fresh random key of 32 bytes.
func RightLeaf(key []byte, right string, document [32]byte) [LeafSize]byte {
	return Leaf(key, "primum ledger v1 right\x00"+right+"\x00"+string(document[:]))
}

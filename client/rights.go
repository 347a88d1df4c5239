package client

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"primum/internal/wire"
	"primum/ledger"
)

// ErrReceipt: a receipt's leaf is not what its key and document make.
var ErrReceipt = errors.New("the node's receipt commits to something else")

// Exercised checks the receipt of a right that the own node has answered, and
// keeps its promise: the proof is fetched after the tick. A node without a
// ledger promises nothing.
func (c *Client) Exercised(right string, r *wire.RightReceipt) error {
	if r == nil || r.Promise == "" {
		return nil
	}
	leaf := ledger.RightLeaf(r.Key, right, sha256.Sum256([]byte(r.Receipt)))
	told, err := hex.DecodeString(r.Leaf)
	if err != nil || !bytes.Equal(told, leaf[:]) {
		return ErrReceipt
	}
	return c.Pledged("right", right, leaf, r.Promise)
}

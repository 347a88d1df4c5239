package ledger

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"

	"github.com/transparency-dev/merkle/proof"
)

// LeafHash is the hash of an entry in its log's tree (RFC 6962 §2.1).
func LeafHash(entry []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(entry)
	return [32]byte(h.Sum(nil))
}

// nodeHash is the hash of an inner node (RFC 6962 §2.1).
func nodeHash(left, right [32]byte) [32]byte {
	var b [65]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}

// hasher is nodeHash as the proof library wants it.
type hasher struct{}

func (hasher) EmptyRoot() []byte           { h := sha256.Sum256(nil); return h[:] }
func (hasher) HashLeaf(leaf []byte) []byte { h := LeafHash(leaf); return h[:] }
func (hasher) HashChildren(l, r []byte) []byte {
	h := nodeHash([32]byte(l), [32]byte(r))
	return h[:]
}
func (hasher) Size() int { return sha256.Size }

// Inclusion checks that a leaf stands at an index of the tree of a size and
// root (RFC 6962 §2.1.1). A proof that fails is an ErrProof.
func Inclusion(index, size uint64, leaf [32]byte, hashes [][32]byte, root [32]byte) error {
	if err := proof.VerifyInclusion(hasher{}, index, size, leaf[:], byteSlices(hashes), root[:]); err != nil {
		return proofError(err)
	}
	return nil
}

// Consistency checks that the tree of the second size and root continues the
// first one (RFC 6962 §2.1.2). A proof that fails is an ErrProof.
func Consistency(size1, size2 uint64, hashes [][32]byte, root1, root2 [32]byte) error {
	if err := proof.VerifyConsistency(hasher{}, size1, size2, byteSlices(hashes), root1[:], root2[:]); err != nil {
		return proofError(err)
	}
	return nil
}

func proofError(err error) error {
	if errors.As(err, new(proof.RootMismatchError)) {
		return ErrProof
	}
	return fmt.Errorf("%w: %w", ErrProof, err)
}

func byteSlices(hashes [][32]byte) [][]byte {
	out := make([][]byte, len(hashes))
	for i := range hashes {
		out[i] = hashes[i][:]
	}
	return out
}

// TreeRoot is the root over leaf hashes (RFC 6962 §2.1).
func TreeRoot(leaves [][32]byte) [32]byte {
	switch len(leaves) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	}
	k := split(len(leaves))
	return nodeHash(TreeRoot(leaves[:k]), TreeRoot(leaves[k:]))
}

// TreePath is the inclusion proof of the leaf at an index, from its sibling up.
// The index must be below the number of leaves.
func TreePath(leaves [][32]byte, index int) [][32]byte {
	if len(leaves) < 2 {
		return nil
	}
	k := split(len(leaves))
	if index < k {
		return append(TreePath(leaves[:k], index), TreeRoot(leaves[k:]))
	}
	return append(TreePath(leaves[k:], index-k), TreeRoot(leaves[:k]))
}

// split is the largest power of two below n, for n > 1.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

package tree

import "math/bits"

// Node indices count the nodes of a full binary tree from left to right in
// order: leaf i is node 2i, parents are odd (RFC 9420 Appendix C). A tree has
// 2^d leaves; leaves below always means that width.

// MaxWidth bounds the leaves of a tree, so that node indices fit uint32 with
// room to compute; RFC 9420 allows 2^31.
const MaxWidth = 1 << 30

// NodeOf is the node index of a leaf.
func NodeOf(leaf uint32) uint32 { return 2 * leaf }

// LeafOf is the leaf index of a node of level 0.
func LeafOf(node uint32) uint32 { return node / 2 }

// Level is 0 for leaves and one more than its children's for a parent.
func Level(node uint32) int { return bits.TrailingZeros32(^node) }

// Width is the number of nodes of a tree with that many leaves.
func Width(leaves uint32) uint32 {
	if leaves == 0 {
		return 0
	}
	return 2*leaves - 1
}

// Root is the node index of the root of a tree with that many leaves.
func Root(leaves uint32) uint32 { return leaves - 1 }

// Left is the left child of a parent; a leaf is its own child, so that no
// input makes it panic.
func Left(node uint32) uint32 {
	k := Level(node)
	if k == 0 {
		return node
	}
	return node ^ 1<<(k-1)
}

// Right is the right child of a parent; a leaf is its own child.
func Right(node uint32) uint32 {
	k := Level(node)
	if k == 0 {
		return node
	}
	return node ^ 3<<(k-1)
}

// Parent is the node above, in a tree where node is not the root.
func Parent(node uint32) uint32 {
	k := Level(node)
	b := node >> (k + 1) & 1
	return (node | 1<<k) ^ b<<(k+1)
}

// Sibling is the other child of the node's parent.
func Sibling(node uint32) uint32 {
	p := Parent(node)
	if node < p {
		return Right(p)
	}
	return Left(p)
}

// CommonAncestor is the lowest node above (or at) both nodes.
func CommonAncestor(a, b uint32) uint32 {
	for Level(a) < Level(b) {
		a = Parent(a)
	}
	for Level(b) < Level(a) {
		b = Parent(b)
	}
	for a != b {
		a, b = Parent(a), Parent(b)
	}
	return a
}

// Covers tells whether leaf lies below (or at) node.
func Covers(node, leaf uint32) bool {
	k := Level(node)
	return NodeOf(leaf)>>(k+1) == node>>(k+1)
}

// fullWidth is the least 2^d that is at least n, and at least 1.
func fullWidth(n uint32) uint32 {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len32(n-1)
}

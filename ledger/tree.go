package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
)

// maxLeafTiles is how many full tiles of leaves a Tree remembers; those above
// them are few and all remembered.
const maxLeafTiles = 64

// TileFunc gets what stands at a path below a log's URL (TilePath, BundlePath);
// ErrNotFound (wrapped) where nothing does. It may read files as well.
type TileFunc func(ctx context.Context, path string) ([]byte, error)

// Tree is a log's tree at one checkpoint, read tile by tile. It hands out only
// hashes and entries that lead to the checkpoint's root: a tile that does not is
// an ErrTampered. Not for concurrent use.
type Tree struct {
	get   TileFunc
	size  uint64
	tiles map[tileID]pyramid
	leafs []tileID // remembered full tiles of leaves, oldest first
}

// pyramid is a tile's hashes and, above them, those of all complete subtrees.
type pyramid [][][32]byte

func newPyramid(hashes [][32]byte) pyramid {
	p := pyramid{hashes}
	for below := hashes; len(below) > 1; below = p[len(p)-1] {
		row := make([][32]byte, len(below)/2)
		for i := range row {
			row[i] = nodeHash(below[2*i], below[2*i+1])
		}
		p = append(p, row)
	}
	return p
}

type tileID struct {
	level int
	index uint64
}

// OpenTree reads the right edge of the tree of a size and root, at most eight
// tiles, and checks it against the root.
func OpenTree(ctx context.Context, get TileFunc, size uint64, root [32]byte) (*Tree, error) {
	t := &Tree{get: get, size: size, tiles: map[tileID]pyramid{}}
	if size == 0 {
		return t, nil
	}
	var acc *[32]byte
	for level := 0; size>>(8*level) > 0 && level < 8; level++ {
		n := size >> (8 * level)
		id, width := tileID{level, n / TileWidth}, int(n%TileWidth)
		if width == 0 {
			continue
		}
		hashes, err := t.fetch(ctx, id, width)
		if err != nil {
			return nil, err
		}
		p := newPyramid(hashes)
		t.tiles[id] = p
		acc = p.fold(acc)
	}
	if *acc != root {
		return nil, fmt.Errorf("%w: the tiles at its end do not lead to the root", ErrTampered)
	}
	return t, nil
}

// fold puts the complete subtrees of a partial tile, right to left, before what
// stands to their right.
func (p pyramid) fold(acc *[32]byte) *[32]byte {
	for end := len(p[0]); end > 0; {
		height := bits.TrailingZeros(uint(end))
		h := p[height][end>>height-1]
		if acc != nil {
			h = nodeHash(h, *acc)
		}
		acc, end = &h, end-1<<height
	}
	return acc
}

// fetch reads a tile of a width, unverified. A partial tile may have gone when
// the full one has come; then that one's beginning is taken.
func (t *Tree) fetch(ctx context.Context, id tileID, width int) ([][32]byte, error) {
	path := TilePath(id.level, id.index, width)
	b, err := t.fetchWidth(ctx, path, TilePath(id.level, id.index, TileWidth), width)
	if err != nil {
		return nil, err
	}
	if len(b) < width*32 || len(b) > TileWidth*32 || len(b)%32 != 0 {
		return nil, fmt.Errorf("%w: tile %s has %d bytes", ErrTampered, path, len(b))
	}
	hashes := make([][32]byte, width)
	for i := range hashes {
		hashes[i] = [32]byte(b[i*32:])
	}
	return hashes, nil
}

func (t *Tree) fetchWidth(ctx context.Context, path, full string, width int) ([]byte, error) {
	b, err := t.get(ctx, path)
	if errors.Is(err, ErrNotFound) && width < TileWidth {
		b, err = t.get(ctx, full)
	}
	if errors.Is(err, ErrNotFound) {
		return nil, fmt.Errorf("%w: %s is missing", ErrTampered, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, path, err)
	}
	return b, nil
}

// tile is a tile whose hashes are known to lead to the root.
func (t *Tree) tile(ctx context.Context, id tileID) (pyramid, error) {
	if p, ok := t.tiles[id]; ok {
		return p, nil
	}
	if id.level >= 7 {
		return nil, fmt.Errorf("%w: no such tile", ErrProof)
	}
	hashes, err := t.fetch(ctx, id, TileWidth)
	if err != nil {
		return nil, err
	}
	above, err := t.tile(ctx, tileID{id.level + 1, id.index / TileWidth})
	if err != nil {
		return nil, err
	}
	p := newPyramid(hashes)
	if at := int(id.index % TileWidth); at >= len(above[0]) || p[8][0] != above[0][at] {
		return nil, fmt.Errorf("%w: tile %s", ErrTampered, TilePath(id.level, id.index, TileWidth))
	}
	t.remember(id, p)
	return p, nil
}

func (t *Tree) remember(id tileID, p pyramid) {
	t.tiles[id] = p
	if id.level > 0 {
		return
	}
	t.leafs = append(t.leafs, id)
	if len(t.leafs) > maxLeafTiles {
		delete(t.tiles, t.leafs[0])
		t.leafs = t.leafs[1:]
	}
}

// node is the hash of a complete subtree: of 2^level leaves, the index-th one.
func (t *Tree) node(ctx context.Context, level uint, index uint64) ([32]byte, error) {
	if level > 62 || (index+1)<<level > t.size {
		return [32]byte{}, fmt.Errorf("%w: no such subtree in a tree of %d", ErrProof, t.size)
	}
	within := level % 8
	start := index << within
	p, err := t.tile(ctx, tileID{int(level / 8), start / TileWidth})
	if err != nil {
		return [32]byte{}, err
	}
	return p[within][start%TileWidth>>within], nil
}

// Leaf is the Merkle hash of the entry at an index.
func (t *Tree) Leaf(ctx context.Context, index uint64) ([32]byte, error) {
	return t.node(ctx, 0, index)
}

// RootAt is the root that the tree had at an earlier size.
func (t *Tree) RootAt(ctx context.Context, size uint64) ([32]byte, error) {
	if size > t.size {
		return [32]byte{}, fmt.Errorf("%w: no size %d in a tree of %d", ErrProof, size, t.size)
	}
	var acc *[32]byte
	for end := size; end > 0; {
		level := uint(bits.TrailingZeros64(end))
		h, err := t.node(ctx, level, end>>level-1)
		if err != nil {
			return [32]byte{}, err
		}
		if acc != nil {
			h = nodeHash(h, *acc)
		}
		acc, end = &h, end-1<<level
	}
	if acc == nil {
		return TreeRoot(nil), nil
	}
	return *acc, nil
}

// InclusionProof proves the entry at an index in this tree.
func (t *Tree) InclusionProof(ctx context.Context, index uint64) ([][32]byte, error) {
	n, err := proof.Inclusion(index, t.size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	return t.proof(ctx, n)
}

// ConsistencyProof proves that this tree continues the one of an earlier size.
func (t *Tree) ConsistencyProof(ctx context.Context, from uint64) ([][32]byte, error) {
	n, err := proof.Consistency(from, t.size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	return t.proof(ctx, n)
}

func (t *Tree) proof(ctx context.Context, n proof.Nodes) ([][32]byte, error) {
	hashes, err := t.nodes(ctx, n.IDs)
	if err != nil {
		return nil, err
	}
	raw, err := n.Rehash(byteSlices(hashes), hasher{}.HashChildren)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	out := make([][32]byte, len(raw))
	for i := range raw {
		out[i] = [32]byte(raw[i])
	}
	return out, nil
}

func (t *Tree) nodes(ctx context.Context, ids []compact.NodeID) ([][32]byte, error) {
	hashes := make([][32]byte, len(ids))
	for i, id := range ids {
		h, err := t.node(ctx, id.Level, id.Index)
		if err != nil {
			return nil, err
		}
		hashes[i] = h
	}
	return hashes, nil
}

// Entries hands over the entries from one index up to, not including, another,
// in order, each checked against the tree. It stops at fn's first error.
func (t *Tree) Entries(ctx context.Context, from, to uint64, fn func(index uint64, entry []byte) error) error {
	if to > t.size {
		return fmt.Errorf("%w: no entry %d in a tree of %d", ErrProof, to, t.size)
	}
	for from < to {
		bundle := from / TileWidth
		next := min((bundle+1)*TileWidth, to)
		entries, err := t.bundle(ctx, bundle)
		if err != nil {
			return err
		}
		for ; from < next; from++ {
			if err := fn(from, entries[from%TileWidth]); err != nil {
				return err
			}
		}
	}
	return nil
}

// bundle reads a bundle and checks every entry of it.
func (t *Tree) bundle(ctx context.Context, index uint64) ([][]byte, error) {
	p, err := t.tile(ctx, tileID{0, index})
	if err != nil {
		return nil, err
	}
	hashes := p[0]
	path := BundlePath(index, len(hashes))
	b, err := t.fetchWidth(ctx, path, BundlePath(index, TileWidth), len(hashes))
	if err != nil {
		return nil, err
	}
	entries, err := ParseBundle(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrTampered, path, err)
	}
	if len(entries) < len(hashes) {
		return nil, fmt.Errorf("%w: %s has %d entries of %d", ErrTampered, path, len(entries), len(hashes))
	}
	for i, h := range hashes {
		if LeafHash(entries[i]) != h {
			return nil, fmt.Errorf("%w: entry %d", ErrTampered, index*TileWidth+uint64(i))
		}
	}
	return entries[:len(hashes)], nil
}

// ParseBundle takes a bundle of entries apart (C2SP tlog-tiles, Log entries).
// The entries are parts of b.
func ParseBundle(b []byte) ([][]byte, error) {
	var entries [][]byte
	for len(b) > 0 {
		if len(b) < 2 || len(entries) == TileWidth {
			return nil, fmt.Errorf("%w bundle", ErrMalformed)
		}
		n := int(binary.BigEndian.Uint16(b))
		if n > MaxEntry || len(b) < 2+n {
			return nil, fmt.Errorf("%w bundle: entry %d", ErrMalformed, len(entries))
		}
		entries, b = append(entries, b[2:2+n]), b[2+n:]
	}
	return entries, nil
}

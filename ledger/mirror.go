package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
)

// Shelf is where a copy of one log stands, under the paths of the log itself.
// Read returns ErrNotFound (wrapped) where nothing stands; Write is atomic.
type Shelf interface {
	Read(path string) ([]byte, error)
	Write(path string, b []byte) error
}

// Mirror copies a log, at a checkpoint that was verified before, to a shelf, and
// returns how many files it wrote. What stands there already is not fetched
// again; a copy that the log does not continue is an ErrFork or ErrRollback and
// stays as it is. The checkpoint is written last, so that a copy that was broken
// off is an older one, and whole.
func Mirror(ctx context.Context, get TileFunc, log Log, checkpoint string, to Shelf) (int, error) {
	c, err := OpenCheckpoint([]byte(checkpoint), log)
	if err != nil {
		return 0, err
	}
	tree, err := OpenTree(ctx, get, c.Size, c.Root)
	if err != nil {
		return 0, err
	}
	m := &mirror{tree: tree, size: c.Size, to: to}
	if err := m.continues(ctx, log); err != nil {
		return 0, err
	}
	if err := m.copyTree(ctx); err != nil {
		return m.wrote, err
	}
	return m.wrote, to.Write(CheckpointPath, []byte(checkpoint))
}

type mirror struct {
	tree  *Tree
	size  uint64
	to    Shelf
	wrote int
}

// continues checks the copy's own checkpoint against the tree.
func (m *mirror) continues(ctx context.Context, log Log) error {
	text, err := m.to.Read(CheckpointPath)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	old, err := OpenCheckpoint(text, log)
	if err != nil {
		return fmt.Errorf("the copy: %w", err)
	}
	if old.Size > m.size {
		return fmt.Errorf("%w: the copy has %d entries, the log %d", ErrRollback, old.Size, m.size)
	}
	root, err := m.tree.RootAt(ctx, old.Size)
	if err == nil && root != old.Root {
		err = fmt.Errorf("%w: the copy's first %d entries are others", ErrFork, old.Size)
	}
	return err
}

func (m *mirror) copyTree(ctx context.Context) error {
	for level := 0; level < 8 && m.size>>(8*level) > 0; level++ {
		n := m.size >> (8 * level)
		for index := uint64(0); index*TileWidth < n; index++ {
			width := int(min(TileWidth, n-index*TileWidth))
			if err := m.copyTile(ctx, tileID{level, index}, width); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyTile copies a tile and, for leaves, the entries below it.
func (m *mirror) copyTile(ctx context.Context, id tileID, width int) error {
	if id.level == 0 {
		err := m.copyFile(BundlePath(id.index, width), func() ([]byte, error) {
			entries, err := m.tree.bundle(ctx, id.index)
			return joinBundle(entries), err
		})
		if err != nil {
			return err
		}
	}
	return m.copyFile(TilePath(id.level, id.index, width), func() ([]byte, error) {
		p, err := m.tree.tile(ctx, id)
		if err != nil {
			return nil, err
		}
		var b []byte
		for _, h := range p[0] {
			b = append(b, h[:]...)
		}
		return b, nil
	})
}

func (m *mirror) copyFile(path string, read func() ([]byte, error)) error {
	if _, err := m.to.Read(path); !errors.Is(err, ErrNotFound) {
		return err
	}
	b, err := read()
	if err != nil {
		return err
	}
	m.wrote++
	return m.to.Write(path, b)
}

func joinBundle(entries [][]byte) (b []byte) {
	for _, e := range entries {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(e))), e...)
	}
	return b
}

package notary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"

	"primum/ledger"
)

// scrubEvery is the time between two readings of the whole ledger.
const scrubEvery = 24 * time.Hour

// Scrub reads every entry of both logs and the lowest level of their tiles, and
// compares them with the shown checkpoints: ErrDamaged names the first bundle or
// tile that is not what was signed. 1,000,000 entries take about a second.
func (n *Notary) Scrub(ctx context.Context) error {
	err := errors.Join(n.public.scrub(ctx), n.commitments.scrub(ctx))
	if errors.Is(err, ErrDamaged) {
		n.counters.damaged.Store(1)
		n.cfg.Log.Error("the ledger's files are damaged", "error", err, "help", helpCopy)
	} else if err == nil {
		n.counters.damaged.Store(0)
	}
	return err
}

func (l *treeLog) scrub(ctx context.Context) error {
	c := l.shown()
	r := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for at := range layout.Range(0, c.Size, c.Size) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.scrubBundle(ctx, r, at, c.Size); err != nil {
			return err
		}
	}
	if c.Size == 0 {
		return nil
	}
	root, err := r.GetRootHash(nil)
	if err != nil || !bytes.Equal(root, c.Root[:]) {
		return fmt.Errorf("%w (%s): the entries do not lead to the shown checkpoint", ErrDamaged, l.dir)
	}
	return nil
}

// scrubBundle adds a bundle's entries to the tree r, and compares them with the
// tile above.
func (l *treeLog) scrubBundle(ctx context.Context, r *compact.Range, at layout.RangeInfo, size uint64) error {
	entries, err := l.bundle(ctx, at.Index, size)
	if err != nil {
		return err
	}
	text, err := l.reader.ReadTile(ctx, 0, at.Index, layout.PartialTileSize(0, at.Index, size))
	if err != nil {
		return fmt.Errorf("%w (%s): %w", ErrDamaged, l.dir, err)
	}
	var tile api.HashTile
	if err := tile.UnmarshalText(text); err != nil || uint(len(tile.Nodes)) < at.N || uint(len(entries)) < at.N {
		return fmt.Errorf("%w (%s): tile or bundle %d is short", ErrDamaged, l.dir, at.Index)
	}
	for i, e := range entries[:at.N] {
		hash := ledger.LeafHash(e)
		if !bytes.Equal(hash[:], tile.Nodes[i]) {
			return fmt.Errorf("%w (%s): entry %d is not what its tile says", ErrDamaged, l.dir, at.Index*layout.EntryBundleWidth+uint64(i))
		}
		if err := r.Append(hash[:], nil); err != nil {
			return fmt.Errorf("read log again: %w", err)
		}
	}
	return nil
}

// RunScrub reads the ledger again once a day until ctx ends.
func (n *Notary) RunScrub(ctx context.Context) {
	for ctx.Err() == nil {
		t := n.cfg.Clock.NewTimer(scrubEvery)
		select {
		case <-ctx.Done():
		case <-t.C():
			_ = n.Scrub(ctx) // it has said what is wrong
		}
		t.Stop()
	}
}

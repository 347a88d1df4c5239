package store

import (
	"context"
	"errors"
	"time"
)

// Leaf is a commitment on its way to the commitments log.
type Leaf struct {
	Seq  int64 // order of arrival, from 1
	Hash [32]byte
	Due  time.Time // the tick by which it was promised to be in the log
}

// Leaves is the queue before the commitments log, and remembers where each leaf
// stands in it. A leaf is added in the transaction of what it commits to (see
// Change.Leaves), or by Add where there is no such change. Those of epochs are
// written with their commits, in the other file, and queued by Pending.
type Leaves struct{ f, log *File }

// Add queues leaves, which are due at a tick; one that is known already stays as
// it is. It is durable when it returns.
func (l *Leaves) Add(ctx context.Context, due time.Time, hashes ...[32]byte) error {
	return l.f.writer.do(ctx, "queue leaf", func(t *Tx) error { return t.addLeaves(due, hashes) })
}

// addLeaves queues leaves within another change's transaction.
func (t *Tx) addLeaves(due time.Time, hashes [][32]byte) error {
	for _, h := range hashes {
		if _, err := t.Exec(`INSERT OR IGNORE INTO leaves (hash, due) VALUES (?, ?)`, h[:], ms(due)); err != nil {
			return err
		}
	}
	return nil
}

// Pending lists leaves that wait, the oldest first, limit at most.
func (l *Leaves) Pending(ctx context.Context, limit int) ([]Leaf, error) {
	if err := l.collect(ctx); err != nil {
		return nil, err
	}
	return Many(ctx, l.f, "waiting leaves", func(r Row) (leaf Leaf, err error) {
		var hash []byte
		var due int64
		err = r.Scan(&leaf.Seq, &hash, &due)
		copy(leaf.Hash[:], hash)
		leaf.Due = at(due)
		return leaf, err
	}, `SELECT seq, hash, due FROM leaves WHERE place IS NULL ORDER BY seq LIMIT ?`, limit)
}

// Placed notes at which index of the log each leaf stands, by its Seq; the same
// again changes nothing. All are noted or none.
func (l *Leaves) Placed(ctx context.Context, places map[int64]uint64) error {
	return l.f.writer.do(ctx, "note leaves' places", func(t *Tx) error {
		for seq, place := range places {
			n, err := t.Exec(`UPDATE leaves SET place = ? WHERE seq = ?`, int64(place), seq)
			if err != nil {
				return err
			}
			if n == 0 {
				return ErrNotFound
			}
		}
		return nil
	})
}

// IndexOf is where a leaf stands in the log; false while it waits. ErrNotFound
// if the leaf was never queued.
func (l *Leaves) IndexOf(ctx context.Context, hash [32]byte) (index uint64, placed bool, err error) {
	n, err := One(ctx, l.f, "leaf", scanInt, `SELECT coalesce(place, -1) FROM leaves WHERE hash = ?`, hash[:])
	if err != nil || n < 0 {
		return 0, false, err
	}
	return uint64(n), true, nil
}

// Seq is the number of a leaf. ErrNotFound if it was never queued.
func (l *Leaves) Seq(ctx context.Context, hash [32]byte) (int64, error) {
	return One(ctx, l.f, "leaf", scanInt, `SELECT seq FROM leaves WHERE hash = ?`, hash[:])
}

// Due is the tick by which a leaf was promised. ErrNotFound if it was never
// queued.
func (l *Leaves) Due(ctx context.Context, hash [32]byte) (time.Time, error) {
	n, err := One(ctx, l.f, "leaf", scanInt, `SELECT due FROM leaves WHERE hash = ?`, hash[:])
	return at(n), err
}

// collectStep bounds what one transaction takes over.
const collectStep = 1000

// collect queues the leaves of epochs, then forgets them where they came from:
// a crash in between queues them again, which changes nothing.
func (l *Leaves) collect(ctx context.Context) error {
	for {
		found, err := Many(ctx, l.log, "leaves of epochs", func(r Row) (leaf Leaf, err error) {
			var hash []byte
			err = r.Scan(&leaf.Seq, &hash)
			copy(leaf.Hash[:], hash)
			return leaf, err
		}, `SELECT id, hash FROM commitments ORDER BY id LIMIT ?`, collectStep)
		if err != nil || len(found) == 0 {
			return err
		}
		hashes := make([][32]byte, len(found))
		for i, leaf := range found {
			hashes[i] = leaf.Hash
		}
		if err := l.Add(ctx, time.Time{}, hashes...); err != nil {
			return err
		}
		last := found[len(found)-1].Seq
		err = l.log.writer.do(ctx, "forget queued leaves", func(t *Tx) error {
			_, err := t.Exec(`DELETE FROM commitments WHERE id <= ?`, last)
			return err
		})
		if err != nil {
			return err
		}
	}
}

// Last is the placed leaf with the highest index; false if none is placed.
func (l *Leaves) Last(ctx context.Context) (hash [32]byte, index uint64, ok bool, err error) {
	leaf, err := One(ctx, l.f, "last leaf", func(r Row) (leaf Leaf, err error) {
		var hash []byte
		err = r.Scan(&hash, &leaf.Seq)
		copy(leaf.Hash[:], hash)
		return leaf, err
	}, `SELECT hash, place FROM leaves WHERE place IS NOT NULL ORDER BY place DESC LIMIT 1`)
	if errors.Is(err, ErrNotFound) {
		return hash, 0, false, nil
	}
	return leaf.Hash, uint64(leaf.Seq), err == nil, err
}

// Requeue forgets all places: the log that they are of is lost, and its leaves
// are to stand in the next one.
func (l *Leaves) Requeue(ctx context.Context) error {
	return l.f.writer.do(ctx, "queue leaves again", func(t *Tx) error {
		_, err := t.Exec(`UPDATE leaves SET place = NULL WHERE place IS NOT NULL`)
		return err
	})
}

// All are the numbers (Seq) of all leaves, by hash: 70 bytes of memory each. It
// is for a restored store, which compares them with the log.
func (l *Leaves) All(ctx context.Context) (map[[32]byte]int64, error) {
	if err := l.collect(ctx); err != nil {
		return nil, err
	}
	all := map[[32]byte]int64{}
	_, err := Many(ctx, l.f, "leaves", func(r Row) (struct{}, error) {
		var hash []byte
		var seq int64
		err := r.Scan(&hash, &seq)
		if len(hash) == 32 {
			all[[32]byte(hash)] = seq
		}
		return struct{}{}, err
	}, `SELECT hash, seq FROM leaves`)
	return all, err
}

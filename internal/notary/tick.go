package notary

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"primum/internal/durable"
	"primum/ledger"
)

const (
	// MinTick is how many leaves leave at least at a tick; dummies fill it up.
	MinTick = 64
	// maxTick bounds what is written at once; a tick writes as often as it must.
	maxTick   = 1 << 16
	maxMargin = 30 * time.Second // before a tick: for changes under way
	retryWait = time.Minute      // after a failed tick
	tickFile  = "last-tick"
)

// NextTick is the tick that a leaf queued now can be promised for. Right before
// a tick it is the one after, so that a change under way keeps its promise.
func (n *Notary) NextTick() time.Time {
	every := n.cfg.Every
	return n.cfg.Clock.Now().Add(min(maxMargin, every/10)).UTC().Truncate(every).Add(every)
}

// Run signs what Publish adds and ticks on multiples of Every, until ctx ends. A
// tick that was missed while the node stood still is made up for at once, with
// or without leaves, so that it says nothing.
func (n *Notary) Run(ctx context.Context) {
	next := n.boundary()
	if n.missed() {
		next = n.tickAndNext(ctx)
	}
	n.signNew(ctx)
	for ctx.Err() == nil {
		wait := next.Sub(n.cfg.Clock.Now())
		if wait > n.cfg.Every { // the clock was set back
			next = n.boundary()
			continue
		}
		t := n.cfg.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.C():
			next = n.tickAndNext(ctx)
		case <-n.wake:
			n.signNew(ctx)
		}
		t.Stop()
	}
}

// boundary is the next multiple of Every.
func (n *Notary) boundary() time.Time {
	return n.cfg.Clock.Now().Truncate(n.cfg.Every).Add(n.cfg.Every)
}

// tickAndNext ticks and says when to do so again: after an error soon.
func (n *Notary) tickAndNext(ctx context.Context) time.Time {
	next := n.boundary()
	err := n.Tick(ctx)
	if err == nil || ctx.Err() != nil {
		return next
	}
	n.cfg.Log.Error("tick of the ledger failed", "error", err)
	if again := n.cfg.Clock.Now().Add(retryWait); again.Before(next) {
		return again
	}
	return next
}

func (n *Notary) signNew(ctx context.Context) {
	size, err := n.public.size(ctx)
	if err == nil && size > n.public.shown().Size {
		err = n.show(ctx, n.public)
	}
	if err != nil && ctx.Err() == nil {
		n.cfg.Log.Error("ledger not signed", "error", err)
	}
}

// missed tells whether a tick went by since the last one.
func (n *Notary) missed() bool {
	b, err := durable.ReadFile(filepath.Join(n.cfg.Dir, tickFile))
	if errors.Is(err, fs.ErrNotExist) {
		return n.anew // what the lost log promised is due; else it is the first start
	}
	last, err := time.Parse(time.RFC3339, strings.TrimSpace(string(b)))
	now := n.cfg.Clock.Now()
	if err != nil || last.After(now.Add(n.cfg.Every)) {
		n.cfg.Log.Warn("the time of the last tick is no help", "text", string(b))
		return true
	}
	return now.Truncate(n.cfg.Every).After(last)
}

// Tick writes the leaves that wait, filled up with dummies and shuffled, to the
// commitments log, signs it, and logs its checkpoint as a public fact. After a
// crash or an error at any point the next tick writes nothing twice and loses
// nothing. Run calls it; tests do, too.
func (n *Notary) Tick(ctx context.Context) error {
	n.ticking.Lock()
	defer n.ticking.Unlock()
	if err := n.halt(); err != nil {
		return fmt.Errorf("tick: %w", err)
	}
	if err := n.tick(ctx); err != nil {
		n.counters.failed.Add(1)
		return fmt.Errorf("tick: %w", err)
	}
	n.counters.ticks.Add(1)
	return nil
}

func (n *Notary) tick(ctx context.Context) error {
	if err := n.catchUp(ctx); err != nil {
		return err
	}
	for more := true; more; {
		leaves, err := n.fill(ctx)
		if err != nil {
			return err
		}
		if err := n.write(ctx, leaves); err != nil {
			return err
		}
		if more, err = n.more(ctx, len(leaves)); err != nil {
			return err
		}
	}
	if err := n.show(ctx, n.commitments); err != nil {
		return err
	}
	return n.logTick(ctx)
}

// more tells whether leaves wait behind a full batch: all were promised for this
// tick, however many somebody had made.
func (n *Notary) more(ctx context.Context, wrote int) (bool, error) {
	if wrote < maxTick {
		return false, nil
	}
	next, err := n.cfg.Leaves.Pending(ctx, 1)
	return len(next) > 0, err
}

// fill queues dummies until there are MinTick leaves or another power of two,
// and lists them all. Dummies are queued like leaves: a dummy that the source
// did not know could be told from a leaf by asking for its proof.
func (n *Notary) fill(ctx context.Context) ([]Leaf, error) {
	leaves, err := n.cfg.Leaves.Pending(ctx, maxTick)
	if err != nil {
		return nil, err
	}
	size := MinTick
	for size < len(leaves) {
		size *= 2
	}
	if len(leaves) == size {
		return leaves, nil
	}
	dummies := make([][32]byte, size-len(leaves))
	for i := range dummies {
		if _, err := io.ReadFull(n.cfg.Rand, dummies[i][:]); err != nil {
			return nil, fmt.Errorf("make dummy: %w", err)
		}
	}
	if err := n.cfg.Leaves.Fill(ctx, dummies); err != nil {
		return nil, err
	}
	// More may have come meanwhile: what is beyond the size waits, like a dummy.
	return n.cfg.Leaves.Pending(ctx, size)
}

// write appends leaves, shuffled, and notes their places.
func (n *Notary) write(ctx context.Context, leaves []Leaf) error {
	if err := n.shuffle(leaves); err != nil {
		return err
	}
	entries := make([][]byte, len(leaves))
	for i := range leaves {
		entries[i] = leaves[i].Hash[:]
	}
	n.behind = true
	at, err := n.commitments.append(ctx, entries)
	if err != nil {
		return err
	}
	places := make(map[int64]uint64, len(leaves))
	for i, l := range leaves {
		places[l.Seq] = at[i]
	}
	if err := n.place(ctx, places); err != nil {
		return err
	}
	n.behind = false
	return nil
}

func (n *Notary) place(ctx context.Context, places map[int64]uint64) error {
	if len(places) == 0 {
		return nil
	}
	return n.cfg.Leaves.Placed(ctx, places)
}

// shuffle puts leaves into a random order (Fisher and Yates).
func (n *Notary) shuffle(leaves []Leaf) error {
	for i := len(leaves) - 1; i > 0; i-- {
		j, err := n.below(i + 1)
		if err != nil {
			return err
		}
		leaves[i], leaves[j] = leaves[j], leaves[i]
	}
	return nil
}

// below is a random number from 0 to limit-1; of 64 bits, so that the bias of
// the remainder is below 2^-47.
func (n *Notary) below(limit int) (int, error) {
	var b [8]byte
	if _, err := io.ReadFull(n.cfg.Rand, b[:]); err != nil {
		return 0, fmt.Errorf("draw order: %w", err)
	}
	return int(binary.BigEndian.Uint64(b[:]) % uint64(limit)), nil
}

// catchUp notes the places of leaves that stand in the log already: a crash came
// between the two, or the database is an older copy. ticking is held.
func (n *Notary) catchUp(ctx context.Context) error {
	if !n.behind {
		return nil
	}
	leaves, err := n.cfg.Leaves.Pending(ctx, maxTick)
	if err != nil || len(leaves) == 0 {
		return err
	}
	waiting := make(map[string]int64, len(leaves))
	for _, l := range leaves {
		waiting[string(l.Hash[:])] = l.Seq
	}
	from, err := n.placedTo(ctx)
	if err != nil {
		return err
	}
	places := map[int64]uint64{}
	err = n.commitments.each(ctx, from, func(index uint64, entry []byte) error {
		if seq, ok := waiting[string(entry)]; ok {
			places[seq] = index
		}
		return nil
	})
	if err != nil {
		return err
	}
	return n.place(ctx, places)
}

// placedTo is where the tail of the log begins of which the source may not know.
// A tick that failed half way may have placed leaves of a later batch, so the
// tail begins one tick's length before the last place.
func (n *Notary) placedTo(ctx context.Context) (uint64, error) {
	_, last, ok, err := n.cfg.Leaves.Last(ctx)
	size, errSize := n.commitments.size(ctx)
	if err != nil || errSize != nil || !ok || last < maxTick || last >= size {
		return 0, errors.Join(err, errSize)
	}
	return last - maxTick, nil
}

// logTick makes the checkpoint of the commitments log a public fact.
func (n *Notary) logTick(ctx context.Context) error {
	c, at := n.commitments.shown(), n.cfg.Clock.Now().UTC().Truncate(n.cfg.Every)
	e := ledger.Entry{T: ledger.TypeCommitments, At: at, SHA256: c.BodyHash(), Ref: strconv.FormatUint(c.Size, 10)}
	line, err := e.Marshal()
	if err != nil {
		return err
	}
	if _, err := n.public.append(ctx, [][]byte{line}); err != nil {
		return err
	}
	if err := n.show(ctx, n.public); err != nil {
		return err
	}
	return n.noteTick(at)
}

func (n *Notary) noteTick(at time.Time) error {
	return durable.WriteFile(filepath.Join(n.cfg.Dir, tickFile), []byte(at.UTC().Format(time.RFC3339)+"\n"))
}

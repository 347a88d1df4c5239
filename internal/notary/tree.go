package notary

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	flog "github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"primum/internal/durable"
	"primum/ledger"
)

const (
	shownFile = "cosigned" // the checkpoint that is served, with the witnesses' signatures
	batchMax  = 1024       // entries that are written at once
	batchAge  = 5 * time.Millisecond
	// Tessera's own checkpoint is for whoever copies the folder; it is signed by
	// the same key after the same checks, and seldom.
	ownCheckpoint = time.Hour
	// After a batch Tessera looks for a moment whether its checkpoint is due, and
	// nobody can wait for that; a folder is not given back before.
	settle = 100 * time.Millisecond
)

var errEnough = errors.New("enough")

// treeLog is one log on disk. Appends and checkpoints are serialised by their
// own locks; reading needs none.
type treeLog struct {
	log    ledger.Log
	dir    string
	signer note.Signer
	add    tessera.AddFn
	reader tessera.LogReader
	stop   context.CancelFunc

	appending sync.Mutex
	closed    bool      // guarded by appending
	last      time.Time // guarded by appending; of the machine, not the node's clock

	signing sync.Mutex
	head    atomic.Pointer[ledger.Checkpoint] // shown; changed under signing
}

// openTree opens the log in dir, or makes an empty one.
func openTree(ctx context.Context, dir string, log ledger.Log, key ed25519.PrivateKey) (*treeLog, error) {
	l := &treeLog{log: log, dir: dir}
	l.head.Store(&ledger.Checkpoint{Origin: log.Origin, Root: emptyRoot()})
	if err := l.loadHead(); err != nil {
		return nil, err
	}
	var err error
	if l.signer, err = ledger.NewSigner(log.Origin, key); err != nil {
		return nil, err
	}
	if err := l.start(); err != nil {
		return nil, fmt.Errorf("%w (%s): %w", ErrDamaged, dir, err)
	}
	if err := l.checkDisk(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// loadHead reads the checkpoint that was shown last.
func (l *treeLog) loadHead() error {
	b, err := durable.ReadFile(filepath.Join(l.dir, shownFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := ledger.OpenCheckpoint(b, l.log)
	if err != nil {
		return fmt.Errorf("%w: %s is not a checkpoint of this node's log: %w", ErrDamaged, filepath.Join(l.dir, shownFile), err)
	}
	l.head.Store(&c)
	if c.Size > 0 && !hasState(l.dir) {
		return fmt.Errorf("%w: %s has a checkpoint but not the tree's state", ErrDamaged, l.dir)
	}
	return nil
}

// start hands the folder to Tessera.
func (l *treeLog) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	driver, err := posix.New(ctx, posix.Config{Path: l.dir})
	if err != nil {
		cancel()
		return err
	}
	opts := tessera.NewAppendOptions().WithCheckpointSigner(guard{l}).WithBatching(batchMax, batchAge).
		WithCheckpointInterval(ownCheckpoint).WithCheckpointRepublishInterval(0).WithGarbageCollectionInterval(ownCheckpoint)
	// The driver itself: tessera.NewAppender would add a poll of the disk ten
	// times a second for metrics that nobody reads here.
	own, ok := driver.(*posix.Storage)
	if !ok {
		cancel()
		return errors.New("the storage driver is another one than expected")
	}
	a, reader, err := own.Appender(ctx, opts)
	if err != nil {
		cancel()
		return err
	}
	l.add, l.reader, l.stop, l.last = a.Add, reader, cancel, time.Now()
	return nil
}

// close ends appending; a batch under way is finished first.
func (l *treeLog) close() {
	l.appending.Lock()
	defer l.appending.Unlock()
	if l.stop == nil || l.closed {
		return
	}
	if wait := time.Until(l.last.Add(settle)); wait > 0 {
		<-time.After(wait)
	}
	l.stop()
	l.closed = true
}

// append adds entries in this order and returns their indexes. They are durable
// and in the tree when it returns nil. After an error none, some or all may be.
func (l *treeLog) append(ctx context.Context, entries [][]byte) ([]uint64, error) {
	l.appending.Lock()
	defer l.appending.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // a batch is not stopped half way
	defer func() { l.last = time.Now() }()
	futures := make([]tessera.IndexFuture, len(entries))
	for i, e := range entries {
		futures[i] = l.add(ctx, tessera.NewEntry(e))
	}
	at := make([]uint64, len(entries))
	var errs []error
	for i, f := range futures {
		index, err := f()
		at[i] = index.Index
		if err != nil && len(errs) == 0 {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("append to %s: %w", l.log.Origin, errs[0])
	}
	return at, nil
}

// size is how many entries are on disk.
func (l *treeLog) size(ctx context.Context) (uint64, error) {
	n, err := l.reader.IntegratedSize(ctx)
	if err != nil {
		return 0, fmt.Errorf("%w (%s): %w", ErrDamaged, l.dir, err)
	}
	return n, nil
}

// shown is the checkpoint that is served.
func (l *treeLog) shown() ledger.Checkpoint { return *l.head.Load() }

// root computes the root of the first size entries from the tiles on disk.
func (l *treeLog) root(ctx context.Context, size uint64) ([32]byte, error) {
	if size == 0 {
		return emptyRoot(), nil
	}
	hashes, err := client.FetchRangeNodes(ctx, size, l.reader.ReadTile)
	if err != nil {
		return [32]byte{}, fmt.Errorf("%w (%s): %w", ErrDamaged, l.dir, err)
	}
	f := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	r, err := f.NewRange(0, size, hashes)
	if err != nil {
		return [32]byte{}, fmt.Errorf("compute root: %w", err)
	}
	b, err := r.GetRootHash(nil)
	if err != nil || len(b) != 32 {
		return [32]byte{}, fmt.Errorf("compute root: %d bytes: %w", len(b), err)
	}
	return [32]byte(b), nil
}

// consistency proves that the tree of size larger continues that of smaller.
func (l *treeLog) consistency(ctx context.Context, smaller, larger uint64) ([][32]byte, error) {
	if smaller == 0 || smaller == larger {
		return nil, nil
	}
	b, err := client.NewProofBuilder(ctx, larger, l.reader.ReadTile)
	if err != nil {
		return nil, err
	}
	hashes, err := b.ConsistencyProof(ctx, smaller, larger)
	if err != nil {
		return nil, fmt.Errorf("%w (%s): %w", ErrDamaged, l.dir, err)
	}
	return arrays(hashes), nil
}

// continues checks on the tiles that a tree of a size and root continues an
// earlier one.
func (l *treeLog) continues(ctx context.Context, from ledger.Checkpoint, size uint64, root [32]byte) error {
	if from.Size == 0 {
		return nil
	}
	if size < from.Size {
		return fmt.Errorf("%w: %d entries, %d were signed before", ledger.ErrRollback, size, from.Size)
	}
	hashes, err := l.consistency(ctx, from.Size, size)
	if err != nil {
		return err
	}
	if err := ledger.Consistency(from.Size, size, hashes, from.Root, root); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrFork, err)
	}
	return nil
}

// next is the checkpoint of all that is on disk, signed by the log alone.
func (l *treeLog) next(ctx context.Context) (c ledger.Checkpoint, err error) {
	size, err := l.size(ctx)
	if err != nil {
		return c, err
	}
	root, err := l.root(ctx, size)
	if err != nil {
		return c, err
	}
	if err := l.continues(ctx, l.shown(), size, root); err != nil {
		return c, err
	}
	c = ledger.Checkpoint{Origin: l.log.Origin, Size: size, Root: root}
	b, err := note.Sign(&note.Note{Text: c.Body()}, l.signer)
	c.Text = string(b)
	return c, err
}

// publish signs what is on disk and shows it: cosign calls show with the note as
// signatures of witnesses come in. Nothing is shown before the first one or
// before cosign returns: who reads the log sees at least what its witnesses show.
func (l *treeLog) publish(ctx context.Context, cosign cosigning) error {
	l.signing.Lock()
	defer l.signing.Unlock()
	c, err := l.next(ctx)
	if err != nil {
		return err
	}
	return cosign(ctx, c, l.show)
}

// cosigning has a checkpoint cosigned and calls show at least once if it returns
// nil.
type cosigning func(ctx context.Context, c ledger.Checkpoint, show func(ledger.Checkpoint) error) error

// alone shows a checkpoint without any witness.
func alone(_ context.Context, c ledger.Checkpoint, show func(ledger.Checkpoint) error) error {
	return show(c)
}

// show keeps and serves a checkpoint. signing is held.
func (l *treeLog) show(c ledger.Checkpoint) error {
	if err := durable.WriteFile(filepath.Join(l.dir, shownFile), []byte(c.Text)); err != nil {
		return err
	}
	l.head.Store(&c)
	return nil
}

// receipt proves the entry at an index in the shown checkpoint.
func (l *treeLog) receipt(ctx context.Context, index uint64) (r ledger.Receipt, err error) {
	c := l.shown()
	if index >= c.Size {
		return r, ErrWaiting
	}
	hashes, err := l.path(ctx, index, c.Size)
	if err != nil {
		return r, err
	}
	leaf, err := client.FetchLeafHashes(ctx, l.reader.ReadTile, index, 1, c.Size)
	if err != nil {
		return r, fmt.Errorf("%w (%s): %w", ErrDamaged, l.dir, err)
	}
	r = ledger.Receipt{Index: index, Hashes: hashes, Checkpoint: c.Text}
	if err := ledger.Inclusion(index, c.Size, [32]byte(leaf[0]), r.Hashes, c.Root); err != nil {
		return r, fmt.Errorf("%w (%s): %w", ErrDamaged, l.dir, err)
	}
	return r, nil
}

// path is the inclusion proof of an entry in the tree of a size.
func (l *treeLog) path(ctx context.Context, index, size uint64) ([][32]byte, error) {
	b, err := client.NewProofBuilder(ctx, size, l.reader.ReadTile)
	if err != nil {
		return nil, err
	}
	hashes, err := b.InclusionProof(ctx, index)
	if err != nil {
		return nil, fmt.Errorf("%w (%s): %w", ErrDamaged, l.dir, err)
	}
	return arrays(hashes), nil
}

// each calls f with every entry on disk from an index on. f ends it with
// errEnough.
func (l *treeLog) each(ctx context.Context, from uint64, f func(index uint64, entry []byte) error) error {
	size, err := l.size(ctx)
	if err != nil || from >= size {
		return err
	}
	for at := range layout.Range(from, size-from, size) {
		entries, err := l.bundle(ctx, at.Index, size)
		if err != nil {
			return err
		}
		if uint(len(entries)) < at.First+at.N {
			return fmt.Errorf("%w (%s): bundle %d is short", ErrDamaged, l.dir, at.Index)
		}
		for i, e := range entries[at.First : at.First+at.N] {
			if err := f(at.Index*layout.EntryBundleWidth+uint64(at.First)+uint64(i), e); err != nil {
				if errors.Is(err, errEnough) {
					return nil
				}
				return err
			}
		}
	}
	return nil
}

// bundle reads the entries of a bundle.
func (l *treeLog) bundle(ctx context.Context, index, size uint64) ([][]byte, error) {
	b, err := l.reader.ReadEntryBundle(ctx, index, layout.PartialTileSize(0, index, size))
	if err != nil {
		return nil, fmt.Errorf("%w (%s): %w", ErrDamaged, l.dir, err)
	}
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(b); err != nil {
		return nil, fmt.Errorf("%w (%s): bundle %d: %w", ErrDamaged, l.dir, index, err)
	}
	return bundle.Entries, nil
}

// guard lets Tessera sign only what continues the log.
type guard struct{ l *treeLog }

func (g guard) Name() string    { return g.l.signer.Name() }
func (g guard) KeyHash() uint32 { return g.l.signer.KeyHash() }

// Sign refuses a tree that does not continue the last one shown.
func (g guard) Sign(msg []byte) ([]byte, error) {
	var c flog.Checkpoint
	if _, err := c.Unmarshal(msg); err != nil {
		return nil, err
	}
	if len(c.Hash) != 32 {
		return nil, errors.New("sign checkpoint: a root has 32 bytes")
	}
	if err := g.l.continues(context.Background(), g.l.shown(), c.Size, [32]byte(c.Hash)); err != nil {
		return nil, err
	}
	return g.l.signer.Sign(msg)
}

func emptyRoot() [32]byte { return [32]byte(rfc6962.DefaultHasher.EmptyRoot()) }

func arrays(in [][]byte) [][32]byte {
	out := make([][32]byte, len(in))
	for i, h := range in {
		copy(out[i][:], h)
	}
	return out
}

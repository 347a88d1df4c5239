package notary

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"

	"primum/internal/durable"
	"primum/ledger"
)

// adoptBatch is how many entries are copied at once.
const adoptBatch = 1024

// Kept is a log on disk that nobody writes to: a node's own folder while the
// node stands still, or a mirror.
type Kept struct {
	dir string
	// Checkpoint is the newest one of the folder, signed by the log.
	Checkpoint ledger.Checkpoint
}

// ReadKept opens the log in dir. A folder without a checkpoint is fs.ErrNotExist;
// one of another log, or damaged, is an error that says so. Entries are checked
// when they are read.
func ReadKept(dir string, log ledger.Log) (*Kept, error) {
	found := false
	k := &Kept{dir: dir}
	for _, name := range []string{shownFile, "checkpoint"} {
		b, err := durable.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read kept log: %w", err)
		}
		c, err := ledger.OpenCheckpoint(b, log)
		if err != nil {
			return nil, fmt.Errorf("read kept log in %s: %w", dir, err)
		}
		if !found || c.Size > k.Checkpoint.Size {
			k.Checkpoint = c
		}
		found = true
	}
	if !found {
		return nil, fmt.Errorf("read kept log: no checkpoint in %s: %w", dir, fs.ErrNotExist)
	}
	return k, nil
}

// Entries calls f with every entry, in order, and fails with ErrDamaged if they
// are not all that the checkpoint covers. f may have been called with some of
// them by then.
func (k *Kept) Entries(f func(index uint64, entry []byte) error) error {
	size := k.Checkpoint.Size
	r := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for i := uint64(0); i*ledger.TileWidth < size; i++ {
		entries, err := k.bundle(i, int(min(ledger.TileWidth, size-i*ledger.TileWidth)))
		if err != nil {
			return err
		}
		for j, e := range entries {
			hash := ledger.LeafHash(e)
			if err := r.Append(hash[:], nil); err != nil {
				return fmt.Errorf("read kept log: %w", err)
			}
			if err := f(i*ledger.TileWidth+uint64(j), e); err != nil {
				return err
			}
		}
	}
	if size == 0 {
		return nil
	}
	root, err := r.GetRootHash(nil)
	if err != nil || string(root) != string(k.Checkpoint.Root[:]) {
		return fmt.Errorf("%w (%s): the entries do not lead to the signed checkpoint", ErrDamaged, k.dir)
	}
	return nil
}

// bundle reads a bundle of at least width entries: the full one, or a partial one.
func (k *Kept) bundle(index uint64, width int) ([][]byte, error) {
	b, err := os.ReadFile(filepath.Join(k.dir, filepath.FromSlash(ledger.BundlePath(index, width))))
	if errors.Is(err, fs.ErrNotExist) && width < ledger.TileWidth {
		b, err = os.ReadFile(filepath.Join(k.dir, filepath.FromSlash(ledger.BundlePath(index, ledger.TileWidth))))
	}
	if err != nil {
		return nil, fmt.Errorf("%w (%s): %w", ErrDamaged, k.dir, err)
	}
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(b); err != nil || len(bundle.Entries) < width {
		return nil, fmt.Errorf("%w (%s): bundle %d is short", ErrDamaged, k.dir, index)
	}
	return bundle.Entries[:width], nil
}

// LogOf is a log as a node with this key has it, without an address.
func LogOf(authority, name string, node ed25519.PrivateKey) (ledger.Log, error) {
	key, err := logKey(name, node)
	if err != nil {
		return ledger.Log{}, err
	}
	public, _ := key.Public().(ed25519.PublicKey) // the public half of an Ed25519 key
	origin := authority + "/ledger/" + name
	return ledger.Log{Origin: origin, Key: ledger.LogKey(origin, public)}, nil
}

func logKey(name string, node ed25519.PrivateKey) (ed25519.PrivateKey, error) {
	if name == Commitments {
		return ledger.DeriveKey(node.Seed(), ledger.CommitmentsKey)
	}
	return ledger.DeriveKey(node.Seed(), ledger.PublicKey)
}

// Adopt makes the ledger folder of a node, which must have no logs yet, from a
// copy: the folder of a node, or a mirror with public/ and commitments/. Every
// entry is checked against the checkpoint that the node's key signed.
func Adopt(ctx context.Context, from, dir, authority string, node ed25519.PrivateKey) error {
	hush()
	for _, name := range []string{Public, Commitments} {
		if err := adopt(ctx, filepath.Join(from, name), filepath.Join(dir, name), authority, name, node); err != nil {
			return fmt.Errorf("adopt ledger: %w", err)
		}
	}
	return nil
}

func adopt(ctx context.Context, from, to, authority, name string, node ed25519.PrivateKey) error {
	if _, err := os.Stat(to); err == nil {
		return fmt.Errorf("%s exists already", to)
	}
	log, err := LogOf(authority, name, node)
	if err != nil {
		return err
	}
	k, err := ReadKept(from, log)
	if err != nil {
		return err
	}
	if err := durable.MakeDir(to); err != nil {
		return err
	}
	if err := k.copyTo(ctx, to, log, name, node); err != nil {
		_ = os.RemoveAll(to)
		return err
	}
	return nil
}

// copyTo writes the log anew in another folder.
func (k *Kept) copyTo(ctx context.Context, to string, log ledger.Log, name string, node ed25519.PrivateKey) error {
	key, err := logKey(name, node)
	if err != nil {
		return err
	}
	l, err := openTree(ctx, to, log, key)
	if err != nil {
		return err
	}
	defer l.close()
	var batch [][]byte
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		_, err := l.append(ctx, batch)
		batch = nil
		return err
	}
	err = k.Entries(func(_ uint64, entry []byte) error {
		if batch = append(batch, entry); len(batch) < adoptBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(to, shownFile), []byte(k.Checkpoint.Text))
}

package notary

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"primum/internal/durable"
	"primum/ledger"
)

const (
	evidenceFile = "evidence.txt" // notes signed with this node's key that exclude each other
	anewFile     = "began-anew"   // the operator gave the old log up

	noteSeparator = "\n-- the other one --\n\n"
)

// checkDisk compares the log on disk with the checkpoint that was shown last,
// and the newest entries with their hashes in the tree.
func (l *treeLog) checkDisk(ctx context.Context) error {
	size, err := l.size(ctx)
	if err != nil {
		return err
	}
	root, err := l.root(ctx, size)
	if err != nil {
		return err
	}
	if err := l.continues(ctx, l.shown(), size, root); err != nil {
		if errors.Is(err, ledger.ErrFork) {
			return fmt.Errorf("%w (%s): the tiles do not lead to the checkpoint that was shown last: %s", ErrDamaged, l.dir, helpCopy)
		}
		return fmt.Errorf("%w (%s): %w: %s", ErrDamaged, l.dir, err, helpCopy)
	}
	return l.checkTail(ctx, size, root)
}

// checkTail proves the newest entry under the root.
func (l *treeLog) checkTail(ctx context.Context, size uint64, root [32]byte) error {
	if size == 0 {
		return nil
	}
	return l.each(ctx, size-1, func(index uint64, entry []byte) error {
		hashes, err := l.path(ctx, index, size)
		if err == nil {
			err = ledger.Inclusion(index, size, ledger.LeafHash(entry), hashes, root)
		}
		if err != nil {
			return fmt.Errorf("%w (%s): entry %d is not what the tree says: %s", ErrDamaged, l.dir, index, helpCopy)
		}
		return nil
	})
}

// hasState tells whether a tree's state stands in dir.
func hasState(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, ".state", "treeState"))
	return err == nil
}

// checkStart compares the logs with what others remember of them.
func (n *Notary) checkStart(ctx context.Context) error {
	if n.anew {
		return nil
	}
	if err := n.checkPlaces(ctx); err != nil {
		return err
	}
	if err := n.checkEvidence(ctx); err != nil {
		return err
	}
	return n.checkWitnesses(ctx)
}

// checkPlaces finds a commitments log that is older than the store.
func (n *Notary) checkPlaces(ctx context.Context) error {
	hash, index, ok, err := n.cfg.Leaves.Last(ctx)
	if err != nil || !ok {
		return err
	}
	found := false
	err = n.commitments.each(ctx, index, func(_ uint64, entry []byte) error {
		found = string(entry) == string(hash[:])
		return errEnough
	})
	if err != nil || found {
		return err
	}
	f := &ledger.Finding{
		Kind: ledger.ErrRollback, Log: n.commitments.log.Origin,
		Detail: fmt.Sprintf("the database says that entry %d was written, it does not stand in the log", index),
	}
	return fmt.Errorf("%w. %s", f, helpOf(f, n.cfg.Dir))
}

// checkEvidence looks again at what stopped the signing before the last stop.
func (n *Notary) checkEvidence(ctx context.Context) error {
	b, err := durable.ReadFile(filepath.Join(n.cfg.Dir, evidenceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, l := range []*treeLog{n.public, n.commitments} {
		theirs, err := ledger.OpenCheckpoint(firstNote(b), l.log)
		if err != nil {
			continue
		}
		own, err := l.next(ctx)
		if err != nil {
			return err
		}
		if f, err := l.compare(ctx, own, theirs); err != nil || f != nil {
			return n.refuse(f, err)
		}
	}
	return durable.Remove(filepath.Join(n.cfg.Dir, evidenceFile)) // the log is whole again
}

// checkWitnesses asks those who cosigned before what they saw.
func (n *Notary) checkWitnesses(ctx context.Context) error {
	if n.cfg.Peers == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.AskWait)
	defer cancel()
	witnesses := n.asker.known
	if n.public.shown().Size == 0 {
		// A folder that was lost remembers nobody.
		witnesses = append(n.asker.neighbours(ctx), witnesses...)
	}
	var jobs sync.WaitGroup
	var mu sync.Mutex
	var found *ledger.Finding
	for _, l := range []*treeLog{n.public, n.commitments} {
		own, err := l.next(ctx)
		if err != nil {
			return err
		}
		for _, w := range witnesses {
			jobs.Go(func() {
				f, err := n.asker.judge(ctx, l, own, w)
				if err != nil {
					n.cfg.Log.Info("witness not asked at start", "witness", w.Name, "error", err)
				}
				mu.Lock()
				defer mu.Unlock()
				if f != nil {
					found = f
				}
			})
		}
	}
	jobs.Wait()
	return n.refuse(found, nil)
}

// refuse makes a finding the reason not to start, and keeps its proof.
func (n *Notary) refuse(f *ledger.Finding, err error) error {
	if f == nil || err != nil {
		return err
	}
	_ = durable.WriteFile(filepath.Join(n.cfg.Dir, evidenceFile), joinNotes(f.Evidence))
	return fmt.Errorf("%w. %s", f, helpOf(f, n.cfg.Dir))
}

const helpCopy = "bring the folder back from a copy, or from a mirror of `primum ledger watch --mirror`"

// helpOf says what an operator can do.
func helpOf(f *ledger.Finding, dir string) string {
	if errors.Is(f.Kind, ledger.ErrFork) {
		return "Two programs have signed with this node's key. Stop the other one, and start the one whose log the witnesses know; " +
			"the proof is in " + filepath.Join(dir, evidenceFile) + ". If the key was stolen, this node's name needs a new key and a public word."
	}
	return "This is an old copy of the ledger, or another node runs with the same key. Put the newest copy of " + dir +
		" in its place (the old disk, or a mirror made by `primum ledger watch --mirror`), and start again. Only if there is none: " +
		"`primum restore` with --new-ledger begins an empty log, and every reader will see that the old one was lost; " +
		"with --ledger and the copy that you have it still ends what that says was withdrawn."
}

func began(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, anewFile))
	return err == nil
}

// BeginAnew notes that the operator gave the old logs up at a time: a node whose
// ledger folder is empty may then start although its database or its witnesses
// remember more. Readers who kept a checkpoint see a rollback; that is the truth.
func BeginAnew(dir string, at time.Time) error {
	if err := durable.MakeDir(dir); err != nil {
		return fmt.Errorf("begin a new ledger: %w", err)
	}
	return durable.WriteFile(filepath.Join(dir, anewFile), []byte(at.UTC().Format(time.RFC3339)+"\n"))
}

func joinNotes(notes []string) []byte { return []byte(strings.Join(notes, noteSeparator)) }

// firstNote is the first of notes joined by joinNotes: the one that others hold.
func firstNote(b []byte) []byte {
	first, _, _ := strings.Cut(string(b), noteSeparator)
	return []byte(first)
}

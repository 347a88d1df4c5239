package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"primum/internal/consent"
	"primum/internal/durable"
	"primum/internal/notary"
	"primum/internal/store"
)

// Restoration is what Restore is to do.
type Restoration struct {
	Backup  string // a directory that Backup made
	DataDir string // must not exist
	// Ledger is the newest copy of the lost node's ledger: the folder of that
	// name in its data directory, or a mirror. Empty: there is none yet.
	Ledger string
	// NewLedger gives the old ledger up: an empty one begins. With Ledger, that
	// copy is not the newest one, and is compared with only.
	NewLedger bool
	Now       time.Time
}

// uncompared marks a restored node whose grants have not been compared with a
// ledger.
const uncompared = "restored-uncompared"

// Restore makes a data directory from a backup. What was withdrawn after the
// backup must not come back to life: every circle is fenced until its anchor
// presents its active set, and a grant whose end stands in the commitments log
// is ended at once, for good.
func Restore(ctx context.Context, o Restoration) (r Report, err error) {
	m, err := readMark(o.Backup)
	if err != nil {
		return r, fmt.Errorf("restore backup: %w", err)
	}
	if _, err := os.Lstat(o.DataDir); err == nil {
		return r, fmt.Errorf("restore backup: %s exists already: name a new directory", o.DataDir)
	}
	if err := durable.MakeDir(o.DataDir); err != nil {
		return r, fmt.Errorf("restore backup: %w", err)
	}
	r = Report{Authority: m.Authority, From: o.Backup, To: o.DataDir, At: m.At, Restored: true, NewLedger: o.NewLedger}
	if err := o.fill(ctx, &r); err != nil {
		_ = os.RemoveAll(o.DataDir)
		return Report{}, fmt.Errorf("restore backup: %w", err)
	}
	return r, nil
}

func (o Restoration) fill(ctx context.Context, r *Report) error {
	folder := filepath.Join(o.DataDir, storeFolder)
	waiting, err := store.Restore(ctx, filepath.Join(o.Backup, storeFolder), folder, o.Now)
	if err != nil {
		return err
	}
	r.Circles = int64(waiting)
	if err := restoreNames(ctx, o.Backup, o.DataDir); err != nil {
		return err
	}
	for _, name := range []string{keyFile, selfFile} {
		if err := copySmall(filepath.Join(o.Backup, name), filepath.Join(o.DataDir, name)); err != nil {
			return err
		}
	}
	st, err := store.Open(ctx, folder, store.Options{})
	if err != nil {
		return err
	}
	return errors.Join(o.takeLedger(ctx, st, r), st.Close())
}

// takeLedger compares with the ledger and brings it, or says what is to be done
// without it.
func (o Restoration) takeLedger(ctx context.Context, st *store.Store, r *Report) error {
	to := filepath.Join(o.DataDir, ledgerFolder)
	if o.Ledger != "" {
		if err := o.compare(ctx, st, r); err != nil {
			return err
		}
	}
	switch {
	case o.NewLedger:
		return errors.Join(st.Leaves.Requeue(ctx), notary.BeginAnew(to, o.Now))
	case o.Ledger == "":
		if err := errors.Join(durable.MakeDir(to), o.copyMemory(to)); err != nil {
			return err
		}
		return durable.WriteFile(filepath.Join(o.DataDir, uncompared), []byte(o.Now.UTC().Format(time.RFC3339)+"\n"))
	}
	key, err := keptKey(o.DataDir)
	if err != nil {
		return err
	}
	if err := notary.Adopt(ctx, o.Ledger, to, r.Authority, key); err != nil {
		return err
	}
	return o.copyMemory(to)
}

// compare compares with the copy of the ledger.
func (o Restoration) compare(ctx context.Context, st *store.Store, r *Report) error {
	kept, err := keptLeaves(o.DataDir, r.Authority, o.Ledger)
	if err != nil {
		return err
	}
	r.Compared, err = compare(ctx, st, kept.Entries, o.Now)
	return err
}

// keptLeaves opens the commitments log in a ledger's folder.
func keptLeaves(dataDir, authority, folder string) (*notary.Kept, error) {
	key, err := keptKey(dataDir)
	if err != nil {
		return nil, err
	}
	log, err := notary.LogOf(authority, notary.Commitments, key)
	if err != nil {
		return nil, err
	}
	return notary.ReadKept(filepath.Join(folder, notary.Commitments), log)
}

// copyMemory brings what the node remembered beside its logs: whom to ask
// whether a log is the newest (from the backup, if the copy has none), and what
// it cosigned for others, which a mirror has not.
func (o Restoration) copyMemory(to string) error {
	folders := []string{o.Ledger, o.Backup}
	if o.Ledger == "" {
		folders = folders[1:]
	}
	for _, from := range folders {
		err := copySmall(filepath.Join(from, notary.WitnessesFile), filepath.Join(to, notary.WitnessesFile))
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	witnessed := filepath.Join(o.Ledger, notary.WitnessFolder)
	if _, err := os.Stat(witnessed); o.Ledger == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return os.CopyFS(filepath.Join(to, notary.WitnessFolder), os.DirFS(witnessed))
}

// Compared says what came of comparing a restored node with its ledger.
type Compared struct {
	Entries int64 // of the commitments log
	Grants  int64 // revived by the backup
	Ended   int64 // of them, which the log says had ended
}

// compare ends every grant of a restored store whose end stands in the log, and
// notes where the store's own leaves stand in it.
func compare(ctx context.Context, st *store.Store, entries func(func(uint64, []byte) error) error, now time.Time) (*Compared, error) {
	endings, grants, err := consent.Endings(ctx, st)
	if err != nil {
		return nil, err
	}
	c := &Compared{Grants: int64(grants)}
	ended := map[string]consent.Ending{} // by grant: a log has the first end first
	at := map[[32]byte]uint64{}
	queued, err := st.Leaves.All(ctx)
	if err != nil {
		return nil, err
	}
	places := map[int64]uint64{}
	err = entries(func(index uint64, entry []byte) error {
		c.Entries++
		if len(entry) != 32 {
			return nil
		}
		leaf := [32]byte(entry)
		if seq, ok := queued[leaf]; ok {
			places[seq] = index
		}
		if e, ok := endings[leaf]; ok && ended[e.Grant.ID].State == "" {
			ended[e.Grant.ID], at[leaf] = e, index
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, e := range ended {
		if err := e.Apply(ctx, st, at[e.Leaf], now); err != nil {
			return nil, err
		}
		c.Ended++
	}
	return c, st.Leaves.Placed(ctx, places)
}

// compareLate compares a node that was restored without its ledger, once that
// has been brought.
func (n *Node) compareLate(ctx context.Context) error {
	marker := filepath.Join(n.cfg.DataDir, uncompared)
	if _, err := os.Stat(marker); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	kept, err := keptLeaves(n.cfg.DataDir, n.cfg.Authority, filepath.Join(n.cfg.DataDir, ledgerFolder))
	if errors.Is(err, fs.ErrNotExist) {
		n.cfg.Log.Warn("this node was restored without its ledger: it can't know which grants were ended after the backup")
		return nil
	}
	if err != nil {
		return err
	}
	c, err := compare(ctx, n.store, kept.Entries, n.cfg.Clock.Now())
	if err != nil {
		return err
	}
	n.cfg.Log.Info("restored grants compared with the ledger", "entries", c.Entries, "grants", c.Grants, "ended", c.Ended)
	return durable.Remove(marker)
}

// keptKey reads a node's key, which must be there.
func keptKey(dataDir string) (ed25519.PrivateKey, error) {
	b, err := durable.ReadFile(filepath.Join(dataDir, keyFile))
	if err != nil {
		return nil, fmt.Errorf("read the node's key: %w", err)
	}
	return parseKey(b)
}

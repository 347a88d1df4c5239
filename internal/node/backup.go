package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"primum/internal/directory"
	"primum/internal/durable"
	"primum/internal/notary"
	"primum/internal/store"
	"primum/internal/words"
)

const markFile = "backup.json"

// Report says what a backup or a restore did.
type Report struct {
	Authority string
	From, To  string    // directories
	At        time.Time // what the backup is of
	Circles   int64     // in the backup, or fenced after a restore
	Messages  int64     // in the backup, about
	Restored  bool
	Compared  *Compared // of a restore: with the ledger; nil: there was none
	NewLedger bool      // of a restore: the ledger begins anew
}

// Lines says it in sentences of the catalogue.
func (r Report) Lines(w *words.Words) []string {
	at := r.At.UTC().Format(time.RFC3339)
	if !r.Restored {
		return []string{
			w.Get("backup.node", "Authority", r.Authority, "To", r.To, "At", at),
			w.Get("backup.node.holds", "Circles", r.Circles, "Messages", r.Messages), w.Get("backup.node.key", "File", keyFile),
			w.Get("backup.node.ledger", "Folder", ledgerFolder),
		}
	}
	lines := []string{
		w.Get("restore.node", "Authority", r.Authority, "From", r.From, "At", at, "To", r.To),
		w.Get("restore.node.fenced", "Circles", r.Circles), w.Get("restore.node.lost", "At", at), w.Get("restore.node.shown"),
	}
	if c := r.Compared; c != nil {
		lines = append(lines, w.Get("restore.ledger.compared", "Entries", c.Entries, "Grants", c.Grants, "Ended", c.Ended))
	} else {
		lines = append(lines, w.Get("restore.ledger.unknown", "At", at))
	}
	switch {
	case r.NewLedger:
		lines = append(lines, w.Get("restore.ledger.new"))
	case r.Compared == nil:
		lines = append(lines, w.Get("restore.ledger.bring", "To", filepath.Join(r.To, ledgerFolder)))
	}
	return append(lines, w.Get("restore.node.one"))
}

// mark makes a directory a backup, written last: without it, it is none.
type mark struct {
	Format    int       `json:"format"`
	Authority string    `json:"authority"`
	At        time.Time `json:"at"`
}

const markFormat = 1

// Backup copies this node into dir, which must not exist, while it runs. The
// copy holds the node's key: keep it as safe as the node. It holds no key of
// any circle, because a node has none.
func (n *Node) Backup(ctx context.Context, dir string) (Report, error) {
	return backup(ctx, n.store, n.cfg.DataDir, dir, n.cfg.Clock.Now())
}

// Backup is (*Node).Backup for another process than the node's own: it copies
// the node of dataDir, running or not.
func Backup(ctx context.Context, dataDir, dir string, now time.Time) (Report, error) {
	if _, err := os.Stat(filepath.Join(dataDir, storeFolder, store.StateFile)); err != nil {
		return Report{}, fmt.Errorf("make backup: %s holds no node: %w", dataDir, err)
	}
	st, err := store.Open(ctx, filepath.Join(dataDir, storeFolder), store.Options{})
	if err != nil {
		return Report{}, fmt.Errorf("make backup: %w", err)
	}
	r, err := backup(ctx, st, dataDir, dir, now)
	return r, errors.Join(err, st.Close())
}

func backup(ctx context.Context, st *store.Store, dataDir, dir string, now time.Time) (r Report, err error) {
	me, err := loadSelf(dataDir)
	if err != nil {
		return r, fmt.Errorf("make backup: %w", err)
	}
	if _, err := os.Lstat(dir); err == nil {
		return r, fmt.Errorf("make backup: %s exists already: name a new directory", dir)
	}
	if err := durable.MakeDir(dir); err != nil {
		return r, fmt.Errorf("make backup: %w", err)
	}
	if err := fillBackup(ctx, st, me, dataDir, dir, now); err != nil {
		_ = os.RemoveAll(dir)
		return r, fmt.Errorf("make backup: %w", err)
	}
	circles, frames, err := st.Circles.Totals(ctx)
	if err != nil {
		return r, fmt.Errorf("make backup: %w", err)
	}
	return Report{Authority: me.Authority, From: dataDir, To: dir, At: now, Circles: circles, Messages: frames}, nil
}

func fillBackup(ctx context.Context, st *store.Store, me self, dataDir, dir string, now time.Time) error {
	if err := st.Backup(ctx, filepath.Join(dir, storeFolder)); err != nil {
		return err
	}
	if err := backupNames(ctx, dataDir, dir); err != nil {
		return err
	}
	for _, name := range []string{keyFile, selfFile} {
		if err := copySmall(filepath.Join(dataDir, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	// Whom to ask after a restore whether a ledger is the newest.
	err := copySmall(filepath.Join(dataDir, ledgerFolder, notary.WitnessesFile), filepath.Join(dir, notary.WitnessesFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b, err := json.Marshal(mark{Format: markFormat, Authority: me.Authority, At: now.UTC()})
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, markFile), append(b, '\n'))
}

// backupNames copies the files of public things. They are no part of one moment
// with the store: what was published between is in one of the two.
func backupNames(ctx context.Context, dataDir, dir string) error {
	files, err := filepath.Glob(filepath.Join(dataDir, namesFolder, "*.db"))
	if err != nil || len(files) == 0 {
		return err
	}
	to := filepath.Join(dir, namesFolder)
	if err := durable.MakeDir(to); err != nil {
		return err
	}
	for _, file := range files {
		if err := store.CopyDatabase(ctx, file, filepath.Join(to, filepath.Base(file))); err != nil {
			return err
		}
	}
	return nil
}

// restoreNames brings them back. Backups of versions before names have none.
func restoreNames(ctx context.Context, backup, dataDir string) error {
	from, to := filepath.Join(backup, namesFolder), filepath.Join(dataDir, namesFolder)
	files, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := errors.Join(err, durable.MakeDir(to)); err != nil {
		return err
	}
	for _, f := range files {
		if err := durable.CopyFile(filepath.Join(from, f.Name()), filepath.Join(to, f.Name())); err != nil {
			return err
		}
	}
	d, err := directory.Open(ctx, to, directory.Options{})
	if err != nil {
		return err
	}
	return errors.Join(d.Withdraw(ctx), d.Close())
}

func copySmall(from, to string) error {
	b, err := durable.ReadFile(from)
	if err != nil {
		return err
	}
	return durable.WriteFile(to, b)
}

func readMark(dir string) (m mark, err error) {
	b, err := durable.ReadFile(filepath.Join(dir, markFile))
	if err != nil {
		return m, fmt.Errorf("%s is no finished backup of a node: %w", dir, err)
	}
	if err := json.Unmarshal(b, &m); err != nil || m.Format != markFormat {
		return m, fmt.Errorf("%s is a backup of another format", dir)
	}
	return m, nil
}

// Invite makes an invitation at the node of dataDir, running or not.
func Invite(ctx context.Context, dataDir string, now time.Time, d time.Duration) (string, error) {
	if _, err := os.Stat(filepath.Join(dataDir, storeFolder, store.StateFile)); err != nil {
		return "", fmt.Errorf("make invitation: %s holds no node: %w", dataDir, err)
	}
	st, err := store.Open(ctx, filepath.Join(dataDir, storeFolder), store.Options{})
	if err != nil {
		return "", fmt.Errorf("make invitation: %w", err)
	}
	text, err := invite(ctx, st, now, d)
	return text, errors.Join(err, st.Close())
}

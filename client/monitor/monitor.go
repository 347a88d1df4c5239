// Package monitor lets anybody's machine watch over nodes' ledgers: it keeps the
// last checkpoint of each log that it saw, demands that what a node shows later
// continues it, and can keep a whole copy. Source: docs/spec/ledger.md.
package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"primum/client/link"
	"primum/internal/durable"
	"primum/ledger"
)

// Monitor verifies nodes' ledgers and remembers them in files of a directory.
// One Verify at a time for one authority.
type Monitor struct {
	Calls link.Calls
	Dir   string // is made when needed
}

// Kept is what is remembered of an authority's ledger; nothing yet is no error.
func (m Monitor) Kept(authority string) (k ledger.Kept, err error) {
	b, err := durable.ReadFile(m.file(authority))
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	if err != nil {
		return k, fmt.Errorf("read what was kept of %s: %w", authority, err)
	}
	return k, nil
}

// Verify looks a node's ledger up and verifies it against what is remembered
// (ledger.Verify), then remembers what was found good. Clock and address rules
// are the client's own.
func (m Monitor) Verify(ctx context.Context, authority string, o ledger.Options) (ledger.NodeLedger, ledger.Report, error) {
	calls := m.Calls.WithDefaults()
	kept, err := m.Kept(authority)
	if err != nil {
		return ledger.NodeLedger{}, ledger.Report{}, err
	}
	n, err := ledger.Discover(ctx, calls, authority, link.BaseURL(authority))
	if err != nil {
		return n, ledger.Report{Kept: kept}, err
	}
	o.Base = link.BaseURL
	if o.Now.IsZero() {
		o.Now = calls.Clock.Now()
	}
	r, err := ledger.Verify(ctx, calls, n, kept, o)
	return n, r, errors.Join(err, m.Keep(authority, r.Kept))
}

// Keep remembers what another verification of an authority found good.
func (m Monitor) Keep(authority string, k ledger.Kept) error {
	b, err := json.Marshal(k)
	if err == nil {
		err = durable.MakeDir(m.Dir)
	}
	if err == nil {
		err = durable.WriteFile(m.file(authority), b)
	}
	if err != nil {
		return fmt.Errorf("keep the ledger of %s: %w", authority, err)
	}
	return nil
}

func (m Monitor) file(authority string) string {
	return filepath.Join(m.Dir, strings.ReplaceAll(authority, ":", "_")+".json")
}

// Mirror copies both logs of a node, as a report of Verify found them, to
// DIR/public and DIR/commitments, in the layout of the logs themselves. A log
// with a finding is not copied. It returns how many files it wrote.
func (m Monitor) Mirror(ctx context.Context, n ledger.NodeLedger, r ledger.Report, dir string) (int, error) {
	wrote := 0
	for name, log := range map[string]struct {
		ledger.Log
		ledger.LogReport
	}{"public": {n.Public, r.Public}, "commitments": {n.Commitments, r.Commitments}} {
		if log.Findings > 0 || log.Checkpoint.Text == "" {
			continue
		}
		get := func(ctx context.Context, path string) ([]byte, error) { return m.Calls.Get(ctx, log.URL+path) }
		files, err := ledger.Mirror(ctx, get, log.Log, log.Checkpoint.Text, folder(filepath.Join(dir, name)))
		wrote += files
		if err != nil {
			return wrote, fmt.Errorf("copy %s: %w", log.Origin, err)
		}
	}
	return wrote, nil
}

// folder is a ledger.Shelf on disk.
type folder string

// Read implements ledger.Shelf.
func (f folder) Read(path string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(string(f), filepath.FromSlash(path)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, ledger.ErrNotFound)
	}
	return b, err
}

// Write implements ledger.Shelf.
func (f folder) Write(path string, b []byte) error {
	file := filepath.Join(string(f), filepath.FromSlash(path))
	if err := durable.MakeDir(filepath.Dir(file)); err != nil {
		return err
	}
	return durable.WriteFile(file, b)
}

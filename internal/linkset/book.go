package linkset

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"primum/internal/clock"
	"primum/internal/store"
)

//go:embed migrations
var migrations embed.FS

// FileName is the database's, in the directory given to Open.
const FileName = "linkset.db"

// pageItems is how many items one read of a list takes.
const pageItems = 500

// Options of a book; all may be zero.
type Options struct {
	Clock    clock.Clock
	Log      *slog.Logger
	MaxPages int64 // of 4 KiB; 0: the disk bounds it
}

// Book keeps items with their links, and delegations.
type Book struct {
	file      *store.File
	clock     clock.Clock
	recent    *recent
	delegated atomic.Pointer[ranges]
	changes   atomic.Uint64

	delegating sync.Mutex // held while delegations change
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
	b := &Book{file: f, clock: o.Clock, recent: newRecent()}
	if err := b.loadDelegations(ctx); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return b, nil
}

// Close commits what waits and closes the file.
func (b *Book) Close() error { return b.file.Close() }

// Lookup returns what is known of an anchor, by one read of one row from the
// disk. It costs the same whether anybody asked before. Errors: ErrNotFound.
func (b *Book) Lookup(ctx context.Context, anchor string) (Item, error) {
	it, err := store.One(ctx, b.file, "links", scanItem, selectItem+` WHERE anchor = ?`, anchor)
	if errors.Is(err, store.ErrNotFound) {
		return Item{}, ErrNotFound
	}
	if err != nil {
		return Item{}, err
	}
	return *it, nil
}

// Class is Lookup for what everyone may know was asked for: it answers from
// memory what was read lately. Not for anchors of single objects, whose askers
// the time of an answer would give away. Errors: ErrNotFound.
func (b *Book) Class(ctx context.Context, anchor string) (*Item, error) {
	if it, ok := b.recent.get(anchor); ok {
		return it, nil
	}
	at := b.recent.generation()
	it, err := b.Lookup(ctx, anchor)
	if err != nil {
		return nil, err
	}
	b.recent.put(&it, at)
	return &it, nil
}

// Leading returns at most limit items after an anchor that have a target which
// begins with an address. It reads all rows after the anchor, if need be.
func (b *Book) Leading(ctx context.Context, address, after string, limit int) ([]*Item, error) {
	quoted, err := json.Marshal(address)
	if err != nil {
		return nil, fmt.Errorf("find links: %w", err)
	}
	return store.Many(ctx, b.file, "links", scanItem, selectItem+` WHERE anchor > ? AND instr(entries, ?) > 0 ORDER BY anchor LIMIT ?`,
		after, `"h":`+strings.TrimSuffix(string(quoted), `"`), limit)
}

// namesRead bounds the rows that Names looks through.
const namesRead = 100_000

// Names says whether there are links of one thing: its class with the text
// thing behind it ("/21/A77"), or with batch or variant between them. It looks
// through what the first 100,000 batches and variants of the class have.
func (b *Book) Names(ctx context.Context, class, thing string) (bool, error) {
	n, err := b.file.Read(ctx, "links", `SELECT count(*) FROM items WHERE anchor = ?`, class+thing)
	if err != nil || n > 0 || thing == "" {
		return n > 0, err
	}
	for _, qualifier := range []string{"/10", "/22"} {
		n, err = b.file.Read(ctx, "links", `SELECT count(*) FROM (SELECT anchor FROM items WHERE anchor > ?1 || '/' AND anchor < ?1 || '0' LIMIT ?3)
			WHERE substr(anchor, -length(?2)) = ?2`, class+qualifier, thing, namesRead) // '0' follows '/'
		if err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// Generation rises with every change of a link or a delegation, after it: what
// was made of anything read before is old then.
func (b *Book) Generation() uint64 { return b.changes.Load() }

// List yields the items in the order of their anchors, beginning after one. An
// error ends it.
func (b *Book) List(ctx context.Context, after string) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		for {
			page, err := b.Page(ctx, after, pageItems)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, it := range page {
				if !yield(it, nil) {
					return
				}
				after = it.Anchor
			}
			if len(page) < pageItems {
				return
			}
		}
	}
}

// Page returns at most limit items after an anchor.
func (b *Book) Page(ctx context.Context, after string, limit int) ([]*Item, error) {
	return store.Many(ctx, b.file, "links", scanItem, selectItem+` WHERE anchor > ? ORDER BY anchor LIMIT ?`, after, limit)
}

// Counts returns how many items and links there are. It reads all rows.
func (b *Book) Counts(ctx context.Context) (items, links int64, err error) {
	if items, err = b.file.Read(ctx, "links", `SELECT count(*) FROM items`); err != nil {
		return 0, 0, err
	}
	links, err = b.file.Read(ctx, "links", `SELECT coalesce(sum(links), 0) FROM items`)
	return items, links, err
}

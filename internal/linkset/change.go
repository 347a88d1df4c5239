package linkset

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"primum/internal/store"
)

// batchItems is how many items one change of an import writes: few enough that
// another publisher's change doesn't wait long.
const batchItems = 256

// Sum is what a change or an import did.
type Sum struct {
	Items   int `json:"items"`   // seen
	Links   int `json:"links"`   // seen
	Added   int `json:"added"`   // links that are new
	Changed int `json:"changed"` // links with another title or mark than before
	Removed int `json:"removed"`
}

// Add adds what another change did.
func (s *Sum) Add(o Sum) {
	s.Items += o.Items
	s.Links += o.Links
	s.Added += o.Added
	s.Changed += o.Changed
	s.Removed += o.Removed
}

// Put adds links to what is known of an anchor; a link that is known already
// gets the title and marks given. A description that is not empty replaces the
// one before. by is the publisher. Errors: *InvalidError, ErrFull.
func (b *Book) Put(ctx context.Context, by string, items ...Item) (Sum, error) {
	return b.change(ctx, by, items, mergeItem)
}

// Replace makes the links given all that an anchor has. Errors: *InvalidError,
// ErrFull.
func (b *Book) Replace(ctx context.Context, by string, items ...Item) (Sum, error) {
	return b.change(ctx, by, items, replaceItem)
}

// Import puts items, some in one transaction. What was written before an error
// stays; the sum tells how much. progress, which may be nil, is called after
// every transaction.
func (b *Book) Import(ctx context.Context, by string, items iter.Seq2[Item, error], progress func(Sum)) (all Sum, err error) {
	var batch []Item
	flush := func() error {
		s, err := b.Put(ctx, by, batch...)
		if err != nil {
			return err
		}
		all.Add(s)
		batch = batch[:0]
		if progress != nil {
			progress(all)
		}
		return nil
	}
	for it, err := range items {
		if err != nil {
			return all, err
		}
		if batch = append(batch, it); len(batch) == batchItems {
			if err := flush(); err != nil {
				return all, err
			}
		}
	}
	return all, flush()
}

// merger makes an item of what was known (nil: nothing) and what is given, and
// counts what differs.
type merger func(old *Item, given Item) (*Item, Sum)

func (b *Book) change(ctx context.Context, by string, items []Item, merge merger) (Sum, error) {
	given := make([]Item, len(items))
	anchors := make([]string, len(items))
	for i, it := range items {
		it, err := it.checked()
		if err != nil {
			return Sum{}, err
		}
		for j := range it.Entries {
			it.Entries[j].By = by
		}
		given[i], anchors[i] = it, it.Anchor
	}
	var sum Sum
	err := b.commit(ctx, anchors, func(t *store.Tx) (err error) {
		sum, err = writeAll(t, given, merge, b.clock.Now())
		return err
	})
	if err != nil {
		return Sum{}, err
	}
	return sum, nil
}

// commit waits for the end of a change whatever becomes of the caller, so that
// nothing old stays in memory.
func (b *Book) commit(ctx context.Context, anchors []string, run func(*store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := b.file.Change(context.WithoutCancel(ctx), "change links", run)
	b.recent.forget(anchors...)
	b.changes.Add(1)
	return err
}

func writeAll(t *store.Tx, items []Item, merge merger, now time.Time) (sum Sum, err error) {
	for _, given := range items {
		old, err := readItem(t, given.Anchor)
		if err != nil {
			return sum, err
		}
		it, s := merge(old, given)
		if len(it.Entries) > MaxEntries {
			return sum, ErrFull
		}
		sum.Add(s)
		it.Changed = now
		if err := writeItem(t, it); err != nil {
			return sum, err
		}
	}
	return sum, nil
}

func mergeItem(old *Item, given Item) (*Item, Sum) {
	s := Sum{Items: 1, Links: len(given.Entries)}
	if old == nil {
		old = &Item{Anchor: given.Anchor}
	}
	it := &Item{Anchor: old.Anchor, Description: old.Description, Local: maps.Clone(old.Local), Entries: slices.Clone(old.Entries)}
	if given.Description != "" && (it.Description == "" || len(given.Local) == 0) {
		it.Description = given.Description
	}
	for lang, text := range given.Local {
		if it.Local == nil {
			it.Local = map[string]string{}
		}
		it.Local[lang] = text
	}
	at := map[string]int{}
	for i, e := range it.Entries {
		at[e.ID()] = i
	}
	for _, e := range given.Entries {
		i, known := at[e.ID()]
		switch {
		case !known:
			at[e.ID()] = len(it.Entries)
			it.Entries = append(it.Entries, e)
			s.Added++
		case it.Entries[i].Title != e.Title || it.Entries[i].Default != e.Default || it.Entries[i].NoQuery != e.NoQuery:
			it.Entries[i] = e
			s.Changed++
		}
	}
	return it, s
}

func replaceItem(old *Item, given Item) (*Item, Sum) {
	it, s := mergeItem(nil, given)
	if old == nil {
		return it, s
	}
	s.Added = 0
	known := map[string]bool{}
	for _, e := range old.Entries {
		known[e.ID()] = true
	}
	for _, e := range it.Entries {
		if !known[e.ID()] {
			s.Added++
		}
		delete(known, e.ID())
	}
	s.Removed = len(known)
	return it, s
}

// Remove takes one link of an anchor away, or all of them where id is empty.
// It returns how many there were. Errors: ErrNotFound.
func (b *Book) Remove(ctx context.Context, anchor, id string) (removed int, err error) {
	err = b.commit(ctx, []string{anchor}, func(t *store.Tx) error {
		it, err := readItem(t, anchor)
		if err != nil {
			return err
		}
		if it == nil {
			return ErrNotFound
		}
		had := len(it.Entries)
		it.Entries = slices.DeleteFunc(it.Entries, func(e Entry) bool { return id == "" || e.ID() == id })
		if removed = had - len(it.Entries); removed == 0 {
			return ErrNotFound
		}
		it.Changed = b.clock.Now()
		return writeItem(t, it)
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}

package linkset

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"primum/internal/store"
)

const selectItem = `SELECT anchor, description, entries, changed FROM items`

// kept is an entry in a row, with short names: there may be millions.
type kept struct {
	LinkType string   `json:"r"`
	Href     string   `json:"h"`
	Title    string   `json:"t,omitempty"`
	Type     string   `json:"m,omitempty"`
	Langs    []string `json:"l,omitempty"`
	Context  []string `json:"c,omitempty"`
	Default  bool     `json:"d,omitempty"`
	NoQuery  bool     `json:"q,omitempty"`
	By       string   `json:"b,omitempty"`
}

// described is an item's texts in a row.
type described struct {
	Text  string            `json:"t"`
	Local map[string]string `json:"l,omitempty"`
}

// scanItem reads a row of items.
func scanItem(r store.Row) (*Item, error) {
	var it Item
	var texts, entries []byte
	var changed int64
	if err := r.Scan(&it.Anchor, &texts, &entries, &changed); err != nil {
		return nil, err
	}
	var d described
	var all []kept
	if err := errors.Join(json.Unmarshal(texts, &d), json.Unmarshal(entries, &all)); err != nil {
		return nil, fmt.Errorf("read links of a row: %w", err)
	}
	it.Description, it.Local = d.Text, d.Local
	it.Changed = time.UnixMilli(changed).UTC()
	it.Entries = make([]Entry, len(all))
	for i, k := range all {
		it.Entries[i] = Entry(k)
	}
	return &it, nil
}

// writeItem replaces the row of an item; one without links goes.
func writeItem(t *store.Tx, it *Item) error {
	if len(it.Entries) == 0 {
		_, err := t.Exec(`DELETE FROM items WHERE anchor = ?`, it.Anchor)
		return err
	}
	all := make([]kept, len(it.Entries))
	for i, e := range it.Entries {
		all[i] = kept(e)
	}
	entries, err := json.Marshal(all)
	if err != nil {
		return err
	}
	texts, err := json.Marshal(described{it.Description, it.Local})
	if err != nil {
		return err
	}
	_, err = t.Exec(`INSERT INTO items (anchor, description, entries, links, changed) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (anchor) DO UPDATE SET description = excluded.description, entries = excluded.entries, links = excluded.links, changed = excluded.changed`,
		it.Anchor, texts, entries, len(all), it.Changed.UnixMilli())
	return err
}

// readItem reads an item inside a change; nil if there is none.
func readItem(t *store.Tx, anchor string) (*Item, error) {
	it, err := scanItem(t.Row(selectItem+` WHERE anchor = ?`, anchor))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return it, err
}

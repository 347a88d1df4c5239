package linkset

import (
	"encoding/json"
	"fmt"
	"time"

	"primum/internal/store"
)

// scanItem reads a row of items.
func scanItem(r store.Row) (it Item, err error) {
	var entries []byte
	var changed int64
	if err := r.Scan(&it.Anchor, &it.Description, &entries, &changed); err != nil {
		return it, err
	}
	if err := json.Unmarshal(entries, &it.Entries); err != nil {
		return it, fmt.Errorf("read links of a row: %w", err)
	}
	it.Changed = time.UnixMilli(changed).UTC()
	return it, nil
}

package directory

import (
	"context"

	"primum/internal/store"
)

// Withdraw makes private what accounts show to others, after a restore: they
// may have hidden or deleted it since the backup. They show it again themselves.
func (d *Directory) Withdraw(ctx context.Context) error {
	return d.file.Change(ctx, "withdraw things", func(t *store.Tx) error {
		for _, s := range []string{
			`DELETE FROM events`, // of things that may be gone
			`INSERT OR IGNORE INTO terms (scope, kind, term, entry)
				SELECT 'own ' || e.owner, t.kind, t.term, t.entry FROM terms t JOIN entries e ON e.n = t.entry WHERE e.owner <> '' AND e.visibility <> 'private'`,
			`DELETE FROM terms WHERE scope NOT LIKE 'own %' AND entry IN (SELECT n FROM entries WHERE owner <> '')`,
			`UPDATE entries SET visibility = 'private', version = version + 1 WHERE owner <> '' AND visibility <> 'private'`,
			`UPDATE revisions SET n = n + 1`,
		} {
			if _, err := t.Exec(s); err != nil {
				return err
			}
		}
		return nil
	})
}

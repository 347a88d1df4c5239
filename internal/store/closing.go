package store

import (
	"context"
	"errors"
	"time"

	"primum/internal/wire"
)

// Close closes an account: nobody signs for it any more, all that the node kept
// for it is erased, and its name is never given again. What others hold of it
// stays: envelopes and events of grants, which are over. It returns the home
// circles that were open. ErrConflict while a grant that it gave is in one of
// the living states; ErrNotFound.
func (a *Accounts) Close(ctx context.Context, address string, now time.Time, living []string) (homes []wire.CircleID, err error) {
	return result(ctx, a.f.writer, "close account", func(t *tx) ([]wire.CircleID, error) {
		n, err := t.exec(`UPDATE accounts SET closed = ? WHERE address = ? AND closed = 0`, ms(now), address)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, ErrNotFound
		}
		for _, state := range living {
			n, err := t.number(`SELECT count(*) FROM grants WHERE owner = ? AND state = ?`, address, state)
			if err != nil {
				return nil, err
			}
			if n > 0 {
				return nil, ErrConflict
			}
		}
		if err := errors.Join(t.forget(address), t.endLinks(address)); err != nil {
			return nil, err
		}
		return t.closeHomes(address, now)
	})
}

// forget erases all rows of an account but its name, and what is the other
// party's, too.
func (t *tx) forget(address string) error {
	for _, query := range []string{
		`DELETE FROM identities WHERE account = ?`, `DELETE FROM suspensions WHERE account = ?`,
		`DELETE FROM key_packages WHERE account = ?`, `DELETE FROM inbox WHERE account = ?`,
		`DELETE FROM inbox_heads WHERE account = ?`, `DELETE FROM outbox WHERE sender = ?`,
		`DELETE FROM refusals WHERE owner = ?`, `DELETE FROM keeps WHERE account = ?`,
		`DELETE FROM page_sessions WHERE account = ?`, `DELETE FROM notices WHERE account = ?`,
		`DELETE FROM pushes WHERE account = ?`,
	} {
		if _, err := t.exec(query, address); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) closeHomes(owner string, now time.Time) (all []wire.CircleID, err error) {
	ids, err := t.strings(`UPDATE homes SET ended = ? WHERE owner = ? AND ended IS NULL RETURNING lower(hex(circle))`, ms(now), owner)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		c, err := wire.ParseCircleID(id)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

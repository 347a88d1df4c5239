package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"time"

	"primum/internal/wire"
)

// Link is a link to share by, and how far it is. Of one that has ended only ID,
// Guest, Step and Reason are left.
type Link struct {
	ID      [16]byte
	Owner   string
	Guest   string    // account that it opens, and no other link ever
	Expires time.Time // of a link whose grant is not given yet
	Door    []byte    // SHA-256 of the pass

	Commitment, MAC []byte // of the owner

	Step, Reason string // wire.Link…

	Identity string // first document of the guest
	Nonce    []byte // of the guest

	RevealNonce, RevealKey, RevealMAC []byte // of the owner

	Grant string // id, from step given on
}

// Links are the links of this node's accounts. A guest's account lives from the
// answer to the end of its link.
type Links struct{ f *File }

const linkColumns = `id, guest, owner, expires, door, commitment, mac, step, reason, identity, nonce, reveal_nonce, reveal_key, reveal_mac, grant_id`

func scanLink(r Row) (l Link, err error) {
	var id []byte
	var expires int64
	err = r.Scan(&id, &l.Guest, &l.Owner, &expires, &l.Door, &l.Commitment, &l.MAC, &l.Step, &l.Reason, &l.Identity, &l.Nonce,
		&l.RevealNonce, &l.RevealKey, &l.RevealMAC, &l.Grant)
	copy(l.ID[:], id)
	l.Expires = at(expires)
	return l, err
}

// Get reads a link; ErrNotFound.
func (l *Links) Get(ctx context.Context, id [16]byte) (Link, error) {
	return One(ctx, l.f, "link", scanLink, `SELECT `+linkColumns+` FROM links WHERE id = ?`, id[:])
}

// OfGuest reads the link that opened an account; ErrNotFound.
func (l *Links) OfGuest(ctx context.Context, account string) (Link, error) {
	return One(ctx, l.f, "link", scanLink, `SELECT `+linkColumns+` FROM links WHERE guest = ?`, account)
}

// Make keeps a new link, of an account that has fewer than most. The same again
// is no error. Errors: ErrExists (the id, or the guest's name), ErrQuota.
func (l *Links) Make(ctx context.Context, k Link, most int) error {
	return l.f.writer.do(ctx, "keep link", func(t *Tx) error {
		old, err := t.link(k.ID)
		switch {
		case err == nil && old.Owner == k.Owner && bytes.Equal(old.MAC, k.MAC) && bytes.Equal(old.Door, k.Door):
			return nil
		case err == nil:
			return ErrExists
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if n, err := t.Number(`SELECT count(*) FROM links WHERE owner = ?`, k.Owner); err != nil || n >= int64(most) {
			return errors.Join(err, ErrQuota)
		}
		n, err := t.Exec(`INSERT OR IGNORE INTO links (`+linkColumns+`) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '', '', x'', x'', x'', x'', ''
			WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE address = ?2)`,
			k.ID[:], k.Guest, k.Owner, ms(k.Expires), k.Door, k.Commitment, k.MAC, wire.LinkOpen)
		if err == nil && n == 0 {
			return ErrExists
		}
		return err
	})
}

func (t *Tx) link(id [16]byte) (Link, error) {
	return scanLink(t.Row(`SELECT `+linkColumns+` FROM links WHERE id = ?`, id[:]))
}

// Answer opens the guest's account with its first document: the first answer
// wins. The same again is no error. Errors: ErrNotFound, ErrExists (somebody
// else answered), ErrConflict (it has ended).
func (l *Links) Answer(ctx context.Context, id [16]byte, first Identity, nonce []byte) error {
	return l.f.writer.do(ctx, "answer link", func(t *Tx) error {
		k, err := t.link(id)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNotFound
		case err != nil:
			return err
		case k.Step == wire.LinkEnded || k.Step == wire.LinkOpen && !first.Received.Before(k.Expires):
			return ErrConflict
		case k.Identity == first.Document && bytes.Equal(k.Nonce, nonce):
			return nil
		case k.Step != wire.LinkOpen:
			return ErrExists
		}
		if _, err := t.Exec(`UPDATE links SET step = ?, identity = ?, nonce = ? WHERE id = ?`, wire.LinkAnswered, first.Document, nonce, id[:]); err != nil {
			return err
		}
		if _, err := t.Exec(`INSERT INTO accounts (address, created) VALUES (?, ?)`, k.Guest, ms(first.Received)); err != nil {
			return err
		}
		return t.identity(first, 0)
	})
}

// Reveal keeps what the owner reveals after an answer. The same again is no
// error. Errors: ErrNotFound (no such link of the owner), ErrConflict (no
// answer, another reveal, or the end).
func (l *Links) Reveal(ctx context.Context, id [16]byte, owner string, nonce, key, mac []byte) error {
	return l.f.writer.do(ctx, "reveal", func(t *Tx) error {
		k, err := t.ownLink(id, owner)
		switch {
		case err != nil:
			return err
		case bytes.Equal(k.RevealMAC, mac) && bytes.Equal(k.RevealNonce, nonce) && bytes.Equal(k.RevealKey, key):
			return nil
		case k.Step != wire.LinkAnswered:
			return ErrConflict
		}
		_, err = t.Exec(`UPDATE links SET step = ?, reveal_nonce = ?, reveal_key = ?, reveal_mac = ? WHERE id = ?`,
			wire.LinkRevealed, nonce, key, mac, id[:])
		return err
	})
}

func (t *Tx) ownLink(id [16]byte, owner string) (Link, error) {
	k, err := t.link(id)
	if errors.Is(err, sql.ErrNoRows) || err == nil && k.Step != wire.LinkEnded && k.Owner != owner {
		return k, ErrNotFound
	}
	return k, err
}

// End ends a link that has no grant, and its guest. One that has ended stays
// as it is. Errors: ErrNotFound (no such link of the owner), ErrConflict (the
// grant is given).
func (l *Links) End(ctx context.Context, id [16]byte, owner, reason string) error {
	return l.f.writer.do(ctx, "end link", func(t *Tx) error {
		k, err := t.ownLink(id, owner)
		switch {
		case err != nil || k.Step == wire.LinkEnded:
			return err
		case k.Step == wire.LinkGiven:
			return ErrConflict
		}
		return t.endLink(k, reason)
	})
}

// Over ends, with their guests, links that nobody confirmed in time, and
// returns them. It does as many as limit.
func (l *Links) Over(ctx context.Context, now time.Time, limit int) (ended []Link, err error) {
	due, err := Many(ctx, l.f, "links", scanLink, `SELECT `+linkColumns+` FROM links
		WHERE expires > 0 AND expires <= ? ORDER BY expires LIMIT ?`, ms(now), limit)
	for _, k := range due {
		over := false
		err := l.f.writer.do(ctx, "end link", func(t *Tx) error {
			k, err := t.link(k.ID)
			over = err == nil && !k.Expires.IsZero() && !k.Expires.After(now)
			if err != nil || !over {
				return err
			}
			return t.endLink(k, wire.LinkExpired)
		})
		if err != nil {
			return ended, err
		}
		if over {
			ended = append(ended, k)
		}
	}
	return ended, err
}

// NextOver is when the next link expires; the zero time if none does.
func (l *Links) NextOver(ctx context.Context) (time.Time, error) {
	n, err := One(ctx, l.f, "links", scanInt, `SELECT coalesce(min(expires), 0) FROM links WHERE expires > 0`)
	return at(n), err
}

// takeGuest notes the grant of a guest: the first one of its link's owner, or
// one that replaces it. Other accounts pass. ErrConflict for anything else.
func (t *Tx) takeGuest(g Grant) error {
	k, err := scanLink(t.Row(`SELECT `+linkColumns+` FROM links WHERE guest = ?`, g.Grantee))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	first := k.Step == wire.LinkRevealed && k.Grant == ""
	if k.Owner != g.Owner || !first && (k.Step != wire.LinkGiven || k.Grant != g.Replaces) {
		return ErrConflict
	}
	_, err = t.Exec(`UPDATE links SET step = ?, grant_id = ?, expires = 0 WHERE id = ?`, wire.LinkGiven, g.ID, k.ID[:])
	return err
}

// endGuest ends the guest that has a grant, if one has.
func (t *Tx) endGuest(grant string) error {
	k, err := scanLink(t.Row(`SELECT `+linkColumns+` FROM links WHERE grant_id = ?`, grant))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return t.endLink(k, wire.LinkOver)
}

// endLink leaves of a link what keeps its name from being given again, and of
// its guest nothing.
func (t *Tx) endLink(k Link, reason string) error {
	if _, err := t.Exec(`UPDATE links SET owner = '', expires = 0, door = x'', commitment = x'', mac = x'', step = ?, reason = ?, identity = '',
		nonce = x'', reveal_nonce = x'', reveal_key = x'', reveal_mac = x'', grant_id = '' WHERE id = ?`, wire.LinkEnded, reason, k.ID[:]); err != nil {
		return err
	}
	for _, of := range []string{`DELETE FROM accounts WHERE address = ?`, `DELETE FROM refusals WHERE sender = ?`} {
		if _, err := t.Exec(of, k.Guest); err != nil {
			return err
		}
	}
	return t.forget(k.Guest)
}

// endLinks ends the links of an account that is closed.
func (t *Tx) endLinks(owner string) error {
	guests, err := t.strings(`SELECT guest FROM links WHERE owner = ?`, owner)
	if err != nil {
		return err
	}
	for _, g := range guests {
		k, err := scanLink(t.Row(`SELECT `+linkColumns+` FROM links WHERE guest = ?`, g))
		if err == nil {
			err = t.endLink(k, wire.LinkCancelled)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

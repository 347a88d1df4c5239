package store

import (
	"context"
	"time"
)

// Token is what a publisher proves itself with.
type Token struct {
	Name  string
	Hash  []byte // SHA-256 of the token's text
	Added time.Time
}

// Tokens are those of the publishers of the node's public things. Whatever
// changes them takes the act that goes into the operators' log with it.
type Tokens struct{ f *File }

// Add keeps a token; an earlier one of that name ends.
func (s *Tokens) Add(ctx context.Context, k Token, act Act) error {
	return s.f.writer.do(ctx, "add token", func(t *Tx) error {
		_, err := t.Exec(`INSERT OR REPLACE INTO tokens (name, hash, added) VALUES (?, ?, ?)`, k.Name, k.Hash, ms(k.Added))
		if err != nil {
			return err
		}
		return t.act(act)
	})
}

// Remove ends a token at once; ErrNotFound.
func (s *Tokens) Remove(ctx context.Context, name string, act Act) error {
	return s.f.writer.do(ctx, "remove token", func(t *Tx) error {
		n, err := t.Exec(`DELETE FROM tokens WHERE name = ?`, name)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		return t.act(act)
	})
}

func scanToken(r Row) (k Token, err error) {
	var added int64
	err = r.Scan(&k.Name, &k.Hash, &added)
	k.Added = at(added)
	return k, err
}

// List lists the tokens by name.
func (s *Tokens) List(ctx context.Context) ([]Token, error) {
	return Many(ctx, s.f, "tokens", scanToken, `SELECT name, hash, added FROM tokens ORDER BY name`)
}

// ByHash is the token with this hash; ErrNotFound.
func (s *Tokens) ByHash(ctx context.Context, hash []byte) (Token, error) {
	return One(ctx, s.f, "token", scanToken, `SELECT name, hash, added FROM tokens WHERE hash = ?`, hash)
}

// Act writes a line into the operators' log for something whose own change
// stands in another file.
func (s *Tokens) Act(ctx context.Context, act Act) error {
	return s.f.writer.do(ctx, "note act", func(t *Tx) error { return t.act(act) })
}

// Acts of publishers; each has a sentence operator.act.NAME.
const (
	ActLinks        = "links-changed"
	ActLinksRemoved = "links-removed"
	ActLinksMany    = "links-imported"
	ActDelegated    = "delegation-changed"
	ActThing        = "thing-published"
	ActThingRemoved = "thing-removed"
	ActOpen         = "open-published"
	ActOpenRemoved  = "open-removed"
	ActService      = "service-published"
	ActServiceEnded = "service-removed"
	ActOptOut       = "opt-out-changed"
)

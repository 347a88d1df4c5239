package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Operator is one who runs the node.
type Operator struct {
	Name   string
	Role   string
	Handle []byte // what a passkey calls them, random
	Added  time.Time
	Keys   int // passkeys registered
}

// OperatorKey is a passkey of an operator.
type OperatorKey struct {
	ID         []byte
	Name       string // of the operator
	Added      time.Time
	Credential []byte // JSON of the WebAuthn library
}

// OperatorSession is what the cookie of an operator stands for.
type OperatorSession struct {
	Hash   []byte // SHA-256 of the cookie's value
	Name   string
	Opened time.Time
	Until  time.Time
}

// Act is something that an operator did.
type Act struct {
	N      int64
	At     time.Time
	Who    string
	Act    string // "invite.made"
	About  string
	Reason string
}

// Operators are those who run the node, their passkeys and sessions, and the
// log of what they did. Whatever changes something takes the act that goes into
// the log in the same transaction.
type Operators struct{ f *File }

func (t *Tx) act(a Act) error {
	_, err := t.Exec(`INSERT INTO acts (at, who, act, about, reason) VALUES (?, ?, ?, ?, ?)`, ms(a.At), a.Who, a.Act, a.About, a.Reason)
	return err
}

// Add adds an operator, or gives one that is there a new role, with a ticket
// (its hash) to register a passkey until a time. Earlier tickets of theirs end.
func (o *Operators) Add(ctx context.Context, n Operator, ticket []byte, until time.Time, act Act) error {
	return o.f.writer.do(ctx, "add operator", func(t *Tx) error {
		_, err := t.Exec(`INSERT INTO operators (name, role, handle, added) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (name) DO UPDATE SET role = ?2`, n.Name, n.Role, n.Handle, ms(n.Added))
		if err != nil {
			return err
		}
		if _, err := t.Exec(`DELETE FROM operator_tickets WHERE name = ? OR until <= ?`, n.Name, ms(n.Added)); err != nil {
			return err
		}
		if _, err := t.Exec(`INSERT INTO operator_tickets (hash, name, until) VALUES (?, ?, ?)`, ticket, n.Name, ms(until)); err != nil {
			return err
		}
		return t.act(act)
	})
}

// Remove removes an operator with all they log in with; ErrNotFound.
func (o *Operators) Remove(ctx context.Context, name string, act Act) error {
	return o.f.writer.do(ctx, "remove operator", func(t *Tx) error {
		n, err := t.Exec(`DELETE FROM operators WHERE name = ?`, name)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		for _, query := range []string{
			`DELETE FROM operator_tickets WHERE name = ?`, `DELETE FROM operator_keys WHERE name = ?`,
			`DELETE FROM operator_sessions WHERE name = ?`,
		} {
			if err == nil {
				_, err = t.Exec(query, name)
			}
		}
		if err != nil {
			return err
		}
		return t.act(act)
	})
}

const operatorColumns = `o.name, o.role, o.handle, o.added, (SELECT count(*) FROM operator_keys k WHERE k.name = o.name)`

func scanOperator(r Row) (o Operator, err error) {
	var added int64
	err = r.Scan(&o.Name, &o.Role, &o.Handle, &added, &o.Keys)
	o.Added = at(added)
	return o, err
}

// List lists the operators by name.
func (o *Operators) List(ctx context.Context) ([]Operator, error) {
	return Many(ctx, o.f, "operators", scanOperator, `SELECT `+operatorColumns+` FROM operators o ORDER BY o.name`)
}

// ByTicket is the operator who may register a passkey; ErrNotFound.
func (o *Operators) ByTicket(ctx context.Context, hash []byte, now time.Time) (Operator, error) {
	return One(ctx, o.f, "operator", scanOperator, `SELECT `+operatorColumns+` FROM operators o
		JOIN operator_tickets i ON i.name = o.name WHERE i.hash = ? AND i.until > ?`, hash, ms(now))
}

// ByHandle is the operator whom a passkey names, with their passkeys;
// ErrNotFound.
func (o *Operators) ByHandle(ctx context.Context, handle []byte) (who Operator, keys []OperatorKey, err error) {
	who, err = One(ctx, o.f, "operator", scanOperator, `SELECT `+operatorColumns+` FROM operators o WHERE o.handle = ?`, handle)
	if err != nil {
		return who, nil, err
	}
	keys, err = Many(ctx, o.f, "passkeys of an operator", func(r Row) (k OperatorKey, err error) {
		var added int64
		err = r.Scan(&k.ID, &k.Name, &added, &k.Credential)
		k.Added = at(added)
		return k, err
	}, `SELECT id, name, added, credential FROM operator_keys WHERE name = ? ORDER BY added`, who.Name)
	return who, keys, err
}

// Register uses up a ticket and keeps a passkey. ErrInvite if the ticket was
// used, has run out or is another operator's.
func (o *Operators) Register(ctx context.Context, ticket []byte, k OperatorKey, act Act) error {
	return o.f.writer.do(ctx, "register passkey", func(t *Tx) error {
		n, err := t.Exec(`DELETE FROM operator_tickets WHERE hash = ? AND name = ? AND until > ?`, ticket, k.Name, ms(k.Added))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrInvite
		}
		_, err = t.Exec(`INSERT INTO operator_keys (id, name, added, credential) VALUES (?, ?, ?, ?)`, k.ID, k.Name, ms(k.Added), k.Credential)
		if err != nil {
			return err
		}
		return t.act(act)
	})
}

// Open begins a session and ends an earlier one of the same browser (nil: there
// was none). The passkey that was used is kept with its new counter.
func (o *Operators) Open(ctx context.Context, s OperatorSession, earlier []byte, used OperatorKey, act Act) error {
	return o.f.writer.do(ctx, "open operator session", func(t *Tx) error {
		if _, err := t.Exec(`DELETE FROM operator_sessions WHERE hash = ? OR until <= ?`, earlier, ms(s.Opened)); err != nil {
			return err
		}
		if _, err := t.Exec(`UPDATE operator_keys SET credential = ? WHERE id = ?`, used.Credential, used.ID); err != nil {
			return err
		}
		_, err := t.Exec(`INSERT INTO operator_sessions (hash, name, opened, until) VALUES (?, ?, ?, ?)`, s.Hash, s.Name, ms(s.Opened), ms(s.Until))
		if err != nil {
			return err
		}
		return t.act(act)
	})
}

// Session is the operator of a session that has not ended; ErrNotFound.
func (o *Operators) Session(ctx context.Context, hash []byte, now time.Time) (Operator, error) {
	return One(ctx, o.f, "operator session", scanOperator, `SELECT `+operatorColumns+` FROM operators o
		JOIN operator_sessions s ON s.name = o.name WHERE s.hash = ? AND s.until > ?`, hash, ms(now))
}

// Close ends a session.
func (o *Operators) Close(ctx context.Context, hash []byte, act Act) error {
	return o.f.writer.do(ctx, "end operator session", func(t *Tx) error {
		if _, err := t.Exec(`DELETE FROM operator_sessions WHERE hash = ?`, hash); err != nil {
			return err
		}
		return t.act(act)
	})
}

// Invite keeps the hash of an invitation that opens one account until a time.
func (o *Operators) Invite(ctx context.Context, hash []byte, now, until time.Time, act Act) error {
	return o.f.writer.do(ctx, "keep invitation", func(t *Tx) error {
		if _, err := t.Exec(`INSERT OR IGNORE INTO invites (hash, created, until) VALUES (?, ?, ?)`, hash, ms(now), ms(until)); err != nil {
			return err
		}
		return t.act(act)
	})
}

// Revoke erases an invitation that was not used; ErrNotFound.
func (o *Operators) Revoke(ctx context.Context, hash []byte, act Act) error {
	return o.f.writer.do(ctx, "revoke invitation", func(t *Tx) error {
		n, err := t.Exec(`DELETE FROM invites WHERE hash = ? AND used_by IS NULL`, hash)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		return t.act(act)
	})
}

// TakeDown erases a public page for good: its id is not taken again.
// ErrNotFound.
func (o *Operators) TakeDown(ctx context.Context, id string, act Act) error {
	return o.f.writer.do(ctx, "take a notice down", func(t *Tx) error {
		n, err := t.Exec(`DELETE FROM notices WHERE id = ?`, id)
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		if err != nil {
			return err
		}
		if _, err := t.Exec(`INSERT OR IGNORE INTO notices_taken (id, at) VALUES (?, ?)`, id, ms(act.At)); err != nil {
			return err
		}
		return t.act(act)
	})
}

// taken tells whether a public page was taken down.
func (t *Tx) taken(id string) (bool, error) {
	var one int
	err := t.Row(`SELECT 1 FROM notices_taken WHERE id = ?`, id).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// Acts reads the log, newest first, before a number (0: from the newest).
func (o *Operators) Acts(ctx context.Context, before int64, limit int) ([]Act, error) {
	return Many(ctx, o.f, "acts", func(r Row) (a Act, err error) {
		var when int64
		err = r.Scan(&a.N, &when, &a.Who, &a.Act, &a.About, &a.Reason)
		a.At = at(when)
		return a, err
	}, `SELECT n, at, who, act, about, reason FROM acts WHERE n < ?1 OR ?1 = 0 ORDER BY n DESC LIMIT ?2`, before, limit)
}

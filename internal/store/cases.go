package store

import (
	"context"
	"time"
)

// Case is an objection or a complaint and how it stands.
type Case struct {
	ID      string
	Kind    string
	State   string
	Account string // of who signed it, or empty
	About   string
	Reply   string // where an answer may also be sent, or empty
	Opened  time.Time
	Due     time.Time // when an answer is promised
	Receipt string    // JSON
}

// CaseStep is one entry of a case's history, which only grows.
type CaseStep struct {
	At   time.Time
	By   string // person, operator, clock
	What string
	Text string
}

// Cases are objections and complaints.
type Cases struct{ f *File }

const caseColumns = `id, kind, state, account, about, reply, opened, due, receipt`

func scanCase(r Row) (c Case, err error) {
	var opened, due int64
	err = r.Scan(&c.ID, &c.Kind, &c.State, &c.Account, &c.About, &c.Reply, &opened, &due, &c.Receipt)
	c.Opened, c.Due = at(opened), at(due)
	return c, err
}

// Open keeps a new case with its first step and the leaf of its receipt, due in
// the log at a tick. ErrQuota when as many cases of nobody, or of this account,
// wait for an answer as most.
func (s *Cases) Open(ctx context.Context, c Case, first CaseStep, most int, leaf [32]byte, due time.Time) error {
	return s.f.writer.do(ctx, "open case", func(t *Tx) error {
		n, err := t.Number(`SELECT count(*) FROM cases WHERE account = ? AND state IN ('received', 'appealed')`, c.Account)
		if err != nil {
			return err
		}
		if n >= int64(most) {
			return ErrQuota
		}
		if _, err := t.Exec(`INSERT INTO cases (`+caseColumns+`, changed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			c.ID, c.Kind, c.State, c.Account, c.About, c.Reply, ms(c.Opened), ms(c.Due), c.Receipt, ms(c.Opened)); err != nil {
			return err
		}
		if err := t.addLeaves(due, [][32]byte{leaf}); err != nil {
			return err
		}
		return t.caseStep(c.ID, first)
	})
}

func (t *Tx) caseStep(id string, s CaseStep) error {
	_, err := t.Exec(`INSERT INTO case_steps (case_id, n, at, by, what, text)
		SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4, ?5 FROM case_steps WHERE case_id = ?1`, id, ms(s.At), s.By, s.What, s.Text)
	return err
}

// Step moves a case from one of two states to another, with an entry. due, if
// not zero, is the new time of the promised answer. ErrConflict if it is in
// another state, ErrNotFound.
func (s *Cases) Step(ctx context.Context, id string, from [2]string, to string, due time.Time, step CaseStep) error {
	return s.f.writer.do(ctx, "move case", func(t *Tx) error {
		n, err := t.Exec(`UPDATE cases SET state = ?1, changed = ?2, due = max(due, ?3) WHERE id = ?4 AND state IN (?5, ?6)`,
			to, ms(step.At), ms(due), id, from[0], from[1])
		if err != nil {
			return err
		}
		if n == 1 {
			return t.caseStep(id, step)
		}
		known, err := t.Number(`SELECT count(*) FROM cases WHERE id = ?`, id)
		if err == nil {
			err = ErrConflict
			if known == 0 {
				err = ErrNotFound
			}
		}
		return err
	})
}

// Get reads a case; ErrNotFound.
func (s *Cases) Get(ctx context.Context, id string) (Case, error) {
	return One(ctx, s.f, "case", scanCase, `SELECT `+caseColumns+` FROM cases WHERE id = ?`, id)
}

// Steps lists a case's history.
func (s *Cases) Steps(ctx context.Context, id string) ([]CaseStep, error) {
	return Many(ctx, s.f, "steps of a case", func(r Row) (c CaseStep, err error) {
		var when int64
		err = r.Scan(&when, &c.By, &c.What, &c.Text)
		c.At = at(when)
		return c, err
	}, `SELECT at, by, what, text FROM case_steps WHERE case_id = ? ORDER BY n`, id)
}

// Of lists an account's cases, the newest first, limit at most.
func (s *Cases) Of(ctx context.Context, account string, limit int) ([]Case, error) {
	return Many(ctx, s.f, "cases", scanCase,
		`SELECT `+caseColumns+` FROM cases WHERE account = ? AND account <> '' ORDER BY opened DESC LIMIT ?`, account, limit)
}

// Waiting lists the cases that wait for an answer, the most urgent first.
func (s *Cases) Waiting(ctx context.Context, limit int) ([]Case, error) {
	return Many(ctx, s.f, "waiting cases", scanCase,
		`SELECT `+caseColumns+` FROM cases WHERE state IN ('received', 'appealed') ORDER BY due LIMIT ?`, limit)
}

// Trim forgets the cases that have not changed since a time and wait for
// nothing.
func (s *Cases) Trim(ctx context.Context, before time.Time) error {
	return s.f.writer.do(ctx, "forget old cases", func(t *Tx) error {
		const old = `FROM cases WHERE changed < ? AND state NOT IN ('received', 'appealed')`
		if _, err := t.Exec(`DELETE FROM case_steps WHERE case_id IN (SELECT id `+old+`)`, ms(before)); err != nil {
			return err
		}
		_, err := t.Exec(`DELETE `+old, ms(before))
		return err
	})
}

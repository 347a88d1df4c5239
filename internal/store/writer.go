package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// Bounds of what one transaction collects.
const (
	waiting   = 1024 // jobs that wait; more block their callers
	batchJobs = 1024
)

// job is a change that shares its transaction with others.
type job struct {
	ctx context.Context
	run func(*Tx) error
	// safe: run fails before its first change or spoils the transaction, so
	// that no savepoint is needed.
	safe bool
	// done is called once, after the commit, in the order of the commits.
	done func(error)
}

// writer owns the one connection that changes a file.
type writer struct {
	log     *slog.Logger
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt // owned by the writing goroutine
	jobs    chan job
	answers chan []answer
	ended   chan struct{}

	mu     sync.RWMutex // guards shut, and sends to jobs against its close
	shut   bool
	result error
}

type answer struct {
	done func(error)
	err  error
}

func newWriter(db *sql.DB, log *slog.Logger) (*writer, error) {
	conn, err := db.Conn(context.Background())
	if err != nil {
		return nil, typed("connect", err)
	}
	w := &writer{
		log: log, conn: conn, stmts: map[string]*sql.Stmt{},
		jobs: make(chan job, waiting), answers: make(chan []answer, 1), ended: make(chan struct{}),
	}
	go w.write()
	go w.answer()
	return w, nil
}

// submit queues a job; its done is called in any case.
func (w *writer) submit(j job) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.shut {
		j.done(ErrClosed)
		return
	}
	w.jobs <- j
}

// do queues a job and waits for its answer, or for the context.
func (w *writer) do(ctx context.Context, verb string, run func(*Tx) error) error {
	_, err := result(ctx, w, verb, func(t *Tx) (struct{}, error) { return struct{}{}, run(t) })
	return err
}

// result is do for a job with a result. The job hands it over by the answer
// alone: a caller whose context ended has gone while the job may still run.
func result[T any](ctx context.Context, w *writer, verb string, run func(*Tx) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	var o outcome // belongs to the writing goroutine until it is sent
	answered := make(chan outcome, 1)
	w.submit(job{
		ctx:  ctx,
		run:  func(t *Tx) (err error) { o.value, err = run(t); return err },
		done: func(err error) { o.err = err; answered <- o },
	})
	var none T
	select {
	case o := <-answered:
		if o.err != nil {
			return none, typed(verb, o.err)
		}
		return o.value, nil
	case <-ctx.Done():
		return none, fmt.Errorf("%s: %w", verb, ctx.Err())
	}
}

func (w *writer) closed() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.shut
}

// close lets the waiting jobs finish.
func (w *writer) close() error {
	w.mu.Lock()
	if w.shut {
		w.mu.Unlock()
		<-w.ended
		return nil
	}
	w.shut = true
	close(w.jobs)
	w.mu.Unlock()
	<-w.ended
	return w.result
}

func (w *writer) write() {
	defer close(w.answers)
	for first := range w.jobs {
		w.answers <- w.commit(w.collect(first))
	}
	for _, s := range w.stmts {
		_ = s.Close()
	}
	w.result = w.conn.Close()
}

// answer runs beside the next transaction, so that callers' work doesn't hold
// it up.
func (w *writer) answer() {
	defer close(w.ended)
	for batch := range w.answers {
		for _, a := range batch {
			a.done(a.err)
		}
	}
}

// collect takes what waits already, without waiting for more: under load the
// time of a commit fills the next batch.
func (w *writer) collect(first job) []job {
	batch := []job{first}
	for len(batch) < batchJobs {
		select {
		case j, open := <-w.jobs:
			if !open {
				return batch
			}
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch in one transaction. If the transaction fails, every job
// of it failed.
func (w *writer) commit(batch []job) []answer {
	answers := make([]answer, len(batch))
	for i, j := range batch {
		answers[i].done = j.done
	}
	if err := w.transact(batch, answers); err != nil {
		w.log.Error("store transaction failed", "jobs", len(batch), "err", err)
		for i := range answers {
			answers[i].err = err
		}
	}
	return answers
}

func (w *writer) transact(batch []job, answers []answer) (err error) {
	t := &Tx{w: w}
	if _, err := t.Exec("BEGIN IMMEDIATE"); err != nil {
		return typed("begin", err)
	}
	defer func() {
		if err != nil {
			// The engine may have rolled back already.
			_, _ = t.Exec("ROLLBACK")
		}
	}()
	for i, j := range batch {
		answers[i].err = t.guarded(j)
		if fatal(answers[i].err) {
			return answers[i].err
		}
	}
	if err := t.flush(); err != nil {
		return typed("write", err)
	}
	_, err = t.Exec("COMMIT")
	return typed("commit", err)
}

// Tx is what a job sees of the transaction. It is used by the writing
// goroutine only.
type Tx struct {
	w    *writer
	rows map[[16]byte]*circleRow // circles read or changed in this transaction
}

// guarded runs a job so that its failure leaves no trace.
func (t *Tx) guarded(j job) error {
	if j.ctx != nil && j.ctx.Err() != nil {
		return j.ctx.Err()
	}
	if j.safe {
		return typed("write", j.run(t))
	}
	if err := t.flush(); err != nil {
		return typed("write", err)
	}
	if _, err := t.Exec("SAVEPOINT job"); err != nil {
		return typed("write", err)
	}
	err := typed("write", j.run(t))
	if err == nil {
		err = typed("write", t.flush())
	}
	if err != nil {
		t.rows = nil
		if fatal(err) {
			return err
		}
		if _, back := t.Exec("ROLLBACK TO job"); back != nil {
			return errors.Join(err, typed("roll back", back), ErrIO)
		}
	}
	if _, out := t.Exec("RELEASE job"); out != nil {
		return errors.Join(err, typed("write", out), ErrIO)
	}
	return err
}

func (t *Tx) stmt(query string) (*sql.Stmt, error) {
	if s := t.w.stmts[query]; s != nil {
		return s, nil
	}
	s, err := t.w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	t.w.stmts[query] = s
	return s, nil
}

// Exec runs a statement and returns the number of rows changed.
func (t *Tx) Exec(query string, args ...any) (int64, error) {
	s, err := t.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Row reads one Row; sql.ErrNoRows comes from Scan.
func (t *Tx) Row(query string, args ...any) Row {
	s, err := t.stmt(query)
	if err != nil {
		return failedRow{err}
	}
	return s.QueryRow(args...)
}

// Number reads one Number.
func (t *Tx) Number(query string, args ...any) (n int64, err error) {
	return n, t.Row(query, args...).Scan(&n)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// Package store keeps a node's state on disk: accounts, documents, key
// packages, inboxes, grants (state.db), and the sealed messages of circles with
// all that an append must compare with (log.db). It reads none of the content
// and verifies no signature: callers do that before they write.
//
// Each file has one writing goroutine, which collects what waits, commits it
// in one durable transaction and then answers all; readers have connections of
// their own. A call that returned nil survives the loss of power. A call whose
// context ended while it waited may or may not have been done: every change is
// idempotent, so ask again. All methods may be called concurrently.
//
// Times are kept in milliseconds, and returned in UTC.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
)

// Names of the two files in a store's directory.
const (
	StateFile = "state.db"
	LogFile   = "log.db"
)

// Options are settings of a store; the zero value is for production.
type Options struct {
	Log *slog.Logger // nil: none
	// MaxPages bounds each file, in pages of 4 KiB; 0: the disk bounds it.
	MaxPages int64
}

// Store is an open store: one field per noun.
type Store struct {
	Accounts    *Accounts
	Identities  *Identities
	KeyPackages *KeyPackages
	Inbox       *Inbox
	Outbox      *Outbox
	Homes       *Homes
	Grants      *Grants
	Refusals    *Refusals
	Links       *Links
	Peers       *Peers
	Keeps       *Keeps
	Sessions    *PageSessions
	Notices     *Notices
	Labels      *Labels
	Pushes      *Pushes
	Operators   *Operators
	Tokens      *Tokens
	Overview    *Overview
	Leaves      *Leaves
	Seen        *Seen
	Cases       *Cases
	Held        *Held
	Facts       *Facts
	Usages      *Usages
	Circles     *Circles

	state, log *File
}

// Open opens or creates the store in dir (mode 0700), and brings its schema up
// to date. It loads nothing: the time it takes doesn't depend on what is kept.
// Errors: ErrBusy, ErrNewer, ErrCorrupt, ErrIO.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the store's directory: %w", err)
	}
	state, err := openOwn(ctx, filepath.Join(dir, StateFile), "migrations/state", o)
	if err != nil {
		return nil, err
	}
	log, err := openOwn(ctx, filepath.Join(dir, LogFile), "migrations/log", o)
	if err != nil {
		return nil, errors.Join(err, state.Close())
	}
	return &Store{
		Accounts: &Accounts{state}, Identities: &Identities{state}, KeyPackages: &KeyPackages{state},
		Inbox: &Inbox{state}, Outbox: &Outbox{state}, Homes: &Homes{state}, Grants: &Grants{state},
		Refusals: &Refusals{state}, Links: &Links{state}, Peers: &Peers{state}, Keeps: &Keeps{state},
		Sessions: &PageSessions{state}, Notices: &Notices{state}, Labels: &Labels{state}, Pushes: &Pushes{state},
		Operators: &Operators{state}, Tokens: &Tokens{state}, Overview: &Overview{state, log}, Leaves: &Leaves{state, log}, Seen: &Seen{state}, Cases: &Cases{state}, Held: &Held{state, log}, Facts: &Facts{state}, Usages: &Usages{state}, Circles: &Circles{log},
		state: state, log: log,
	}, nil
}

// Close commits what waits and closes the files. Later calls get ErrClosed.
func (s *Store) Close() error {
	return errors.Join(s.log.Close(), s.state.Close())
}

// File is one database: a writer, and connections that only read. Rooms that
// keep public things open files of their own, so that what concerns persons
// stays in this package's two.
type File struct {
	path    string
	writer  *writer
	writing *sql.DB
	reading *sql.DB
	stmts   sync.Map // query → *sql.Stmt of the readers
}

func openOwn(ctx context.Context, path, migrations string, o Options) (*File, error) {
	sub, err := fs.Sub(ownMigrations, migrations)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return OpenFile(ctx, path, sub, o)
}

// OpenFile opens or creates one database (mode 0600, in a directory that
// exists) and brings it to the newest of the goose migrations at the root of
// migrations. Errors: ErrBusy, ErrNewer, ErrCorrupt, ErrIO.
func OpenFile(ctx context.Context, path string, migrations fs.FS, o Options) (*File, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	// SQLite gives its companions (-wal, -shm) the mode of the main file.
	main, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := main.Close(); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f := &File{path: path}
	if f.writing, err = sql.Open("sqlite", dsn(path, o.MaxPages, false)); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f.writing.SetMaxOpenConns(1)
	if err := migrate(ctx, f.writing, migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), f.writing.Close())
	}
	if f.writer, err = newWriter(f.writing, o.Log); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), f.writing.Close())
	}
	if f.reading, err = sql.Open("sqlite", dsn(path, 0, true)); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), f.writer.close(), f.writing.Close())
	}
	f.reading.SetMaxOpenConns(max(2, min(8, runtime.NumCPU())))
	f.reading.SetMaxIdleConns(8)
	return f, nil
}

// dsn names a file and the settings of every connection to it.
// secure_delete: what is deleted is overwritten (P3, P4). synchronous FULL in
// WAL mode: a commit has reached the disk when it returns.
func dsn(path string, maxPages int64, readOnly bool) string {
	v := url.Values{}
	for _, p := range []string{
		"busy_timeout(2000)", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)",
		"wal_autocheckpoint(4000)", "journal_size_limit(67108864)", "cache_size(-8000)", "temp_store(MEMORY)",
	} {
		v.Add("_pragma", p)
	}
	if maxPages > 0 {
		v.Add("_pragma", fmt.Sprintf("max_page_count(%d)", maxPages))
	}
	if readOnly {
		v.Add("_pragma", "query_only(1)")
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: v.Encode()}).String()
}

// Change runs a change in a durable transaction that it may share with others:
// when it returns nil, the disk has it; when run fails, nothing of it is left.
// run is called by the writing goroutine, and must not keep the Tx.
func (f *File) Change(ctx context.Context, verb string, run func(*Tx) error) error {
	return f.writer.do(ctx, verb, run)
}

// Read returns the first column of one row as a number, for counts.
func (f *File) Read(ctx context.Context, what, query string, args ...any) (int64, error) {
	return One(ctx, f, what, scanInt, query, args...)
}

// Close commits what waits. Later calls get ErrClosed.
func (f *File) Close() error {
	errs := []error{f.writer.close()}
	f.stmts.Range(func(_, s any) bool {
		errs = append(errs, s.(*sql.Stmt).Close())
		return true
	})
	return errors.Join(append(errs, f.reading.Close(), f.writing.Close())...)
}

// prepared returns the readers' statement of a query; queries are constants of
// this package, so their number is small.
func (f *File) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := f.stmts.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := f.reading.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if old, loaded := f.stmts.LoadOrStore(query, s); loaded {
		return old.(*sql.Stmt), s.Close()
	}
	return s, nil
}

// Row is what scans: *sql.Row and *sql.Rows.
type Row interface{ Scan(dst ...any) error }

// One reads the One row of a query; ErrNotFound if there is none.
func One[T any](ctx context.Context, f *File, what string, scan func(Row) (T, error), query string, args ...any) (T, error) {
	var none T
	stmt, err := f.prepared(ctx, query)
	if err != nil {
		return none, f.failed("read "+what, err)
	}
	v, err := scan(stmt.QueryRowContext(ctx, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return none, fmt.Errorf("read %s: %w", what, ErrNotFound)
	}
	if err != nil {
		return none, f.failed("read "+what, err)
	}
	return v, nil
}

// Many reads all rows of a query.
func Many[T any](ctx context.Context, f *File, what string, scan func(Row) (T, error), query string, args ...any) ([]T, error) {
	stmt, err := f.prepared(ctx, query)
	if err != nil {
		return nil, f.failed("read "+what, err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, f.failed("read "+what, err)
	}
	defer func() { _ = rows.Close() }()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, f.failed("read "+what, err)
		}
		all = append(all, v)
	}
	return all, f.failed("read "+what, rows.Err())
}

// failed types an error, and tells a closed store apart.
func (f *File) failed(verb string, err error) error {
	if err != nil && f.writer.closed() {
		return fmt.Errorf("%s: %w", verb, ErrClosed)
	}
	return typed(verb, err)
}

// scanInt scans a row of one number.
func scanInt(r Row) (n int64, err error) { return n, r.Scan(&n) }

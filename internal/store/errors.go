package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrNotFound means that there is no such row.
	ErrNotFound = errors.New("not in the store")
	// ErrExists means that another row has that identifier.
	ErrExists = errors.New("exists already with other content")
	// ErrConflict means that the row is not in the state the change expects.
	ErrConflict = errors.New("changed meanwhile")
	// ErrInvite means that an invitation is unknown, used or over.
	ErrInvite = errors.New("the invitation is unknown, used or over")
	// ErrQuota means that a limit on stored items is reached.
	ErrQuota = errors.New("the limit on stored items is reached")
	// ErrDiskFull means that nothing more fits; what was acknowledged is kept.
	ErrDiskFull = errors.New("the disk is full: free some space, nothing acknowledged is lost")
	// ErrIO means that the disk failed; what was acknowledged is kept.
	ErrIO = errors.New("the disk failed to read or write: see the system's log")
	// ErrCorrupt means that a database file is damaged: restore a backup.
	ErrCorrupt = errors.New("the database file is damaged: restore a backup")
	// ErrBusy means that another process uses the files.
	ErrBusy = errors.New("another process uses the database files")
	// ErrClosed means that the store is closed or closing.
	ErrClosed = errors.New("the store is closed")
	// ErrNewer means that a newer program wrote the files.
	ErrNewer = errors.New("the database was written by a newer version of this program")
)

// Stale refuses an append that names another epoch than the circle's.
type Stale struct{ Epoch uint64 }

func (e *Stale) Error() string {
	return fmt.Sprintf("the circle is in epoch %d", e.Epoch)
}

// Fenced refuses what a fence stops.
type Fenced struct {
	Reason string
	At     time.Time
}

func (e *Fenced) Error() string {
	return fmt.Sprintf("fenced (%s) at %s", e.Reason, e.At.UTC().Format(time.RFC3339))
}

// TooSoon refuses what may come again at Until.
type TooSoon struct{ Until time.Time }

func (e *TooSoon) Error() string {
	return "not before " + e.Until.UTC().Format(time.RFC3339)
}

// typed wraps an error of the engine in the kind that callers know.
func typed(verb string, err error) error {
	if err == nil {
		return nil
	}
	var lite *sqlite.Error
	if !errors.As(err, &lite) {
		return fmt.Errorf("%s: %w", verb, err)
	}
	kind := error(nil)
	switch lite.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		kind = ErrDiskFull
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		kind = ErrIO
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		kind = ErrCorrupt
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		kind = ErrBusy
	case sqlite3.SQLITE_INTERRUPT:
		kind = context.Canceled
	}
	if kind == nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	return fmt.Errorf("%s: %w (%w)", verb, kind, err)
}

// fatal tells that an error of the engine spoils the whole transaction.
func fatal(err error) bool {
	for _, kind := range []error{ErrDiskFull, ErrIO, ErrCorrupt, ErrBusy} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

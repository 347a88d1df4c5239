// Package history is an edge's local time series: one SQLite file, the one
// source for values since a time, previews, export and moving house. Values
// are personal data: what is deleted is overwritten (secure_delete), and each
// thing has a switch.
package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"time"

	_ "modernc.org/sqlite" // the driver

	"primum/circle"
	"primum/internal/clock"
)

// KeepMonths is the default of how long values are kept.
const KeepMonths = 13

// trimEvery is how often old values are looked for.
const trimEvery = time.Hour

// Options of a history.
type Options struct {
	Keep  time.Duration // 0: KeepMonths
	Clock clock.Clock   // nil: the machine's
	Log   *slog.Logger  // nil: none
}

// DB is an open history, safe for concurrent use. It implements
// circle.History.
type DB struct {
	db    *sql.DB
	o     Options
	clock clock.Clock
}

const schema = `
CREATE TABLE IF NOT EXISTS series (
	id    INTEGER PRIMARY KEY,
	thing TEXT NOT NULL,
	name  TEXT NOT NULL,
	unit  TEXT NOT NULL,
	event INTEGER NOT NULL,
	UNIQUE (thing, name, unit, event)
);
CREATE TABLE IF NOT EXISTS value (
	series INTEGER NOT NULL REFERENCES series,
	at     INTEGER NOT NULL, -- microseconds since the Unix epoch
	value  TEXT NOT NULL,    -- JSON
	PRIMARY KEY (series, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS off (thing TEXT PRIMARY KEY) WITHOUT ROWID;
PRAGMA user_version = 1;
`

// Open opens or makes the file at path.
func Open(path string, o Options) (*DB, error) {
	if o.Clock == nil {
		o.Clock = clock.Real()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would make it readable by others
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	q := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)", "secure_delete(ON)", "foreign_keys(ON)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	db.SetMaxOpenConns(4)
	h := &DB{db: db, o: o, clock: o.Clock}
	if err := h.prepare(); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open history %s: %w", path, err)
	}
	return h, nil
}

func (h *DB) prepare() error {
	var version int
	if err := h.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > 1 {
		return fmt.Errorf("it was written by a newer version of Primum (%d)", version)
	}
	_, err := h.db.Exec(schema)
	return err
}

// Close closes the file.
func (h *DB) Close() error { return h.db.Close() }

// Add keeps samples, in one transaction; those of things whose history is
// switched off are left out. Of two samples of an affordance at the same
// microsecond the later one stays.
func (h *DB) Add(ctx context.Context, samples ...circle.Sample) error {
	tx, err := h.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("keep values: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, s := range samples {
		if err := add(ctx, tx, s); err != nil {
			return fmt.Errorf("keep values: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("keep values: %w", err)
	}
	return nil
}

func add(ctx context.Context, tx *sql.Tx, s circle.Sample) error {
	if !json.Valid(s.Value) {
		return errors.New("a value is not JSON")
	}
	var off bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM off WHERE thing = ?)", s.Thing).Scan(&off); err != nil || off {
		return err
	}
	const find = "SELECT id FROM series WHERE thing = ? AND name = ? AND unit = ? AND event = ?"
	var series int64
	err := tx.QueryRowContext(ctx, find, s.Thing, s.Name, s.Unit, s.Event).Scan(&series)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, "INSERT INTO series (thing, name, unit, event) VALUES (?, ?, ?, ?) RETURNING id", s.Thing, s.Name, s.Unit, s.Event).Scan(&series)
	}
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO value (series, at, value) VALUES (?, ?, ?)", series, s.At.UnixMicro(), string(s.Value))
	return err
}

// History gives the samples of an affordance with from ≤ At < to, oldest
// first, at most limit of them.
func (h *DB) History(thing, name string, from, to time.Time, limit int) (samples []circle.Sample, err error) {
	rows, err := h.db.Query(`SELECT v.at, v.value, s.unit, s.event FROM series s JOIN value v ON v.series = s.id
		WHERE s.thing = ? AND s.name = ? AND v.at >= ? AND v.at < ? ORDER BY v.at LIMIT ?`,
		thing, name, micro(from), micro(to), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		s := circle.Sample{Thing: thing, Name: name}
		var at int64
		var value string
		if err := rows.Scan(&at, &value, &s.Unit, &s.Event); err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		s.At, s.Value = time.UnixMicro(at).UTC(), json.RawMessage(value)
		samples = append(samples, s)
	}
	return samples, rows.Err()
}

// micro bounds times that have no microseconds since 1970 in 64 bits.
func micro(t time.Time) int64 {
	switch {
	case t.Year() < 1:
		return time.Unix(0, 0).Add(-1 << 62).UnixMicro()
	case t.Year() > 9999:
		return 1 << 62
	}
	return t.UnixMicro()
}

// SetOn switches the history of a thing. Off erases what is there.
func (h *DB) SetOn(ctx context.Context, thing string, on bool) error {
	if on {
		if _, err := h.db.ExecContext(ctx, "DELETE FROM off WHERE thing = ?", thing); err != nil {
			return fmt.Errorf("switch history on: %w", err)
		}
		return nil
	}
	if _, err := h.db.ExecContext(ctx, "INSERT OR IGNORE INTO off (thing) VALUES (?)", thing); err != nil {
		return fmt.Errorf("switch history off: %w", err)
	}
	return h.Erase(ctx, thing)
}

// On tells whether a thing's values are kept.
func (h *DB) On(ctx context.Context, thing string) (bool, error) {
	var off bool
	err := h.db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM off WHERE thing = ?)", thing).Scan(&off)
	return !off, err
}

// Erase deletes everything of a thing, from the file and from its journal.
func (h *DB) Erase(ctx context.Context, thing string) error {
	_, err := h.db.ExecContext(ctx, "DELETE FROM value WHERE series IN (SELECT id FROM series WHERE thing = ?)", thing)
	if err == nil {
		_, err = h.db.ExecContext(ctx, "DELETE FROM series WHERE thing = ?", thing)
	}
	if err == nil {
		err = h.checkpoint(ctx)
	}
	if err != nil {
		return fmt.Errorf("erase history: %w", err)
	}
	return nil
}

// checkpoint empties the write-ahead log, so that nothing deleted stays in it.
func (h *DB) checkpoint(ctx context.Context) error {
	var busy, inLog, moved int
	if err := h.db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &inLog, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("the history is being read; try again")
	}
	return nil
}

// Trim deletes what is older than is to be kept, and tells how many values.
func (h *DB) Trim(ctx context.Context) (int64, error) {
	now := h.clock.Now()
	oldest := now.AddDate(0, -KeepMonths, 0)
	if h.o.Keep > 0 {
		oldest = now.Add(-h.o.Keep)
	}
	done, err := h.db.ExecContext(ctx, "DELETE FROM value WHERE at < ?", oldest.UnixMicro())
	if err != nil {
		return 0, fmt.Errorf("trim history: %w", err)
	}
	n, err := done.RowsAffected()
	if err != nil || n == 0 {
		return n, err
	}
	if _, err := h.db.ExecContext(ctx, "DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM value WHERE series = id)"); err != nil {
		return n, fmt.Errorf("trim history: %w", err)
	}
	return n, h.checkpoint(ctx)
}

// Run trims once an hour until the context ends.
func (h *DB) Run(ctx context.Context) {
	for {
		if n, err := h.Trim(ctx); err != nil && ctx.Err() == nil {
			h.o.Log.Warn("history not trimmed", "problem", err)
		} else if n > 0 {
			h.o.Log.Info("history trimmed", "values", n)
		}
		timer := h.clock.NewTimer(trimEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		}
	}
}

// Copy writes a consistent copy to a new file at path, also while values come.
func (h *DB) Copy(ctx context.Context, path string) error {
	if _, err := h.db.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
		return fmt.Errorf("copy history: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("copy history: %w", err)
	}
	return nil
}

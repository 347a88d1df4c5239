package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Backup writes a copy of both files into dir, which must not exist, while the
// store goes on. A fence that is in force when Backup is called is in the copy:
// state.db is copied first, so that a later fence may be in the copy of log.db
// without its event, never an event without its fence's being honoured (a
// restored store fences everything, and terminal grants stay so). The copy
// holds no freed page and no write-ahead log.
func (s *Store) Backup(ctx context.Context, dir string) error {
	part := dir + ".part"
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("make backup: %s exists already: name a new directory", dir)
	}
	if err := os.RemoveAll(part); err != nil {
		return fmt.Errorf("make backup: %w", err)
	}
	if err := os.Mkdir(part, 0o700); err != nil {
		return fmt.Errorf("make backup: %w", err)
	}
	err := errors.Join(
		s.state.copyTo(ctx, filepath.Join(part, StateFile)),
		s.log.copyTo(ctx, filepath.Join(part, LogFile)),
	)
	if err == nil {
		err = errors.Join(syncPath(part), os.Rename(part, dir), syncPath(filepath.Dir(dir)))
	}
	if err != nil {
		_ = os.RemoveAll(part)
		return fmt.Errorf("make backup: %w", err)
	}
	return nil
}

// copyTo runs on a connection of the readers: it holds up no writer.
func (f *File) copyTo(ctx context.Context, path string) error {
	conn, err := f.reading.Conn(ctx)
	if err != nil {
		return f.failed("copy "+filepath.Base(f.path), err)
	}
	defer func() { _ = conn.Close() }()
	// query_only refuses VACUUM INTO too, though it writes another file only.
	if _, err := conn.ExecContext(ctx, `PRAGMA query_only(0)`); err != nil {
		return f.failed("copy "+filepath.Base(f.path), err)
	}
	_, err = conn.ExecContext(ctx, `VACUUM INTO ?`, path)
	_, back := conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA query_only(1)`)
	if err := errors.Join(err, back); err != nil {
		return f.failed("copy "+filepath.Base(f.path), err)
	}
	return errors.Join(os.Chmod(path, 0o600), syncPath(path))
}

// CopyDatabase writes a copy of one database that OpenFile made, in use or not,
// to a path where nothing is: without freed pages, without a write-ahead log.
func CopyDatabase(ctx context.Context, from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	reading, err := sql.Open("sqlite", dsn(from, 0, true))
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	reading.SetMaxOpenConns(1)
	f := &File{path: from, reading: reading, writer: &writer{}}
	return errors.Join(f.copyTo(ctx, to), reading.Close())
}

// Restore copies a backup into dir, which must hold no store, and fences every
// circle that isn't fenced already as FenceRestored until its anchor presents
// the active set. The upper half of every sequence number rises by one, so that
// what was given out between backup and loss isn't given out again. It returns
// the number of circles that wait for their anchors.
func Restore(ctx context.Context, backup, dir string, now time.Time) (waiting int, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("restore backup: %w", err)
	}
	var copied []string
	for _, name := range []string{StateFile, LogFile} {
		to := filepath.Join(dir, name)
		if err := copyFile(filepath.Join(backup, name), to); err != nil {
			for _, path := range copied { // so that it can be tried again
				_ = os.Remove(path)
			}
			return 0, fmt.Errorf("restore backup: %w", err)
		}
		copied = append(copied, to)
	}
	s, err := Open(ctx, dir, Options{})
	if err != nil {
		return 0, fmt.Errorf("restore backup: %w", err)
	}
	waiting, err = result(ctx, s.log.writer, "fence restored circles", func(t *Tx) (int, error) {
		n, err := t.Exec(`UPDATE circles SET fence = ?, fenced = ? WHERE fence = ''`, FenceRestored, ms(now))
		if err != nil {
			return 0, err
		}
		_, err = t.Exec(`UPDATE circles SET head = ((head >> ?1) + 1) << ?1`, restoreShift)
		return int(n), err
	})
	if err == nil {
		err = s.Tokens.f.writer.do(ctx, "end what may have ended", func(t *Tx) error { return t.endRestored(now) })
	}
	return waiting, errors.Join(err, s.Close())
}

// endRestored ends what may have ended since the backup and would come back to
// life: tokens that were removed, and epochs of labels that were given away.
func (t *Tx) endRestored(now time.Time) error {
	if _, err := t.Exec(`DELETE FROM tokens`); err != nil {
		return err
	}
	n, err := t.Exec(`UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'labels'`, ms(now))
	if err == nil && n == 0 {
		_, err = t.Exec(`INSERT INTO sqlite_sequence (name, seq) VALUES ('labels', ?)`, ms(now))
	}
	return err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		_ = os.Remove(to)
	}
	return err
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

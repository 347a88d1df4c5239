package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"primum/internal/wire"
)

// Newest reads the newest sealed message of a circle from the store in dir,
// while a node uses it or not; it changes nothing. It is for people who want
// to see with their own eyes what a node stores. ErrNotFound.
func Newest(ctx context.Context, dir string, circle wire.CircleID) (f Frame, err error) {
	path := filepath.Join(dir, LogFile)
	if _, err := os.Stat(path); err != nil { // opening would make it
		return f, fmt.Errorf("open store: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(path, 0, true))
	if err != nil {
		return f, fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { _ = db.Close() }()
	row := db.QueryRowContext(ctx, `SELECT seq, kind, epoch, bytes FROM frames
		WHERE circle = (SELECT id FROM circles WHERE circle = ?) AND kind = ? ORDER BY seq DESC LIMIT 1`, circle[:], KindApplication)
	err = row.Scan(&f.Seq, &f.Kind, &f.Epoch, &f.Message)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return f, typed(fmt.Sprintf("read the newest message of circle %s", circle), err)
}

package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var ownMigrations embed.FS

// migrate brings a file to the newest schema; ErrNewer if it is beyond.
func migrate(ctx context.Context, db *sql.DB, migrations fs.FS) error {
	p, err := goose.NewProvider(goose.DialectSQLite3, db, migrations, goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return typed("read the schema", err)
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return typed("read the schema's version", err)
	}
	sources := p.ListSources()
	newest := sources[len(sources)-1].Version
	if have > newest {
		return fmt.Errorf("schema %d, this program knows %d: %w", have, newest, ErrNewer)
	}
	if have == newest {
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return typed("bring the schema up to date", err)
	}
	return nil
}

// ms is a time as it is kept; 0 for the zero time.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at is the time that ms kept.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

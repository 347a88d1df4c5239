package directory

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"primum/internal/clock"
	"primum/internal/store"
	"primum/thing/td"
)

//go:embed migrations
var migrations embed.FS

// FileName is the database's, in the directory given to Open.
const FileName = "directory.db"

// MaxOwn bounds the entries of one account, unless Options say otherwise.
const MaxOwn = 1000

// Options of a directory; all may be zero.
type Options struct {
	Clock    clock.Clock
	Log      *slog.Logger
	MaxPages int64 // of 4 KiB; 0: the disk bounds it
	MaxOwn   int64 // entries of one account; 0: MaxOwn
	// Granting lists the accounts whose grant to an account is given and valid
	// now. Nil: nobody grants anything.
	Granting func(ctx context.Context, account string) ([]string, error)
}

// Directory keeps descriptions. Make one with Open.
type Directory struct {
	file     *store.File
	o        Options
	valid    func() (*td.Validator, error) // made by the first who needs it: a node that only answers is smaller
	stranger queries
	viewer   queries
	events   cipher.Block // hides how many events there were
	tags     []byte       // key of the list's entity tags
	expiry   expiry
	scans    chan struct{}

	mu   sync.Mutex
	wake chan struct{} // guarded by mu; closed when there are new events
}

// Open opens or creates the directory in dir, which exists. Errors: as of
// store.OpenFile.
func Open(ctx context.Context, dir string, o Options) (*Directory, error) {
	if o.Clock == nil {
		o.Clock = clock.Real()
	}
	if o.MaxOwn == 0 {
		o.MaxOwn = MaxOwn
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	f, err := store.OpenFile(ctx, filepath.Join(dir, FileName), sub, store.Options{Log: o.Log, MaxPages: o.MaxPages})
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	d := &Directory{
		file: f, o: o, valid: sync.OnceValues(td.NewValidator), stranger: strangerQueries(), viewer: viewerQueries(),
		scans: make(chan struct{}, max(1, runtime.NumCPU()/2)), wake: make(chan struct{}),
	}
	if err := errors.Join(d.readSecrets(ctx), d.readDue(ctx)); err != nil {
		return nil, errors.Join(fmt.Errorf("open directory: %w", err), f.Close())
	}
	return d, nil
}

// Close commits what waits and closes the file.
func (d *Directory) Close() error { return d.file.Close() }

func (d *Directory) readSecrets(ctx context.Context) error {
	scan := func(r store.Row) (b []byte, err error) { return b, r.Scan(&b) }
	key, err := store.One(ctx, d.file, "key", scan, `SELECT value FROM secrets WHERE name = 'events'`)
	if err != nil {
		return err
	}
	if d.events, err = aes.NewCipher(key); err != nil {
		return err
	}
	d.tags, err = store.One(ctx, d.file, "key", scan, `SELECT value FROM secrets WHERE name = 'tags'`)
	return err
}

// As is the viewer that an account or a publisher is now; of neither, a
// stranger.
func (d *Directory) As(ctx context.Context, account string, publisher bool) (Viewer, error) {
	v := Viewer{Account: account, Publisher: publisher}
	if account == "" || d.o.Granting == nil {
		return v, nil
	}
	owners, err := d.o.Granting(ctx, account)
	if err != nil {
		return v, fmt.Errorf("ask for grants: %w", err)
	}
	v.Owners = owners
	return v, nil
}

// stranger tells a viewer who sees what is public, and nothing else.
func (v Viewer) stranger() bool { return v.Account == "" && !v.Publisher }

// own is the owner that a viewer is; "?" (which no owner is) of a stranger.
func (v Viewer) own() string {
	switch {
	case v.Publisher:
		return Operator
	case v.Account == "":
		return "?"
	}
	return v.Account
}

// sees tells whether a viewer sees an entry of an owner with a visibility.
func (v Viewer) sees(owner string, visible Visibility) bool {
	switch {
	case visible == "":
		return false
	case visible == Public || owner == v.own():
		return true
	case visible == Private:
		return false
	}
	for _, o := range v.Owners {
		if o == owner {
			return true
		}
	}
	return false
}

func (d *Directory) now() time.Time { return d.o.Clock.Now().UTC().Truncate(time.Millisecond) }

func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

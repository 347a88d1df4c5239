package open

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"primum/internal/clock"
	"primum/internal/store"
	"primum/thing"
)

// FileName is the file in the directory of names.
const FileName = "open.db"

// Bounds of what is kept and asked.
const (
	MaxServices = 1000
	MaxThings   = 100_000 // of all services together
	MaxBatch    = 1000    // values in one Add
	MaxValue    = 4 << 10 // bytes of one value
	MaxPage     = 10_000  // rows of one answer
	DefaultKeep = 400     // days
	MaxKeep     = 36_500  // days
)

// Future is how far a value's time may be ahead of the node's clock.
const Future = 5 * time.Minute

// ErrUnknown means that there is no such service, thing or property.
var ErrUnknown = errors.New("there is no such open service, thing or property")

// Invalid refuses what a publisher sent; Pointer is the place in it.
type Invalid struct{ Pointer, Reason string }

func (e *Invalid) Error() string {
	if e.Pointer == "" {
		return e.Reason
	}
	return "at " + e.Pointer + ": " + e.Reason
}

// Service is what an operator offers to everybody. Title and Text are in the
// language of the operator; Titles and Texts, by language tag, in others.
type Service struct {
	Name     string            `json:"name"`
	Title    string            `json:"title"`
	Titles   map[string]string `json:"titles,omitempty"`
	Text     string            `json:"description,omitempty"`
	Texts    map[string]string `json:"descriptions,omitempty"`
	License  string            `json:"license,omitempty"`  // https: URL of the terms of use
	Contact  string            `json:"contact,omitempty"`  // mailto: or https:
	KeepDays int               `json:"keepDays,omitempty"` // how long values are kept; 0: DefaultKeep
	Modified time.Time         `json:"modified,omitzero"`
}

// Keep is how long values of the service are kept.
func (s Service) Keep() time.Duration { return time.Duration(s.KeepDays) * 24 * time.Hour }

// Thing is one thing of a service.
type Thing struct {
	Service, Name string
	// Description is as the publisher gave it: Served adds the forms.
	Description *thing.Description
	// Key is the path of its GS1 key ("01/04012345999990/21/7"), or empty; Class
	// the same without what names the single thing.
	Key, Class string
	Modified   time.Time

	id int64
}

// Sample is one value of a property. Value is JSON.
type Sample struct {
	Thing    string          `json:"thing,omitempty"`
	Property string          `json:"property"`
	At       time.Time       `json:"at,omitzero"` // zero in Add: now
	Value    json.RawMessage `json:"value"`
}

// Options of a book.
type Options struct {
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
	// Linked is told of a thing that was put or, if gone, removed, after it was
	// done: where links and directories learn of it. Its error is the caller's;
	// the change stands, and may be repeated. nil: nobody is told.
	Linked func(ctx context.Context, t Thing, gone bool) error
	// Free refuses a thing whose id is another's, before anything is done for it;
	// nil: every id is free. Its error is the caller's.
	Free func(ctx context.Context, t Thing) error
	// Check says more about a description as it will be served than that it is
	// valid; nil: it is enough.
	Check func(description []byte) error
	// MaxPages bounds the file, in pages of 4 KiB; 0: the disk does.
	MaxPages int64
}

// Book is the open values of a node.
type Book struct {
	file *store.File
	o    Options
	hub  *hub
}

//go:embed migrations/*.sql
var migrations embed.FS

// Open opens or makes the file in dir, which exists. Errors are those of
// store.OpenFile.
func Open(ctx context.Context, dir string, o Options) (*Book, error) {
	if o.Clock == nil {
		o.Clock = clock.Real()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open open values: %w", err)
	}
	f, err := store.OpenFile(ctx, filepath.Join(dir, FileName), sub, store.Options{Log: o.Log, MaxPages: o.MaxPages})
	if err != nil {
		return nil, fmt.Errorf("open open values: %w", err)
	}
	return &Book{file: f, o: o, hub: newHub()}, nil
}

// Close ends every Watch and closes the file.
func (b *Book) Close() error {
	b.hub.close()
	return b.file.Close()
}

// sweepEvery is how often old values are looked for.
const sweepEvery = time.Hour

// Run erases what is older than its service keeps, until the context ends.
func (b *Book) Run(ctx context.Context) {
	for {
		if err := b.Sweep(ctx); err != nil && ctx.Err() == nil {
			b.o.Log.Error("old open values not erased", "error", err)
		}
		timer := b.o.Clock.NewTimer(sweepEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		}
	}
}

// known turns the store's word for nothing into this package's.
func known(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return ErrUnknown
	}
	return err
}

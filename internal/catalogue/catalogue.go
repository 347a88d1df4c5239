// Package catalogue is the services that a node's accounts offer to everybody.
// Each description is a document of the public log for good: a newer one of its
// name takes its place, and the last one says that the service has ended.
package catalogue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"primum/grant"
	"primum/internal/clock"
	"primum/internal/store"
	"primum/ledger"
)

// MaxList bounds one list of services.
const MaxList = 200

// Errors.
var (
	// ErrUnknown: no service of this name is offered.
	ErrUnknown = errors.New("no such service")
	// ErrProvider: the provider is no open account of this node.
	ErrProvider = errors.New("the provider is no account of this domain")
)

// Facts keeps documents; *store.Facts does.
type Facts interface {
	Add(ctx context.Context, f store.Fact) (sha256 string, added bool, err error)
	Newest(ctx context.Context, kind, name string) (store.Fact, error)
	Current(ctx context.Context, kind, after string, limit int) ([]store.Fact, error)
}

// Accounts knows who has an open account; *store.Accounts does.
type Accounts interface {
	Get(ctx context.Context, address string) (store.Account, error)
}

// Options of a Catalogue; all are needed.
type Options struct {
	Facts     Facts
	Accounts  Accounts
	Clock     clock.Clock
	Authority string // whose accounts may provide
}

// Catalogue is safe for concurrent use.
type Catalogue struct{ o Options }

// New makes a catalogue.
func New(o Options) *Catalogue { return &Catalogue{o} }

// Entry is one service that is offered now.
type Entry struct {
	grant.Service
	Raw    []byte // the document, byte for byte
	SHA256 string // of Raw, hexadecimal
	At     time.Time
	Index  uint64 // of its entry in the public log
}

// Get is the service of a name; ErrUnknown.
func (c *Catalogue) Get(ctx context.Context, name string) (Entry, error) {
	f, err := c.o.Facts.Newest(ctx, string(ledger.TypeService), name)
	if errors.Is(err, store.ErrNotFound) {
		return Entry{}, ErrUnknown
	}
	if err != nil {
		return Entry{}, err
	}
	e, ok := entry(f)
	if ok {
		ok, err = c.provided(ctx, e.Service)
	}
	if err != nil {
		return Entry{}, err
	}
	if !ok {
		return Entry{}, ErrUnknown
	}
	return e, nil
}

// provided tells whether there is an account to give to: one that was closed
// offers nothing any more.
func (c *Catalogue) provided(ctx context.Context, s grant.Service) (bool, error) {
	if len(s.Asks) == 0 {
		return true, nil
	}
	if s.Provider.Authority != c.o.Authority {
		return false, nil
	}
	_, err := c.o.Accounts.Get(ctx, s.Provider.String())
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// List lists services by name, those after a name, at most MaxList; next is
// where to go on, empty at the end.
func (c *Catalogue) List(ctx context.Context, after string) (all []Entry, next string, err error) {
	facts, err := c.o.Facts.Current(ctx, string(ledger.TypeService), after, MaxList)
	if err != nil {
		return nil, "", err
	}
	for _, f := range facts {
		e, ok := entry(f)
		if ok {
			ok, err = c.provided(ctx, e.Service)
		}
		if err != nil {
			return nil, "", err
		}
		if ok {
			all = append(all, e)
		}
	}
	if len(facts) == MaxList {
		next = facts[len(facts)-1].Name
	}
	return all, next, nil
}

// entry reads a document; one that has ended, or that an operator wrote in
// another form, is no entry.
func entry(f store.Fact) (Entry, bool) {
	s, err := grant.ParseService(f.Body)
	if err != nil || s.Ended || s.Name != f.Name {
		return Entry{}, false
	}
	return Entry{Service: s, Raw: f.Body, SHA256: f.SHA256, At: f.At, Index: f.Index}, true
}

// Check reads a description as Publish would take it. Errors: ErrProvider,
// grant.ErrDocument with the place.
func (c *Catalogue) Check(ctx context.Context, body []byte) (grant.Service, error) {
	s, err := grant.ParseService(body)
	if err != nil {
		return s, err
	}
	ok, err := c.provided(ctx, s)
	if err == nil && !ok {
		err = fmt.Errorf("%w, %s", ErrProvider, c.o.Authority)
	}
	return s, err
}

// Publish takes a description in that Check took. It is shown to everybody when
// it stands in the public log, within seconds. added is false where it is the
// newest of its name already.
func (c *Catalogue) Publish(ctx context.Context, s grant.Service, body []byte) (sha256 string, added bool, err error) {
	return c.o.Facts.Add(ctx, store.Fact{
		Type: string(ledger.TypeService), Name: s.Name, Kind: "application/json", Body: body, At: c.o.Clock.Now(),
	})
}

// End says that a service is offered no more. Grants that were given for it go
// on until their end, or until the person stops them. ErrUnknown.
func (c *Catalogue) End(ctx context.Context, name string) error {
	if _, err := c.Get(ctx, name); err != nil {
		return err
	}
	body, err := json.Marshal(grant.Service{V: 1, Name: name, Ended: true})
	if err != nil {
		return fmt.Errorf("end service: %w", err)
	}
	_, _, err = c.Publish(ctx, grant.Service{Name: name}, body)
	return err
}

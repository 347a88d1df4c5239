package edge

import (
	"context"
	"errors"
	"io"
)

// Edge is one running edge.
type Edge struct {
	config Config
}

// Open opens or makes the state folder. Nothing runs before Run.
func Open(c Config) (*Edge, error) { return &Edge{config: c}, nil }

// Run connects, discovers, serves the door and drives the anchor until the
// context ends. It returns nil then.
func (e *Edge) Run(ctx context.Context) error { return errors.ErrUnsupported }

// Close frees the state folder. Call it after Run has returned.
func (e *Edge) Close() error { return nil }

// Ready is closed when the door listens.
func (e *Edge) Ready() <-chan struct{} { return nil }

// ClaimURL is what `primum claim` takes; empty before Ready and without a door.
func (e *Edge) ClaimURL() string { return "" }

// NewCode opens the door for one claim within the next 120 s and returns the
// one-time code. An earlier code is void.
func (e *Edge) NewCode() (string, error) { return "", errors.ErrUnsupported }

// Overview lists the things with counts and problems.
func (e *Edge) Overview() Overview { return Overview{} }

// Accept takes the changed description of a thing (Status.Changed).
func (e *Edge) Accept(name string) error { return errors.ErrUnsupported }

// SetHistory switches the history of a thing on or off; off also erases it.
func (e *Edge) SetHistory(name string, on bool) error { return errors.ErrUnsupported }

// Backup writes what a restored edge needs: names, pinned descriptions,
// history, the thing's key. It holds no ratchet state. It may run while the
// edge runs.
func (e *Edge) Backup(w io.Writer) error { return errors.ErrUnsupported }

// Restore makes a state folder from a backup; the edge must then be claimed
// again by its owner, and its circles are opened anew.
func Restore(dir string, r io.Reader) error { return errors.ErrUnsupported }

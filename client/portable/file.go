// Package portable makes and reads the export of an account: one open file of
// everything that the person's client and their node hold, which another node's
// client imports. Source: docs/spec/export.md.
package portable

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"primum/grant"
	"primum/identity"
	"primum/internal/wire"
)

// Format and Version of the file.
const (
	Format  = "primum-export"
	Version = 2
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 1 << 30

// ErrFile: this is no export that this version can read.
var ErrFile = errors.New("this is not an export of an account")

// File is an export. Readers ignore members that they don't know.
type File struct {
	Format   string            `json:"format"`
	Version  int               `json:"version"`
	Made     time.Time         `json:"made"`
	Account  string            `json:"account"`
	Client   string            `json:"client"`   // that made it
	Identity string            `json:"identity"` // JWS
	Keep     json.RawMessage   `json:"keep,omitempty"`
	Node     []wire.NodeExport `json:"node"` // what the node holds, in pages
	NodeWhy  string            `json:"nodeMissing,omitempty"`
	People   []Person          `json:"people"`
	Given    []Grant           `json:"given"`
	Received []Grant           `json:"received"`
	Things   []Thing           `json:"things"`
	History  []Series          `json:"history"`
	Releases []Release         `json:"releases,omitempty"` // for the account that it moves to
	// Shown is what pages show, by the engine's methods (portal only).
	Shown map[string]json.RawMessage `json:"shown,omitempty"`
}

// Person is somebody known.
type Person struct {
	Account  string `json:"account"`
	Name     string `json:"name,omitempty"`
	Compared bool   `json:"compared"`
	Identity string `json:"identity,omitempty"` // JWS
}

// Grant is one given or received.
type Grant struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Owner     string    `json:"owner,omitempty"`
	Grantee   string    `json:"grantee,omitempty"`
	End       []byte    `json:"end,omitempty"`   // key of the thing's end; given only
	Share     []Shared  `json:"share,omitempty"` // given only: which of the own things
	Terms     string    `json:"terms,omitempty"` // JWS
	From      time.Time `json:"from,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	Receipt   string    `json:"receipt,omitempty"`   // JWS, of a stopped one
	Statement string    `json:"statement,omitempty"` // JWS, likewise
}

// Shared is one affordance of a given grant, by the owner's names.
type Shared struct {
	Thing     string          `json:"thing"`
	Name      string          `json:"name"`
	Title     string          `json:"title,omitempty"`
	Ops       []string        `json:"ops"`
	Precision grant.Precision `json:"precision"`
	Input     *grant.Input    `json:"input,omitempty"`
}

// Thing is an own thing.
type Thing struct {
	End         []byte          `json:"end"`    // key of its end: an edge, or the thing itself
	Number      uint64          `json:"number"` // of the present claim
	Home        string          `json:"home"`
	ID          string          `json:"id"`
	Title       string          `json:"title"`
	Description json.RawMessage `json:"description"` // Thing Description 1.1
}

// Series are the values of one affordance. They stay at the thing's end, too.
type Series struct {
	End    []byte  `json:"end"`
	Thing  string  `json:"thing"`
	Name   string  `json:"name"`
	Unit   string  `json:"unit,omitempty"`
	Every  string  `json:"every,omitempty"` // "PT1M": mean (numbers) or last value of such windows; empty: as measured
	Points []Point `json:"points"`
	Why    string  `json:"missing,omitempty"` // why there are none or not all
}

// Point is a time and a value: ["2026-11-22T14:00:00Z", 812].
type Point struct {
	At    time.Time
	Value json.RawMessage
}

// MarshalJSON writes a pair.
func (p Point) MarshalJSON() ([]byte, error) { return json.Marshal([2]any{p.At, p.Value}) }

// UnmarshalJSON reads a pair.
func (p *Point) UnmarshalJSON(b []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return errors.New("a point is a time and a value")
	}
	p.Value = pair[1]
	return json.Unmarshal(pair[0], &p.At)
}

// Release is an owner's word with which another account may claim a thing's end.
type Release struct {
	End     []byte `json:"end"`
	To      string `json:"to"`
	Release string `json:"release"` // JWS primum-release+jwt
}

// Parse reads a file and checks its form.
func Parse(b []byte) (f File, err error) {
	if len(b) > MaxSize {
		return f, fmt.Errorf("%w: larger than 1 GiB", ErrFile)
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return File{}, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if f.Format != Format {
		return File{}, fmt.Errorf("%w: its format is %q", ErrFile, f.Format)
	}
	if f.Version != Version {
		return File{}, fmt.Errorf("%w: version %d, this program reads version %d", ErrFile, f.Version, Version)
	}
	v, err := identity.First(f.Identity)
	if err != nil {
		return File{}, fmt.Errorf("%w: its identity document: %w", ErrFile, err)
	}
	if v.Address().String() != f.Account {
		return File{}, fmt.Errorf("%w: the identity document is another account's", ErrFile)
	}
	return f, nil
}

// ReleaseOf is the release of a thing's end for an account; empty for none.
func (f File) ReleaseOf(end []byte, to string) string {
	for _, r := range f.Releases {
		if string(r.End) == string(end) && r.To == to {
			return r.Release
		}
	}
	return ""
}

// Ends are the keys of the ends of the exported things, each once.
func (f File) Ends() (ends [][]byte) {
	known := make(map[string]bool)
	for _, t := range f.Things {
		if !known[string(t.End)] {
			known[string(t.End)] = true
			ends = append(ends, t.End)
		}
	}
	return ends
}

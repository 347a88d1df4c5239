package identity

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"primum/internal/jws"
)

// ErrPinChanged: the key is another one than on first use.
var ErrPinChanged = errors.New("the key has changed since first contact")

// Pin is a key as first seen.
type Pin struct {
	Key      jws.Bytes `json:"key"`
	Since    time.Time `json:"since"`
	Compared bool      `json:"compared"` // by short code, by two people
}

// Pins remembers keys by name (an account's address or a node's authority):
// trust on first use. The zero value is empty and ready; its JSON is its
// stored form. Not safe for concurrent use.
type Pins struct {
	Entries map[string]Pin `json:"entries"`
}

// Check pins key under name on first use and reports first; afterwards another
// key is ErrPinChanged.
func (p *Pins) Check(name string, key []byte, now time.Time) (first bool, err error) {
	pin, ok := p.Entries[name]
	if !ok {
		if p.Entries == nil {
			p.Entries = map[string]Pin{}
		}
		p.Entries[name] = Pin{Key: bytes.Clone(key), Since: now.UTC()}
		return true, nil
	}
	if !bytes.Equal(pin.Key, key) {
		return false, fmt.Errorf("%w: %s. If they did not tell you, ask them on another way; "+
			"then compare the six words again", ErrPinChanged, name)
	}
	return false, nil
}

// Get is the pin of name.
func (p *Pins) Get(name string) (Pin, bool) {
	pin, ok := p.Entries[name]
	return pin, ok
}

// Replace sets a key that is known to follow the pinned one (a recovery), or
// that a person confirmed. It counts as not compared.
func (p *Pins) Replace(name string, key []byte, now time.Time) {
	if p.Entries == nil {
		p.Entries = map[string]Pin{}
	}
	p.Entries[name] = Pin{Key: bytes.Clone(key), Since: now.UTC()}
}

// MarkCompared notes that two people compared the short code of name's key;
// it reports whether name is pinned to key.
func (p *Pins) MarkCompared(name string, key []byte) bool {
	pin, ok := p.Entries[name]
	if !ok || !bytes.Equal(pin.Key, key) {
		return false
	}
	pin.Compared = true
	p.Entries[name] = pin
	return true
}

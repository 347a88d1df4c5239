package engine

import (
	"maps"
	"slices"
)

// MethodsHere lists the methods that have a handler.
func (e *Engine) MethodsHere() []string { return slices.Sorted(maps.Keys(e.table)) }

// ParsePair reads a pairing code.
func ParsePair(code string) error {
	_, err := parsePair(code)
	return err
}

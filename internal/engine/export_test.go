package engine

import (
	"maps"
	"slices"
)

// MethodsHere lists the methods that have a handler.
func (e *Engine) MethodsHere() []string { return slices.Sorted(maps.Keys(e.table)) }

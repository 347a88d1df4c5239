// Package jsonpath finds values in a JSON document by a query of RFC 9535. It
// is ours because strangers write the queries: every step of an evaluation is
// counted against a budget, a query's size and nesting are bounded before it
// runs, and what a filter asks for can be read from the parsed query by who has
// an index (docs/decisions).
//
// Documents are values as encoding/json decodes them into an any, with numbers
// as float64 or json.Number. A Query is immutable: it may be used concurrently.
package jsonpath

import (
	"errors"
	"fmt"
)

// Bounds of a query.
const (
	MaxQuery = 2048 // bytes
	maxDepth = 24   // levels of brackets, parentheses and functions
	maxInt   = 1<<53 - 1
)

// ErrBudget is the error of an evaluation that took more steps than allowed.
var ErrBudget = errors.New("the query takes more steps than allowed")

// Error says where a query is not one.
type Error struct {
	Offset int // bytes before the place
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason) }

// Query is a parsed query.
type Query struct{ root path }

// path is a query below the root ("$") or the current node ("@").
type path struct {
	absolute bool
	segments []segment
}

// segment is a child segment, or a descendant one (RFC 9535 §2.5).
type segment struct {
	deep      bool
	selectors []selector
}

// selector is one of name, wildcard, index, slice and filter (RFC 9535 §2.3).
type selector struct {
	kind             kind
	name             string
	index            int // also the slice's start
	end, step        int
	hasStart, hasEnd bool
	filter           expression
}

type kind uint8

const (
	byName kind = iota
	wildcard
	byIndex
	bySlice
	byFilter
)

// expression is a logical expression of a filter: or, and, not, exists,
// *comparison, *call.
type expression any

type (
	or     []expression
	and    []expression
	not    struct{ of expression }
	exists struct{ path path }
)

type comparison struct {
	op          string
	left, right operand
}

// operand is a literal, a singular query, or a function's value: literal, path,
// *call.
type operand any

type literal struct{ value any }

type call struct {
	function function
	args     []any  // operand, path of nodes
	pattern  *regex // of a literal pattern
}

// relative tells whether no part of a path looks at the root but its beginning.
func (p path) relative() bool {
	for _, s := range p.segments {
		for _, sel := range s.selectors {
			if sel.filter != nil && !relative(sel.filter) {
				return false
			}
		}
	}
	return true
}

func relative(e any) bool {
	switch x := e.(type) {
	case or:
		return allRelative(x)
	case and:
		return allRelative(x)
	case not:
		return relative(x.of)
	case exists:
		return relative(x.path)
	case path:
		return !x.absolute && x.relative()
	case *comparison:
		return relative(x.left) && relative(x.right)
	case *call:
		for _, a := range x.args {
			if !relative(a) {
				return false
			}
		}
	}
	return true
}

func allRelative(list []expression) bool {
	for _, e := range list {
		if !relative(e) {
			return false
		}
	}
	return true
}

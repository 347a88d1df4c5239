package jsonpath

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// run is one evaluation.
type run struct {
	ctx   context.Context
	root  any
	steps *int // left
	err   error
}

// Select lists the nodes that a query selects, members of objects in the order
// of their names. steps is decreased by the work done; ErrBudget when it is used
// up, the context's error when that ended.
func (q *Query) Select(ctx context.Context, document any, steps *int) ([]any, error) {
	r := &run{ctx: ctx, root: document, steps: steps}
	var out []any
	r.follow(q.root.segments, document, func(v any) bool {
		out = append(out, v)
		return true
	})
	return out, r.err
}

// spend counts work; false when nothing more may be done.
func (r *run) spend(n int) bool {
	if r.err != nil {
		return false
	}
	if *r.steps -= n; *r.steps < 0 {
		r.err = ErrBudget
		return false
	}
	if *r.steps&1023 == 0 && r.ctx.Err() != nil {
		r.err = r.ctx.Err()
		return false
	}
	return true
}

// follow calls visit with each node the segments lead to, until it says no.
func (r *run) follow(segments []segment, node any, visit func(any) bool) bool {
	if !r.spend(1) {
		return false
	}
	if len(segments) == 0 {
		return visit(node)
	}
	next := func(v any) bool { return r.follow(segments[1:], v, visit) }
	if segments[0].deep {
		return r.descend(segments[0], node, next)
	}
	return r.children(segments[0], node, next)
}

// descend applies a descendant segment to a node and all below it.
func (r *run) descend(s segment, node any, visit func(any) bool) bool {
	return r.children(s, node, visit) && each(node, func(child any) bool {
		return r.spend(1) && r.descend(s, child, visit)
	})
}

func (r *run) children(s segment, node any, visit func(any) bool) bool {
	for _, sel := range s.selectors {
		if !r.spend(1) || !r.pick(sel, node, visit) {
			return false
		}
	}
	return true
}

func (r *run) pick(sel selector, node any, visit func(any) bool) bool {
	switch sel.kind {
	case byName:
		if m, ok := node.(map[string]any); ok {
			if v, ok := m[sel.name]; ok {
				return visit(v)
			}
		}
	case wildcard:
		return each(node, visit)
	case byIndex:
		list, _ := node.([]any)
		if i := normal(sel.index, len(list)); i >= 0 && i < len(list) {
			return visit(list[i])
		}
	case bySlice:
		list, _ := node.([]any)
		return sel.slice(list, visit)
	case byFilter:
		return each(node, func(v any) bool {
			if r.holds(sel.filter, v) {
				return visit(v)
			}
			return r.err == nil
		})
	}
	return true
}

// each visits the children of a node; of an object in the order of their names.
func each(node any, visit func(any) bool) bool {
	switch x := node.(type) {
	case []any:
		for _, v := range x {
			if !visit(v) {
				return false
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(x)) {
			if !visit(x[name]) {
				return false
			}
		}
	}
	return true
}

func normal(i, n int) int {
	if i < 0 {
		return n + i
	}
	return i
}

// slice is RFC 9535 §2.3.4.2.2.
func (sel selector) slice(list []any, visit func(any) bool) bool {
	n, step := len(list), sel.step
	if step == 0 {
		return true
	}
	start, end := sel.bounds(n)
	if step > 0 {
		for i := min(max(start, 0), n); i < min(max(end, 0), n); i += step {
			if !visit(list[i]) {
				return false
			}
		}
		return true
	}
	for i := min(max(start, -1), n-1); i > min(max(end, -1), n-1); i += step {
		if !visit(list[i]) {
			return false
		}
	}
	return true
}

func (sel selector) bounds(n int) (start, end int) {
	start, end = 0, n
	if sel.step < 0 {
		start, end = n-1, -n-1
	}
	if sel.hasStart {
		start = normal(sel.index, n)
	}
	if sel.hasEnd {
		end = normal(sel.end, n)
	} else if sel.step < 0 {
		end = -1
	}
	return start, end
}

// holds tests a logical expression for a node.
func (r *run) holds(e expression, current any) bool {
	if !r.spend(1) {
		return false
	}
	switch x := e.(type) {
	case or:
		return slices.ContainsFunc(x, func(e expression) bool { return r.holds(e, current) })
	case and:
		return !slices.ContainsFunc(x, func(e expression) bool { return !r.holds(e, current) })
	case not:
		return !r.holds(x.of, current)
	case exists:
		return r.first(x.path, current, func(any) {})
	case *comparison:
		return r.compare(x, current)
	case *call:
		return r.logical(x, current)
	}
	return false
}

// first tells whether a path leads anywhere, and hands over the first node.
func (r *run) first(p path, current any, take func(any)) bool {
	found := false
	r.follow(p.segments, r.start(p, current), func(v any) bool {
		take(v)
		found = true
		return false
	})
	return found
}

func (r *run) start(p path, current any) any {
	if p.absolute {
		return r.root
	}
	return current
}

// nothing is the absence of a value (RFC 9535 §2.4.1): equal to itself only.
type nothing struct{}

// value is what an operand stands for: a JSON value or nothing.
func (r *run) value(o operand, current any) any {
	switch x := o.(type) {
	case literal:
		return x.value
	case path:
		var v any = nothing{}
		r.first(x, current, func(found any) { v = found })
		return v
	case *call:
		return r.result(x, current)
	}
	return nothing{}
}

// compare is RFC 9535 §2.3.5.2.2.
func (r *run) compare(c *comparison, current any) bool {
	a, b := r.value(c.left, current), r.value(c.right, current)
	switch c.op {
	case "==":
		return r.equal(a, b)
	case "!=":
		return !r.equal(a, b)
	case "<":
		return less(a, b)
	case ">":
		return less(b, a)
	case "<=":
		return less(a, b) || r.equal(a, b)
	}
	return less(b, a) || r.equal(a, b)
}

func less(a, b any) bool {
	if x, ok := a.(string); ok {
		y, ok := b.(string)
		return ok && x < y
	}
	x, ok := number(a)
	y, both := number(b)
	return ok && both && x < y
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case json.Number:
		f, err := x.Float64()
		return f, err == nil
	case int:
		return float64(x), true
	}
	return 0, false
}

func (r *run) equal(a, b any) bool {
	if !r.spend(1) {
		return false
	}
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, r.equal)
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && maps.EqualFunc(x, y, r.equal)
	case string, bool, nil, nothing:
		switch b.(type) {
		case string, bool, nil, nothing:
			return a == b
		}
		return false
	}
	x, ok := number(a)
	y, both := number(b)
	return ok && both && x == y
}

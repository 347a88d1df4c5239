package audit

import (
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strings"
	"testing"
)

// comparing are the functions of the standard library whose time depends on
// where two byte strings differ, or on what one holds.
func comparing(fn *types.Func) bool {
	if fn.Pkg() == nil {
		return false
	}
	switch fn.Pkg().Path() {
	case "bytes", "strings", "slices", "maps", "reflect", "cmp":
	default:
		return false
	}
	for _, word := range []string{
		"Equal", "Compare", "Contains", "Index", "Prefix", "Suffix", "Trim", "Cut", "Count", "Search", "Sort", "Compact", "Less", "Min", "Max",
	} {
		if strings.Contains(fn.Name(), word) {
			return true
		}
	}
	return false
}

// bytesIn tells whether a value of the type holds bytes whose comparison takes
// longer the more of them agree: strings, and whatever has one, an array or an
// interface in it. Numbers and pointers have none.
func bytesIn(t types.Type, depth int) bool {
	if depth > 6 {
		return true
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Info()&types.IsString != 0
	case *types.Slice:
		return elementary(u.Elem()) || bytesIn(u.Elem(), depth+1)
	case *types.Array:
		return elementary(u.Elem()) || bytesIn(u.Elem(), depth+1)
	case *types.Struct:
		for f := range u.Fields() {
			if bytesIn(f.Type(), depth+1) {
				return true
			}
		}
		return false
	case *types.Interface:
		return !types.Identical(t, types.Universe.Lookup("error").Type())
	case *types.TypeParam:
		return true
	}
	return false
}

// elementary are elements that make a list a byte string.
func elementary(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Kind() == types.Uint8
}

// constantTime are the comparisons that a secret may meet.
func constantTime(fn *types.Func) bool {
	return fn.FullName() == "crypto/hmac.Equal" || fn.Pkg() != nil && fn.Pkg().Path() == "crypto/subtle"
}

// comparisons collects, by place, what compares byte strings: in time that
// depends on them (found), or not (safe).
type comparisons struct {
	*source
	fn          string
	found, safe map[string]bool
}

func compare(s *source) *comparisons {
	c := &comparisons{source: s, found: map[string]bool{}, safe: map[string]bool{}}
	s.functions(func(name string, body ast.Node) {
		c.fn = name
		ast.Inspect(body, c.visit)
	})
	return c
}

func (c *comparisons) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		c.call(n)
	case *ast.BinaryExpr:
		c.binary(n)
	case *ast.SwitchStmt:
		if n.Tag != nil && c.bytes(n.Tag) {
			c.add(n.Tag)
		}
	case *ast.IndexExpr:
		if m, ok := c.info.TypeOf(n.X).Underlying().(*types.Map); ok && bytesIn(m.Key(), 0) {
			c.add(n)
		}
	}
	return true
}

func (c *comparisons) add(e ast.Expr) { c.found[c.place(c.fn, e)] = true }

func (c *comparisons) bytes(e ast.Expr) bool { return bytesIn(c.info.TypeOf(e), 0) }

func (c *comparisons) call(n *ast.CallExpr) {
	fn := c.callee(n)
	if fn == nil {
		return
	}
	if constantTime(fn) {
		c.safe[c.place(c.fn, n)] = true
		return
	}
	if comparing(fn) && slices.ContainsFunc(n.Args, c.bytes) {
		c.add(n)
	}
}

func (c *comparisons) callee(n *ast.CallExpr) *types.Func {
	fun := ast.Unparen(n.Fun)
	if x, ok := fun.(*ast.IndexExpr); ok {
		fun = x.X
	}
	var id *ast.Ident
	switch f := fun.(type) {
	case *ast.SelectorExpr:
		id = f.Sel
	case *ast.Ident:
		id = f
	default:
		return nil
	}
	fn, _ := c.info.Uses[id].(*types.Func)
	return fn
}

// binary finds ==, != and the orders on strings, arrays and structs, and
// between single bytes of two byte strings, which a loop by hand would use.
// What stands beside a constant is no secret.
func (c *comparisons) binary(n *ast.BinaryExpr) {
	switch n.Op {
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ, token.XOR, token.SUB:
	default:
		return
	}
	if c.constant(n.X) || c.constant(n.Y) {
		return
	}
	if n.Op != token.XOR && n.Op != token.SUB && (c.bytes(n.X) || c.bytes(n.Y)) || c.element(n.X) && c.element(n.Y) {
		c.add(n)
	}
}

func (c *comparisons) constant(e ast.Expr) bool {
	tv := c.info.Types[e]
	return tv.Value != nil || tv.IsNil()
}

// element tells that e is a byte taken out of a byte string.
func (c *comparisons) element(e ast.Expr) bool {
	_, index := ast.Unparen(e).(*ast.IndexExpr)
	return index && elementary(c.info.TypeOf(e))
}

// TestComparisonsAreConstantTimeOrReviewed: whatever compares bytes in mls does
// so in constant time, or stands in the list of comparisons of public values
// with the reason why they are public.
func TestComparisonsAreConstantTimeOrReviewed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	var safe []string
	for _, s := range load(t) {
		c := compare(s)
		for _, place := range slices.Sorted(maps.Keys(c.found)) {
			if reviewed[place] == "" {
				t.Errorf("not in constant time, and no reviewer says why that is right:\n\t%q: \"\",", place)
			}
			used[place] = true
		}
		safe = slices.AppendSeq(safe, maps.Keys(c.safe))
	}
	for place := range reviewed {
		if !used[place] {
			t.Errorf("reviewed, but no longer in the sources: %s", place)
		}
	}
	slices.Sort(safe)
	for _, place := range []string{ // the only tags that MLS compares (RFC 9420 §6.1, §6.2)
		"mls/internal/schedule CheckConfirmation: hmac.Equal(ConfirmationTag(s, confirmation, transcript), tag)",
		"mls/internal/suite Suite.VerifyMAC: hmac.Equal(s.MAC(key, data), tag)",
	} {
		if !slices.Contains(safe, place) {
			t.Errorf("no longer there: %s", place)
		}
	}
	t.Logf("%d comparisons of public values reviewed; in constant time:\n\t%s", len(reviewed), strings.Join(safe, "\n\t"))
}

// TestComparisonsAreFound: each way to compare bytes is found by the search.
func TestComparisonsAreFound(t *testing.T) {
	t.Parallel()
	c := compare(sample(t, `package sample
import ("bytes"; "slices"; "strings"; "reflect"; "crypto/hmac"; "crypto/subtle")
type named [32]byte
type holder struct { n int; key named }
func bad(a, b []byte, x, y named, h, i holder, s string, m map[string]int, list [][]byte, v any) {
	_ = bytes.Equal(a, b)
	_ = bytes.Compare(a, b)
	_ = bytes.HasPrefix(a, b)
	_ = slices.Equal(a, b)
	_ = slices.Contains(strings.Fields(s), s)
	_ = slices.ContainsFunc(list, nil)
	_ = reflect.DeepEqual(a, b)
	_ = strings.EqualFold(s, string(a))
	_ = x == y
	_ = h != i
	_ = string(a) == string(b)
	_ = m[string(a)]
	_ = any(a) == v
	_ = [32]byte(a) == x
	for i := range a { if a[i] != b[i] { return }; _ = a[i] ^ b[i] }
	switch string(a) { case string(b): }
}
func good(a, b []byte, n, m int, p, q *holder, list []uint16) {
	_ = hmac.Equal(a, b)
	_ = subtle.ConstantTimeCompare(a, b)
	_ = n == m || p == q || len(a) == len(b) || a[0] == 4 || a == nil
	_ = slices.Contains(list, 1)
}`))
	if len(c.safe) != 2 || len(c.found) != 17 {
		t.Errorf("%d in constant time, want 2; %d not, want 17:\n%s", len(c.safe), len(c.found), strings.Join(slices.Sorted(maps.Keys(c.found)), "\n"))
	}
	for place := range c.found {
		if !strings.Contains(place, " bad: ") {
			t.Errorf("found without need: %s", place)
		}
	}
}

package primum_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// rows is the order of the packages. A package may import only packages that
// stand before a "<" to its left or on a line above, never one of its own
// group. "/*" stands for every package below. docs/architecture.md shows the
// same rows.
const rows = `
internal/clock internal/jws internal/durable internal/words internal/webtest internal/jsonpath mls/internal/codec mls/internal/vectors thing/id
< internal/sign ledger mls/internal/suite < mls/internal/cost mls/internal/tree < mls/internal/schedule < mls/internal/message < mls/internal/public < mls
< identity thing internal/mlsbench < grant thing/td < circle/internal/disk circle/internal/reduce < circle/internal/core
< circle/internal/anchor circle/internal/member < circle/internal/owner < circle < internal/wire < client/link < client < client/keys < client/* < oath oath/trace < oath/network oath/person internal/engine
< internal/edge/history internal/edge/mqtt < internal/edge/* < internal/edge/house < internal/edge
< internal/store internal/notary internal/certs < internal/store/storetest internal/peer internal/seen internal/meter internal/catalogue internal/linkset internal/directory internal/open
< internal/relay internal/resolve
< internal/consent internal/rights internal/answer < internal/door/* < internal/portal internal/operator
< internal/node < internal/app internal/local internal/setup < internal/scenario cmd/*
`

func TestImportsPointDown(t *testing.T) {
	groups := parseRows(rows)
	imports := packageImports(t)
	for pkg, deps := range imports {
		from, ok := groupOf(groups, pkg)
		if !ok {
			t.Errorf("package %s stands in no row", pkg)
			continue
		}
		for _, dep := range deps {
			if to, ok := groupOf(groups, dep); ok && to >= from {
				t.Errorf("%s imports %s, which does not stand below it", pkg, dep)
			}
		}
	}
	for _, group := range groups {
		for _, name := range group {
			if !anyMatch(imports, name) {
				t.Errorf("row names %s, which does not exist", name)
			}
		}
	}
}

func TestArchitectureShowsTheRows(t *testing.T) {
	b, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), strings.TrimSpace(rows)) {
		t.Error("docs/architecture.md does not show the rows of layers_test.go")
	}
}

func parseRows(s string) (groups [][]string) {
	for _, g := range strings.Split(strings.Join(strings.Fields(s), " "), "<") {
		groups = append(groups, strings.Fields(g))
	}
	return groups
}

// groupOf prefers an exact name over a pattern.
func groupOf(groups [][]string, pkg string) (int, bool) {
	found, ok := 0, false
	for i, group := range groups {
		for _, name := range group {
			if name == pkg {
				return i, true
			}
			if matches(name, pkg) {
				found, ok = i, true
			}
		}
	}
	return found, ok
}

func matches(name, pkg string) bool {
	prefix, pattern := strings.CutSuffix(name, "/*")
	if pattern {
		return strings.HasPrefix(pkg, prefix+"/")
	}
	return name == pkg
}

func anyMatch(imports map[string][]string, name string) bool {
	for pkg := range imports {
		if matches(name, pkg) {
			return true
		}
	}
	return false
}

// packageImports maps every package with non-test files to its imports from
// this module.
func packageImports(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && skipDir(file, d.Name()) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		pkg := path.Dir(filepath.ToSlash(file))
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		out[pkg] = append(out[pkg], ownImports(f.Imports)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func skipDir(file, name string) bool {
	if file == "." {
		return false
	}
	_, err := os.Stat(filepath.Join(file, "go.mod"))
	return err == nil || name == "testdata" || strings.HasPrefix(name, ".")
}

func ownImports(specs []*ast.ImportSpec) (out []string) {
	for _, spec := range specs {
		p, err := strconv.Unquote(spec.Path.Value)
		if own, ok := strings.CutPrefix(p, "primum/"); err == nil && ok {
			out = append(out, own)
		}
	}
	return out
}

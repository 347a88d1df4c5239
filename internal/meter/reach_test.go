package meter_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestRightsCanNotReachTheMeter: neither the package that serves rights nor any
// that it imports, however far, imports this one (requirement L11).
func TestRightsCanNotReachTheMeter(t *testing.T) {
	t.Parallel()
	root := os.DirFS(filepath.Join("..", ".."))
	from := map[string]string{"internal/rights": ""} // package → who imports it
	for todo := []string{"internal/rights"}; len(todo) > 0; todo = todo[1:] {
		for _, dep := range imports(t, root, todo[0]) {
			if _, seen := from[dep]; !seen {
				from[dep] = todo[0]
				todo = append(todo, dep)
			}
		}
	}
	if by, reached := from["internal/meter"]; reached {
		t.Errorf("internal/rights reaches internal/meter through %s", by)
	}
	if len(from) < 5 {
		t.Errorf("only %d packages were looked at", len(from))
	}
}

// imports lists the packages of this module that a package imports, outside of
// its tests.
func imports(t *testing.T, root fs.FS, pkg string) (all []string) {
	t.Helper()
	files, err := fs.Glob(root, pkg+"/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no files: %v", pkg, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := fs.ReadFile(root, file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, b, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if dep, own := strings.CutPrefix(path, "primum/"); own {
				all = append(all, dep)
			}
		}
	}
	return all
}

// Package audit reads the sources of mls and of its internal packages, with
// their types, and fails where they do what a reviewer has not agreed to.
package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// source is one package with its types.
type source struct {
	path  string // as imported
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
	types *types.Package
}

// listed is what `go list` says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles, Imports        []string
}

// sources are the packages of mls, without their tests. They are read once.
var sources = sync.OnceValues(loadSources)

func loadSources() ([]*source, error) {
	all, err := list("primum/mls/...")
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, p := range all {
		exports[p.ImportPath] = p.Export
	}
	var out []*source
	for _, p := range all {
		if !audited(p) {
			continue
		}
		s := &source{path: p.ImportPath, fset: token.NewFileSet()}
		for _, name := range p.GoFiles {
			if err := s.parse(filepath.Join(p.Dir, name), nil); err != nil {
				return nil, err
			}
		}
		if err := s.check(exports); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// audited leaves out what serves tests only.
func audited(p listed) bool {
	own := p.ImportPath == "primum/mls" || strings.HasPrefix(p.ImportPath, "primum/mls/")
	return own && len(p.GoFiles) > 0 && !slices.Contains(p.Imports, "testing")
}

// list asks for packages and all that they import, compiled.
func list(pattern ...string) (all []listed, err error) {
	args := append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,Imports"}, pattern...)
	cmd := exec.Command("go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.Join(err, errors.New(stderr.String()))
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

func (s *source) parse(file string, text any) error {
	f, err := parser.ParseFile(s.fset, file, text, parser.ParseComments|parser.SkipObjectResolution)
	s.files = append(s.files, f)
	return err
}

func (s *source) check(exports map[string]string) (err error) {
	s.info = &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	lookup := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	conf := types.Config{Importer: importer.ForCompiler(s.fset, "gc", lookup)}
	s.types, err = conf.Check(s.path, s.fset, s.files, s.info)
	return err
}

// sample makes a source of a text, for tests of the tests.
func sample(t *testing.T, text string) *source {
	t.Helper()
	all, err := list("bytes", "slices", "strings", "reflect", "maps", "crypto", "crypto/hmac", "crypto/subtle", "crypto/ed25519", "errors", "fmt")
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for _, p := range all {
		exports[p.ImportPath] = p.Export
	}
	s := sampleFile(t, text)
	if err := s.check(exports); err != nil {
		t.Fatal(err)
	}
	return s
}

// sampleFile is a source of a text without types.
func sampleFile(t *testing.T, text string) *source {
	t.Helper()
	s := &source{path: "sample", fset: token.NewFileSet()}
	if err := s.parse("sample.go", text); err != nil {
		t.Fatal(err)
	}
	return s
}

// load gives the sources or ends the test.
func load(t *testing.T) []*source {
	t.Helper()
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 5 {
		t.Fatalf("only %d packages were read", len(all))
	}
	return all
}

// place names a finding: package, function, expression. Line numbers would
// change with every edit.
func (s *source) place(fn string, e ast.Node) string {
	return strings.TrimPrefix(s.path, "primum/") + " " + fn + ": " + s.text(e)
}

// text is an expression as it stands in the file.
func (s *source) text(e ast.Node) string {
	if x, ok := e.(ast.Expr); ok {
		return types.ExprString(x)
	}
	return "?"
}

// functions calls do for every function with a body, and for what stands
// outside of any.
func (s *source) functions(do func(name string, body ast.Node)) {
	for _, f := range s.files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				do("-", d)
				continue
			}
			do(name(fn), fn)
		}
	}
}

// name is "Func" or "Type.Method".
func name(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	recv := fn.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	if index, ok := recv.(*ast.IndexExpr); ok {
		recv = index.X
	}
	return types.ExprString(recv) + "." + fn.Name.Name
}

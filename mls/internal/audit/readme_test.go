package audit

import (
	"fmt"
	"go/importer"
	"go/types"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeCompiles checks the types of the quick start in mls/README.md.
func TestReadmeCompiles(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(code) != 1 {
		t.Fatalf("%d blocks of Go in the page, want one", len(code))
	}
	text := fmt.Sprintf(`package sample
import ("crypto"; "time"; "primum/mls")
func start(annaKey, benKey crypto.Signer, groupID []byte) {
%s
_ = []any{kp, priv, anna, staged, ben, msg, received, state, err}
}`, code[0][1])
	all, err := list("primum/mls", "time", "crypto")
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for _, p := range all {
		exports[p.ImportPath] = p.Export
	}
	s := sampleFile(t, text)
	conf := types.Config{
		Importer: importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }),
	}
	if _, err := conf.Check("sample", s.fset, s.files, nil); err != nil {
		t.Error(err)
	}
}

// TestReadmeNamesEveryExample: who reads the page finds each use.
func TestReadmeNamesEveryExample(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("../../example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^func (Example\w*)\(`).FindAllStringSubmatch(string(source), -1)
	if len(names) < 10 {
		t.Fatalf("only %d examples", len(names))
	}
	for _, m := range names {
		if !strings.Contains(string(page), "`"+m[1]+"`") {
			t.Errorf("mls/README.md does not name %s", m[1])
		}
	}
}

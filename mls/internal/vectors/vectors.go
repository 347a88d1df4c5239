// Package vectors reads the test vectors of the MLS working group for the
// tests of mls. They are not part of the module: they lie in
// ../shared/data/mls-vectors beside it, and tests skip where they are absent.
package vectors

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Hex is a byte string that the files hold in hexadecimal.
type Hex []byte

// UnmarshalText decodes hexadecimal.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

// Each runs f on every row of a file (a name below mls-vectors, without
// .json.gz) and prints how many rows ran. Rows for which f returns false count
// as skipped by suite.
func Each[T any](t *testing.T, name string, f func(t *testing.T, i int, row T) bool) {
	t.Helper()
	ran, of := each(t, name, f)
	t.Logf("vectors: %d of %d rows run, %d skipped by suite (%s)", ran, of, of-ran, name)
}

// Again is Each for a further test of the same rows: it prints a line that does
// not count as vectors run.
func Again[T any](t *testing.T, name string, f func(t *testing.T, i int, row T) bool) {
	t.Helper()
	ran, of := each(t, name, f)
	t.Logf("again %d of %d rows (%s)", ran, of, name)
}

func each[T any](t *testing.T, name string, f func(t *testing.T, i int, row T) bool) (ran, of int) {
	t.Helper()
	var rows []T
	load(t, name, &rows)
	for i, row := range rows {
		if f(t, i, row) {
			ran++
		}
	}
	return ran, len(rows)
}

func load(t *testing.T, name string, rows any) {
	t.Helper()
	shared := filepath.Join(root(t), "..", "shared")
	file, err := os.Open(filepath.Join(shared, "data", "mls-vectors", filepath.FromSlash(name)+".json.gz"))
	if err != nil {
		if _, there := os.Stat(shared); there == nil && os.Getenv("PRIMUM_NEED_ALL") == "1" {
			t.Fatalf("vectors are missing beside the module: %v", err)
		}
		t.Skipf("vectors are not here: %v", err)
	}
	defer func() { _ = file.Close() }()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatalf("open %s: %v", name, err)
	}
	if err := json.NewDecoder(z).Decode(rows); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
}

// root is the directory of go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = up
	}
}

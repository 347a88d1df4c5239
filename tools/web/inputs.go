package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// inputs are the folders and files that the pages are built from.
var inputs = []string{
	"go.mod", "go.sum", "cmd/engine", "client", "circle", "grant", "mls", "identity", "thing",
	"internal", "tools/web", "tools/go.mod",
}

// fingerprint changes when an input does: its name, size or time.
func (t tree) fingerprint() (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, runtime.Version(), t.best)
	for _, in := range inputs {
		err := filepath.WalkDir(filepath.Join(t.root, in), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if d.Name() == "dist" || d.Name() == "testdata" || d.Name() == "node_modules" {
					return filepath.SkipDir
				}
				return nil
			}
			if !counts(path) {
				return nil
			}
			st, err := d.Info()
			if err != nil {
				return err
			}
			fmt.Fprintln(sum, path, st.Size(), st.ModTime().UnixNano())
			return nil
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func counts(path string) bool {
	if strings.HasSuffix(path, "_test.go") {
		return false
	}
	switch filepath.Ext(path) {
	case ".go", ".mod", ".sum", ".ts", ".css", ".json", ".svg", ".png", ".txt":
		return true
	}
	return false
}

// whole tells whether what the last build made is still there.
func (t tree) whole() bool {
	_, err := os.Stat(t.pack())
	return err == nil
}

// writeChanged leaves a file that has this content alone, so that its time stays.
func writeChanged(path string, b []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, b, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

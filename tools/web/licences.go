package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// licences appends to each bundle the licences of what others wrote in it. The
// metafile of esbuild tells which inputs went into which output.
func (t tree) licences(all []bundled, metafile string) error {
	var meta struct {
		Outputs map[string]struct {
			Inputs map[string]struct{} `json:"inputs"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(metafile), &meta); err != nil {
		return fmt.Errorf("read metafile: %w", err)
	}
	inputs := map[string][]string{} // by the output's base name
	for path, out := range meta.Outputs {
		for in := range out.Inputs {
			inputs[filepath.Base(path)] = append(inputs[filepath.Base(path)], in)
		}
	}
	for i, b := range all {
		for _, of := range licensed(inputs[filepath.Base(b.path)]) {
			text, err := t.licence(of)
			if err != nil {
				return err
			}
			all[i].body = fmt.Appendf(all[i].body, "/*! %s\n%s*/\n", of, strings.ReplaceAll(text, "*/", "* /"))
		}
	}
	return nil
}

// licensed names the packages among inputs, "go" for Go's own file.
func licensed(inputs []string) []string {
	var all []string
	for _, in := range inputs {
		if _, after, ok := strings.Cut(filepath.ToSlash(in), "node_modules/"); ok {
			name, _, _ := strings.Cut(after, "/")
			all = append(all, name)
		} else if strings.HasSuffix(in, "wasm_exec.js") {
			all = append(all, "go")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (t tree) licence(of string) (string, error) {
	path := filepath.Join(t.npm, "node_modules", of, "LICENSE")
	if of == "go" {
		path = filepath.Join(t.goroot, "LICENSE")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("licence of %s: %w", of, err)
	}
	return string(b), nil
}

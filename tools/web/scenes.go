package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// scenes bundles the portal on a scripted engine for tests of its pages, with
// styles and catalogues, into .local/web/scenes; names.json there maps logical
// names to paths. None of it is ever in dist.
func (t tree) scenes() error {
	if err := t.prepare(); err != nil {
		return err
	}
	o := t.options()
	o.EntryPoints = []string{filepath.Join(t.web, "src", "scenes.ts")}
	o.Splitting = true
	files, err := t.run(o)
	if err != nil {
		return err
	}
	sheets, err := t.style()
	if err != nil {
		return err
	}
	words, err := t.catalogues()
	if err != nil {
		return err
	}
	files = append(files, sheets...)
	for name, body := range words {
		files = append(files, bundled{name: name, path: "/assets/" + name, body: body})
	}
	return writeScenes(filepath.Join(t.cache, "scenes"), files)
}

func writeScenes(dir string, files []bundled) error {
	if err := os.MkdirAll(filepath.Join(dir, "assets"), 0o755); err != nil {
		return err
	}
	names := map[string]string{}
	for _, f := range files {
		if f.name != "chunk.js" { // chunks share a name; the bundles know their paths
			names[f.name] = f.path
		}
		if err := writeChanged(filepath.Join(dir, filepath.FromSlash(f.path)), f.body); err != nil {
			return fmt.Errorf("write scenes: %w", err)
		}
	}
	b, err := json.Marshal(names)
	if err != nil {
		return err
	}
	return writeChanged(filepath.Join(dir, "names.json"), b)
}

package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// manifest lists what was built; internal/portal serves it.
type manifest struct {
	Version string  `json:"version"` // changes with any asset
	Assets  []asset `json:"assets"`
}

type asset struct {
	Name   string `json:"name"` // logical: "my.js"
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

func (t tree) dist() string { return filepath.Join(t.web, "dist") }

// pack is the one file that a build makes, so that who compiles meanwhile has
// all of one build or all of another.
func (t tree) pack() string { return filepath.Join(t.dist(), "pages.zip") }

// emit builds everything and replaces what stood in dist.
func (t tree) emit() error {
	all, err := t.assets()
	if err != nil {
		return err
	}
	m := manifest{}
	for _, a := range all {
		sum := sha256.Sum256(a.body)
		m.Assets = append(m.Assets, asset{a.name, a.path, hex.EncodeToString(sum[:]), int64(len(a.body))})
	}
	slices.SortFunc(m.Assets, func(a, b asset) int { return strings.Compare(a.Path, b.Path) })
	m.Version = version(m.Assets)
	b, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	packed, err := t.packed(all, append(b, '\n'))
	if err != nil {
		return err
	}
	fresh := filepath.Join(t.cache, "pages.zip") // not beside it: what is there is embedded
	if err := writeChanged(fresh, packed); err != nil {
		return err
	}
	if err := os.Rename(fresh, t.pack()); err != nil {
		return err
	}
	return t.clear()
}

// packed is manifest.json, the assets, and beside each its compressed form, as
// a zip archive that depends on nothing else.
func (t tree) packed(all []bundled, manifest []byte) ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	add := func(name string, method uint16, b []byte) error {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	}
	if err := add("manifest.json", zip.Deflate, manifest); err != nil {
		return nil, err
	}
	for _, a := range all {
		name := strings.TrimPrefix(a.path, "/")
		if err := add(name, zip.Deflate, a.body); err != nil {
			return nil, err
		}
		if filepath.Ext(name) == ".png" {
			continue
		}
		small, err := t.squeeze(a.body)
		if err != nil {
			return nil, fmt.Errorf("compress %s: %w", name, err)
		}
		if err := add(name+".br", zip.Store, small); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return out.Bytes(), err
}

// assets makes all files, in the order in which they know each other's names:
// the service worker last, because it lists all others.
func (t tree) assets() ([]bundled, error) {
	wasm, err := t.engine()
	if err != nil {
		return nil, err
	}
	all := []bundled{named("engine.wasm", wasm)}
	for _, part := range []func() ([]bundled, error){
		t.words, t.static, t.style, t.pages,
		func() ([]bundled, error) { return t.alone("worker", nil) },
		func() ([]bundled, error) { return t.alone("operator", nil) },
	} {
		more, err := part()
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	constants, err := t.shell(all)
	if err != nil {
		return nil, err
	}
	sw, err := t.alone("sw", constants)
	return append(all, sw...), err
}

// shell tells the service worker what to keep for when there is no network.
func (t tree) shell(all []bundled) (map[string]string, error) {
	paths := []string{}
	for _, a := range all {
		paths = append(paths, a.path)
	}
	slices.Sort(paths)
	list, err := json.Marshal(paths)
	if err != nil {
		return nil, err
	}
	sentences, err := t.pushSentences()
	if err != nil {
		return nil, err
	}
	name := sha256.Sum256(list)
	return map[string]string{
		"ASSETS": string(list), "SENTENCES": string(sentences),
		"VERSION": strconv.Quote(hex.EncodeToString(name[:4])),
	}, nil
}

func (t tree) words() ([]bundled, error) {
	files, err := t.catalogues()
	if err != nil {
		return nil, err
	}
	var all []bundled
	for name, b := range files {
		all = append(all, named(name, b))
	}
	slices.SortFunc(all, func(a, b bundled) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// static takes what needs no build: icons.
func (t tree) static() ([]bundled, error) {
	paths, err := filepath.Glob(filepath.Join(t.web, "static", "*"))
	if err != nil {
		return nil, err
	}
	var all []bundled
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		all = append(all, named(filepath.Base(p), b))
	}
	return all, nil
}

// named puts the hash of a file into its name.
func named(name string, b []byte) bundled {
	sum := sha256.Sum256(b)
	ext := filepath.Ext(name)
	return bundled{name, "/assets/" + strings.TrimSuffix(name, ext) + "." + strings.ToUpper(hex.EncodeToString(sum[:4])) + ext, b}
}

func version(assets []asset) string {
	sum := sha256.New()
	for _, a := range assets {
		fmt.Fprintln(sum, a.Path, a.SHA256)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// clear removes what a build of another version of this tool left.
func (t tree) clear() error {
	old, err := filepath.Glob(filepath.Join(t.dist(), "*"))
	if err != nil {
		return err
	}
	for _, o := range old {
		if o != t.pack() && filepath.Base(o) != ".keep" {
			if err := os.RemoveAll(o); err != nil {
				return err
			}
		}
	}
	return nil
}

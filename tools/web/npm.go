package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

//go:embed packages.json
var pinned []byte

const (
	registry   = "https://registry.npmjs.org/"
	maxTarball = 32 << 20
)

// npmPackage is a pin: what is fetched has this SHA-512 or is not used.
type npmPackage struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Integrity string `json:"integrity"` // "sha512-" and base64, as npm writes it
}

func (p npmPackage) file() string { return p.Name + "-" + p.Version + ".tgz" }

// fetchPackages puts the pinned packages where bundler and type checker look
// for them: web/node_modules, a link into .local.
func (t tree) fetchPackages() error {
	var packages []npmPackage
	if err := json.Unmarshal(pinned, &packages); err != nil {
		return fmt.Errorf("packages.json: %w", err)
	}
	modules := filepath.Join(t.npm, "node_modules")
	for _, p := range packages {
		mark := filepath.Join(modules, p.Name, ".pin")
		if b, err := os.ReadFile(mark); err == nil && string(b) == p.Integrity {
			continue
		}
		b, err := t.tarball(p)
		if err != nil {
			return fmt.Errorf("fetch npm package %s %s: %w", p.Name, p.Version, err)
		}
		if err := unpack(b, filepath.Join(modules, p.Name)); err != nil {
			return fmt.Errorf("unpack npm package %s: %w", p.Name, err)
		}
		if err := writeChanged(mark, []byte(p.Integrity)); err != nil {
			return err
		}
	}
	link := filepath.Join(t.web, "node_modules")
	if to, err := os.Readlink(link); err == nil && to == modules {
		return nil
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(modules, link)
}

// tarball reads a package from the cache or the registry and checks it.
func (t tree) tarball(p npmPackage) ([]byte, error) {
	cached := filepath.Join(t.npm, p.file())
	if b, err := os.ReadFile(cached); err == nil && p.is(b) {
		return b, nil
	}
	client := http.Client{Timeout: 2 * time.Minute}
	answer, err := client.Get(registry + p.Name + "/-/" + p.file())
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the registry says %s", answer.Status)
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxTarball))
	if err != nil {
		return nil, err
	}
	if !p.is(b) {
		return nil, errors.New("its SHA-512 is not the pinned one")
	}
	return b, writeChanged(cached, b)
}

func (p npmPackage) is(b []byte) bool {
	sum := sha512.Sum512(b)
	return "sha512-"+base64.StdEncoding.EncodeToString(sum[:]) == p.Integrity
}

// unpack writes the files of an npm tarball below dir.
func unpack(b []byte, dir string) error {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, _ := strings.Cut(path.Clean(h.Name), "/") // "package/…"
		if h.Typeflag != tar.TypeReg || !filepath.IsLocal(name) {
			continue
		}
		content, err := io.ReadAll(io.LimitReader(r, maxTarball))
		if err != nil {
			return err
		}
		if err := writeChanged(filepath.Join(dir, filepath.FromSlash(name)), content); err != nil {
			return err
		}
	}
}

func (t tree) printAxe() error {
	if err := t.fetchPackages(); err != nil {
		return err
	}
	fmt.Println(filepath.Join(t.npm, "node_modules", "axe-core", "axe.min.js"))
	return nil
}

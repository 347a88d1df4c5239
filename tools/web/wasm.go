package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/andybalholm/brotli"
)

// engineFlags make the engine small: code is not copied into its callers, but
// in the packages where that would cost most of their speed.
func engineFlags() []string {
	flags := []string{"-trimpath", "-ldflags=-s -w", "-buildvcs=false", "-gcflags=all=-l"}
	for _, fast := range []string{"edwards25519/...", "sha256", "sha512", "sha3", "aes/...", "mlkem", "subtle"} {
		flags = append(flags, "-gcflags=crypto/internal/fips140/"+fast+"=")
	}
	return flags
}

// engine compiles cmd/engine.
func (t tree) engine() ([]byte, error) {
	out := filepath.Join(t.cache, "engine.wasm")
	overlay, err := t.overlay()
	if err != nil {
		return nil, fmt.Errorf("build the engine: %w", err)
	}
	c := exec.Command("go", append(append([]string{"build"}, engineFlags()...), "-overlay", overlay, "-o", out, "./cmd/engine")...)
	c.Dir = t.root
	c.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if msg, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the engine: %w\n%s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	return strip(b)
}

// overlay writes which files of the standard library are others in the engine:
// those below cmd/engine/overlay, which say why; an empty one is left out.
func (t tree) overlay() (string, error) {
	from := filepath.Join(t.root, "cmd", "engine", "overlay")
	replace := map[string]string{}
	err := filepath.WalkDir(from, func(file string, d fs.DirEntry, err error) error {
		name, ok := strings.CutSuffix(file, ".txt")
		if err != nil || !ok || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() == 0 {
			file = "" // it is not there
		}
		replace[filepath.Join(t.goroot, "src", strings.TrimPrefix(name, from))] = file
		return err
	})
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	out := filepath.Join(t.cache, "overlay.json")
	return out, writeChanged(out, b)
}

// printSize prints where the engine is, its bytes, and its compressed bytes.
func (t *tree) printSize() error {
	t.best = true
	b, err := t.engine()
	if err != nil {
		return err
	}
	stripped := filepath.Join(t.cache, "engine.stripped.wasm")
	if err := writeChanged(stripped, b); err != nil {
		return err
	}
	small, err := t.squeeze(b)
	if err != nil {
		return err
	}
	fmt.Println(stripped, len(b), len(small))
	return nil
}

// squeeze compresses with brotli. Results of big files are kept by content.
func (t tree) squeeze(b []byte) ([]byte, error) {
	quality := 11
	if len(b) > 1<<20 && !t.best {
		quality = 5
	}
	sum := sha256.Sum256(b)
	kept := filepath.Join(t.cache, fmt.Sprintf("%s.q%d.br", hex.EncodeToString(sum[:16]), quality))
	if len(b) > 1<<20 {
		if c, err := os.ReadFile(kept); err == nil {
			return c, nil
		}
	}
	var out bytes.Buffer
	w := brotli.NewWriterOptions(&out, brotli.WriterOptions{Quality: quality, LGWin: 24})
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if len(b) > 1<<20 {
		return out.Bytes(), t.keepOnly(kept, out.Bytes())
	}
	return out.Bytes(), nil
}

// keepOnly writes a result and forgets older ones of its quality.
func (t tree) keepOnly(path string, b []byte) error {
	old, err := filepath.Glob(filepath.Join(t.cache, "*"+filepath.Ext(path[:len(path)-len(".br")])+".br"))
	if err != nil {
		return err
	}
	for _, o := range old {
		if err := os.Remove(o); err != nil {
			return err
		}
	}
	return writeChanged(path, b)
}

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/andybalholm/brotli"
)

// engineFlags make the engine small: code is not copied into its callers, but
// in the packages where that would cost most of their speed.
var engineFlags = []string{
	"-trimpath", "-ldflags=-s -w", "-gcflags=all=-l", "-gcflags=crypto/...=", "-buildvcs=false",
}

// engine compiles cmd/engine.
func (t tree) engine() ([]byte, error) {
	out := filepath.Join(t.cache, "engine.wasm")
	c := exec.Command("go", append(append([]string{"build"}, engineFlags...), "-o", out, "./cmd/engine")...)
	c.Dir = t.root
	c.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if msg, err := c.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the engine: %w\n%s", err, msg)
	}
	return os.ReadFile(out)
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

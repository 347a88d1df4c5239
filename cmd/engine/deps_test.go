package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What a browser loads holds no network stack, no tables that the browser has,
// and no files of secrets: each would be a large part of it.
func TestWhatTheEngineLeavesOut(t *testing.T) {
	t.Parallel()
	c := exec.Command("go", "list", "-deps", ".")
	c.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, "primum/internal/engine") {
		t.Fatalf("what is this: %v", deps)
	}
	for _, d := range deps {
		for _, no := range []string{
			"net", "net/http", "crypto/tls", "crypto/x509", "crypto/ecdsa", "crypto/rsa", "regexp", "text/template", "html/template",
			"encoding/gob", "encoding/xml", "database/sql", "primum/client/vault", "primum/client/nethttp", "filippo.io/age",
		} {
			if d == no {
				t.Errorf("the engine holds %s", d)
			}
		}
		for _, no := range []string{"golang.org/x/text/", "golang.org/x/net/", "github.com/coder/"} {
			if strings.HasPrefix(d, no) {
				t.Errorf("the engine holds %s", d)
			}
		}
	}
}

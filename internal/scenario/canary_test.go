package scenario

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canaryForms are the spellings under which a canary could lie at a node:
// plain, base64 and base64url at three offsets, hex, JSON- and URL-escaped.
func canaryForms(canary string) map[string][]byte {
	forms := map[string][]byte{
		"plain":      []byte(canary),
		"hex":        []byte(hex.EncodeToString([]byte(canary))),
		"HEX":        []byte(strings.ToUpper(hex.EncodeToString([]byte(canary)))),
		"JSON":       escapeAll(canary, `\u%04x`),
		"JSON, caps": escapeAll(canary, `\u%04X`),
		"URL":        escapeAll(canary, "%%%02x"),
		"URL, caps":  escapeAll(canary, "%%%02X"),
		"UTF-16":     []byte(strings.Join(strings.Split(canary, ""), "\x00")),
	}
	for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		for offset := range 3 {
			forms[fmt.Sprintf("%s+%d", name, offset)] = base64At(enc, canary, offset)
		}
	}
	return forms
}

func escapeAll(s, format string) []byte {
	var b bytes.Buffer
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, format, c)
	}
	return b.Bytes()
}

// base64At is the part of the encoding that does not depend on what stands
// before and behind s, when s begins at the offset modulo 3.
func base64At(enc *base64.Encoding, s string, offset int) []byte {
	first := (offset*8 + 5) / 6       // characters that mix in earlier bytes
	last := (offset + len(s)) * 8 / 6 // characters that s determines alone
	full := enc.EncodeToString(append(make([]byte, offset), s...))
	return []byte(full[first:last])
}

// searchTree reports where below root (a file or a folder) a form occurs.
func searchTree(t *testing.T, root string, forms map[string][]byte) (found []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		hits, err := searchFile(path, forms)
		found = append(found, hits...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// searchFile reads a file in overlapping blocks, however large it is.
func searchFile(path string, forms map[string][]byte) (found []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	const block, overlap = 4 << 20, 1 << 10
	seen := map[string]bool{}
	buf := make([]byte, 0, block+overlap)
	for {
		n, err := io.ReadFull(f, buf[len(buf):len(buf)+block])
		buf = buf[:len(buf)+n]
		for name, form := range forms {
			if !seen[name] && bytes.Contains(buf, form) {
				seen[name] = true
				found = append(found, path+": "+name)
			}
		}
		if err != nil {
			return found, ignoreEOF(err)
		}
		keep := min(overlap, len(buf))
		buf = buf[:copy(buf[:keep], buf[len(buf)-keep:])]
	}
}

func ignoreEOF(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

func TestCanarySearchFindsEveryForm(t *testing.T) {
	const canary = "k7Jq-Zp3_wX9vLm2RtY5bN8c"
	forms := canaryForms(canary)
	if len(forms) != 14 {
		t.Fatalf("%d forms", len(forms))
	}
	dir := t.TempDir()
	for name, form := range forms {
		// Across the border of two blocks, where a careless search misses it.
		content := append(bytes.Repeat([]byte{'.'}, 4<<20-5), form...)
		if err := os.WriteFile(filepath.Join(dir, "f"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := searchTree(t, dir, map[string][]byte{name: form}); len(got) != 1 {
			t.Errorf("%s: found %v", name, got)
		}
	}
	for offset := range 7 {
		text := strings.Repeat("x", offset) + canary + "tail"
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			path := filepath.Join(dir, "f")
			if err := os.WriteFile(path, []byte(enc.EncodeToString([]byte(text))), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := searchTree(t, path, forms); len(got) == 0 {
				t.Errorf("base64 at offset %d not found", offset)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("nothing here"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := searchTree(t, dir, forms); got != nil {
		t.Errorf("found in an innocent file: %v", got)
	}
}

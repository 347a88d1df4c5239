package scenario

import (
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"primum/internal/wire"
)

// secretBytes are windows of a circle's secret state.
type secretBytes map[[24]byte]bool

// circleSecrets takes what an anchor's files hold of one circle's keys.
func circleSecrets(t *testing.T, dir string, c wire.CircleID) secretBytes {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "c-"+c.String()+".part"))
	if err != nil {
		t.Fatal(err)
	}
	var st struct{ Group, Seed []byte }
	if err := json.Unmarshal(b, &st); err != nil || len(st.Group) == 0 || len(st.Seed) == 0 {
		t.Fatalf("the circle's part has no keys: %v", err)
	}
	all := secretBytes{}
	all.add(st.Group)
	all.add(st.Seed)
	return all
}

func (s secretBytes) add(b []byte) {
	for i := 0; i+24 <= len(b); i++ {
		w := [24]byte(b[i:])
		different := map[byte]bool{}
		for _, c := range w {
			different[c] = true
		}
		if len(different) > 16 { // random, not a run of zeros or text
			s[w] = true
		}
	}
}

var base64Run = regexp.MustCompile(`[A-Za-z0-9+/_-]{32,}`)

// in searches all files below dir, as they are and what is base64 in them.
func (s secretBytes) in(t *testing.T, dir string) (found bool) {
	t.Helper()
	eachText(t, dir, func(path string, text []byte) {
		if s.holds(text) {
			t.Logf("found in %s", path)
			found = true
		}
	})
	return found
}

// without leaves out what stands below dir: what a node knows is no secret.
func (s secretBytes) without(t *testing.T, dir string) secretBytes {
	t.Helper()
	eachText(t, dir, func(_ string, text []byte) {
		for i := 0; i+24 <= len(text); i++ {
			delete(s, [24]byte(text[i:]))
		}
	})
	return s
}

// eachText calls f with the content of every file, and all that is base64 in
// it, at any offset; twice over, for what is written inside documents.
func eachText(t *testing.T, dir string, f func(path string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f(path, b)
		for _, once := range unpacked(b) {
			f(path, once)
			for _, twice := range unpacked(once) {
				f(path, twice)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func unpacked(b []byte) (all [][]byte) {
	for _, run := range base64Run.FindAll(b, -1) {
		plain := strings.NewReplacer("-", "+", "_", "/").Replace(string(run))
		for offset := range 4 {
			part := plain[offset:]
			d, _ := base64.RawStdEncoding.DecodeString(part[:len(part)/4*4])
			all = append(all, d)
		}
	}
	return all
}

func (s secretBytes) holds(b []byte) bool {
	for i := 0; i+24 <= len(b); i++ {
		if s[[24]byte(b[i:])] {
			return true
		}
	}
	return false
}

package audit

import (
	"go/ast"
	"go/types"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed is everything that mls is built on: the standard library, and of it
// nothing that reaches a file, a network, a log or memory behind Go's back.
// log/slog is there for LogValue, which hides secrets.
var allowed = []string{
	"bytes", "cmp", "crypto", "crypto/aes", "crypto/cipher", "crypto/ecdh", "crypto/ed25519", "crypto/hmac", "crypto/hpke", "crypto/rand",
	"crypto/sha256", "encoding/binary", "errors", "fmt", "hash", "io", "iter", "log/slog", "maps", "math", "math/bits",
	"runtime", "slices", "sort", "strings", "sync", "sync/atomic", "time",
}

func TestImportsAreFewAndStandard(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range load(t) {
		for _, f := range s.files {
			for _, spec := range f.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				seen[path] = true
				if !slices.Contains(allowed, path) && !strings.HasPrefix(path, "primum/mls/") {
					t.Errorf("%s imports %s", s.path, path)
				}
			}
		}
	}
	t.Logf("imported: %s", strings.Join(slices.Sorted(maps.Keys(seen)), " "))
}

// TestSignersStayOpaque: no code of mls asks a crypto.Signer for anything but a
// signature and its public key, so that a key may rest in hardware or in
// another process.
func TestSignersStayOpaque(t *testing.T) {
	t.Parallel()
	for _, s := range load(t) {
		for _, place := range keyGrabs(s) {
			t.Errorf("reaches behind a crypto.Signer: %s", place)
		}
	}
	found := keyGrabs(sample(t, `package sample
import ("bytes"; "slices"; "strings"; "reflect"; "maps"; "crypto/hmac"; "crypto/subtle"; "crypto"; "crypto/ed25519")
var _, _, _, _, _, _, _ = bytes.Equal, slices.Max[[]int], strings.Cut, reflect.TypeOf, maps.Keys[map[int]int], hmac.Equal, subtle.XORBytes
func a(s crypto.Signer) any { return s.(ed25519.PrivateKey) }
func b(s crypto.Signer) any { return s.(interface{ Seed() []byte }) }
func c(s crypto.Signer) { switch s.(type) { case nil: } }
func d(s crypto.Signer) any { return s.Public().(ed25519.PublicKey) }
`))
	if len(found) != 4 {
		t.Errorf("the search finds %q, want one each in a (twice), b and c", found)
	}
}

// keyGrabs finds assertions on values that are crypto.Signers, and the type of
// Ed25519's private key.
func keyGrabs(s *source) (found []string) {
	s.functions(func(fn string, body ast.Node) {
		ast.Inspect(body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeAssertExpr:
				if isSigner(s.info.TypeOf(n.X)) {
					found = append(found, s.place(fn, n.X))
				}
			case *ast.SelectorExpr:
				if o := s.info.Uses[n.Sel]; o != nil && o.Pkg() != nil && o.Pkg().Path() == "crypto/ed25519" &&
					slices.Contains([]string{"PrivateKey", "NewKeyFromSeed", "GenerateKey", "Sign"}, o.Name()) {
					found = append(found, s.place(fn, n))
				}
			}
			return true
		})
	})
	return found
}

func isSigner(t types.Type) bool {
	n, ok := t.(*types.Named)
	return ok && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == "crypto" && n.Obj().Name() == "Signer"
}

// reviewedPanics are the calls of panic, each with why no input reaches it.
var reviewedPanics = map[string]string{
	"mls core.sealSenderData: panic(\"mls: sender data key: \" + err.Error())":           "the key was derived in the suite's length",
	"mls/internal/suite Suite.ExpandInto: panic(\"mls: HKDF-Expand of too many bytes\")": "lengths are constants of a suite; Group.Export checks the caller's",
}

// TestPanicsAreReviewed: who calls panic says why no input can make it happen.
// (That none does is what the fuzz targets show.)
func TestPanicsAreReviewed(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, s := range load(t) {
		s.functions(func(fn string, body ast.Node) {
			ast.Inspect(body, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if id, ok := call.Fun.(*ast.Ident); ok && s.info.Uses[id] == types.Universe.Lookup("panic") {
					found[s.place(fn, call)] = true
				}
				return true
			})
		})
	}
	for place := range found {
		if reviewedPanics[place] == "" {
			t.Errorf("panics, and no reviewer says why no input reaches it:\n\t%q: \"\",", place)
		}
	}
	for place := range reviewedPanics {
		if !found[place] {
			t.Errorf("reviewed, but no longer in the sources: %s", place)
		}
	}
}

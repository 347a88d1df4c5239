package audit

import (
	"go/ast"
	"go/types"
	"strings"
	"testing"
)

// reviewedPrints are the strings that mls puts into texts, each with why it is
// no secret. Everything else that it prints is a number or another error.
var reviewedPrints = map[string]string{
	"mls Group.Format: g.st.Context.GroupID":                                 "group ids travel in clear",
	"mls PublicGroup.Format: p.st.Context.GroupID":                           "group ids travel in clear",
	"mls KeyPackageOptions.Format: o.Identity":                               "will be published in the key package",
	"mls KeyPackageOptions.Format: o.NotAfter.UTC().Format(time.RFC3339)":    "will be published in the key package",
	"mls unauthorized: what":                                                 "a constant of the caller",
	"mls/internal/message Malformed: what":                                   "a constant of the caller",
	"mls/internal/public Invalid: append(args, ErrInvalid)":                  "the caller's arguments, which are looked at there",
	"mls/internal/public Invalid: format + \": %w\"":                         "a constant of the caller",
	"mls/internal/suite Suite.SignatureKey: s.name":                          "the name of a suite",
	"mls/internal/suite Suite.SignatureKey: signer.Public()":                 "its type alone (%T)",
	"mls/internal/suite Suite.SignWithLabel: label":                          "a constant of the caller",
	"mls/internal/suite Suite.VerifyWithLabel: label":                        "a constant of the caller",
	"mls/internal/suite Suite.EncryptWithLabel: label":                       "a constant of the caller",
	"mls/internal/suite Suite.DecryptWithLabel: label":                       "a constant of the caller",
	"mls/internal/suite PrivateKey.DecryptWithLabel: label":                  "a constant of the caller",
	"mls/internal/tree Rules.checkLifetime: r.At.UTC().Format(time.RFC3339)": "the time of the check",
}

// TestTextsHoldNumbersOnly: what mls formats, for errors above all, is numbers
// and other errors, so that no error can carry bytes of a key or a message.
func TestTextsHoldNumbersOnly(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, s := range load(t) {
		for _, place := range prints(s) {
			if used[place] = true; reviewedPrints[place] == "" {
				t.Errorf("prints what may be secret, and no reviewer says why it is not:\n\t%q: \"\",", place)
			}
		}
	}
	for place := range reviewedPrints {
		if !used[place] {
			t.Errorf("reviewed, but no longer in the sources: %s", place)
		}
	}
	found := prints(sample(t, `package sample
import ("bytes"; "slices"; "strings"; "reflect"; "maps"; "crypto/hmac"; "crypto/subtle"; "crypto"; "crypto/ed25519"; "errors"; "fmt")
var _, _, _, _, _, _, _ = bytes.Equal, slices.Max[[]int], strings.Cut, reflect.TypeOf, maps.Keys[map[int]int], hmac.Equal, subtle.XORBytes
var _, _ = crypto.SHA256, ed25519.Sign
func invalid(format string, args ...any) error { return fmt.Errorf(format, args...) }
func a(b []byte, s string, n int, err error) {
	_ = fmt.Errorf("%x", b)
	_ = fmt.Sprint(s)
	_ = errors.New(s)
	_ = invalid("%s", s)
	_ = fmt.Errorf("%d %s: %w", n, "constant", err)
	_ = errors.New("constant")
}`))
	if len(found) != 6 { // four in a, and what invalid passes on
		t.Errorf("the search finds %q", found)
	}
}

// prints finds arguments with bytes in them of whatever makes texts: functions
// of fmt and errors.New, and own ones of their kind (format, args ...any).
// LogValue prints the value itself, whose Format is looked at.
func prints(s *source) (found []string) {
	c := &comparisons{source: s}
	s.functions(func(fn string, body ast.Node) {
		ast.Inspect(body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || strings.HasSuffix(fn, ".LogValue") || !makesText(c.callee(call)) {
				return true
			}
			for _, arg := range call.Args {
				if tv := s.info.Types[arg]; tv.Value == nil && !tv.IsNil() && bytesIn(tv.Type, 0) && !isStream(tv.Type) {
					found = append(found, s.place(fn, arg))
				}
			}
			return true
		})
	})
	return found
}

func makesText(fn *types.Func) bool {
	if fn == nil || fn.Pkg() == nil {
		return false
	}
	if fn.Pkg().Path() == "fmt" || fn.FullName() == "errors.New" || fn.FullName() == "log/slog.StringValue" {
		return true
	}
	sig := fn.Signature()
	if !sig.Variadic() {
		return false
	}
	last := sig.Params().At(sig.Params().Len() - 1).Type().(*types.Slice).Elem()
	i, ok := last.Underlying().(*types.Interface)
	return ok && i.NumMethods() == 0
}

// isStream is where a text goes, not what it says.
func isStream(t types.Type) bool {
	return strings.HasSuffix(types.TypeString(t, nil), "fmt.State") || strings.HasSuffix(types.TypeString(t, nil), "io.Writer")
}

package wire_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"primum/internal/wire"
	"primum/ledger"
)

// vector is one of docs/spec/vectors/seen.json, which another program made.
type vector struct {
	Secret string `json:"secret"`
	Day    string `json:"day"`
	Rows   []struct {
		Row  wire.SeenRow `json:"row"`
		Text string       `json:"text"`
		Salt string       `json:"salt"`
	} `json:"rows"`
	Key  string `json:"key"`
	Root string `json:"root"`
	Leaf string `json:"leaf"`
}

func readVectors(t testing.TB) (all []vector) {
	t.Helper()
	b, err := os.ReadFile("../../docs/spec/vectors/seen.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSeenVectors(t *testing.T) {
	t.Parallel()
	for _, v := range readVectors(t) {
		secret, err := hex.DecodeString(v.Secret)
		if err != nil {
			t.Fatal(err)
		}
		var rows []wire.SeenRow
		for i, r := range v.Rows {
			if text, _ := json.Marshal(r.Row); string(text) != r.Text {
				t.Errorf("row %d is %s", i, text)
			}
			if salt := hex.EncodeToString(wire.SeenSalt(secret, i)); salt != r.Salt {
				t.Errorf("salt %d is %s", i, salt)
			}
			rows = append(rows, r.Row)
		}
		root, err := wire.SeenRoot(secret, rows)
		if err != nil {
			t.Fatal(err)
		}
		leaf := wire.SeenLeaf(secret, v.Day, root)
		if hex.EncodeToString(root) != v.Root || hex.EncodeToString(leaf[:]) != v.Leaf || hex.EncodeToString(wire.SeenKey(secret)) != v.Key {
			t.Errorf("root %x, key %x, leaf %x", root, wire.SeenKey(secret), leaf)
		}
	}
}

func TestReadSeenRefuses(t *testing.T) {
	t.Parallel()
	row := `{"grant":"g","client":"c","first":"2026-11-22T10:00Z","last":"2026-11-22T10:00Z"}`
	for name, text := range map[string]string{
		"no JSON":         `{`,
		"no date":         `{"days":[{"day":"22 November","rows":[` + row + `]}]}`,
		"no rows":         `{"days":[{"day":"2026-11-22","rows":[]}]}`,
		"twice":           `{"days":[{"day":"2026-11-22","rows":[` + row + `,` + row + `]}]}`,
		"disorder":        `{"days":[{"day":"2026-11-21","rows":[` + row + `]},{"day":"2026-11-22","rows":[` + row + `]}]}`,
		"short root":      `{"days":[{"day":"2026-11-22","rows":[` + row + `],"root":"AAAA","secret":"AAAA"}]}`,
		"backwards":       `{"days":[{"day":"2026-11-22","rows":[` + strings.Replace(row, `"last":"2026-11-22T10`, `"last":"2026-11-22T09`, 1) + `]}]}`,
		"negative":        `{"days":[{"day":"2026-11-22","rows":[` + strings.Replace(row, `{`, `{"deliveries":-1,`, 1) + `]}]}`,
		"no minute":       `{"days":[{"day":"2026-11-22","rows":[{"grant":"g","client":"c"}]}]}`,
		"too many days":   `{"days":[` + strings.Repeat(`{},`, 40) + `{}]}`,
		"too long a name": `{"days":[{"day":"2026-11-22","rows":[` + strings.Replace(row, `"g"`, `"`+strings.Repeat("g", 65)+`"`, 1) + `]}]}`,
	} {
		if _, err := wire.ReadSeen([]byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := wire.ReadSeen([]byte(`{"days":[{"day":"2026-11-22","rows":[` + row + `]}]}`)); err != nil {
		t.Error(err)
	}
}

// FuzzReadSeen: whatever a node says, nothing panics, and what is taken can be
// judged.
func FuzzReadSeen(f *testing.F) {
	row := `{"grant":"g","client":"c","deliveries":3,"first":"2026-11-22T10:00Z","last":"2026-11-22T10:00Z"}`
	f.Add([]byte(`{"days":[{"day":"2026-11-22","rows":[` + row + `]}]}`))
	f.Add([]byte(`{"days":[{"day":"2026-11-22","rows":[` + row + `],"root":"` + strings.Repeat("A", 43) + `=","secret":"` + strings.Repeat("A", 43) + `=","proof":"c2sp.org/tlog-proof@v1\nindex 0\n\n"}]}`))
	f.Add([]byte(`{"format":"primum-seen/1","days":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := wire.ReadSeen(b)
		if err == nil {
			for _, d := range s.Days {
				_, _, _ = d.Prove(ledger.Log{Origin: "h.example/ledger/commitments"})
			}
		}
		if file, err := wire.ReadSeenFile(b); err == nil && file.Format != wire.SeenFormat {
			t.Fatal("another format was taken")
		}
	})
}

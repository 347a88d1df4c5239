package portable_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"primum/client/portable"
)

// vectorFile is the file of the specification's vectors.
func vectorFile(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "spec", "vectors", "export.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		File json.RawMessage `json:"file"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v.File
}

// TestFileIsReadAsWritten: what a file says is there again when it is written.
func TestFileIsReadAsWritten(t *testing.T) {
	t.Parallel()
	f, err := portable.Parse(vectorFile(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	again, err := portable.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.History) != 1 || string(again.History[0].Points[0].Value) != "12.5" || len(again.Ends()) != 1 || again.Given[0].Share[0].Precision.Every == 0 {
		t.Errorf("read again: %+v", again)
	}
	if again.ReleaseOf(again.Things[0].End, "eve@s.example") != "" {
		t.Error("a release is for whoever asks")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(vectorFile(f))
	f.Add([]byte(`{"format":"primum-export","version":2,"identity":"a.b.c"}`))
	f.Add([]byte(`{"format":"primum-export","version":2,"history":[{"points":[["x"]]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := portable.Parse(b)
		if err != nil {
			if !errors.Is(err, portable.ErrFile) {
				t.Fatalf("refused as %v", err)
			}
			return
		}
		if _, err := json.Marshal(file); err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}
	})
}

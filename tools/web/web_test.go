package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func repository(t *testing.T) tree {
	t.Helper()
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	return tree{root: root, web: filepath.Join(root, "internal", "portal", "web")}
}

// The types that pages are checked against are those of the engine's source.
func TestTypesAreInStep(t *testing.T) {
	t.Parallel()
	at := repository(t)
	want, err := typesOf(filepath.Join(at.root, "internal", "engine"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(at.web, "src", "engine", "api.gen.ts"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("api.gen.ts is not what the engine's source says: make web")
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	api := "package engine\n\n// Kind says.\ntype Kind string\nconst (\n\tA Kind = \"a\"\n\tB Kind = \"b\"\n)\n\n// None is none.\ntype None struct{}\n\n" +
		"// One is one.\ntype One struct {\n\tKind Kind `json:\"kind\"`\n\tAt time.Time `json:\"at,omitzero\"` // when\n\tAny json.RawMessage `json:\"any\"`\n" +
		"\tMore []*float64 `json:\"more,omitempty\"`\n\tBy map[string]bool `json:\"by\"`\n}\n"
	methods := "package engine\nfunc Methods() []Method { return []Method{{\"do\", None{}, []One{}, \"does\"}} }\n"
	write(t, dir, "api.go", api)
	write(t, dir, "methods.go", methods)
	b, err := typesOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"/** Kind says. */\nexport type Kind = \"a\" | \"b\";",
		"export type None = Readonly<Record<string, never>>;",
		"\treadonly kind: Kind;", "\t/** when */\n\treadonly at?: Time;", "\treadonly any: Json;",
		"\treadonly more?: readonly number[];", "\treadonly by: Readonly<Record<string, boolean>>;",
		"\t/** does */\n\t\"do\": { in: None; out: readonly One[] };",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("missing %q in\n%s", want, b)
		}
	}
	write(t, dir, "api.go", strings.Replace(api, "Kind Kind `json:\"kind\"`", "Kind chan int `json:\"kind\"`", 1))
	if _, err := typesOf(dir); err == nil {
		t.Error("a channel has a TypeScript type")
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A package that is not the pinned one is not used, and none writes outside.
func TestPackages(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, content := range map[string]string{"package/a.js": "one", "package/../../evil.js": "two", "package/sub/b.js": "three"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum512(b.Bytes())
	p := npmPackage{Integrity: "sha512-" + base64.StdEncoding.EncodeToString(sum[:])}
	if !p.is(b.Bytes()) || p.is(append(b.Bytes(), 0)) {
		t.Error("the pin holds for another content, or not for its own")
	}
	dir := t.TempDir()
	if err := unpack(b.Bytes(), filepath.Join(dir, "in")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "in", "sub", "b.js")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "evil.js")); err == nil {
		t.Error("a package wrote outside of its folder")
	}
}

func TestPinsAreComplete(t *testing.T) {
	t.Parallel()
	var packages []npmPackage
	if err := json.Unmarshal(pinned, &packages); err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(p.Integrity, "sha512-"))
		if p.Name == "" || p.Version == "" || err != nil || len(sum) != sha512.Size {
			t.Errorf("pin of %q: %q", p.Name, p.Integrity)
		}
	}
}

// A name changes with its content, and only with it.
func TestNames(t *testing.T) {
	t.Parallel()
	a, b := named("words.de.json", []byte("1")), named("words.de.json", []byte("2"))
	if a.path == b.path || a.path != named("words.de.json", []byte("1")).path || !strings.HasPrefix(a.path, "/assets/words.de.") || !strings.HasSuffix(a.path, ".json") {
		t.Errorf("%s and %s", a.path, b.path)
	}
}

func TestCatalogueTwice(t *testing.T) {
	t.Parallel()
	all := map[string]json.RawMessage{}
	if err := addPart(all, []byte(`{"a":"x"}`)); err != nil {
		t.Fatal(err)
	}
	if err := addPart(all, []byte(`{"a":"y"}`)); err == nil {
		t.Error("one sentence stands in two parts")
	}
}

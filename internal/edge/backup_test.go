package edge

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/circle"
	"primum/internal/clock"
	"primum/thing"
)

// archive makes a tar of names and contents.
func archive(t *testing.T, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i+1 < len(entries); i += 2 {
		if err := writeEntry(w, entries[i], []byte(entries[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBackupHoldsNamesPinsAndHistory(t *testing.T) {
	t.Parallel()
	a, c := newAnchor(t), clock.NewManual(start())
	e, err := openWith(Config{Dir: filepath.Join(t.TempDir(), "e"), Clock: c}, a, a)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	d := thing.New("Meter")
	d.AddProperty("flow", thing.Schema{Type: "number", ReadOnly: true})
	e.house.Take(nil, thing.Report{Found: []thing.Found{{Key: "a", Thing: "a", Wish: "Water Meter", Description: d}}})
	c.Advance(e.config.Settle)
	e.house.Settled(c.Now())
	e.keep([]circle.Sample{{Thing: "water-meter", Name: "flow", At: start(), Value: json.RawMessage("1")}})
	var b bytes.Buffer
	if err := e.Backup(&b); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	anchor, err := unpack(dir, bytes.NewReader(b.Bytes()))
	if err != nil || string(anchor) != "anchor without ratchet" {
		t.Fatalf("anchor %q, %v", anchor, err)
	}
	restored, err := openWith(Config{Dir: dir, Clock: c}, a, a)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = restored.Close() }()
	if list, err := restored.house.List(); err != nil || !restored.house.Knows("water-meter") || !bytes.Contains(list, []byte(`"parts":{"a":`)) {
		t.Errorf("names or pins are lost: %s, %v", list, err)
	}
	kept, err := restored.history.History("water-meter", "flow", start(), start().Add(time.Second), 10)
	if err != nil || len(kept) != 1 {
		t.Errorf("history %v, %v", kept, err)
	}
	leftovers, err := filepath.Glob(filepath.Join(e.config.Dir, "backup*"))
	if err != nil || len(leftovers) != 0 {
		t.Errorf("left behind %v, %v", leftovers, err)
	}
}

func TestRestoreRefusals(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"empty":          nil,
		"garbage":        []byte(strings.Repeat("garbage ", 200)),
		"other archive":  archive(t, "hello", "x"),
		"newer format":   archive(t, backupFormat, "primum edge backup 2\n"),
		"not complete":   archive(t, backupFormat, backupVersion, registryFile, "{}"),
		"unknown file":   archive(t, backupFormat, backupVersion, "anchor/state", "x"),
		"climbs out":     archive(t, backupFormat, backupVersion, "../things.json", "x"),
		"file twice":     archive(t, backupFormat, backupVersion, registryFile, "{}", registryFile, "{}"),
		"truncated file": archive(t, backupFormat, backupVersion, registryFile, strings.Repeat("x", 5000))[:2000],
	} {
		dir := filepath.Join(t.TempDir(), "new")
		if err := Restore(dir, bytes.NewReader(b)); err == nil {
			t.Errorf("%s: restored", name)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(dir), registryFile)); err == nil {
			t.Errorf("%s: a file was written outside", name)
		}
	}
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Restore(full, bytes.NewReader(nil)); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("restored into a folder that is not empty: %v", err)
	}
	if err := Backup(t.TempDir(), io.Discard); err == nil || errors.Is(err, ErrNotRunning) {
		t.Errorf("backup of a folder without an edge: %v", err)
	}
}

// TestBackupAndRestoreOfARealAnchor goes the whole way with package circle.
func TestBackupAndRestoreOfARealAnchor(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "edge")
	e, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	key := e.anchor.ThingKey()
	if _, err := Open(Config{Dir: dir}); err == nil {
		t.Error("two edges opened one folder")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Backup(dir, &b); err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(t.TempDir(), "again")
	if err := Restore(again, bytes.NewReader(b.Bytes())); err != nil {
		t.Fatal(err)
	}
	if e, err = Open(Config{Dir: again}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	if !bytes.Equal(e.anchor.ThingKey(), key) {
		t.Error("the restored edge has another key: labels and pins would be void")
	}
}

func FuzzUnpack(f *testing.F) {
	w := func(entries ...string) []byte {
		var b bytes.Buffer
		t := tar.NewWriter(&b)
		for i := 0; i+1 < len(entries); i += 2 {
			if err := writeEntry(t, entries[i], []byte(entries[i+1])); err != nil {
				f.Fatal(err)
			}
		}
		if err := t.Close(); err != nil {
			f.Fatal(err)
		}
		return b.Bytes()
	}
	f.Add(w(backupFormat, backupVersion, backupAnchor, "a", registryFile, "{}", historyFile, "h"))
	f.Add(w(backupFormat, backupVersion, "../x", "a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		_, _ = unpack(dir, bytes.NewReader(b))
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != registryFile && e.Name() != historyFile {
				t.Fatalf("wrote %q", e.Name())
			}
		}
	})
}

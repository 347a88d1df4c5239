package durable

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteFileReplacesAndIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	for _, want := range []string{"one", "a longer second content", ""} {
		if err := WriteFile(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		got, err := ReadFile(path)
		if err != nil || string(got) != want {
			t.Fatalf("read %q, %v", got, err)
		}
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("left over: %v", names)
	}
}

func TestCopyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := CopyFile(from, to); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nothing: %v", err)
	}
	if err := os.WriteFile(from, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := CopyFile(from, to); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(to)
	if got, _ := ReadFile(to); err != nil || string(got) != "content" || st.Mode().Perm() != 0o600 {
		t.Errorf("%q, %v, %v", got, st, err)
	}
	if names := list(t, dir); len(names) != 2 {
		t.Errorf("left over: %v", names)
	}
}

func TestWriteFileFailureKeepsTheOld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := WriteFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	// A directory in the temporary file's place makes the write fail.
	if err := os.MkdirAll(filepath.Join(tempName(path), "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("new")); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("err = %v, want one that names the file", err)
	}
	if got, _ := ReadFile(path); string(got) != "old" {
		t.Errorf("content is %q", got)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	if err := WriteFile(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tempName(path), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a missing file is fine
		if err := Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("err = %v", err)
	}
	if names := list(t, filepath.Dir(path)); len(names) != 0 {
		t.Errorf("left over: %v", names)
	}
}

func TestMakeDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if err := MakeDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	file := filepath.Join(dir, "f")
	if err := WriteFile(file, nil); err != nil {
		t.Fatal(err)
	}
	if err := MakeDir(filepath.Join(file, "c")); err == nil {
		t.Error("made a directory under a file")
	}
}

func TestLockDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state"+tempSuffix), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if names := list(t, dir); len(names) != 1 || names[0] != lockName {
		t.Errorf("a crashed writer's file stays: %v", names)
	}
	if _, err := LockDir(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("second lock: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := LockDir(dir)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := LockDir(filepath.Join(dir, "missing")); err == nil {
		t.Error("locked a directory that is not there")
	}
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// open opens the log at path and returns copies of its records.
func open(t testing.TB, path string) (*Log, [][]byte) {
	t.Helper()
	var got [][]byte
	l, err := OpenLog(path, func(r []byte) error {
		got = append(got, bytes.Clone(r))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l, got
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLogAppendAndReopen(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, got := open(t, path)
	if len(got) != 0 {
		t.Fatalf("a new log has %d records", len(got))
	}
	for _, err := range []error{
		l.Append(true, []byte("a"), nil, []byte("bb")), l.Append(false), l.Append(false, []byte("c")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if l.Len() != 4 {
		t.Errorf("len %d", l.Len())
	}
	closeLog(t, l)
	l, got = open(t, path)
	defer closeLog(t, l)
	if string(bytes.Join(got, []byte(","))) != "a,,bb,c" || l.Dropped() != 0 {
		t.Errorf("records %q, dropped %d", got, l.Dropped())
	}
}

// Every cut of the file at any byte yields a prefix of the records, and the
// log goes on from there.
func TestLogTornAtEveryByte(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, _ := open(t, filepath.Join(dir, "log"))
	want := []string{"first", "", "third record"}
	for _, r := range want {
		if err := l.Append(false, []byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, l)
	whole, err := ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(logMagic); cut <= len(whole); cut++ {
		for _, tail := range [][]byte{nil, make([]byte, 20), {0xff, 0xff, 0xff, 0x7f, 1, 2, 3, 4, 5}} {
			if cut == len(whole) && tail == nil {
				continue
			}
			checkTorn(t, filepath.Join(dir, "torn"), append(bytes.Clone(whole[:cut]), tail...), want)
		}
	}
}

func checkTorn(t *testing.T, path string, content []byte, want []string) {
	t.Helper()
	if err := WriteFile(path, content); err != nil {
		t.Fatal(err)
	}
	l, got := open(t, path)
	for i, r := range got {
		if string(r) != want[i] {
			t.Fatalf("record %d is %q", i, r)
		}
	}
	if err := l.Append(true, []byte("next")); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	l, again := open(t, path)
	defer closeLog(t, l)
	if len(again) != len(got)+1 || string(again[len(got)]) != "next" || l.Dropped() != 0 {
		t.Errorf("after a torn tail of %d records: %q", len(got), again)
	}
}

func TestLogRefusesForeignFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	for _, content := range []string{"", "primlog", "something else entirely"} {
		if err := WriteFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenLog(path, func([]byte) error { return nil }); err == nil {
			t.Errorf("took %q for a log", content)
		}
		if got, _ := ReadFile(path); string(got) != content {
			t.Errorf("changed a foreign file to %q", got)
		}
	}
}

func TestLogPassesTheReadersError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, _ := open(t, path)
	if err := l.Append(true, []byte("x")); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	want := errors.New("reader says no")
	if _, err := OpenLog(path, func([]byte) error { return want }); !errors.Is(err, want) {
		t.Errorf("err = %v", err)
	}
}

// What Rewrite leaves out stands in no file of the directory.
func TestRewriteLeavesNoOldBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	canary := []byte("a-secret-that-was-deleted")
	// What a crash inside an earlier Rewrite would have left.
	if err := os.WriteFile(tempName(path), canary, 0o600); err != nil {
		t.Fatal(err)
	}
	l, _ := open(t, path)
	if err := l.Append(true, canary, []byte("kept")); err != nil {
		t.Fatal(err)
	}
	if !inDir(t, dir, canary) {
		t.Fatal("the control does not find the canary")
	}
	if err := l.Rewrite([][]byte{[]byte("kept")}); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(true, []byte("after")); err != nil {
		t.Fatal(err)
	}
	if inDir(t, dir, canary) {
		t.Error("the old bytes are still in a file")
	}
	closeLog(t, l)
	l, got := open(t, path)
	defer closeLog(t, l)
	if string(bytes.Join(got, []byte(","))) != "kept,after" {
		t.Errorf("records %q", got)
	}
}

func inDir(t *testing.T, dir string, what []byte) bool {
	t.Helper()
	for _, name := range list(t, dir) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, what) {
			return true
		}
	}
	return false
}

func TestLogBrokenAfterClosedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	l, _ := open(t, path)
	if err := l.f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(true, []byte("x")); err == nil {
		t.Error("appended to a closed file")
	}
	if err := l.Append(true, []byte("x")); !errors.Is(err, ErrBroken) {
		t.Errorf("err = %v, want ErrBroken", err)
	}
	if err := l.Rewrite(nil); !errors.Is(err, ErrBroken) {
		t.Errorf("err = %v, want ErrBroken", err)
	}
}

func TestLogRefusesLargeRecord(t *testing.T) {
	t.Parallel()
	l, _ := open(t, filepath.Join(t.TempDir(), "log"))
	defer closeLog(t, l)
	if err := l.Append(false, make([]byte, MaxRecord+1)); err == nil || l.Len() != 0 {
		t.Errorf("err = %v, len = %d", err, l.Len())
	}
}

func FuzzOpenLog(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendRecord(appendRecord(nil, []byte("one")), []byte("two")))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, tail []byte) {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, append([]byte(logMagic), tail...), 0o600); err != nil {
			t.Fatal(err)
		}
		l, got := open(t, path)
		if l.Size()+l.Dropped() != int64(len(logMagic)+len(tail)) {
			t.Errorf("size %d and dropped %d of %d", l.Size(), l.Dropped(), len(tail))
		}
		closeLog(t, l)
		l, again := open(t, path)
		defer closeLog(t, l)
		if len(again) != len(got) || l.Dropped() != 0 {
			t.Errorf("%d records, then %d", len(got), len(again))
		}
	})
}

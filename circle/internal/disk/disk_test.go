package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"primum/internal/durable"
)

func TestApplyIsAllOrNothingAtEveryStep(t *testing.T) {
	t.Parallel()
	before := map[string][]byte{"a": []byte("old-a"), "b": []byte("old-b")}
	after := map[string][]byte{"a": []byte("new-a"), "b": nil, "c": []byte("new-c")}
	crash := errors.New("crash")
	for at := 0; ; at++ {
		dir := t.TempDir()
		s, _, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(before); err != nil {
			t.Fatal(err)
		}
		n := 0
		s.step = func(string) error {
			if n++; n > at {
				return crash
			}
			return nil
		}
		err = s.Apply(after)
		_ = s.Close()
		s, parts, openErr := Open(dir)
		if openErr != nil {
			t.Fatal(openErr)
		}
		_ = s.Close()
		isOld := string(parts["a"]) == "old-a" && string(parts["b"]) == "old-b" && len(parts) == 2
		isNew := string(parts["a"]) == "new-a" && string(parts["c"]) == "new-c" && len(parts) == 2
		if !isOld && !isNew {
			t.Fatalf("crash at step %d leaves %q", at, parts)
		}
		if isNew {
			assertGone(t, dir, "old-a")
			assertGone(t, dir, "old-b")
		}
		if err == nil {
			if !isNew || at < 4 {
				t.Fatalf("no crash met after %d steps, new state %v", at, isNew)
			}
			return
		}
	}
}

func assertGone(t *testing.T, dir, secret string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s still holds %q", e.Name(), secret)
		}
	}
}

func TestSecondOpenIsLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, _, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNamesStayInTheDirectory(t *testing.T) {
	t.Parallel()
	s, _, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for _, name := range []string{"", "../a", "a/b", "A", "."} {
		if err := s.Apply(map[string][]byte{name: []byte("x")}); err == nil {
			t.Errorf("name %q was taken", name)
		}
	}
}

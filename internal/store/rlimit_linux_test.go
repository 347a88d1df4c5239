package store_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"primum/internal/store"
)

const brokenDir = "PRIMUM_TEST_STORE_BROKEN" // set: this process is the child

// TestDiskFails makes every write beyond a size fail in a child process: the
// error is typed, and what was acknowledged is there afterwards.
func TestDiskFails(t *testing.T) {
	if dir := os.Getenv(brokenDir); dir != "" {
		childFails(t, dir)
		return
	}
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFails$", "-test.v")
	cmd.Env = append(os.Environ(), brokenDir+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("child: %v\n%s", err, out)
	}
	var acked uint64
	_, line, _ := strings.Cut(string(out), "acknowledged ")
	if _, err := fmt.Sscan(line, &acked); err != nil || acked == 0 {
		t.Fatalf("child says %s: %v", out, err)
	}
	s := openStore(t, dir, store.Options{})
	c, err := s.Circles.Get(t.Context(), ringID(0))
	if err != nil || c.Head < acked {
		t.Fatalf("head is %d, acknowledged %d: %v", c.Head, acked, err)
	}
}

func childFails(t *testing.T, dir string) {
	s := openStore(t, dir, store.Options{})
	if err := s.Circles.Open(t.Context(), store.Circle{ID: ringID(0), AnchorKey: []byte("anchor")}, []byte("tracker"), nil); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	var acked uint64
	for range 1000 {
		done, err := appendTo(s, ringID(0), make([]byte, 10_000))
		if err == nil {
			acked = done.Seq
			continue
		}
		if !errors.Is(err, store.ErrIO) && !errors.Is(err, store.ErrDiskFull) {
			t.Fatalf("error is %v, want ErrIO or ErrDiskFull", err)
		}
		fmt.Println("acknowledged", acked)
		return
	}
	t.Fatal("nothing failed")
}

//go:build unix

package durable

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const crashDir = "PRIMUM_TEST_CRASH_DIR"

// TestMain lets the test binary be its own victim: with crashDir set it writes
// until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		fmt.Println("err", writeForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeForever counts upwards in a log and in a file, and says each number on
// standard output when it is durable. Now and then it compacts the log.
func writeForever(dir string) error {
	lock, err := LockDir(dir)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	next := uint64(0)
	l, err := OpenLog(filepath.Join(dir, "log"), func(r []byte) error {
		next = binary.BigEndian.Uint64(r) + 1
		return nil
	})
	if err != nil {
		return err
	}
	for ; ; next++ {
		rec := append(binary.BigEndian.AppendUint64(nil, next), make([]byte, next%300)...)
		if next%7 == 6 {
			err = l.Rewrite([][]byte{rec})
		} else {
			err = l.Append(true, rec)
		}
		if err == nil {
			err = WriteFile(filepath.Join(dir, "file"), rec)
		}
		if err != nil {
			return err
		}
		fmt.Println("ack", next)
	}
}

// Killed at any instant, 20 times over the same directory: nothing that was
// acknowledged is lost, the file is whole, the lock is free again.
func TestKillNine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 20 {
		acked := killAfter(t, dir, 1+random.IntN(40), time.Duration(random.IntN(3000))*time.Microsecond)
		checkCrashed(t, dir, acked, round)
	}
}

// killAfter runs the writer, kills it some time after its n-th acknowledgement
// and returns the last number acknowledged.
func killAfter(t *testing.T, dir string, n int, later time.Duration) uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	lines := bufio.NewScanner(io.LimitReader(out, 64<<20))
	for i := 0; lines.Scan(); i++ {
		var word, number string
		if _, err := fmt.Sscan(lines.Text(), &word, &number); err != nil || word != "ack" {
			t.Fatalf("the writer says %q", lines.Text())
		}
		if last, err = strconv.ParseUint(number, 10, 64); err != nil {
			t.Fatal(err)
		}
		if i+1 == n {
			// The instant is random on purpose; nothing waits for it.
			time.AfterFunc(later, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait() // killed: an error by design
	return last
}

func checkCrashed(t *testing.T, dir string, acked uint64, round int) {
	t.Helper()
	lock, err := LockDir(dir)
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	defer func() { _ = lock.Close() }()
	last, before := uint64(0), uint64(0)
	l, err := OpenLog(filepath.Join(dir, "log"), func(r []byte) error {
		last = binary.BigEndian.Uint64(r)
		if before != 0 && last != before+1 {
			return fmt.Errorf("%d follows %d", last, before)
		}
		before = last
		return nil
	})
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	closeLog(t, l)
	b, err := ReadFile(filepath.Join(dir, "file"))
	if errors.Is(err, fs.ErrNotExist) || err != nil || len(b) < 8 {
		t.Fatalf("round %d: file: %d bytes, %v", round, len(b), err)
	}
	inFile := binary.BigEndian.Uint64(b)
	if last < acked || last > acked+2 || inFile < acked || uint64(len(b)) != 8+inFile%300 {
		t.Errorf("round %d: acknowledged %d, log ends at %d, file holds %d in %d bytes", round, acked, last, inFile, len(b))
	}
}

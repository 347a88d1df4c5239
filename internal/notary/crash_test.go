//go:build linux

package notary

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/internal/durable"
)

const (
	crashDir = "PRIMUM_TEST_NOTARY_CRASH" // set: this process is the victim
	fullDir  = "PRIMUM_TEST_NOTARY_FULL"
)

// TestMain lets the test binary be its own victim.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		fmt.Println("err", writeForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// diskQueue is a LeafSource in one durable file, for processes that die.
type diskQueue struct {
	*queue
	file string
}

// state is the file of a diskQueue.
type state struct {
	Leaves []Leaf
	Places map[int64]uint64
}

func openQueue(file string) (*diskQueue, error) {
	q := &diskQueue{queue: newQueue(), file: file}
	b, err := durable.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return q, nil
	}
	var s state
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if s.Places != nil {
		q.leaves, q.places = s.Leaves, s.Places
	}
	return q, err
}

func (q *diskQueue) save() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	b, err := json.Marshal(state{q.leaves, q.places})
	if err != nil {
		return err
	}
	return durable.WriteFile(q.file, b)
}

// first is the number of the first leaf that was never queued.
func (q *diskQueue) first() int {
	for i := 0; ; i++ {
		if _, _, err := q.IndexOf(context.Background(), leafOf(i)); err != nil {
			return i
		}
	}
}

func (q *diskQueue) Fill(_ context.Context, dummies [][32]byte) error {
	q.add(dummies...)
	return q.save()
}

func (q *diskQueue) Placed(ctx context.Context, places map[int64]uint64) error {
	if err := q.queue.Placed(ctx, places); err != nil {
		return err
	}
	return q.save()
}

func crashConfig(dir string, q LeafSource) Config {
	return Config{
		Dir: filepath.Join(dir, "ledger"), Authority: "a.example", Base: "https://a.example", Key: keyOf("a"), Clock: clock.Real(),
		Log: slog.New(slog.DiscardHandler), Leaves: q,
	}
}

// writeForever publishes facts and ticks leaves until it is killed; what is
// acknowledged it says on standard output.
func writeForever(dir string) error {
	q, err := openQueue(filepath.Join(dir, "queue"))
	if err != nil {
		return err
	}
	n, err := Open(context.Background(), crashConfig(dir, q))
	if err != nil {
		return err
	}
	for i := q.first(); ; i++ {
		q.add(leafOf(i))
		if err := q.save(); err != nil {
			return err
		}
		fmt.Println("leaf", i)
		if _, err := n.Publish(context.Background(), fact(fmt.Sprint("policies/", i))); err != nil {
			return err
		}
		fmt.Println("fact", i)
		if i%3 == 2 {
			if err := n.Tick(context.Background()); err != nil {
				return err
			}
			fmt.Println("size", n.Size(Commitments))
		}
	}
}

// Killed at any instant, again and again over the same folder: the log opens,
// no acknowledged fact is lost, no signed size shrinks, and every leaf gets into
// the log exactly once.
func TestKillNine(t *testing.T) {
	t.Parallel()
	dir, seed := t.TempDir(), uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	facts, size, leaves := map[string]bool{}, uint64(0), 0
	for range 8 {
		for _, line := range killAfter(t, dir, 1+random.IntN(30), time.Duration(random.IntN(20000))*time.Microsecond) {
			var word string
			var n uint64
			if _, err := fmt.Sscan(line, &word, &n); err != nil {
				t.Fatalf("the writer says %q", line)
			}
			switch word {
			case "fact":
				facts[fmt.Sprint("policies/", n)] = true
			case "size":
				size = n
			case "leaf":
				leaves = int(n) + 1
			default:
				t.Fatalf("the writer says %q", line)
			}
		}
	}
	checkCrashed(t, dir, facts, size, leaves)
}

func killAfter(t *testing.T, dir string, lines int, later time.Duration) (out []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(io.LimitReader(pipe, 1<<20))
	for scan.Scan() {
		out = append(out, scan.Text())
		if len(out) == lines {
			// The instant is random on purpose; nothing waits for it.
			time.AfterFunc(later, func() { _ = cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait() // killed: an error by design
	return out
}

func checkCrashed(t *testing.T, dir string, facts map[string]bool, size uint64, leaves int) {
	t.Helper()
	q, err := openQueue(filepath.Join(dir, "queue"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), crashConfig(dir, q))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Close() }()
	if got := n.Size(Commitments); got < size {
		t.Errorf("the log shows %d entries, it had shown %d", got, size)
	}
	if err := n.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	logged := map[string]int{}
	for _, log := range []string{Public, Commitments} {
		entries, err := n.Entries(t.Context(), log, 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			logged[string(e)]++
		}
	}
	for ref := range facts {
		if line, _ := fact(ref).Marshal(); logged[string(line)] != 1 {
			t.Errorf("fact %s stands %d times in the log", ref, logged[string(line)])
		}
	}
	for i := range leaves {
		leaf := leafOf(i)
		if logged[string(leaf[:])] != 1 {
			t.Errorf("leaf %d stands %d times in the log", i, logged[string(leaf[:])])
		}
	}
	if len(facts) == 0 || leaves == 0 {
		t.Error("nothing was acknowledged")
	}
}

// The disk takes no more: appending and signing fail, what was acknowledged is
// there, and the log goes on when there is room again.
func TestDiskFull(t *testing.T) {
	if dir := os.Getenv(fullDir); dir != "" {
		childFull(t, dir)
		return
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDiskFull$", "-test.v")
	cmd.Env = append(os.Environ(), fullDir+"="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "refused once") {
		t.Fatalf("child: %v\n%s", err, out)
	}
}

func childFull(t *testing.T, dir string) {
	q := newQueue()
	n, err := Open(t.Context(), crashConfig(dir, q))
	if err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	limit(t, 4096)
	acked := []string{}
	failed := ""
	for i := range 100 {
		ref := fmt.Sprint("policies/", i)
		if _, err := n.Publish(t.Context(), fact(ref)); err != nil {
			failed = ref
			break
		}
		acked = append(acked, ref)
	}
	if failed == "" || len(acked) == 0 {
		t.Fatalf("%d acknowledged, failed %q", len(acked), failed)
	}
	q.add(leafOf(1))
	limit(t, 1000)
	if err := n.Tick(t.Context()); err == nil {
		t.Error("a tick without room did not fail")
	}
	limit(t, 1<<30)
	fmt.Println("refused once")
	if _, err := n.Publish(t.Context(), fact("policies/after")); err != nil {
		t.Fatal(err)
	}
	if err := n.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err = Open(t.Context(), crashConfig(dir, q)); err != nil {
		t.Fatal(err)
	}
	entries, err := n.Entries(t.Context(), Public, 0, 1000)
	if err != nil || len(entries) < len(acked)+2 {
		t.Fatalf("%d entries, %d acknowledged: %v", len(entries), len(acked), err)
	}
	for i, ref := range acked {
		if line, _ := fact(ref).Marshal(); string(line) != string(entries[i]) {
			t.Errorf("entry %d is %s", i, entries[i])
		}
	}
	if _, err := n.ProofOf(t.Context(), leafOf(1)); err != nil {
		t.Error(err)
	}
}

// limit bounds the size of every file that this process writes.
func limit(t *testing.T, bytes uint64) {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		t.Fatal(err)
	}
	l.Cur = bytes
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		t.Fatal(err)
	}
}

package store_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/internal/store"
	"primum/internal/wire"
)

const (
	childDir  = "PRIMUM_TEST_STORE_CHILD" // set: this process is the child
	killRings = 8                         // circles that the child appends to
)

// ack is one acknowledgement as the child prints it: circle, sequence number
// and epoch of a message whose text names them again.
type ack struct {
	circle     int
	seq, epoch uint64
	text       string
}

func ringID(i int) (id wire.CircleID) {
	binary.BigEndian.PutUint64(id[:], uint64(i)+1)
	return id
}

// TestKill (P6): a process that appends is killed at random instants. Nothing
// acknowledged is lost, the sequence has no gap and no duplicate, and tracker
// and epoch fit each other. PRIMUM_SOAK=1 kills 200 times.
func TestKill(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		childAppends(dir)
		return
	}
	t.Parallel()
	kills := 20
	if os.Getenv("PRIMUM_SOAK") == "1" {
		kills = 200
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d kills", seed, kills)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	acked := map[int]map[uint64]ack{}
	for i := range killRings {
		acked[i] = map[uint64]ack{}
	}
	total := 0
	for range kills {
		for _, a := range runAndKill(t, dir, rnd.IntN(400)) {
			if old, ok := acked[a.circle][a.seq]; ok {
				t.Fatalf("number %d of circle %d was given out twice: %q and %q", a.seq, a.circle, old.text, a.text)
			}
			acked[a.circle][a.seq] = a
			total++
		}
		check(t, dir, acked)
	}
	t.Logf("%d acknowledgements kept", total)
	if total == 0 {
		t.Fatal("no child ever acknowledged anything")
	}
}

// runAndKill starts a child, kills it after a number of acknowledgements and
// returns all that it gave.
func runAndKill(t *testing.T, dir string, after int) (acks []ack) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for killed := false; ; {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var a ack
		if _, err := fmt.Sscanf(line, "ack %d %d %d %s", &a.circle, &a.seq, &a.epoch, &a.text); err != nil {
			t.Fatalf("child says %q: %v\n%s", line, err, stderr.String())
		}
		acks = append(acks, a)
		if len(acks) > after && !killed {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	return acks
}

// check opens what a killed child left.
func check(t *testing.T, dir string, acked map[int]map[uint64]ack) {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for i := range killRings {
		kept, err := s.Circles.Tracker(t.Context(), ringID(i))
		if err != nil {
			t.Fatal(err)
		}
		if string(kept.Tracker) != fmt.Sprintf("tracker %d", kept.Epoch) {
			t.Fatalf("circle %d is in epoch %d with %q", i, kept.Epoch, kept.Tracker)
		}
		texts := map[string]bool{}
		var next uint64
		for next < kept.Head {
			_, frames, err := s.Circles.Read(t.Context(), ringID(i), next, 1000, 1<<20)
			if err != nil || len(frames) == 0 {
				t.Fatalf("circle %d ends at %d of %d: %v", i, next, kept.Head, err)
			}
			for _, f := range frames {
				next++
				text := string(f.Message)
				if f.Seq != next || texts[text] && f.Kind == store.KindApplication {
					t.Fatalf("circle %d: frame %d where %d belongs, text %q", i, f.Seq, next, text)
				}
				texts[text] = true
				if a, ok := acked[i][f.Seq]; ok && a.text != text {
					t.Fatalf("circle %d: frame %d is %q, acknowledged was %q", i, f.Seq, text, a.text)
				}
			}
		}
		for seq := range acked[i] {
			if seq > kept.Head {
				t.Fatalf("circle %d: %d was acknowledged and is lost", i, seq)
			}
		}
	}
}

// childAppends appends with acknowledgements until it is killed: several
// senders per circle, some commits.
func childAppends(dir string) {
	ctx := context.Background()
	s, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		panic(err)
	}
	var out sync.Mutex
	for i := range killRings {
		c := store.Circle{ID: ringID(i), AnchorKey: []byte("anchor"), Opened: time.Unix(1, 0)}
		if err := s.Circles.Open(ctx, c, []byte("tracker 0"), nil); err != nil {
			panic(err)
		}
	}
	for i := range killRings { // all circles are there before the first acknowledgement
		for sender := range 4 {
			go func() {
				for n := 0; ; n++ {
					childAppend(ctx, s, i, fmt.Sprintf("%d-%d-%d", os.Getpid(), sender, n), sender == 0 && n%10 == 9, &out)
				}
			}()
		}
	}
	select {}
}

func childAppend(ctx context.Context, s *store.Store, i int, text string, commit bool, out *sync.Mutex) {
	c, err := s.Circles.Get(ctx, ringID(i))
	if err != nil {
		panic(err)
	}
	a := store.Append{Circle: c.ID, Kind: store.KindApplication, Epoch: c.Epoch, Message: []byte(text), Now: time.Unix(2, 0)}
	if commit {
		a.Kind, a.Tracker, a.Welcome = store.KindCommit, fmt.Appendf(nil, "tracker %d", c.Epoch+1), []byte("welcome")
	}
	done, err := s.Circles.Append(ctx, a)
	if err != nil && strings.Contains(err.Error(), "epoch") {
		return // another sender's commit came before
	}
	if err != nil {
		panic(err)
	}
	line := "ack " + strconv.Itoa(i) + " " + strconv.FormatUint(done.Seq, 10) + " " + strconv.FormatUint(done.Epoch, 10) + " " + text + "\n"
	out.Lock()
	defer out.Unlock()
	_, _ = os.Stdout.WriteString(line)
}

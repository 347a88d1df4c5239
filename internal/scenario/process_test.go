package scenario

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"primum/internal/webtest"
)

// childRole names the part that this test binary plays when a test has started
// it as a process of its own.
const childRole = "PRIMUM_SCENARIO_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(playRole(role))
	}
	os.Exit(webtest.Main(m))
}

// playRole reads its configuration, one line of JSON, from standard input, and
// plays until it is killed or its input ends: a test that dies takes its
// processes with it.
func playRole(role string) int {
	in := bufio.NewReader(os.Stdin)
	config, err := in.ReadBytes('\n')
	if err == nil {
		go func() {
			_, _ = io.Copy(io.Discard, in)
			os.Exit(0)
		}()
		switch role {
		case "node":
			err = playNode(config)
		case "edge":
			err = playEdge(config)
		case "client":
			err = playClient(config)
		default:
			err = fmt.Errorf("no role %q", role)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "role", role, "ended:", err)
		return 1
	}
	return 0
}

// saying is what a process says: one line each, a word and JSON. One write per
// line, so that a killed process has said it all or not at all.
type saying struct {
	Word string          `json:"word"`
	Body json.RawMessage `json:"body,omitempty"`
}

func say(word string, body any) {
	b, err := json.Marshal(body)
	if err == nil {
		b, err = json.Marshal(saying{word, b})
	}
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.Write(append(b, '\n'))
}

// process is a role played by another process.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ended chan struct{} // closed when it has ended and all it said was heard

	mu     sync.Mutex
	stderr bytes.Buffer // under mu
	words  map[string]chan saying
}

// start starts a role; heard is called with every saying, in order, from one
// goroutine; words are those that waitFor may wait for.
func start(t *testing.T, role string, config any, heard func(saying), words ...string) *process {
	t.Helper()
	p := &process{t: t, ended: make(chan struct{}), words: map[string]chan saying{}}
	for _, w := range words {
		p.words[w] = make(chan saying, 64)
	}
	p.cmd = exec.Command(os.Args[0], "-test.run=^$")
	p.cmd.Env = append(os.Environ(), childRole+"="+role)
	p.cmd.Stderr = (*processStderr)(p)
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.stdin, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	go p.listen(out, heard)
	b, err := json.Marshal(config)
	if err == nil {
		_, err = p.stdin.Write(append(b, '\n'))
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type processStderr process

func (p *processStderr) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.Write(b)
}

func (p *process) listen(out io.Reader, heard func(saying)) {
	defer close(p.ended)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			_ = p.cmd.Wait() // it was killed, mostly
			return
		}
		var s saying
		if json.Unmarshal(line, &s) != nil {
			continue // the testing package has its say, too
		}
		if heard != nil {
			heard(s)
		}
		if c := p.words[s.Word]; c != nil {
			c <- s
		}
	}
}

// said waits until the process says a word, and reads what comes with it.
func (p *process) said(word string, body any) {
	p.t.Helper()
	select {
	case s := <-p.words[word]:
		if err := json.Unmarshal(s.Body, body); err != nil {
			p.t.Fatal(err)
		}
	case <-p.ended:
		p.t.Fatalf("the process ended before it said %q:\n%s", word, p.errors())
	case <-time.After(patience):
		p.t.Fatalf("the process did not say %q within %v:\n%s", word, patience, p.errors())
	}
}

func (p *process) errors() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// kill is kill -9; it returns when the process is gone and all that it said was
// heard.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// gone waits until somebody has killed the process.
func (p *process) gone() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("the process lives on; it came to no instant to be killed at:\n%s", p.errors())
	}
}

// chance is a seeded source of random instants; PRIMUM_SEED repeats a run.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("PRIMUM_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("PRIMUM_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("PRIMUM_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// kills is how often a process is killed: 20 times, or 200 under PRIMUM_SOAK=1.
func kills() int {
	if os.Getenv("PRIMUM_SOAK") == "1" {
		return 200
	}
	return 20
}

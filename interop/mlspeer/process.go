package mlspeer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
)

// Process is a running peer. It may be used by several goroutines; requests
// are answered one at a time.
type Process struct {
	cmd  *exec.Cmd
	mu   sync.Mutex // guards what follows
	in   io.WriteCloser
	out  *bufio.Scanner
	last uint64
	said *tail
}

// Start runs cmd as a peer. Its standard error is kept for Call's errors.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, said: new(tail)}
	cmd.Stderr = p.said
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start peer: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start peer: %w", err)
	}
	p.out = bufio.NewScanner(out)
	p.out.Buffer(nil, maxLine)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start peer: %w", err)
	}
	return p, nil
}

// Call sends a request and waits for its reply. The error is what the peer
// said, or that it ended.
func (p *Process) Call(q Request) (*Reply, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	q.ID = p.last
	line, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("call peer: %w", err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("call peer: %w: %s", err, p.said)
	}
	if !p.out.Scan() {
		return nil, fmt.Errorf("call peer: it ended: %w: %s", errors.Join(p.out.Err(), io.EOF), p.said)
	}
	var r Reply
	if err := json.Unmarshal(p.out.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("call peer: reply %.200q: %w", p.out.Text(), err)
	}
	if r.ID != q.ID {
		return nil, fmt.Errorf("call peer: reply %d to request %d", r.ID, q.ID)
	}
	if r.Error != "" {
		return nil, errors.New(r.Error)
	}
	return &r, nil
}

// Close ends the process and waits for it.
func (p *Process) Close() error {
	err := p.in.Close()
	return errors.Join(err, p.cmd.Wait())
}

// tail keeps the last of what was written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if n := len(t.buf) - 4096; n > 0 {
		t.buf = bytes.Clone(t.buf[n:])
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

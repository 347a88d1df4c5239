package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"primum/client/vault"
)

// One process at a time uses an identity's keys. A long-running one, watch or
// receive, serves a Unix socket beside them, mode 0600, so that another
// command under the same identity is executed there and its words come back
// here: `primum withdraw` works while `primum watch` runs.

// controlNote names the file that says where the socket is.
const controlNote = "control"

// maxSocketPath is what sockaddr_un holds, with room to spare.
const maxSocketPath = 100

// asked opens a control connection: what to do, and what the asker's terminal
// is like.
type asked struct {
	Args   []string `json:"args"`
	InTTY  bool     `json:"inTTY"`
	OutTTY bool     `json:"outTTY"`
	ErrTTY bool     `json:"errTTY"`
	Width  int      `json:"width"`
	Phrase string   `json:"phrase,omitempty"` // where the command needs one
}

// told is one line of the answer.
type told struct {
	Out  []byte `json:"out,omitempty"`
	Err  []byte `json:"err,omitempty"`
	Exit *int   `json:"exit,omitempty"`
}

// forwarded is the end of a command that another process has executed and
// reported; nothing is left to say.
type forwarded struct{ code int }

func (f *forwarded) Error() string { return "" }

// canForward tells which commands need nothing of the asker but words: no
// files. A passphrase is asked for here and goes along.
func canForward(cmd *cobra.Command) bool {
	return contains([]string{
		"withdraw", "share", "links", "links cancel", "links resume", "request", "requests", "give", "refuse", "grants", "things", "thing", "send", "watch",
		"me show", "me compare", "me clients", "me clients drop", "me renew",
	}, strings.TrimPrefix(cmd.CommandPath(), "primum "))
}

// serveControl serves the socket until the returned function is called. That
// it can't is no reason to fail: others then hear who holds the keys.
func (a *app) serveControl(o *opened) (stop func()) {
	if a.shared != nil {
		return func() {}
	}
	path, cleanup, err := socketPath(o.vault.Dir())
	if err != nil {
		return func() {}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		cleanup()
		return func() {}
	}
	note := filepath.Join(o.vault.Dir(), controlNote)
	_ = os.Chmod(path, 0o600)
	_ = os.WriteFile(note, []byte(path), 0o600)
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { a.acceptControl(ctx, l, o, &work) })
	return func() {
		cancel()
		_ = l.Close()
		_ = os.Remove(note)
		work.Wait()
		cleanup()
	}
}

// socketPath is in the identity's directory, or where that is too deep for a
// socket, in a fresh private one.
func socketPath(dir string) (path string, cleanup func(), err error) {
	path = filepath.Join(dir, "control.sock")
	if len(path) < maxSocketPath {
		_ = os.Remove(path) // of a process that was killed; the lock says that it is gone
		return path, func() { _ = os.Remove(path) }, nil
	}
	tmp, err := os.MkdirTemp("", "primum-")
	if err != nil {
		return "", nil, err
	}
	return filepath.Join(tmp, "control.sock"), func() { _ = os.RemoveAll(tmp) }, nil
}

func (a *app) acceptControl(ctx context.Context, l net.Listener, o *opened, work *sync.WaitGroup) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		work.Go(func() {
			defer func() { _ = c.Close() }()
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			defer stop()
			a.serveAsked(ctx, c, o)
		})
	}
}

// serveAsked executes one command for another process.
func (a *app) serveAsked(ctx context.Context, c net.Conn, o *opened) {
	in := bufio.NewReader(io.LimitReader(c, 1<<20))
	line, err := in.ReadBytes('\n')
	var q asked
	if err != nil || json.Unmarshal(line, &q) != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	typed, typing := io.Pipe()
	go func() {
		_, _ = io.Copy(typing, in)
		_ = typing.Close()
		cancel() // the asker has left
	}()
	var mu sync.Mutex
	s := a.surroundings
	s.in, s.inTTY, s.outTTY, s.errTTY = typed, q.InTTY, q.OutTTY, q.ErrTTY
	s.width = func() int { return q.Width }
	s.out = tellWriter{c, &mu, func(b []byte) told { return told{Out: b} }}
	s.err = tellWriter{c, &mu, func(b []byte) told { return told{Err: b} }}
	s.phrase = q.Phrase
	code := runShared(ctx, s, q.Args, o)
	_ = typed.Close()
	_ = tell(c, &mu, told{Exit: &code})
}

type tellWriter struct {
	c  net.Conn
	mu *sync.Mutex
	as func([]byte) told
}

func (w tellWriter) Write(b []byte) (int, error) {
	if err := tell(w.c, w.mu, w.as(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

func tell(c net.Conn, mu *sync.Mutex, t told) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	_, err = c.Write(append(b, '\n'))
	return err
}

// forward has the holder of the keys execute this command line. false: it
// can't, and the caller reports who holds them.
func (a *app) forward(ctx context.Context, cmd *cobra.Command, address string) (error, bool) {
	if !canForward(cmd) {
		return nil, false
	}
	path, err := os.ReadFile(filepath.Join(vault.Dir(a.home, address), controlNote))
	if err != nil {
		return nil, false
	}
	c, err := net.Dial("unix", strings.TrimSpace(string(path)))
	if err != nil {
		return nil, false
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	ask := asked{Args: a.args, InTTY: a.inTTY, OutTTY: a.outTTY, ErrTTY: a.errTTY, Width: a.width()}
	if file := cmd.Flags().Lookup("passphrase-file"); file != nil {
		if ask.Phrase, err = a.passphrase(file.Value.String(), "ask.passphrase-of-identity"); err != nil {
			return err, true
		}
	}
	q, err := json.Marshal(ask)
	if err != nil {
		return err, true
	}
	if _, err := c.Write(append(q, '\n')); err != nil {
		return nil, false
	}
	if a.inTTY {
		go func() { _, _ = io.Copy(c, a.in) }()
	}
	return a.repeat(ctx, c), true
}

// repeat says here what the holder says there.
func (a *app) repeat(ctx context.Context, c net.Conn) error {
	d := json.NewDecoder(c)
	for {
		var t told
		if err := d.Decode(&t); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, io.EOF) {
				return errors.New(a.words.Get("control.gone"))
			}
			return fmt.Errorf("read answer of the other process: %w", err)
		}
		_, _ = a.out.Write(t.Out)
		_, _ = a.errOut.Write(t.Err)
		if t.Exit != nil {
			return &forwarded{*t.Exit}
		}
	}
}

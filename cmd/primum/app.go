package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"primum/client"
	"primum/client/nethttp"
	"primum/client/vault"
	"primum/internal/clock"
	"primum/internal/local"
	"primum/internal/words"
)

// surroundings is what a process has around it; tests make their own.
type surroundings struct {
	in         io.Reader
	out, err   io.Writer
	env        func(string) string
	clock      clock.Clock
	rand       io.Reader
	version    string
	zone       *time.Location
	inTTY      bool
	outTTY     bool
	errTTY     bool
	width      func() int // of the terminal, in columns
	workFactor int        // of scrypt, as a power of two; 0 for the usual
	transport  client.Transport
	phrase     string // given along with a command from another process
	// localHome is where a running `primum local` keeps the keys of an address,
	// or of any (empty).
	localHome func(address string) (string, bool)
}

func realSurroundings() surroundings {
	return surroundings{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		env: os.Getenv, clock: clock.Real(), rand: rand.Reader,
		version: version, zone: time.Local,
		inTTY:  term.IsTerminal(int(os.Stdin.Fd())),
		outTTY: term.IsTerminal(int(os.Stdout.Fd())),
		errTTY: term.IsTerminal(int(os.Stderr.Fd())),
		width:  terminalWidth, localHome: local.Home,
	}
}

func terminalWidth() int {
	w, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || w < 20 {
		return 80
	}
	return w
}

// app is one run of the program.
type app struct {
	surroundings
	errOut  io.Writer
	words   *words.Words
	as      string
	json    bool
	verbose bool
	home    string
	args    []string
	stays   atomic.Bool   // watch, receive: it says when a node is lost
	running bool          // a command has begun: errors before are about its usage
	lines   *bufio.Reader // of in, once something was read
	shared  *opened       // the identity at work in this process, for a command that came over the control socket
}

func newApp(s surroundings) (*app, error) {
	w, err := words.New(locale(s.env))
	if err != nil {
		return nil, err
	}
	if s.transport == nil {
		s.transport = nethttp.New(nethttp.Options{Own: ownHosts(s.env), UserAgent: "primum/" + s.version})
	}
	return &app{surroundings: s, errOut: s.err, words: w, home: vault.Home(s.env)}, nil
}

// log writes to standard error with --verbose, else nowhere.
func (a *app) log() *slog.Logger {
	if !a.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(a.errOut, nil))
}

// serverLog is for what runs for long: warnings, and all with --verbose.
func (a *app) serverLog() *slog.Logger {
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(a.errOut, &slog.HandlerOptions{Level: level}))
}

// say prints a sentence for a person; programs (--json) don't get it.
func (a *app) say(id string, pairs ...any) {
	if !a.json {
		_, _ = fmt.Fprintln(a.out, calm(a.words.Get(id, pairs...)))
	}
}

// removed says that something is gone; programs get its name.
func (a *app) removed(name, id string, pairs ...any) {
	if a.json {
		a.line(map[string]string{"removed": name})
		return
	}
	a.say(id, pairs...)
}

// calm takes from a sentence what a terminal would obey: others wrote parts of
// it (names, purposes, what a node answered).
func calm(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}

// hint prints a sentence to standard error, beside a program's output.
func (a *app) hint(id string, pairs ...any) {
	_, _ = fmt.Fprintln(a.errOut, calm(a.words.Get(id, pairs...)))
}

// line prints one JSON line for programs.
func (a *app) line(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte(`{"error":"cannot encode"}`)
	}
	_, _ = fmt.Fprintf(a.out, "%s\n", b)
}

// when shows a time as people write it, in their own zone.
func (a *app) when(t time.Time) string {
	t, now := t.In(a.zone), a.clock.Now().In(a.zone)
	switch {
	case t.IsZero():
		return a.words.Get("when.never")
	case t.YearDay() == now.YearDay() && t.Year() == now.Year():
		return t.Format("15:04:05")
	}
	return t.Format(a.words.Get("when.layout") + " 15:04")
}

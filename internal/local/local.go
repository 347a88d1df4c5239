// Package local plays the whole of Primum on one machine: a small house, its
// node, an adviser's node on another domain, and one shared value.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"primum/client"
	"primum/internal/node"
	"primum/internal/words"
)

// Options of Run.
type Options struct {
	// Keep is a folder to make and to leave behind; empty: a fresh one that is
	// removed at the end.
	Keep string
	// Out gets what a person reads.
	Out io.Writer
	// Words is the language of that.
	Words *words.Words
	// Program is how this program was called, for the commands to copy.
	Program string
	// Version of the software.
	Version string
	// Transport is the way to the nodes.
	Transport client.Transport
}

// The two domains and who lives there.
const (
	ownerHost, ownerUser     = "h.localhost", "owner"
	adviserHost, adviserUser = "s.localhost", "adviser"
	// phrase wraps the two identity keys of this game, in which nobody has
	// anything to hide.
	phrase = "local game"
	// A game doesn't wait for hours to see a proof.
	ledgerEvery = 10 * time.Second
)

// world is everything that runs.
type world struct {
	o        Options
	dir      string
	h, s     *running
	house    *house
	owner    string // address
	adviser  string
	register string // pointer file for the CLI
	portal   string // address that opens the owner's portal
	endFeed  func() // of the open values; nil: none
}

// Run starts everything, shows the first shared value, and goes on until the
// context ends; then it stops and, without Keep, removes every file.
func Run(ctx context.Context, o Options) (err error) {
	w := &world{o: o}
	if w.dir, err = folder(o.Keep); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.stop()) }()
	if err := w.start(ctx); err != nil {
		if ctx.Err() != nil { // Ctrl-C while it starts is no failure
			return nil
		}
		return fmt.Errorf("start the local house: %w", err)
	}
	w.printScreen()
	select {
	case <-ctx.Done():
		return nil
	case err := <-w.h.ended:
		return fmt.Errorf("node %s ended: %w", w.h.node.Authority(), err)
	case err := <-w.s.ended:
		return fmt.Errorf("node %s ended: %w", w.s.node.Authority(), err)
	case err := <-w.house.ended:
		return fmt.Errorf("the edge ended: %w", err)
	}
}

// folder makes the folder in which everything lies.
func folder(keep string) (string, error) {
	if keep == "" {
		dir, err := os.MkdirTemp("", "primum-local-")
		if err != nil {
			return "", fmt.Errorf("make a fresh folder: %w", err)
		}
		return dir, nil
	}
	dir, err := filepath.Abs(keep)
	if err != nil {
		return "", fmt.Errorf("find folder %s: %w", keep, err)
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return "", fmt.Errorf("folder %s is not empty; give --keep the name of a new one", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	return dir, nil
}

func (w *world) start(ctx context.Context) (err error) {
	w.say("local.starting")
	if w.h, err = w.startNode(ctx, ownerHost, node.DefaultListen, "node-h"); err != nil {
		return err
	}
	if w.s, err = w.startNode(ctx, adviserHost, "127.0.0.1:8402", "node-s"); err != nil {
		return err
	}
	w.h.node.AskWitness(w.s.node.Authority())
	w.s.node.AskWitness(w.h.node.Authority())
	w.owner = ownerUser + "@" + w.h.node.Authority()
	w.adviser = adviserUser + "@" + w.s.node.Authority()
	w.say("local.status", "URL", w.h.node.BaseURL()+"/")
	if w.house, err = startHouse(filepath.Join(w.dir, "edge"), w.o.Transport); err != nil {
		return err
	}
	if w.register, err = register(w.peopleDir(), map[string]string{
		w.h.node.Authority(): filepath.Join(w.dir, "node-h"), w.s.node.Authority(): filepath.Join(w.dir, "node-s"),
	}, w.owner, w.adviser); err != nil {
		return err
	}
	if err := w.play(ctx); err != nil {
		return err
	}
	return w.names(ctx)
}

// running is one node at work.
type running struct {
	node  *node.Node
	ended chan error
}

func (w *world) startNode(ctx context.Context, host, listen, dir string) (*running, error) {
	cfg := node.Config{Authority: host, Listen: listen, DataDir: filepath.Join(w.dir, dir), Version: w.o.Version, LedgerEvery: node.Duration(ledgerEvery)}
	if program, err := os.Executable(); err == nil {
		cfg.Program = program
	}
	n, err := node.Open(ctx, cfg)
	if err != nil { // the usual port is taken: any free one
		cfg.Listen = "127.0.0.1:0"
		if n, err = node.Open(ctx, cfg); err != nil {
			return nil, err
		}
	}
	if err := swear(ctx, cfg.DataDir, n.Authority()); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	r := &running{node: n, ended: make(chan error, 1)}
	go func() { r.ended <- n.Serve(context.WithoutCancel(ctx)) }()
	return r, nil
}

func (w *world) peopleDir() string { return filepath.Join(w.dir, "people") }

// stop ends everything in the order in which messages flow, and removes what
// is not to be kept.
func (w *world) stop() (err error) {
	if w.endFeed != nil {
		w.endFeed()
	}
	if w.house != nil {
		err = errors.Join(err, w.house.stop())
	}
	for _, r := range []*running{w.h, w.s} {
		if r != nil {
			err = errors.Join(err, r.node.Close())
		}
	}
	if w.register != "" {
		err = errors.Join(err, os.RemoveAll(w.register))
		_ = os.Remove(filepath.Dir(w.register)) // stays while another one runs
	}
	if w.o.Keep != "" {
		w.say("local.kept", "Dir", w.dir)
		return err
	}
	if err = errors.Join(err, os.RemoveAll(w.dir)); err == nil {
		w.say("local.gone")
	}
	return err
}

func (w *world) say(id string, pairs ...any) { say(w.o, id, pairs...) }

// say prints a sentence of the catalogue.
func say(o Options, id string, pairs ...any) {
	_, _ = fmt.Fprintln(o.Out, o.Words.Get(id, pairs...))
}

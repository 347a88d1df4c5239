package engine

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"primum/client"
	"primum/internal/clock"
	"primum/internal/durable"
)

// Options of New. Only Dir and Transport must be set.
type Options struct {
	Dir       string           // home of all state; one engine at a time
	Transport client.Transport // to nodes
	LAN       client.Transport // to edges on the local network; nil where there is none
	Clock     clock.Clock      // of documents and values; nil: the machine's
	Pace      clock.Clock      // of pauses; nil: the machine's
	Rand      io.Reader        // nil: crypto/rand
	Log       *slog.Logger     // nil: none
	// Origin the page came from ("https://h.example"), where a browser carries
	// requests through it; empty where Transport reaches nodes by itself.
	Origin string
}

// Engine is a person's client as a page uses it. Safe for concurrent use.
type Engine struct {
	o      Options
	table  map[string]handler
	events *queue
	ctx    context.Context
	stop   context.CancelFunc
	work   crew
	links  links
	book   accountBook
	ledger sync.Mutex // held while a ledger is verified

	mu      sync.Mutex
	session *session // nil: no account here
	gone    bool     // the account was here and is no more
}

// New opens the engine that lives in a directory and, where an account is
// there, its client. It waits for no network.
func New(o Options) (*Engine, error) {
	if err := durable.MakeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	d := client.Calls{Clock: o.Clock, Rand: o.Rand, Log: o.Log}.WithDefaults()
	o.Clock, o.Rand, o.Log = d.Clock, d.Rand, d.Log
	if o.Pace == nil {
		o.Pace = clock.Real()
	}
	e := &Engine{o: o, events: newQueue()}
	e.book.wake, e.links.nudge = make(chan struct{}, 1), make(chan struct{}, 1)
	e.table = e.handlers()
	e.ctx, e.stop = context.WithCancel(context.Background())
	a, err := e.loadAccount()
	visit, g, visitErr := e.loadGuest()
	if a == nil {
		a = g
	}
	if err = errors.Join(err, visitErr); err == nil && a != nil {
		err = e.enter(*a)
	}
	if err != nil {
		e.stop()
		e.events.close()
		return nil, fmt.Errorf("open engine: %w", err)
	}
	if visit != nil {
		e.work.start(func() { e.visitWork(visit) })
	}
	return e, nil
}

// Events is what the engine tells without being asked, in order. It is closed
// by Close. A reader that is slow misses values that newer ones have replaced,
// and repetitions of events without content, nothing else.
func (e *Engine) Events() <-chan Event { return e.events.out }

// Close stops working and gives the state back.
func (e *Engine) Close() error {
	e.stop()
	err := e.leave()
	e.work.end()
	e.events.close()
	return err
}

// calls makes requests by the engine's transport.
func (e *Engine) calls() client.Calls {
	return client.Calls{Transport: e.o.Transport, Clock: e.o.Clock, Rand: e.o.Rand, Log: e.o.Log}
}

// label is a random name of 12 letters and digits.
func (e *Engine) label() (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(e.o.Rand, b[:]); err != nil {
		return "", fmt.Errorf("make a label: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:12], nil
}

// emit tells the pages something.
func (e *Engine) emit(v Event) { e.events.put(v) }

// emitStatus tells the pages how far the engine is.
func (e *Engine) emitStatus() {
	s := e.status()
	e.emit(Event{Kind: "status", Status: &s})
}

// current is the session of the account, an *Error where there is none.
func (e *Engine) current() (*session, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.session != nil:
		return e.session, nil
	case e.gone:
		return nil, &Error{Code: "gone"}
	}
	return nil, &Error{Code: "no-account"}
}

// client is the client of the account, an *Error where there is none.
func (e *Engine) client() (*client.Client, error) {
	s, err := e.current()
	if err != nil {
		return nil, err
	}
	return s.client, nil
}

// enter begins to act as an account, which must not be another than before.
func (e *Engine) enter(a account) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.session != nil {
		return &Error{Code: "account-here"}
	}
	s, err := e.openSession(a)
	if err != nil {
		return err
	}
	e.session, e.gone = s, false
	return nil
}

// leave stops acting as the account. Its state stays on the disk.
func (e *Engine) leave() error {
	e.mu.Lock()
	s := e.session
	e.session = nil
	e.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.close()
}

// setGone notes that this client is none of its account any more.
func (e *Engine) setGone() error {
	err := e.leave()
	e.mu.Lock()
	e.gone = true
	e.mu.Unlock()
	e.emitStatus()
	return err
}

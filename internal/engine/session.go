package engine

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"primum/client"
)

// account is who an engine acts for. Keys.Save keeps newer identity documents.
type account struct {
	keys  client.Keys
	guest bool // of a link: it ends with its grant
}

// session is an account at work.
type session struct {
	e      *Engine
	client *client.Client
	guest  bool
	ctx    context.Context
	stop   context.CancelFunc
	work   sync.WaitGroup
}

// clientDir is where the client keeps its circles.
func (e *Engine) clientDir() string { return filepath.Join(e.o.Dir, "client") }

// openSession opens the client of an account and begins to follow it; e.mu is
// held.
func (e *Engine) openSession(a account) (*session, error) {
	s := &session{e: e, guest: a.guest}
	s.ctx, s.stop = context.WithCancel(e.ctx)
	c, err := client.Open(s.ctx, client.Options{
		Calls: e.calls(), Keys: a.keys, Dir: e.clientDir(), LAN: e.o.LAN, Pace: e.o.Clock,
		Link: func(string, error) { e.work.Go(e.emitStatus) },
	})
	if err != nil {
		s.stop()
		return nil, err
	}
	s.client = c
	s.work.Go(func() { e.linkWork(s.ctx, c) })
	return s, nil
}

func (s *session) close() error {
	s.stop()
	err := s.client.Close()
	s.work.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

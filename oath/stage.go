package oath

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	closeWait = 30 * time.Second
	giveUp    = 25 * time.Second // for a cast that is still being made at the end
)

// stage is where a cast is made, once.
type stage struct {
	life  context.Context // of the cast's machines
	end   context.CancelFunc
	once  sync.Once
	begun bool          // written in once
	ready chan struct{} // closed when cast and err are there
	cast  Cast
	err   error
}

func newStage(ctx context.Context) *stage {
	s := &stage{ready: make(chan struct{})}
	s.life, s.end = context.WithCancel(ctx)
	return s
}

func (s *stage) begin(newCast func() (Cast, error)) {
	s.once.Do(func() {
		s.begun = true
		go func() {
			defer close(s.ready)
			defer func() {
				if recover() != nil {
					s.cast, s.err = nil, Unshown("the test persons could not be made of what the node answered")
				}
			}()
			s.cast, s.err = newCast()
		}()
	})
}

// close takes the cast away. One that is still being made is given up.
func (s *stage) close() error {
	defer s.end()
	s.once.Do(func() {}) // from now on none is made
	if !s.begun {
		return nil
	}
	select {
	case <-s.ready:
	default:
		s.end()
		select {
		case <-s.ready:
		case <-time.After(giveUp):
			return errors.New("the test persons were given up while they were being made")
		}
	}
	if s.cast == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.life), closeWait)
	defer cancel()
	return within(ctx, s.cast.Close)
}

// within waits for f no longer than ctx and a grace.
func within(ctx context.Context, f func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(grace):
		return errors.New("the test persons did not leave in time")
	}
}

package engine

import (
	"context"
	"time"
)

func (e *Engine) statusHandlers() map[string]handler {
	return map[string]handler{
		"status": handle(func(context.Context, Empty) (Status, error) { return e.status(), nil }),
	}
}

// tolerated is how far clocks may be apart without a word.
const tolerated = time.Minute

// status is how far the engine is; it asks nobody.
func (e *Engine) status() Status {
	e.mu.Lock()
	s, gone := e.session, e.gone
	e.mu.Unlock()
	out := Status{Phase: PhaseNone}
	if gone {
		out.Phase = PhaseGone
	}
	if s != nil {
		s.fillStatus(&out)
	}
	e.accountStatus(&out)
	return out
}

func (s *session) fillStatus(out *Status) {
	c := s.client
	out.Phase, out.Guest = PhaseOpen, s.guest
	out.Account, out.Client, out.Node = c.Address(), c.ClientName(), c.Home.Authority
	out.Online, out.Away = c.Reach()
	if ahead := c.Ahead(); ahead > tolerated || ahead < -tolerated {
		out.ClockOff = ahead.Seconds()
	}
}

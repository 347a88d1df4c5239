package engine

import "context"

func (e *Engine) statusHandlers() map[string]handler {
	return map[string]handler{
		"status": handle(func(context.Context, Empty) (Status, error) { return e.status(), nil }),
	}
}

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
		out.Phase, out.Guest = PhaseOpen, s.guest
		out.Account, out.Client, out.Node = s.client.Address(), s.client.ClientName(), s.client.Home.Authority
	}
	e.accountStatus(&out)
	return out
}

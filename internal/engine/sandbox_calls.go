package engine

import (
	"context"
	"fmt"
	"sync"

	"primum/circle"
	"primum/client"
)

// sandboxStart makes the thermometer and claims it; where it is already, it is
// answered again.
func (e *Engine) sandboxStart(ctx context.Context, _ Empty) (HomeResult, error) {
	s, err := e.current()
	if err != nil {
		return HomeResult{}, err
	}
	if s.guest {
		return HomeResult{}, &Error{Code: "not-yours"}
	}
	s.sandbox.turn.Lock()
	defer s.sandbox.turn.Unlock()
	for _, h := range s.client.Owner.Homes() {
		if s.sandbox.is(h.ThingKey) && !h.Closed {
			return HomeResult{Home: h.Circle.String()}, nil
		}
	}
	if err := s.sandbox.begin(s); err != nil {
		return HomeResult{}, err
	}
	home, err := s.sandbox.claim(s)
	if err != nil {
		return HomeResult{}, err
	}
	s.showSandbox(home)
	s.waitForThings(ctx, home)
	return HomeResult{Home: home.String()}, nil
}

// showSandbox shows the last hour at once: the home circle would tell its first
// values after a minute, and a person's first page would be empty until then.
func (s *session) showSandbox(home circle.ID) {
	now := s.e.o.Clock.Now()
	past := make([]Point, 0, maxRecent)
	for at := now.Add(-(maxRecent - 1) * homeClock).Truncate(sandboxEvery); !at.After(now); at = at.Add(homeClock) {
		past = append(past, pointOf(at, temperature(at)))
	}
	stream := client.Stream{Home: home}
	s.recent.fill(seriesKey(stream, sandboxThing, sandboxTemperature), past, "°C")
	s.recent.fill(seriesKey(stream, sandboxThing, sandboxLight), []Point{pointOf(now, s.sandbox.lit())}, "")
}

// begin makes the anchor where there is none.
func (b *sandbox) begin(s *session) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.anchor != nil {
		return nil
	}
	if b.state.Since.IsZero() {
		b.state.Since = b.e.o.Clock.Now().UTC().Add(-sandboxPast)
	}
	if err := b.run(s.ctx, s.calls); err != nil {
		return err
	}
	b.state.Key = b.anchor.ThingKey()
	return b.save()
}

// claim is what an owner's client and an edge do on the local network, here
// within one program: nobody stands between, so that no code is needed.
func (b *sandbox) claim(s *session) (home circle.ID, err error) {
	b.mu.Lock()
	a := b.anchor
	b.mu.Unlock()
	request, err := s.client.Owner.BeginClaim(s.client.Home.Authority)
	if err != nil {
		return home, fmt.Errorf("claim the sandbox: %w", err)
	}
	offer, err := a.BeginClaim(request)
	if err != nil {
		return home, fmt.Errorf("claim the sandbox: %w", err)
	}
	signed, err := s.client.Owner.SignClaim(request, offer, a.ThingKey())
	if err != nil {
		return home, fmt.Errorf("claim the sandbox: %w", err)
	}
	welcome, err := a.FinishClaim(signed)
	if err != nil {
		return home, fmt.Errorf("claim the sandbox: %w", err)
	}
	if home, err = s.client.Owner.JoinHome(offer, welcome); err != nil {
		return home, fmt.Errorf("claim the sandbox: %w", err)
	}
	return home, nil
}

// sandboxRemove withdraws all grants of the sandbox, then destroys it.
func (e *Engine) sandboxRemove(ctx context.Context, _ Empty) (Empty, error) {
	s, err := e.current()
	if err != nil {
		return Empty{}, err
	}
	s.sandbox.turn.Lock()
	defer s.sandbox.turn.Unlock()
	var homes []string
	var work sync.WaitGroup
	for _, h := range s.client.Owner.Homes() {
		if !s.sandbox.is(h.ThingKey) {
			continue
		}
		homes = append(homes, h.Circle.String())
		for _, g := range s.client.Owner.Given() {
			if g.Home == h.Circle && !g.State.Terminal() {
				work.Go(func() {
					if _, _, err := s.withdrawBoth(ctx, g.ID, withdrawPatience); err != nil {
						e.o.Log.Warn("grant of the sandbox not withdrawn", "why", err)
					}
				})
			}
		}
	}
	work.Wait()
	err = s.sandbox.erase(homes)
	e.emit(Event{Kind: "things"})
	e.emit(Event{Kind: "grants"})
	return Empty{}, err
}

// confirm takes a withdrawal straight to the sandbox's anchor: it is here, even
// where no node answers.
func (b *sandbox) confirm(s *session, grantID string) error {
	b.mu.Lock()
	a := b.anchor
	b.mu.Unlock()
	if a == nil {
		return nil
	}
	w, err := s.client.Owner.LANWithdrawal(grantID)
	if err != nil {
		return err
	}
	statement, err := a.Withdraw(w)
	if err != nil {
		return err
	}
	return s.client.Owner.Statement(statement)
}

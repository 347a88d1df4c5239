package engine

import (
	"context"
	"slices"
	"time"

	"primum/circle"
	"primum/internal/wire"
	"primum/thing"
)

const (
	// sendPatience is how long a command may take.
	sendPatience = 10 * time.Second
	// claimPatience bounds a claim; thingsPatience what follows it.
	claimPatience  = time.Minute
	thingsPatience = 5 * time.Second
	// maxInput is the largest input of a command.
	maxInput = 600
)

// send writes a property or invokes an action and waits for the answer.
func (e *Engine) send(ctx context.Context, p SendParams) (SendResult, error) {
	s, err := e.current()
	if err != nil {
		return SendResult{}, err
	}
	t, err := s.findTarget(p.Ref)
	if err != nil {
		return SendResult{}, err
	}
	if len(p.Input) > maxInput {
		return SendResult{}, &Error{Code: "too-large"}
	}
	ctx, cancel := context.WithTimeout(ctx, sendPatience+pastPatience)
	defer cancel()
	began := e.o.Clock.Now()
	answer, err := s.client.Send(ctx, t, p.Input, sendPatience)
	if err != nil {
		return SendResult{}, thingAway(err)
	}
	if t.Own && slices.Contains(t.Ops, thing.ReadProperty) {
		s.work.start(func() { s.refresh(t) })
	}
	return SendResult{Answer: answer, Millis: e.o.Clock.Now().Sub(began).Milliseconds()}, nil
}

// claim makes an edge on the local network one's own.
func (e *Engine) claim(ctx context.Context, p ClaimParams) (HomeResult, error) {
	s, err := e.current()
	if err != nil {
		return HomeResult{}, err
	}
	if e.o.LAN == nil {
		return HomeResult{}, &Error{Code: "no-lan"}
	}
	if _, _, err := wire.ParseClaimURL(p.URL); err != nil {
		return HomeResult{}, &Error{Code: "claim-url", Detail: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	home, err := s.client.Claim(ctx, p.URL, p.Code)
	if err != nil {
		return HomeResult{}, err
	}
	s.waitForThings(ctx, home)
	return HomeResult{Home: home.String()}, nil
}

// waitForThings gives a fresh home a moment, so that a page has something to
// show; without things it shows that they are on their way.
func (s *session) waitForThings(ctx context.Context, home circle.ID) {
	ctx, cancel := context.WithTimeout(ctx, thingsPatience)
	defer cancel()
	if err := s.client.Described(ctx, home); err != nil {
		s.e.o.Log.Info("things of a fresh home not here yet", "why", err)
	}
	s.e.emit(Event{Kind: "things"})
}

// goOnWithout excuses a silent client.
func (e *Engine) goOnWithout(_ context.Context, p GoOnParams) (Empty, error) {
	s, err := e.current()
	if err != nil {
		return Empty{}, err
	}
	home, err := circle.ParseID(p.Home)
	if err != nil {
		return Empty{}, &Error{Code: "params", Detail: err.Error()}
	}
	return Empty{}, s.client.Owner.GoOnWithout(home, p.Client)
}

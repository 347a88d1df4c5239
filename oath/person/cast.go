package person

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/identity"
	"primum/internal/clock"
	"primum/internal/wire"
	"primum/oath"
	"primum/oath/trace"
)

const (
	// patience bounds each wait for something that an honest node does at once.
	patience = 20 * time.Second
	// glance is the pause between two looks at what other goroutines bring about.
	glance = 5 * time.Millisecond
	// goodbye bounds how long the cast takes to leave.
	goodbye = 20 * time.Second
)

// Builds are the programs that the cast uses in place of our own. An operator
// gives programs to its people (the portal's pages, an edge): its oath is worth
// what these do, so a check can be run with them. The zero value is ours.
type Builds struct {
	// SignUp may change the identity document that a person's program makes.
	SignUp func(*identity.Document)
	// Give may change what a person's program signs when the person gives.
	Give func(*circle.GiveParams)
}

// Cast is who and what plays in the checks: a person with a thing, grantees a
// and b, all made by the check through the target's public door. Its probes run
// one after the other.
type Cast struct {
	run    *oath.Run
	clock  clock.Clock
	net    client.Transport
	dir    string
	builds Builds

	owner, a, b *human
	thing       *machinery
	home        circle.ID
	spare       *spare // of a, played by hand
	baseID      string // see base
	fineID      string // the grant of measureWhatArrives
	asked       bool   // b has asked
	forged      bool   // the node shows a with other keys than a's
	lamp        int    // what the lamp was last set to

	leaver *human          // who takes everything along, and goes
	export wire.NodeExport // of the leaver
	trace  string          // a text that the leaver published
	page   string          // id of the page that has it

	mu       sync.Mutex
	humans   []*human     // everybody who signed up; under mu
	things   []*machinery // under mu
	canaries []*canary    // everything that was ever told sealed; under mu
}

// canary is a text that travels sealed only.
type canary struct {
	what string
	text string
}

// NewCast signs the cast up at the run's target. ctx lives as long as the check.
func NewCast(ctx context.Context, r *oath.Run) (oath.Cast, error) { return Builds{}.NewCast(ctx, r) }

// NewCast is the package's NewCast with programs in place of our own.
func (b Builds) NewCast(ctx context.Context, r *oath.Run) (oath.Cast, error) {
	dir, err := os.MkdirTemp("", "primum-check-")
	if err != nil {
		return nil, fmt.Errorf("make room for the test persons: %w", err)
	}
	c := &Cast{run: r, clock: r.Clock, net: r.Transport(), dir: dir, builds: b}
	if c.clock == nil {
		c.clock = clock.Real()
	}
	if err := c.enter(ctx); err != nil {
		leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		return nil, errors.Join(err, c.Close(leave))
	}
	return c, nil
}

func (c *Cast) enter(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	if c.owner, err = c.newHuman(ctx); err != nil {
		return err
	}
	if c.a, err = c.newHuman(ctx, spareName); err != nil {
		return err
	}
	if c.b, err = c.newHuman(ctx); err != nil {
		return err
	}
	if c.spare, err = c.newSpare(ctx, c.a); err != nil {
		return err
	}
	c.thing, c.home, err = c.newThing(ctx, c.owner)
	return err
}

func (c *Cast) keep(h *human) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.humans = append(c.humans, h)
}

// Close implements oath.Cast: the accounts are closed, which ends all grants,
// and nothing stays on this machine.
func (c *Cast) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	c.mu.Lock()
	humans, things := slices.Clone(c.humans), slices.Clone(c.things)
	c.mu.Unlock()
	var err error
	for _, h := range humans {
		err = errors.Join(err, h.leave(ctx))
	}
	for _, t := range things {
		t.stop()
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// of is the cast of a run, as this package made it.
func of(ctx context.Context, r *oath.Run) (*Cast, error) {
	any, err := r.Cast(ctx)
	if err != nil {
		return nil, err
	}
	c, ok := any.(*Cast)
	if !ok {
		return nil, oath.Unshown("this check has other test persons than its probes know")
	}
	return c, nil
}

// until looks until something holds, for at most a time; it tells whether it did.
func (c *Cast) until(ctx context.Context, most time.Duration, holds func() bool) bool {
	end := c.clock.Now().Add(most)
	for !holds() {
		if ctx.Err() != nil || !c.clock.Now().Before(end) {
			return holds()
		}
		c.pause(ctx, glance)
	}
	return true
}

func (c *Cast) pause(ctx context.Context, d time.Duration) {
	t := c.clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
	case <-ctx.Done():
	}
}

// canary makes a text to be told sealed, and remembers it.
func (c *Cast) canary(what string) (string, error) {
	text, err := trace.NewCanary()
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.canaries = append(c.canaries, &canary{what, text})
	return text, nil
}

// told is every canary so far.
func (c *Cast) told() []*canary {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.canaries)
}

// everybody is who ever signed up, and their things' tapes.
func (c *Cast) tapes() map[string]*trace.Tape {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string]*trace.Tape, len(c.humans)+len(c.things))
	for _, h := range c.humans {
		all[h.address.String()] = h.tape
	}
	for i, t := range c.things {
		all[fmt.Sprintf("thing %d", i+1)] = t.tape
	}
	return all
}

// offer is what a person gives to somebody.
type offer struct {
	to           *human
	names        []string
	ops          []string
	precision    circle.Precision
	purpose      string
	pseudonymous bool
}

// give lets the person give, and waits until the circle is open and all clients
// of the grantee are in it.
func (c *Cast) give(ctx context.Context, o offer) (circle.GrantInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seen, err := c.owner.open.Directory.Lookup(ctx, o.to.address.String())
	if err != nil {
		return circle.GrantInfo{}, fmt.Errorf("find the grantee: %w", err)
	}
	if o.purpose == "" {
		o.purpose = "energy advice"
	}
	purpose, err := grant.FindPurpose(o.purpose)
	if err != nil {
		return circle.GrantInfo{}, fmt.Errorf("find the purpose: %w", err)
	}
	p := circle.GiveParams{
		Home: c.home, Grantee: seen.Compact(), Purpose: purpose, Until: c.clock.Now().Add(24 * time.Hour), Pseudonymous: o.pseudonymous,
	}
	for _, name := range o.names {
		p.Share = append(p.Share, circle.SharedAffordance{
			Source: circle.Source{Thing: thingName, Name: name}, Title: thingTitle, Ops: o.ops, Precision: o.precision,
		})
	}
	if c.builds.Give != nil {
		c.builds.Give(&p)
	}
	id, err := c.owner.open.Give(ctx, p)
	if err != nil {
		return circle.GrantInfo{}, err
	}
	if err := c.owner.open.Opened(ctx, id); err != nil {
		return circle.GrantInfo{}, fmt.Errorf("open the circle of a grant: %w", err)
	}
	c.until(ctx, patience, func() bool {
		g, ok := o.to.received(id)
		return ok && g.Joined
	})
	g, _ := c.owner.given(id)
	return g, nil
}

// values collects what a grantee's program shows of a grant from now on.
func (c *Cast) values(ctx context.Context, h *human, id string) (all func() []client.Value, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex
	var seen []client.Value
	done := make(chan struct{})
	go func() {
		defer close(done)
		for v := range h.open.Watch(ctx, id) {
			mu.Lock()
			seen = append(seen, v)
			mu.Unlock()
		}
	}()
	return func() []client.Value {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(seen)
		}, func() {
			cancel()
			<-done
		}
}

// room is a fresh directory for a machine of the cast.
func (c *Cast) room(name string) string { return filepath.Join(c.dir, name) }

package person

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"primum/circle"
	"primum/client"
	"primum/oath/trace"
	"primum/thing"
)

// The thing that the person of the cast owns, and what of it is shared.
const (
	thingName  = "meter"
	thingTitle = "Meter"
	textName   = "note"  // a text: the canary
	countName  = "count" // a number
	lampName   = "lamp"  // a number that can be set
)

// machinery: a thing's end without an edge around it, in this process.
type machinery struct {
	*circle.Anchor
	tape *trace.Tape
	stop func()
}

// newThing makes a thing and claims it for its owner, in one room: no local
// network is needed, all else goes through the target's public door.
func (c *Cast) newThing(ctx context.Context, owner *human) (*machinery, circle.ID, error) {
	t := trace.NewTape(c.net, c.clock)
	a, err := circle.OpenAnchor(c.room(owner.address.User+"-thing"), circle.AnchorOptions{Clock: c.clock})
	if err != nil {
		return nil, circle.ID{}, fmt.Errorf("make a thing: %w", err)
	}
	m := &machinery{Anchor: a, tape: t}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = client.RunAnchor(run, a, client.AnchorOptions{Calls: client.Calls{Transport: t, Clock: c.clock}, Take: m.take})
	}()
	m.stop = sync.OnceFunc(func() {
		cancel()
		<-done
		_ = a.Close() // its directory is removed next
	})
	c.mu.Lock()
	c.things = append(c.things, m)
	c.mu.Unlock()
	described, err := c.describe()
	if err == nil {
		err = a.SetThings([]circle.Thing{described})
	}
	if err != nil {
		return nil, circle.ID{}, fmt.Errorf("describe the thing: %w", err)
	}
	home, err := c.claim(ctx, owner, a)
	return m, home, err
}

// describe says what the thing is; its words are a canary, too.
func (c *Cast) describe() (circle.Thing, error) {
	words, err := c.canary("the thing's description")
	if err != nil {
		return circle.Thing{}, err
	}
	d := thing.New(thingTitle)
	d.AddProperty(textName, thing.Schema{Title: "Note", Text: words, Type: "string", ReadOnly: true})
	d.AddProperty(countName, thing.Schema{Title: "Count", Type: "number", ReadOnly: true})
	d.AddProperty(lampName, thing.Schema{Title: "Lamp", Type: "number"})
	b, err := json.Marshal(d)
	return circle.Thing{ID: thingName, Title: thingTitle, Description: b}, err
}

// take answers commands as a lamp does.
func (m *machinery) take(e circle.Event) error {
	if e.Kind == circle.EventCommand {
		return m.Answer(e.Ref, e.Value, nil)
	}
	return nil
}

// claim makes the anchor the owner's own.
func (c *Cast) claim(ctx context.Context, owner *human, a *circle.Anchor) (home circle.ID, err error) {
	actor := owner.open.Owner
	request, err := actor.BeginClaim(c.run.Target.Domain)
	if err != nil {
		return home, fmt.Errorf("claim the thing: %w", err)
	}
	offer, err := a.BeginClaim(request)
	if err != nil {
		return home, fmt.Errorf("claim the thing: %w", err)
	}
	signed, err := actor.SignClaim(request, offer, a.ThingKey())
	if err != nil {
		return home, fmt.Errorf("claim the thing: %w", err)
	}
	welcome, err := a.FinishClaim(signed)
	if err != nil {
		return home, fmt.Errorf("claim the thing: %w", err)
	}
	if home, err = actor.JoinHome(offer, welcome); err != nil {
		return home, fmt.Errorf("join the home: %w", err)
	}
	if err := owner.open.Described(ctx, home); err != nil {
		return home, fmt.Errorf("the thing's own node does not carry its description to its owner: %w", err)
	}
	return home, nil
}

// tell lets the thing measure something now.
func (m *machinery) tell(name string, value any, at time.Time) error {
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write value: %w", err)
	}
	return m.Feed(circle.Sample{Thing: thingName, Name: name, At: at, Value: b})
}

// tellCanary lets the thing say a new canary.
func (c *Cast) tellCanary() (string, error) {
	text, err := c.canary("a value")
	if err != nil {
		return "", err
	}
	return text, c.thing.tell(textName, text, c.clock.Now())
}

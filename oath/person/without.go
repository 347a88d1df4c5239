package person

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"primum/client"
	"primum/oath"
)

// goOnWithoutTheYes (O15): the person withdraws everything, and then uses what is
// theirs as before.
//
// Facts: withdrawn (grants), tried (core functions), working, first-broken.
func (c *Cast) goOnWithoutTheYes(ctx context.Context, args oath.Args) (oath.Observation, error) {
	wait := args.Duration("wait", 10*time.Second)
	o := oath.Observation{Facts: facts{}}
	if _, err := c.base(ctx); err != nil {
		return o, err
	}
	before := c.core(ctx, c.owner)
	for _, f := range before {
		if f.err != nil {
			return o, oath.Unshown("even with every yes this does not work: " + f.what + ": " + f.err.Error())
		}
	}
	n := 0
	for _, g := range c.owner.open.Owner.Given() {
		if !g.State.Valid() {
			continue
		}
		if _, _, err := c.owner.open.Withdraw(ctx, g.ID, wait); err != nil {
			return o, err
		}
		n++
	}
	o.Facts["withdrawn"] = oath.Number(n)
	err := c.restart(ctx, c.owner)
	if err != nil {
		c.pause(ctx, again)
		err = c.restart(ctx, c.owner)
	}
	if err != nil {
		o.Facts["first-broken"] = oath.Text("the person's program does not get in any more: " + err.Error())
		o.Facts["tried"], o.Facts["working"] = oath.Number(1), oath.Number(0)
		o.Evidence = append(o.Evidence, c.note("After everything was withdrawn, the person's program does not get in any more: "+err.Error(), c.again("O15")))
		return o, nil
	}
	after := c.core(ctx, c.owner)
	if slices.ContainsFunc(after, func(f function) bool { return f.err != nil }) {
		c.pause(ctx, again)
		after = c.core(ctx, c.owner)
	}
	c.noteCore(&o, after)
	return o, nil
}

// again is the pause before something that failed is tried once more: a line may
// be bad for a moment.
const again = 2 * time.Second

// function is something that works without anybody's yes.
type function struct {
	what string
	err  error
}

// core tries what a node does for a person and their own things.
func (c *Cast) core(ctx context.Context, h *human) []function {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	get := func(path string) error {
		resp, err := c.ask(ctx, h, h.node(phone).By, http.MethodGet, path, nil, "")
		if err == nil && resp.Status != http.StatusOK {
			err = fmt.Errorf("status %d", resp.Status)
		}
		return err
	}
	_, ticket := h.node(phone).Ticket(ctx)
	return []function{
		{"switching the own lamp", c.switchLamp(ctx, h)},
		{"the own grants", get("/v1/grants")},
		{"the own inbox", get("/v1/inbox?after=0")},
		{"the own things' homes", get("/v1/homes")},
		{"the own identity document", get("/v1/identity/" + h.address.User)},
		{"a live socket", ticket},
	}
}

// switchLamp sends a command through the own home circle, and waits for the
// thing's answer.
func (c *Cast) switchLamp(ctx context.Context, h *human) error {
	ctx, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	c.lamp++
	input, err := json.Marshal(c.lamp)
	if err != nil {
		return fmt.Errorf("write command: %w", err)
	}
	t, err := h.open.Find(thingName + "/" + lampName)
	if err != nil {
		return err
	}
	got, err := h.open.Send(ctx, t, input, patience/2)
	if err == nil && string(got) != string(input) {
		err = fmt.Errorf("the lamp answered %s", printable(got))
	}
	return err
}

func (c *Cast) noteCore(o *oath.Observation, all []function) {
	working := 0
	for _, f := range all {
		if f.err == nil {
			working++
			continue
		}
		if _, known := o.Facts["first-broken"]; !known {
			o.Facts["first-broken"] = oath.Text(f.what + ": " + f.err.Error())
			o.Evidence = append(o.Evidence, c.note("This does not work without a yes: "+f.what+": "+f.err.Error(), c.again("O15")))
		}
	}
	o.Facts["tried"], o.Facts["working"] = oath.Number(len(all)), oath.Number(working)
	o.Evidence = append(o.Evidence, c.note(fmt.Sprintf("Without any yes, %d of %d core functions work.", working, len(all)), c.again("O15")))
}

// restart closes a human's program and opens it anew, as people do.
func (c *Cast) restart(ctx context.Context, h *human) error {
	if h.open != nil {
		if err := h.open.Close(); err != nil {
			return fmt.Errorf("close a test person's client: %w", err)
		}
		h.open = nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	return h.start(ctx)
}

// goOnWithoutTheNode (O15): the cable to the node is cut. The thing measures on,
// and when the cable is mended the person has their thing again.
//
// Facts: unreachable (the node really was away), measured (values that the thing
// took meanwhile), mended (the person reaches the thing again).
func (c *Cast) goOnWithoutTheNode(ctx context.Context, _ oath.Args) (oath.Observation, error) {
	o := oath.Observation{Facts: facts{}}
	c.thing.tape.Cable(true)
	c.owner.tape.Cable(true)
	_, err := c.owner.node(phone).Info(ctx)
	o.Facts["unreachable"] = oath.Yes(errors.Is(err, client.ErrUnreachable))
	n := 0
	for range 5 {
		if _, err := c.tellCanary(); err == nil {
			n++
		}
	}
	o.Facts["measured"] = oath.Number(n)
	c.thing.tape.Cable(false)
	c.owner.tape.Cable(false)
	if c.owner.open == nil {
		if err := c.restart(ctx, c.owner); err != nil {
			o.Facts["mended"] = oath.Yes(false)
			return o, nil
		}
	}
	err = c.switchLamp(ctx, c.owner)
	o.Facts["mended"] = oath.Yes(err == nil)
	o.Evidence = append(o.Evidence, c.note("The thing measured on while its node was away.", c.again("O15")))
	return o, nil
}

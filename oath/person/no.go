package person

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"primum/circle"
	"primum/grant"
	"primum/internal/wire"
	"primum/oath"
	"primum/oath/trace"
)

// sayNo (O04): the person gives to a and then says no, as people do, by one word
// to their program. What both cost is counted, and a tries to go on.
//
// Facts: yes-requests, no-requests; receipt (the node has signed that it locked),
// lock-one, confirmed (the thing has signed that it stopped), lock-two, denied,
// denial (until a was refused for the first time); epoch-advanced (the thing
// has shut a out by a commit), delivered-after (sealed messages that came to a
// after the no), old-key-opens (messages sealed after the no that a's old key
// opens).
func (c *Cast) sayNo(ctx context.Context, args oath.Args) (oath.Observation, error) {
	wait := args.Duration("wait", 10*time.Second)
	o := oath.Observation{Facts: facts{}}
	yes := c.owner.tape.Mark()
	g, err := c.give(ctx, offer{to: c.a, names: []string{textName}, ops: seeing(), precision: circle.Precision{Change: true}})
	if err != nil {
		return o, err
	}
	o.Facts["yes-requests"] = oath.Number(requests(c.owner.tape.Since(yes)))
	seat := c.spare.sit(wire.CircleID(g.Circle))
	values, stop := c.values(ctx, c.a, g.ID)
	defer stop()
	if _, err := c.tellCanary(); err != nil {
		return o, err
	}
	if !c.until(ctx, patience, func() bool { return len(values()) > 0 }) {
		return o, oath.Unshown("not even with a yes a value arrived, so that nothing shows what a no ends")
	}
	if err := seat.read(ctx); err != nil {
		return o, fmt.Errorf("read a circle as a grantee: %w", err)
	}
	no := c.owner.tape.Mark()
	toA, ofThing := c.a.tape.Mark(), c.thing.tape.Mark()
	denial := c.refusedAfter(ctx, g, wait)
	asked := c.clock.Now()
	info, _, err := c.owner.open.Withdraw(ctx, g.ID, wait)
	if err != nil {
		return o, err
	}
	o.Facts["no-requests"] = oath.Number(requests(c.owner.tape.Since(no)))
	c.noteLocks(ctx, &o, g, info, asked)
	c.noteDenial(&o, <-denial)
	if err := c.noteAfter(ctx, &o, g, seat, toA, ofThing); err != nil {
		return o, err
	}
	return o, nil
}

// requests counts what was said to the node: requests and frames.
func requests(all []trace.Crossing) (n int) {
	for _, x := range all {
		if x.Way == trace.Asked || x.Way == trace.Sent {
			n++
		}
	}
	return n
}

// refusal is when somebody was refused for the first time.
type refusal struct {
	after  time.Duration
	status int
	denied bool
	tries  int
}

// refusedAfter asks for the circle as a, again and again, until it is refused.
func (c *Cast) refusedAfter(ctx context.Context, g circle.GrantInfo, most time.Duration) <-chan refusal {
	out := make(chan refusal, 1)
	start := c.clock.Now()
	go func() {
		var r refusal
		for !r.denied && ctx.Err() == nil && r.after < most {
			resp, err := c.ask(ctx, c.a, c.a.node(phone).By, http.MethodGet, "/v1/circles/"+g.Circle.String()+"/messages", nil, "")
			r.after, r.tries = c.clock.Now().Sub(start), r.tries+1
			if err == nil && resp.Status/100 == 4 && resp.Status != http.StatusTooManyRequests {
				r.denied, r.status = true, resp.Status
				break
			}
			c.pause(ctx, min(25*time.Millisecond*time.Duration(1+r.tries/40), time.Second))
		}
		out <- r
	}()
	return out
}

func (c *Cast) noteDenial(o *oath.Observation, r refusal) {
	o.Facts["denied"], o.Facts["denial"] = oath.Yes(r.denied), oath.Duration(shortOf(r.after))
	what := fmt.Sprintf("After the no, a was refused with status %d after %v.", r.status, shortOf(r.after))
	if !r.denied {
		what = fmt.Sprintf("After the no, a asked for the messages %d times in %v and was never refused.", r.tries, shortOf(r.after))
	}
	o.Evidence = append(o.Evidence, c.note(what, c.again("O04")))
}

// noteLocks checks the two signatures that say that it is over.
func (c *Cast) noteLocks(ctx context.Context, o *oath.Observation, g circle.GrantInfo, info circle.WithdrawalInfo, asked time.Time) {
	o.Facts["confirmed"] = oath.Yes(info.Confirmed())
	if info.Confirmed() {
		o.Facts["lock-two"] = oath.Duration(max(0, shortOf(info.LockTwo.Sub(asked))))
	}
	signed := false
	if w, err := c.owner.open.Owner.LANWithdrawal(g.ID); err == nil && info.Receipt != "" {
		signed = c.receiptHolds(ctx, info.Receipt, w.Closing)
	}
	o.Facts["receipt"] = oath.Yes(signed)
	o.Evidence = append(o.Evidence, oath.Evidence{
		What: "The node's receipt of the no.", At: c.clock.Now(), Bytes: []byte(info.Receipt), Replay: c.again("O04"),
	})
}

// receiptHolds tells whether the node has signed that a grant was withdrawn.
func (c *Cast) receiptHolds(ctx context.Context, receipt, closing string) bool {
	node, err := c.owner.open.Home.Info(ctx)
	if err != nil {
		return false
	}
	for _, k := range node.Keys {
		r, err := grant.VerifyReceipt(receipt, node.Authority, k.X, closing)
		if err == nil && r.Event == string(grant.Withdrawn) {
			return true
		}
	}
	return false
}

// noteAfter lets the thing speak on, and looks what of it reaches a, or would be
// opened by the key that a had.
func (c *Cast) noteAfter(ctx context.Context, o *oath.Observation, g circle.GrantInfo, seat *seat, toA, ofThing int) error {
	id := wire.CircleID(g.Circle)
	for range 3 {
		if _, err := c.tellCanary(); err != nil {
			return err
		}
		c.pause(ctx, 200*time.Millisecond)
	}
	after := c.thing.tape.Since(ofThing)
	if last, ok := lastCommit(after, id); ok {
		seat.follow(wire.Frame{Circle: id, Number: seat.cursor + 1, Message: last})
	}
	o.Facts["epoch-advanced"] = oath.Yes(seat.evicted)
	delivered := 0
	for _, f := range trace.Frames(c.a.tape.Since(toA), trace.Heard, id) {
		if formOf(f).sealed {
			if delivered++; delivered == 1 {
				o.Evidence = append(o.Evidence, c.evidence("A sealed message came to a after the no.", trace.Crossing{At: c.clock.Now(), Bytes: f.Message}, c.again("O04")))
			}
		}
	}
	o.Facts["delivered-after"] = oath.Number(delivered)
	var messages [][]byte
	for _, x := range after {
		if f, err := wire.ParseFrame(x.Bytes); err == nil && x.Way == trace.Sent && x.Binary {
			messages = append(messages, f.Message)
		}
	}
	opens, err := seat.opens(messages)
	o.Facts["old-key-opens"], o.Facts["sealed-after"] = oath.Number(opens), oath.Number(len(messages))
	return err
}

// lastCommit is the last commit that the thing sent in a circle.
func lastCommit(all []trace.Crossing, id wire.CircleID) (commit []byte, ok bool) {
	for _, x := range all {
		if x.Way != trace.Sent && x.Way != trace.Asked {
			continue
		}
		var c wire.Control
		if x.Binary || json.Unmarshal(x.Bytes, &c) != nil || len(c.Commit) == 0 {
			continue
		}
		if c.Circle == id.String() || x.Where == http.MethodPost+" /v1/circles/"+id.String()+"/commit" {
			commit, ok = c.Commit, true
		}
	}
	return commit, ok
}

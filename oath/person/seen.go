package person

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"primum/internal/wire"
	"primum/oath"
	"primum/oath/trace"
)

// readWhoSaw (O07): a sees values, and the person asks the node who saw what.
//
// Facts: heard (sealed messages that came to a's phone in this probe), listed
// (deliveries to that phone that the list has), after (until all were listed),
// wrong-client (rows of the grant for a client that is not a's), actions-listed;
// closed-days, proved-days.
func (c *Cast) readWhoSaw(ctx context.Context, args oath.Args) (oath.Observation, error) {
	within := args.Duration("within", time.Minute)
	o := oath.Observation{Facts: facts{}}
	g, err := c.base(ctx)
	if err != nil {
		return o, err
	}
	id := wire.CircleID(g.Circle)
	for range 3 {
		if _, err := c.tellCanary(); err != nil {
			return o, err
		}
	}
	c.until(ctx, patience, func() bool { return len(sealedOf(trace.Frames(c.a.tape.Since(0), trace.Heard, id))) > 2 })
	came := map[uint64]bool{} // once each: what came again after a reconnection is one message
	for _, f := range sealedOf(trace.Frames(c.a.tape.Since(0), trace.Heard, id)) {
		came[f.Number] = true
	}
	start := c.clock.Now()
	var listed, strange uint64
	var last wire.Seen
	c.until(ctx, within, func() bool {
		if last, err = c.seen(ctx); err != nil {
			return true
		}
		listed, strange = c.countSeen(last, g.ID)
		if listed >= uint64(len(came)) {
			return true
		}
		c.pause(ctx, within/60)
		return false
	})
	if err != nil {
		return o, err
	}
	o.Facts["heard"], o.Facts["listed"], o.Facts["wrong-client"] = oath.Number(len(came)), oath.Number(listed), oath.Number(strange)
	o.Facts["after"] = oath.Duration(shortOf(c.clock.Now().Sub(start)))
	c.noteDays(&o, last)
	text, _ := json.Marshal(last) // it was JSON when it came
	o.Evidence = append(o.Evidence, oath.Evidence{
		What: fmt.Sprintf("The node's list for the person; %d messages came to the grantee's phone under grant %s.", len(came), g.ID), At: c.clock.Now(),
		Asked: "GET /v1/seen", Bytes: cut(text), Replay: c.again("O07"),
	})
	return o, nil
}

func sealedOf(all []wire.Frame) (some []wire.Frame) {
	for _, f := range all {
		if formOf(f).sealed {
			some = append(some, f)
		}
	}
	return some
}

// seen asks for today and yesterday: a day ends while a check runs.
func (c *Cast) seen(ctx context.Context) (s wire.Seen, err error) {
	day := c.clock.Now().UTC().Format(wire.SeenDayForm)
	resp, err := c.ask(ctx, c.owner, c.owner.node(phone).By, http.MethodGet, "/v1/seen?day="+day+"&days=2", nil, "")
	switch {
	case err != nil:
		return s, fmt.Errorf("ask who saw what: %w", err)
	case resp.Status == http.StatusNotFound:
		return s, oath.Unshown("the node has no list of who saw what")
	case resp.Status != http.StatusOK:
		return s, fmt.Errorf("ask who saw what: status %d", resp.Status)
	}
	if err := json.Unmarshal(resp.Body, &s); err != nil {
		return s, fmt.Errorf("read who saw what: %w", err)
	}
	return s, nil
}

// countSeen adds up what is listed for a's phone under a grant, and counts rows
// of clients that are not a's.
func (c *Cast) countSeen(s wire.Seen, id string) (listed, strange uint64) {
	names := map[string]string{}
	for _, m := range c.a.machines {
		names[wire.SeenClient(pub(m.key))] = m.name
	}
	for _, d := range s.Days {
		for _, r := range d.Rows {
			switch {
			case r.Grant != id:
			case names[r.Client] == phone:
				listed += r.Deliveries
			case names[r.Client] == "":
				strange++
			}
		}
	}
	return listed, strange
}

// noteDays counts days that are over, and those whose root is as the rows say.
func (c *Cast) noteDays(o *oath.Observation, s wire.Seen) {
	closed, proved := 0, 0
	for _, d := range s.Days {
		if !d.Closed() {
			continue
		}
		closed++
		if root, err := wire.SeenRoot(d.Secret, d.Rows); err == nil && string(root) == string(d.Root) {
			proved++
		}
	}
	o.Facts["closed-days"], o.Facts["proved-days"] = oath.Number(closed), oath.Number(proved)
}

package person

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"primum/circle"
	"primum/client"
	"primum/internal/wire"
	"primum/oath"
	"primum/oath/trace"
)

// Probes are the probes that need test persons, by the name that clause files
// use.
func Probes() map[string]oath.Probe {
	all := make(map[string]oath.Probe)
	for name, f := range map[string]func(*Cast, context.Context, oath.Args) (oath.Observation, error){
		"knock-without-a-yes":    (*Cast).knockWithoutAYes,
		"say-no":                 (*Cast).sayNo,
		"measure-what-arrives":   (*Cast).measureWhatArrives,
		"ask-for-more":           (*Cast).askForMore,
		"look-at-the-roster":     (*Cast).lookAtTheRoster,
		"look-for-canaries":      (*Cast).lookForCanaries,
		"read-who-saw":           (*Cast).readWhoSaw,
		"compare-grantees":       (*Cast).compareGrantees,
		"use-rights":             (*Cast).useRights,
		"take-it-along":          (*Cast).takeItAlong,
		"be-gone":                (*Cast).beGone,
		"file-a-complaint":       (*Cast).fileAComplaint,
		"go-on-without-the-yes":  (*Cast).goOnWithoutTheYes,
		"go-on-without-the-node": (*Cast).goOnWithoutTheNode,
	} {
		all[name] = func(ctx context.Context, r *oath.Run, args oath.Args) (oath.Observation, error) {
			c, err := of(ctx, r)
			if err != nil {
				return oath.Observation{}, err
			}
			return f(c, ctx, args)
		}
	}
	return all
}

// facts is an Observation in the making.
type facts map[string]oath.Value

// number sets a count, and keeps what comes of it.
func (f facts) number(name string, n int) { f[name] = oath.Number(n) }

// base is the grant that several probes share: a may see the thing's text and
// number as they change. It is given anew where it has ended.
func (c *Cast) base(ctx context.Context) (circle.GrantInfo, error) {
	if c.forged {
		return circle.GrantInfo{}, oath.Unshown("the node shows the grantee with keys that are not its own, so that nothing can be given to it")
	}
	if c.baseID != "" {
		if g, ok := c.owner.given(c.baseID); ok && g.State.Valid() {
			return g, nil
		}
	}
	g, err := c.give(ctx, offer{to: c.a, names: []string{textName, countName}, ops: seeing(), precision: circle.Precision{Change: true}})
	if err != nil {
		return g, err
	}
	c.baseID = g.ID
	return g, nil
}

// seeing are the operations of who may look and not touch.
func seeing() []string { return []string{"readproperty", "observeproperty"} }

// ask sends one request to the target, signed by key where it has one, and tells
// the answer of any status. A node that does not answer is an error.
func (c *Cast) ask(ctx context.Context, h *human, by client.Key, method, path string, body []byte, kind string) (client.Response, error) {
	r := client.Request{Method: method, URL: c.run.Target.Base + path, Body: body}
	if kind != "" {
		r.Header = map[string]string{"Content-Type": kind}
	}
	resp, err := h.calls.Send(ctx, by, r)
	var p *wire.Problem
	if errors.As(err, &p) {
		if resp.Status == 0 {
			resp.Status = p.Status
		}
		return resp, nil
	}
	return resp, err
}

// evidence of one crossing: what was asked and answered, cut, with the hash of
// the whole.
func (c *Cast) evidence(what string, x trace.Crossing, replay string) oath.Evidence {
	sum := sha256.Sum256(x.Bytes)
	e := oath.Evidence{What: what, At: x.At, Asked: x.Where, SHA256: hex.EncodeToString(sum[:]), Replay: replay}
	if x.Status != 0 {
		e.Answer = fmt.Sprintf("status %d", x.Status)
	}
	if x.Where == "" {
		e.Asked = "live socket"
	}
	e.Bytes = x.Bytes[:min(len(x.Bytes), oath.MaxEvidence)]
	return e
}

// looked is evidence of what was looked through and held nothing: how much it was,
// and the hash of it all, in the order in which it crossed.
func (c *Cast) looked(what, clause string, tapes ...[]trace.Crossing) oath.Evidence {
	sum, n, size := sha256.New(), 0, 0
	for _, t := range tapes {
		for _, x := range t {
			_, _ = sum.Write(x.Bytes) // a hash never fails
			n, size = n+1, size+len(x.Bytes)
		}
	}
	e := c.note(fmt.Sprintf("%s: %d requests, answers and frames, %d bytes.", what, n, size), c.again(clause))
	e.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return e
}

// note is evidence that is a sentence and tells how to see the same again.
func (c *Cast) note(what, replay string) oath.Evidence {
	return oath.Evidence{What: what, At: c.clock.Now(), Replay: replay}
}

// again begins the replay of every probe: how to come where it stood.
func (c *Cast) again(rest string) string {
	return fmt.Sprintf("primum oath check %s --clause %s", c.run.Target.Domain, rest)
}

// shortOf is a time for people, in whole milliseconds.
func shortOf(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

package person

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"primum/circle"
	"primum/client"
	"primum/internal/wire"
	"primum/oath"
	"primum/oath/trace"
)

// view is all that a grantee can look at under one grant.
type view struct {
	name   string // for people: "a, 1st grant"
	of     *human
	grant  circle.GrantInfo
	tokens map[string]string // and where they stand
	bytes  map[trace.Window]bool
}

// compareGrantees (O08): the same thing is given to a and to b, twice each and
// without the person's name. Of all that they hold and hear nothing must be the
// same but the measurement.
//
// Facts: grants, compared-tokens, compared-bytes, shared (tokens or stretches of
// bytes that two grantees, or two grants of one, have in common), first-shared.
func (c *Cast) compareGrantees(ctx context.Context, _ oath.Args) (oath.Observation, error) {
	o := oath.Observation{Facts: facts{}}
	common := c.saidToEverybody(ctx)
	marks := map[*human]int{c.a: c.a.tape.Mark(), c.b: c.b.tape.Mark()}
	views, err := c.giveFour(ctx)
	if err != nil {
		return o, err
	}
	for i := range views {
		c.readView(&views[i])
	}
	heardBy := map[*human]map[string]string{}
	o.Evidence = append(o.Evidence, c.looked("What two grantees got, and was compared", "O08", c.a.tape.Since(marks[c.a]), c.b.tape.Since(marks[c.b])))
	for h, mark := range marks {
		heardBy[h] = trace.TokensSaid(h.tape.Since(mark))
	}
	constants, err := trace.Constants(c.run.Target.Domain)
	if err != nil {
		return o, err
	}
	var shared []string
	sharedNow := func(what string) { shared = append(shared, what) }
	trace.CompareTokens("a and b", heardBy[c.a], heardBy[c.b], common, sharedNow)
	tokens, stretches := len(heardBy[c.a])+len(heardBy[c.b]), 0
	for i, v := range views {
		tokens, stretches = tokens+len(v.tokens), stretches+len(v.bytes)
		for _, w := range views[:i] {
			trace.CompareTokens(w.name+" and "+v.name, v.tokens, w.tokens, withOwn(common, v, w), sharedNow)
			if v.of != w.of {
				trace.CompareBytes(w.name+" and "+v.name, v.bytes, w.bytes, constants, sharedNow)
			}
		}
	}
	o.Facts["grants"], o.Facts["compared-tokens"], o.Facts["compared-bytes"] = oath.Number(len(views)), oath.Number(tokens), oath.Number(stretches)
	o.Facts["shared"] = oath.Number(len(shared))
	if len(shared) > 0 {
		o.Facts["first-shared"] = oath.Text(shared[0])
		o.Evidence = append(o.Evidence, c.note("Shared by two who should not be able to tell that they see the same: "+strings.Join(shared[:min(len(shared), 5)], "; "), c.again("O08")))
	}
	return o, nil
}

// giveFour gives the number to a and b, twice each, and lets the thing speak.
func (c *Cast) giveFour(ctx context.Context) (views []view, err error) {
	for _, who := range []struct {
		name string
		h    *human
	}{{"a, 1st grant", c.a}, {"b, 1st grant", c.b}, {"a, 2nd grant", c.a}, {"b, 2nd grant", c.b}} {
		g, err := c.give(ctx, offer{to: who.h, names: []string{countName}, ops: seeing(), precision: circle.Precision{Change: true}, pseudonymous: true})
		if err != nil {
			return nil, err
		}
		views = append(views, view{name: who.name, of: who.h, grant: g})
	}
	for range 3 {
		v, err := number()
		if err != nil {
			return nil, err
		}
		if err := c.thing.tell(countName, v, c.clock.Now()); err != nil {
			return nil, err
		}
		c.pause(ctx, 20*time.Millisecond)
	}
	for _, v := range views {
		heardIt := func() bool {
			g, ok := v.of.received(v.grant.ID)
			return ok && !g.LastValue.IsZero()
		}
		if !c.until(ctx, patience, heardIt) {
			return nil, oath.Unshown("not every grantee got values, so that there is nothing to compare")
		}
		// What a program asks of its own accord when it looks at its grants.
		_, _ = v.of.node(phone).Grants(ctx)                               // the tape has it
		_, _ = v.of.node(phone).Circle(ctx, v.grant.Circle.String())      // and this
		_, _ = v.of.node(phone).Messages(ctx, v.grant.Circle.String(), 0) // and this
	}
	return views, nil
}

// readView gathers documents and messages of one grant.
func (c *Cast) readView(v *view) {
	v.tokens, v.bytes = map[string]string{}, map[trace.Window]bool{}
	if g, ok := v.of.received(v.grant.ID); ok {
		trace.AddTokens(v.tokens, "the terms", payloadOf(g.Terms))
		v.tokens[g.Circle.String()], v.tokens[g.ID] = "the circle's number", "the grant's number"
	}
	for _, f := range trace.Frames(v.of.tape.Since(0), trace.Heard, wire.CircleID(v.grant.Circle)) {
		trace.AddWindows(v.bytes, f.Message, c.clock.Now())
	}
}

// payloadOf is what terms say, without their fixed JSON-LD context and the text
// that was shown, which is the same where the same is given to the same grantee.
func payloadOf(compact string) []byte {
	var m map[string]json.RawMessage
	t, err := client.Terms(compact)
	if err != nil {
		return nil
	}
	b, err := json.Marshal(t)
	if err != nil || json.Unmarshal(b, &m) != nil {
		return nil
	}
	delete(m, "@context")
	delete(m, "hasNotice")
	b, _ = json.Marshal(m) // it was JSON a line above
	return b
}

// saidToEverybody are tokens that tell nothing about the person or the thing: the
// node says them to a stranger, or said them to a and b before anything was
// given; and the person's account, from which an offer visibly comes.
func (c *Cast) saidToEverybody(ctx context.Context) map[string]bool {
	t := trace.NewTape(c.net, c.clock)
	c.readEverything(ctx, t)
	known := map[string]bool{}
	for token := range trace.TokensSaid(t.Since(0)) {
		known[token] = true
	}
	for _, v := range []string{c.owner.address.String(), c.owner.doc.Compact(), "urn:primum"} {
		for _, m := range trace.Tokens(v) {
			known[m] = true
		}
	}
	for _, part := range strings.Split(c.run.Target.Domain, ".") {
		known[part] = true
	}
	return known
}

// withOwn adds, for two grants of one grantee, what is the grantee's own.
func withOwn(common map[string]bool, v, w view) map[string]bool {
	if v.of != w.of {
		return common
	}
	all := map[string]bool{}
	for k := range common {
		all[k] = true
	}
	own := v.of.doc.Compact() + " " + base64.RawURLEncoding.EncodeToString(v.of.doc.IdentityKey())
	if d, err := v.of.doc.Next(time.Now()); err == nil {
		if b, err := json.Marshal(d); err == nil {
			own += string(b)
		}
	}
	for _, m := range trace.Tokens(own) {
		all[m] = true
	}
	return all
}

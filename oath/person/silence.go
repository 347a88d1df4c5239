package person

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"primum/client"
	"primum/grant"
	"primum/internal/wire"
	"primum/oath"
	"primum/oath/trace"
)

// rounds is how often every door is knocked on while a probe watches.
const rounds = 3

// door is one front door: a request that somebody without a yes makes.
type door struct {
	path   string // filled in
	circle bool   // it is of the circle alone: nobody without a yes gets in
}

// knock is what a door answered to whom.
type knock struct {
	door
	by     string // "b" or "a stranger"
	status int
}

// knockWithoutAYes (O03): b has asked and got no yes. While the thing speaks, b
// and a stranger knock on every front door and listen.
//
// Facts: doors, opened (doors of the circle that answered with success),
// opened-door, payload (messages and canaries of the circle that came through),
// payload-bytes, payload-door, told (how often the thing spoke), control (what a,
// who has a yes, got).
func (c *Cast) knockWithoutAYes(ctx context.Context, args oath.Args) (oath.Observation, error) {
	watch := args.Duration("watch", time.Minute)
	g, err := c.base(ctx)
	if err != nil {
		return oath.Observation{}, err
	}
	if err := c.askForIt(ctx); err != nil {
		return oath.Observation{}, err
	}
	stranger := &human{tape: trace.NewTape(c.net, c.clock), address: c.owner.address}
	stranger.calls = client.Calls{Transport: stranger.tape, Clock: c.clock}
	marks := map[*trace.Tape]int{c.b.tape: c.b.tape.Mark(), stranger.tape: 0}
	thingMark := c.thing.tape.Mark()
	values, stop := c.values(ctx, c.a, g.ID)
	defer stop()

	ctx, cancel := context.WithTimeout(ctx, watch+patience)
	defer cancel()
	var canaries []string
	var speaking sync.WaitGroup
	speaking.Go(func() { canaries = c.speak(ctx, watch) })
	listening := c.listen(ctx, wire.CircleID(g.Circle), watch)
	var knocks []knock
	for i := range rounds {
		if i > 0 {
			c.pause(ctx, watch/rounds)
		}
		knocks = append(knocks, c.knockAll(ctx, stranger, g.Circle.String(), g.ID)...)
	}
	speaking.Wait()
	refused := <-listening
	c.until(ctx, patience, func() bool { return len(values()) > 0 })

	f := facts{"told": oath.Number(len(canaries)), "socket-refused": oath.Yes(refused)}
	f.number("control", len(values()))
	o := oath.Observation{Facts: f}
	c.judgeKnocks(&o, knocks)
	o.Evidence = append(o.Evidence, c.looked("What somebody without a yes and a stranger asked for and got while the thing spoke",
		"O03", c.b.tape.Since(marks[c.b.tape]), stranger.tape.Since(0)))
	told := trace.Frames(c.thing.tape.Since(thingMark), trace.Sent, wire.CircleID(g.Circle))
	c.payload(&o, marks, told, canaries)
	return o, nil
}

// askForIt sends b's request to the person once; nobody answers it.
func (c *Cast) askForIt(ctx context.Context) error {
	if c.asked {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	purpose, err := grant.FindPurpose("energy advice")
	if err != nil {
		return fmt.Errorf("find the purpose: %w", err)
	}
	_, err = c.b.open.Ask(ctx, c.owner.address.String(), grant.Request{
		Service: "advice", Purpose: purpose, For: 7 * grant.Day,
		Wants:     []grant.Want{{Name: thingName + "/" + textName, Actions: seeing(), Precision: grant.Precision{Change: true}}},
		Retention: 30 * grant.Day, DeletesWithin: grant.Day, Notice: grant.NewNotice("en", "What your meter says, for advice."),
	})
	if err != nil {
		return fmt.Errorf("ask for a yes: %w", err)
	}
	c.asked = true
	return nil
}

// speak lets the thing say new canaries while a time lasts.
func (c *Cast) speak(ctx context.Context, watch time.Duration) (said []string) {
	pace := min(max(watch/20, 100*time.Millisecond), 3*time.Second)
	for end := c.clock.Now().Add(watch); c.clock.Now().Before(end) && ctx.Err() == nil; c.pause(ctx, pace) {
		if text, err := c.tellCanary(); err == nil {
			said = append(said, text)
		}
	}
	return said
}

// listen opens a live socket as b and asks for the circle, by name and in the
// guise of the thing; it tells whether both were refused, when the watch is over.
func (c *Cast) listen(ctx context.Context, id wire.CircleID, watch time.Duration) <-chan bool {
	out := make(chan bool, 1)
	go func() {
		s, err := client.Connect(ctx, c.b.node(phone))
		if err != nil {
			out <- true
			return
		}
		defer s.Close()
		go func() {
			for range s.Events() { // the tape has them
			}
		}()
		proved := s.Prove(ctx, id, c.b.machines[0].key)
		_, got := s.Subscribe(ctx, id, 0)
		c.pause(ctx, watch)
		out <- proved != nil && got != nil
	}()
	return out
}

// knockAll knocks on every door as b and as a stranger.
func (c *Cast) knockAll(ctx context.Context, stranger *human, circle, grant string) (all []knock) {
	for _, d := range c.doors(ctx, stranger, circle, grant) {
		for _, who := range []struct {
			name string
			h    *human
			by   client.Key
		}{{"b", c.b, c.b.node(phone).By}, {"a stranger", stranger, client.Key{}}} {
			resp, err := c.ask(ctx, who.h, who.by, "GET", d.path, nil, "")
			if err == nil {
				all = append(all, knock{d, who.name, resp.Status})
			}
		}
	}
	return all
}

// doors are all paths that can be read, as the node lists them itself and as
// this program knows them, filled in with what belongs to the person.
func (c *Cast) doors(ctx context.Context, stranger *human, circle, grant string) (all []door) {
	var listed struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if resp, err := c.ask(ctx, stranger, client.Key{}, "GET", "/openapi.json", nil, ""); err == nil && resp.Status == 200 {
		_ = json.Unmarshal(resp.Body, &listed) // what is no list adds nothing
	}
	paths := []string{"/v1/circles/{circle}", "/v1/circles/{circle}/messages", "/v1/grants", "/v1/inbox"}
	for path, methods := range listed.Paths {
		if _, ok := methods["get"]; ok && !slices.Contains(paths, path) && len(paths) < 100 {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	fill := strings.NewReplacer("{circle}", circle, "{user}", c.owner.address.User, "{id}", grant, "{grant}", grant, "{thing}", thingName)
	for _, path := range paths {
		filled := fill.Replace(path)
		if !strings.ContainsAny(filled, "{}") && filled != "/v1/live" && strings.HasPrefix(filled, "/") {
			all = append(all, door{filled, strings.Contains(path, "{circle}")})
		}
	}
	return all
}

// judgeKnocks counts doors, and those of the circle that opened.
func (c *Cast) judgeKnocks(o *oath.Observation, knocks []knock) {
	paths, opened := map[string]bool{}, map[string]bool{}
	for _, k := range knocks {
		paths[k.path] = true
		if k.circle && k.status/100 == 2 && !opened[k.path] {
			opened[k.path] = true
			o.Facts["opened-door"] = oath.Text("GET " + k.path + " to " + k.by)
			o.Evidence = append(o.Evidence, c.note(fmt.Sprintf("GET %s answered %s, who has no yes, with status %d", k.path, k.by, k.status), c.again("O03")))
		}
	}
	o.Facts["doors"], o.Facts["opened"] = oath.Number(len(paths)), oath.Number(len(opened))
}

// payload looks for what the thing said among all that b and the stranger heard.
func (c *Cast) payload(o *oath.Observation, marks map[*trace.Tape]int, told []wire.Frame, canaries []string) {
	var all []trace.Sought
	for _, f := range told {
		if t := trace.Tail(f.Message); t != nil {
			all = append(all, trace.Sought{What: "a sealed message", Needle: trace.NeedleOf(t)})
		}
	}
	for _, text := range canaries {
		all = append(all, trace.Sought{What: "a value in clear", Needle: trace.NeedleOf([]byte(text))})
	}
	n, size := 0, 0
	for t, mark := range marks {
		for _, x := range t.Since(mark) {
			if !x.Said() {
				continue
			}
			i := slices.IndexFunc(all, func(s trace.Sought) bool { return s.In(x.Bytes) != "" })
			if i < 0 {
				continue
			}
			if n, size = n+1, size+len(x.Bytes); n == 1 {
				o.Facts["payload-door"] = oath.Text(x.Name())
				o.Evidence = append(o.Evidence, c.evidence(fmt.Sprintf("%s of a circle came to somebody without a yes, by %s", all[i].What, x.Name()), x, c.again("O03")))
			}
		}
	}
	o.Facts["payload"], o.Facts["payload-bytes"] = oath.Number(n), oath.Number(size)
}

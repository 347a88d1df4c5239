package person

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/internal/wire"
	"primum/oath"
	"primum/oath/trace"
)

const (
	chosenEvery = time.Second
	chosenRound = 5
	// fine is how often the thing measures, far more often than is given.
	fine = 50 * time.Millisecond
)

// measureWhatArrives (O05): the person gives a number once a second, as mean,
// rounded to fives. The thing measures finer. What a gets must be exactly what
// the same samples give when they are reduced here.
//
// Facts: chosen (the precision), signed-as-chosen (the terms that a holds say
// so), purpose-as-chosen, windows (values that came), finer (values off the grid
// of time or rounding), different (other than the exact reduction), early (before
// their second was over), messages, seconds (of the circle's life), other (values
// of something else).
func (c *Cast) measureWhatArrives(ctx context.Context, args oath.Args) (oath.Observation, error) {
	windows := int(args.Number("windows", 5))
	chosen := circle.Precision{Every: grant.Duration(chosenEvery), Stat: grant.Mean, Round: chosenRound}
	o := oath.Observation{Facts: facts{"chosen": oath.Text("every second, the mean, rounded to 5")}}
	g, err := c.give(ctx, offer{to: c.a, names: []string{countName}, ops: seeing(), precision: chosen})
	if err != nil {
		return o, err
	}
	c.fineID = g.ID
	opened := c.clock.Now()
	mark := c.a.tape.Mark()
	values, stop := c.values(ctx, c.a, g.ID)
	defer stop()
	samples, unsure, err := c.measure(ctx, windows)
	if err != nil {
		return o, err
	}
	want := reduce(chosen, samples)
	maps.DeleteFunc(want, func(end time.Time, _ float64) bool { return unsure[end] })
	c.until(ctx, patience, func() bool { return len(measured(values())) >= len(want) })
	c.compareTerms(&o, g.ID, chosen)
	c.compareValues(&o, values(), want, chosen)
	n := 0
	for _, f := range trace.Frames(c.a.tape.Since(mark), trace.Heard, wire.CircleID(g.Circle)) {
		if formOf(f).sealed {
			n++
		}
	}
	o.Facts["messages"] = oath.Number(n)
	o.Facts["seconds"] = oath.Number(int(c.clock.Now().Sub(opened)/time.Second) + 2)
	return o, nil
}

// sample is what the thing measured.
type sample struct {
	at    time.Time
	value float64
}

// measure lets the thing measure numbers that nobody guesses, over whole windows.
// A window that was over before the thing had taken all of it is unsure: this
// machine was busy. It is named by its end.
func (c *Cast) measure(ctx context.Context, windows int) (all []sample, unsure map[time.Time]bool, err error) {
	unsure = map[time.Time]bool{}
	start := c.clock.Now().Truncate(chosenEvery).Add(chosenEvery)
	c.pause(ctx, start.Sub(c.clock.Now()))
	end := start.Add(time.Duration(windows) * chosenEvery)
	for ctx.Err() == nil {
		at := c.clock.Now()
		if !at.Before(end) {
			return all, unsure, nil
		}
		v, err := number()
		if err != nil {
			return nil, nil, err
		}
		if at.Before(start) {
			continue
		}
		all = append(all, sample{at, v})
		if err := c.thing.tell(countName, v, at); err != nil {
			return nil, nil, err
		}
		over := at.Truncate(chosenEvery).Add(chosenEvery)
		unsure[over.UTC()] = unsure[over.UTC()] || !c.clock.Now().Before(over)
		c.pause(ctx, fine)
	}
	return nil, nil, ctx.Err()
}

// number is a measurement with many digits, from 0 to 1000.
func number() (float64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("make up a number: %w", err)
	}
	return float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53) * 1000, nil
}

// reduce is what the samples are at a precision, by the end of their windows.
func reduce(p circle.Precision, samples []sample) map[time.Time]float64 {
	if len(samples) == 0 {
		return nil
	}
	r := circle.NewReducer(p, samples[0].at.Truncate(p.Every.D()))
	for _, s := range samples {
		b, err := json.Marshal(s.value)
		if err == nil {
			r.Add(s.at, b)
		}
	}
	out := map[time.Time]float64{}
	for _, reading := range r.Due(samples[len(samples)-1].at.Add(time.Hour)) {
		var v float64
		if reading.Value != nil && json.Unmarshal(reading.Value, &v) == nil {
			out[reading.At.UTC()] = v
		}
	}
	return out
}

// measured are the values that say something.
func measured(all []client.Value) (some []client.Value) {
	for _, v := range all {
		if v.State == "" && len(v.Value) > 0 && string(v.Value) != "null" {
			some = append(some, v)
		}
	}
	return some
}

// compareTerms looks whether the terms that a holds say what the person chose.
func (c *Cast) compareTerms(o *oath.Observation, id string, chosen circle.Precision) {
	g, ok := c.a.received(id)
	if !ok {
		return
	}
	precise := len(g.Shared) == 1
	for _, s := range g.Shared {
		precise = precise && s.Precision == chosen && s.Name == countName && slices.Equal(s.Ops, seeing())
	}
	terms, err := client.Terms(g.Terms)
	purpose, _ := grant.FindPurpose("energy advice") // was found when it was given
	o.Facts["signed-as-chosen"] = oath.Yes(precise)
	o.Facts["purpose-as-chosen"] = oath.Yes(err == nil && grant.AllowsPurpose(terms, purpose.Class) == nil)
	o.Evidence = append(o.Evidence, oath.Evidence{
		What: "The signed terms that the grantee holds.", At: c.clock.Now(), Bytes: []byte(g.Terms),
		Replay: "Read the terms: they are a JWS. Compare authorization_details with what was chosen.",
	})
}

func (c *Cast) compareValues(o *oath.Observation, all []client.Value, want map[time.Time]float64, chosen circle.Precision) {
	var finer, different, other int
	var first *client.Value
	came := measured(all)
	for i, v := range came {
		n, isNumber := v.Number()
		bad := true
		switch exact, known := want[v.At.UTC()]; {
		case v.Name != countName:
			other++
		case !v.At.Equal(v.At.Truncate(chosen.Every.D())), isNumber && math.Mod(n, chosen.Round) != 0:
			finer++
		case known && (!isNumber || n != exact):
			different++
		default:
			bad = false
		}
		if bad && first == nil {
			first = &came[i]
		}
	}
	o.Facts["windows"], o.Facts["finer"] = oath.Number(len(came)), oath.Number(finer)
	o.Facts["different"], o.Facts["other"] = oath.Number(different), oath.Number(other)
	if first != nil {
		o.Evidence = append(o.Evidence, c.note(fmt.Sprintf("At %s the grantee was shown %s.", first.At.UTC().Format(time.RFC3339Nano), first.Value), c.again("O05")))
	}
}

// askForMore (O05): a asks, past its own program, for what its yes does not
// cover: finer values of the past, another value, to switch the lamp.
//
// Facts: asked, answered (questions that were answered with a value),
// first-answered, refusals (what was said to the others).
func (c *Cast) askForMore(ctx context.Context, _ oath.Args) (oath.Observation, error) {
	o := oath.Observation{Facts: facts{}}
	g, ok := c.a.received(c.fineID)
	if !ok {
		return o, oath.Unshown("there is no such grant to ask under")
	}
	seat := c.spare.sit(wire.CircleID(g.Circle))
	if err := seat.read(ctx); err != nil {
		return o, fmt.Errorf("read a circle as a grantee: %w", err)
	}
	if seat.group == nil {
		return o, oath.Unshown("the grantee's second client is not in the circle")
	}
	questions := []question{
		{what: "finer values of the past", inner: map[string]any{"op": "readproperty", "name": countName, "since": c.clock.Now().Add(-time.Hour), "as": map[string]any{"change": true}}},
		{what: "a value that was not given", inner: map[string]any{"op": "readproperty", "name": textName}},
		{what: "to switch the lamp", inner: map[string]any{"op": "writeproperty", "name": lampName, "input": 1, "nonce": "AAAAAAAAAAAAAAAAAAAAAA"}},
	}
	answered, refusals := 0, ""
	for i, q := range questions {
		problem, value, err := seat.question(ctx, c, fmt.Sprintf("more-%d", i), q)
		if err != nil {
			return o, err
		}
		if value {
			if answered++; answered == 1 {
				o.Facts["first-answered"] = oath.Text(q.what)
				o.Evidence = append(o.Evidence, c.note("The grantee asked for "+q.what+", which its yes does not cover, and got it.", c.again("O05")))
			}
			continue
		}
		refusals += q.what + ": " + problem + "; "
	}
	o.Evidence = append(o.Evidence, c.note("The grantee asked for more than its yes covers, and was told: "+refusals, c.again("O05")))
	o.Facts["asked"], o.Facts["answered"], o.Facts["refusals"] = oath.Number(len(questions)), oath.Number(answered), oath.Text(refusals)
	return o, nil
}

// question is asked inside a circle.
type question struct {
	what  string
	inner map[string]any
}

// inner is what of an answer inside a circle matters here.
type inner struct {
	Op      string          `json:"op"`
	ID      string          `json:"id"`
	Value   json.RawMessage `json:"value"`
	Values  json.RawMessage `json:"values"`
	Problem *circle.Problem `json:"problem"`
}

// questionSize is what every question is padded to (docs/spec/circle.md).
const questionSize = 1024

// question asks, and waits for the answer: a problem's kind ("nothing" where none
// comes), or a value.
func (s *seat) question(ctx context.Context, c *Cast, id string, q question) (problem string, value bool, err error) {
	q.inner["id"] = id
	plain, err := json.Marshal(q.inner)
	if err != nil {
		return "", false, fmt.Errorf("write question: %w", err)
	}
	if err := s.group.Reserve(1); err != nil {
		return "", false, fmt.Errorf("seal question: %w", err)
	}
	message, err := s.group.Seal(plain, nil, questionSize)
	if err != nil {
		return "", false, fmt.Errorf("seal question: %w", err)
	}
	if _, err := s.spare.node.Append(ctx, s.circle.String(), message); err != nil {
		var p *wire.Problem
		if errors.As(err, &p) {
			return "refused by the node: " + p.Title, false, nil
		}
		return "", false, fmt.Errorf("ask in the circle: %w", err)
	}
	problem = "no answer"
	c.until(ctx, 3*time.Second, func() bool {
		if err = s.read(ctx); err != nil {
			return true
		}
		for _, plain := range s.opened {
			if a, ok := answerTo(plain, id); ok {
				problem, value = a.kind(), a.Problem == nil && (len(a.Value) > 0 || len(a.Values) > len("[]"))
				return true
			}
		}
		c.pause(ctx, 50*time.Millisecond)
		return false
	})
	return problem, value, err
}

func (a inner) kind() string {
	if a.Problem == nil {
		return "an empty answer"
	}
	return a.Problem.Kind
}

func answerTo(plain []byte, id string) (inner, bool) {
	var all []inner
	if json.Unmarshal(plain, &all) != nil {
		var one inner
		if json.Unmarshal(plain, &one) != nil {
			return one, false
		}
		all = []inner{one}
	}
	for _, a := range all {
		if a.ID == id {
			return a, true
		}
	}
	return inner{}, false
}

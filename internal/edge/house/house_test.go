package house

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"primum/circle"
	"primum/internal/clock"
	"primum/thing"
)

func start() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

func ids(things []circle.Thing) (out []string) {
	for _, t := range things {
		out = append(out, t.ID)
	}
	return out
}

// part makes an announcement of one number and one switch.
func part(key, unit string) thing.Found {
	d := thing.New("Meter")
	d.AddProperty("flow", thing.Schema{Type: "number", Unit: unit, ReadOnly: true})
	d.AddProperty("valve", thing.Schema{Type: "string", Enum: []any{"ON", "OFF"}})
	return thing.Found{Key: key, Thing: "device " + key, Wish: "Water Meter", Description: d, Topics: []string{key + "/set"}}
}

// fakeSource writes commands down.
type fakeSource struct{}

func (fakeSource) Write(key, name string, value any) (thing.Send, error) {
	b, err := json.Marshal(value)
	return thing.Send{Topic: key + "/set", Payload: b}, err
}

// bench is a house whose world is written down.
type bench struct {
	*House
	clock    *clock.Manual
	things   []circle.Thing
	values   []circle.Sample
	sent     []thing.Send
	answers  map[string]answer
	sendErr  error
	beginErr error
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return benchOn(t, filepath.Join(t.TempDir(), "things.json"))
}

func benchOn(t *testing.T, path string) *bench {
	t.Helper()
	b := &bench{clock: clock.NewManual(start()), answers: map[string]answer{}}
	world := Out{
		Announce: func(things []circle.Thing) { b.things = things },
		Value:    func(s []circle.Sample) { b.values = append(b.values, s...) },
		Send: func(_ context.Context, s thing.Send) error {
			b.sent = append(b.sent, s)
			return b.sendErr
		},
		Begin:  func(string, time.Time) error { return b.beginErr },
		Answer: func(ref string, v json.RawMessage, p *problem) { b.answers[ref] = answer{ref, v, p} },
	}
	var err error
	b.House, err = Open(Options{Path: path, Settle: time.Second, Clock: b.clock, Log: slog.New(slog.DiscardHandler), Out: world})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) found(f ...thing.Found) {
	b.Take(fakeSource{}, thing.Report{Found: f})
}

func (b *bench) quietFor(d time.Duration) {
	b.clock.Advance(d)
	b.Settled(b.clock.Now())
}

func (b *bench) reads(key, name string, v any) {
	b.Take(fakeSource{}, thing.Report{Readings: []thing.Reading{{Key: key, Affordance: name, Value: v, At: b.clock.Now()}}})
}

func TestEarlyValuesWaitForQuiet(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.found(part("a", "L/min"))
	b.reads("a", "flow", 1.5) // retained state comes right behind the announcement
	if len(b.values) != 0 || b.things != nil {
		t.Error("used before it was quiet")
	}
	b.quietFor(500 * time.Millisecond)
	b.found(part("b", "L/min"))
	b.quietFor(600 * time.Millisecond)
	if b.things != nil {
		t.Error("not quiet yet")
	}
	b.quietFor(time.Second)
	if got := ids(b.things); !slices.Equal(got, []string{"water-meter", "water-meter-2"}) {
		t.Errorf("things %v", got)
	}
	if len(b.values) != 1 || b.values[0].Thing != "water-meter" || b.values[0].Unit != "L/min" || string(b.values[0].Value) != "1.5" {
		t.Errorf("values %+v", b.values)
	}
}

func TestChangedDescriptionMustBeAccepted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.found(part("a", "L/min"))
	b.quietFor(time.Second)
	changed := part("a", "kW")
	changed.Topics = []string{"lock/front/set"}
	changed.Description.AddAction("open", "Open", "", nil)
	again := benchOn(t, b.registry.path) // pins outlive a restart
	again.found(changed)
	again.quietFor(time.Second)
	list, _ := again.Statuses()
	text := strings.Join(list[0].Changed, "; ")
	for _, want := range []string{`unit "L/min" → "kW"`, "new: open (action)", `commands go to ["lock/front/set"], formerly to ["a/set"]`} {
		if !strings.Contains(text, want) {
			t.Errorf("difference %q lacks %q", text, want)
		}
	}
	again.reads("a", "flow", 1.0)
	again.reads("a", "valve", "ON")
	if len(again.values) != 1 || again.values[0].Name != "valve" {
		t.Errorf("values %+v; only what is as accepted may pass", again.values)
	}
	again.Command(context.Background(), circle.Event{Ref: "1", Op: thing.WriteProperty, Thing: "water-meter", Name: "valve", Value: json.RawMessage(`"ON"`)})
	if p := again.answers["1"].problem; p == nil || len(again.sent) != 0 || !strings.Contains(p.Detail, "differently") {
		t.Errorf("command: %+v, sent %v", again.answers["1"], again.sent)
	}
	if strings.Contains(string(again.things[0].Description), "kW") {
		t.Error("the owner was told the changed description")
	}
	if err := again.Accept("water-meter"); err != nil {
		t.Fatal(err)
	}
	again.reads("a", "flow", 2.0)
	if n := len(again.values); n != 2 || again.values[1].Unit != "kW" {
		t.Errorf("after acceptance: %+v", again.values)
	}
	if err := again.Accept("water-meter"); err == nil {
		t.Error("accepted twice")
	}
	if err := again.Accept("nothing"); err == nil {
		t.Error("accepted a thing that is none")
	}
}

func TestCommandAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.found(part("a", "L/min"))
	b.quietFor(time.Second)
	set := func(ref, value string) {
		b.Command(context.Background(), circle.Event{Ref: ref, Op: thing.WriteProperty, Thing: "water-meter", Name: "valve", Value: json.RawMessage(value), Deadline: b.clock.Now().Add(30 * time.Second)})
	}
	set("same", `"ON"`)
	set("same", `"ON"`)
	if len(b.sent) != 1 || b.sent[0].Topic != "a/set" || string(b.sent[0].Payload) != `"ON"` {
		t.Fatalf("sent %+v; a reference is executed once", b.sent)
	}
	b.reads("a", "valve", "OFF")
	if len(b.answers) != 0 {
		t.Error("another value answered")
	}
	b.reads("a", "valve", "ON")
	if got := b.answers["same"]; string(got.value) != `"ON"` || got.problem != nil {
		t.Errorf("answer %+v", got)
	}
	set("other", `"ON"`)
	set("late", `"OFF"`)
	if next := b.Next(); !next.Equal(start().Add(time.Second + 28*time.Second)) {
		t.Errorf("next deadline %v", next)
	}
	b.clock.Advance(28 * time.Second)
	b.Overdue(b.clock.Now())
	for _, ref := range []string{"other", "late"} {
		if p := b.answers[ref].problem; p == nil || p.Kind != "timeout" {
			t.Errorf("%s: %+v", ref, b.answers[ref])
		}
	}
	b.sendErr = errors.New("the broker is not reachable now")
	set("down", `"ON"`)
	if p := b.answers["down"].problem; p == nil || p.Kind != "device-unreachable" {
		t.Errorf("down: %+v", b.answers["down"])
	}
	b.sendErr, b.beginErr = nil, errors.New("disk full")
	set("full", `"ON"`)
	if p := b.answers["full"].problem; p == nil || p.Kind != "storage" || len(b.sent) != 4 {
		t.Errorf("full: %+v, sent %d", b.answers["full"], len(b.sent))
	}
	b.clock.Advance(time.Hour)
	b.forget()
	if len(b.done) != 0 {
		t.Errorf("%d references are kept for ever", len(b.done))
	}
}

func TestRefusedValuesAreCountedAndShown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.found(part("a", "L/min"))
	b.quietFor(time.Second)
	for range 3 {
		b.Take(fakeSource{}, thing.Report{Troubles: []thing.Trouble{{Key: "a", Affordance: "flow", Place: "a", Reason: "text of 4 bytes where the description says number"}}})
	}
	b.Refresh()
	list, _ := b.Statuses()
	s := list[0]
	if s.Refused != 3 || !strings.Contains(s.Problem, "flow: text of 4 bytes") {
		t.Errorf("status %+v", s)
	}
	d, err := thing.Parse(b.things[0].Description)
	if err != nil {
		t.Fatal(err)
	}
	if string(d.Extra["primum:refused"]) != "3" {
		t.Errorf("the owner is told %s", b.things[0].Description)
	}
	b.things = nil
	b.Refresh()
	if b.things != nil {
		t.Error("told again without news")
	}
	for i := range 100 {
		b.Take(fakeSource{}, thing.Report{Troubles: []thing.Trouble{{Place: fmt.Sprint("topic ", i), Reason: strings.Repeat("x", 10_000)}}})
	}
	if _, problems := b.Statuses(); len(problems) != maxProblems || len(problems[0]) > 300 {
		t.Errorf("%d problems of %d bytes", len(problems), len(problems[0]))
	}
}

func TestGoneAndBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.found(part("a", "L/min"))
	b.quietFor(time.Second)
	b.Take(fakeSource{}, thing.Report{Gone: []string{"a"}})
	if list, _ := b.Statuses(); len(b.things) != 0 || !list[0].Gone {
		t.Errorf("gone: %v", ids(b.things))
	}
	b.reads("a", "flow", 1.0)
	if len(b.values) != 0 {
		t.Error("a value of a thing that is gone was used")
	}
	b.found(part("a", "L/min"))
	b.quietFor(time.Second)
	if got := ids(b.things); !slices.Equal(got, []string{"water-meter"}) {
		t.Errorf("back as %v", got)
	}
}

func TestPartsOfOneThingShareNames(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	x, y := part("x", "L/min"), part("y", "W")
	x.Thing, y.Thing = "d", "d"
	b.found(x, y)
	b.quietFor(time.Second)
	d, err := thing.Parse(b.things[0].Description)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Affordances(); !slices.Equal(got, []string{"flow", "flow_2", "valve", "valve_2"}) {
		t.Errorf("affordances %v", got)
	}
	b.reads("y", "flow", 3.0)
	if len(b.values) != 1 || b.values[0].Name != "flow_2" || b.values[0].Unit != "W" {
		t.Errorf("values %+v", b.values)
	}
	b.Command(context.Background(), circle.Event{Ref: "1", Op: thing.WriteProperty, Thing: "water-meter", Name: "valve_2", Value: json.RawMessage(`"ON"`)})
	if len(b.sent) != 1 || b.sent[0].Topic != "y/set" {
		t.Errorf("sent %+v", b.sent)
	}
}

package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"primum/client/nethttp"
	"primum/internal/edge"
	"primum/internal/edge/simulated"
	"primum/internal/engine"
	"primum/internal/node"
)

// portal is a person's engine, as a page has it.
type portal struct {
	*engine.Engine
	dir    string
	events chan engine.Event // what was told; the oldest go when nobody reads
}

// openPortal opens an engine on a directory.
func (w *world) openPortal(t *testing.T, dir string) *portal {
	t.Helper()
	transport := nethttp.New(nethttp.Options{LAN: true})
	e, err := engine.New(engine.Options{Dir: dir, Transport: transport, LAN: transport, Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	p := &portal{Engine: e, dir: dir, events: make(chan engine.Event, 10_000)}
	go func() {
		for v := range e.Events() {
			select {
			case p.events <- v:
			default:
			}
		}
		close(p.events)
	}()
	t.Cleanup(func() { _ = e.Close() })
	return p
}

// signUp makes an account at a node.
func (w *world) signUp(t *testing.T, n *node.Node, user, name string) *portal {
	t.Helper()
	p := w.openPortal(t, filepath.Join(t.TempDir(), user))
	call[engine.Created](t, p, "account.create", engine.CreateParams{
		Account: user + "@" + n.Authority(), Name: name, Client: "browser",
	})
	return p
}

// reload is what a browser does: the engine ends and another begins on the same
// state.
func (p *portal) reload(t *testing.T, w *world) *portal {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	return w.openPortal(t, p.dir)
}

// try calls a method of an engine.
func try[Out any](t *testing.T, p *portal, method string, in any) (out Out, err error) {
	t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answer, err := p.Call(ctx, method, raw)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		t.Fatalf("%s answers %s: %v", method, answer, err)
	}
	return out, nil
}

// call is try for what must not fail.
func call[Out any](t *testing.T, p *portal, method string, in any) Out {
	t.Helper()
	out, err := try[Out](t, p, method, in)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return out
}

// refusal is the code with which a method refuses.
func refusal(t *testing.T, p *portal, method string, in any) string {
	t.Helper()
	_, err := try[json.RawMessage](t, p, method, in)
	var shown *engine.Error
	if !errors.As(err, &shown) {
		t.Fatalf("%s: %v, want a refusal", method, err)
	}
	return shown.Code
}

// affordance finds one by its path, once it is there.
func (p *portal) affordance(t *testing.T, path string, ok func(engine.ThingInfo, engine.Affordance) bool) (thing engine.ThingInfo, a engine.Affordance) {
	t.Helper()
	eventually(t, path+" is shown", func() bool {
		for _, thing = range call[engine.ThingsResult](t, p, "things", engine.Empty{}).Things {
			for _, a = range thing.Affordances {
				if a.Path == path && ok(thing, a) {
					return true
				}
			}
		}
		return false
	})
	return thing, a
}

func anyState(engine.ThingInfo, engine.Affordance) bool { return true }

// told waits for an event.
func (p *portal) told(t *testing.T, what string, ok func(engine.Event) bool) engine.Event {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case v, open := <-p.events:
			if !open {
				t.Fatalf("the engine ended before %s", what)
			}
			if ok(v) {
				return v
			}
		case <-deadline:
			t.Fatalf("not told: %s", what)
		}
	}
}

// pass lets the house speak once a second.
func (w *world) pass(t *testing.T, e *edge.Edge, seconds int) {
	t.Helper()
	for range seconds {
		before := taken(e, "water")
		w.clock.Advance(time.Second)
		eventually(t, "the edge takes the meter's values", func() bool { return taken(e, "water") > before })
	}
}

// claimedHouse is a person with a small house.
func (w *world) claimedHouse(t *testing.T, p *portal) *edge.Edge {
	t.Helper()
	e := w.runEdge(t, edge.Config{Zigbee2MQTT: edge.Off, HomeAssistant: edge.Off, Settle: time.Second, Simulated: simulated.New(w.clock, time.Second, 1)})
	eventually(t, "the small house is announced", func() bool {
		w.clock.Advance(time.Second)
		return len(e.Overview().Things) == 3
	})
	code, err := e.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	call[engine.HomeResult](t, p, "claim", engine.ClaimParams{URL: e.ClaimURL(), Code: code})
	return e
}

// The whole story by two engines: ask, decide with a preview, values, a
// reload in the middle, past values, a command, and the end with both locks.
func TestTwoEnginesShare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner, friend := w.signUp(t, w.h, "ada", "Ada"), w.signUp(t, w.s, "ben", "Ben's advice")
	house := w.claimedHouse(t, owner)
	_, flow := owner.affordance(t, "water/flow", anyState)
	if flow.Unit != "L/min" || flow.Type != "number" || flow.Kind != "property" || flow.Min == nil || *flow.Min != 0 {
		t.Errorf("flow %+v", flow)
	}
	w.pass(t, house, 70)
	own, _ := owner.affordance(t, "water/flow", func(_ engine.ThingInfo, a engine.Affordance) bool { return a.Latest != nil })
	if !own.Own || own.State != "live" || own.Sandbox {
		t.Errorf("own thing %+v", own)
	}

	ownerAccount := call[engine.Status](t, owner, "status", engine.Empty{}).Account
	until := w.clock.Now().Add(7 * 24 * time.Hour)
	fine := engine.Precision{Every: "10s", Stat: "mean", Round: 0.1}
	asked := call[engine.AskResult](t, friend, "ask", engine.AskParams{
		Account: ownerAccount, Wants: []string{"flow"}, Precision: fine, Purpose: "energy advice", Until: until,
	})
	owner.told(t, "a request", func(v engine.Event) bool { return v.Kind == "requests" })
	waiting := call[[]engine.RequestInfo](t, owner, "requests", engine.Empty{})
	if len(waiting) != 1 || waiting[0].ID != asked.Request || waiting[0].Name != "Ben's advice" || len(waiting[0].Wants) != 1 || len(waiting[0].Wants[0].Fits) != 1 || waiting[0].Wants[0].Fits[0] != flow.Ref {
		t.Fatalf("requests %+v", waiting)
	}
	seen := call[engine.PreviewResult](t, owner, "preview", engine.PreviewParams{Ref: flow.Ref, Precision: fine})
	if len(seen.Own) < 60 || len(seen.Seen) < 6 || seen.Unit != "L/min" {
		t.Errorf("preview: %d own, %d seen, %q", len(seen.Own), len(seen.Seen), seen.Unit)
	}
	given := call[engine.Given](t, owner, "give", engine.GiveParams{
		Request: asked.Request, Until: until,
		Share: []engine.Share{{Ref: flow.Ref, Ops: []string{"readproperty", "observeproperty"}, Precision: fine}},
	})
	if !given.Opened {
		t.Error("the thing's end did not open the circle")
	}
	if left := call[[]engine.RequestInfo](t, owner, "requests", engine.Empty{}); len(left) != 0 {
		t.Errorf("requests left: %+v", left)
	}
	friend.affordance(t, "water-meter/flow", func(i engine.ThingInfo, _ engine.Affordance) bool { return i.State != "waiting" })
	w.pass(t, house, 60)
	got := map[int64]float64{}
	for len(got) < 5 {
		v := friend.told(t, "a value", func(v engine.Event) bool { return v.Kind == "value" && v.Ref.Grant == given.Grant })
		got[v.Point.At.Unix()] = *v.Point.Number
	}

	// What the owner was shown is what the friend has got.
	again := call[engine.PreviewResult](t, owner, "preview", engine.PreviewParams{Ref: flow.Ref, Precision: fine})
	// The first window began before the grant, so that it saw a part of it.
	same, first := 0, slices.Min(slices.Collect(maps.Keys(got)))
	for _, p := range again.Seen {
		if f, ok := got[p.At.Unix()]; ok && p.At.Unix() > first {
			if f != *p.Number {
				t.Errorf("at %v the friend got %v, the preview says %v", p.At, f, *p.Number)
			}
			same++
		}
	}
	if same < len(got)-1 {
		t.Errorf("%d of %d values are in the preview", same, len(got))
	}

	friend = friend.reload(t, w)
	thing, value := friend.affordance(t, "water-meter/flow", func(_ engine.ThingInfo, a engine.Affordance) bool { return len(a.Recent) >= 5 })
	if value.Latest == nil || value.Unit != "L/min" || thing.Owner != ownerAccount || thing.Own || value.Precision == nil || value.Precision.Every != "10s" {
		t.Errorf("after a reload %+v of %+v", value, thing)
	}
	past := call[engine.HistoryResult](t, friend, "history", engine.HistoryParams{Ref: value.Ref, Since: w.clock.Now().Add(-time.Hour)})
	if len(past.Points) < 5 {
		t.Errorf("past of the grant: %+v", past)
	}
	ownPast := call[engine.HistoryResult](t, owner, "history", engine.HistoryParams{Ref: flow.Ref, Since: w.clock.Now().Add(-time.Hour), Max: 100})
	if len(ownPast.Points) == 0 || len(ownPast.Points) > 100 {
		t.Errorf("own past: %d values", len(ownPast.Points))
	}

	ownerSees(t, w, owner, given.Grant)

	owner = owner.reload(t, w)
	_, lamp := owner.affordance(t, "lamp/state", anyState)
	done := call[engine.SendResult](t, owner, "send", engine.SendParams{Ref: lamp.Ref, Input: json.RawMessage(`"ON"`)})
	if string(done.Answer) == "" && done.Millis < 0 {
		t.Errorf("lamp: %+v", done)
	}
	owner.affordance(t, "lamp/state", func(_ engine.ThingInfo, a engine.Affordance) bool {
		return a.Latest != nil && string(a.Latest.Value) == `"ON"`
	})
	if code := refusal(t, friend, "send", engine.SendParams{Ref: value.Ref, Input: json.RawMessage("1")}); code != "grant-required" {
		t.Errorf("a command without the right: %s", code)
	}

	_, shared := owner.affordance(t, "water/flow", anyState)
	if shared.People != 1 {
		t.Errorf("%d people", shared.People)
	}
	stop := call[engine.Stop](t, owner, "withdraw", engine.WithdrawParams{Grant: given.Grant, Patience: "20s"})
	if stop.LockOne.IsZero() || stop.LockTwo.IsZero() || stop.Receipt == "" || stop.Statement == "" || stop.NodeError != "" {
		t.Errorf("stop %+v", stop)
	}
	friend.affordance(t, "water-meter/flow", func(i engine.ThingInfo, _ engine.Affordance) bool {
		return i.State == "ended" && i.Reason == "withdrawn"
	})
	grants := call[[]engine.GrantInfo](t, owner, "grants", engine.Empty{})
	if len(grants) != 1 || grants[0].State != "ended" || !grants[0].Own || grants[0].Stop == nil || grants[0].Stop.LockTwo.IsZero() || grants[0].OtherName != "Ben's advice" {
		t.Errorf("grants %+v", grants)
	}
}

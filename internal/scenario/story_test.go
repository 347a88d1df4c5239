package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"primum/circle"
	"primum/client"
	"primum/grant"
	"primum/identity"
	"primum/internal/edge"
	"primum/internal/edge/mqtt"
	"primum/internal/wire"
)

const readOps = "observeproperty readproperty"

// TestStory is the main job with real parts: a broker, two nodes that know
// each other only by name, an edge, a friend, a service (L6, L7, L8, L15).
func TestStory(t *testing.T) {
	w := newWorld(t)
	home := startBroker(t, "house/lamp/set")
	configs := replayCapture(t, home)
	announceOwn(t, home)

	owner := w.person(t, w.h, "owner", identity.Person, "")
	friend := w.person(t, w.s, "friend", identity.Person, "")
	adviser := w.person(t, w.s, "adviser", identity.Organisation, "Energy advice")

	e := w.runEdge(t, edge.Config{Broker: &mqtt.Options{URL: home.URL()}, Settle: time.Millisecond})
	w.settle(t, "find the things", func() bool { return hasThings(e, configs > 0) })
	claim(t, owner, e)
	w.settle(t, "describe water", func() bool { _, err := owner.Find("water/flow"); return err == nil })

	// 3. A share, and a request that is answered with a grant.
	flow := w.give(t, owner, friend.Address(), "", time.Minute, readOps, "water/flow")
	lamp := w.give(t, owner, friend.Address(), "", time.Minute, readOps+" writeproperty", "lamp/state")
	hourly := answerRequest(t, w, owner, adviser)

	// 4. The friend sees one-minute means of what the meter says each second.
	seen, stop := watch(t, friend, flow)
	w.minute(t, home, e, seen, 0)

	// … and, after an absence, what came meanwhile, then what comes.
	stop()
	if err := friend.Close(); err != nil {
		t.Fatal(err)
	}
	w.toNextMinute()
	w.speak(t, home, e, 60, func(i int) float64 { return float64(i + 100) })
	missed := w.clock.Now()
	friend = w.open(t, friend.Address())
	seen, _ = watch(t, friend, flow)
	expectMean(t, seen, missed, 129.5)
	w.minute(t, home, e, seen, 200)

	// 5. The lamp, with the right and without.
	commands(t, w, home, friend, adviser, lamp)

	// 6. Thing to thing: the hourly mean appears on the adviser's own broker.
	thingToThing(t, w, home, e, adviser)

	// 7. Stop: both locks, in words at the friend's, and no asking again.
	withdraw(t, owner, friend, flow, seen)
	askAgain(t, owner, friend)
	if g := given(t, owner, hourly); g.State != grant.Given {
		t.Errorf("the other grant is %s after one was withdrawn", g.State)
	}
}

// minute lets the meter count up from a number for a minute of the grant's
// clock; the friend sees one value, the mean.
func (w *world) minute(t *testing.T, home *broker, e *edge.Edge, seen <-chan client.Value, from int) {
	t.Helper()
	w.toNextMinute()
	w.speak(t, home, e, 60, func(i int) float64 { return float64(from + i) })
	expectMean(t, seen, w.clock.Now(), float64(from)+29.5)
}

// expectMean reads on to the value of the window that ends at a time.
func expectMean(t *testing.T, seen <-chan client.Value, end time.Time, want float64) {
	t.Helper()
	v := next(t, seen)
	for !v.At.Equal(end) {
		v = next(t, seen)
	}
	if n, ok := v.Number(); !ok || n != want {
		t.Fatalf("the mean of the window until %v was seen as %s, want %v", end, v.Value, want)
	}
	select {
	case more := <-seen:
		if !more.At.After(end) {
			t.Errorf("a second value came for one window: %+v", more)
		}
	default:
	}
}

func hasThings(e *edge.Edge, captured bool) bool {
	names := map[string]bool{}
	for _, s := range e.Overview().Things {
		names[s.Name] = true
	}
	return names["water"] && names["lamp"] && (!captured || len(names) >= 8)
}

// settle moves the clock on a little while it waits, for what waits on timers.
func (w *world) settle(t *testing.T, what string, holds func() bool) {
	t.Helper()
	eventually(t, what, func() bool {
		if holds() {
			return true
		}
		w.clock.Advance(10 * time.Millisecond)
		return false
	})
}

// toNextMinute moves the clock to the start of a window.
func (w *world) toNextMinute() {
	now := w.clock.Now()
	w.clock.Set(now.Truncate(time.Minute).Add(time.Minute))
}

// answerRequest: the adviser asks first; the owner sees who, what, why, how
// fine, until when, and gives.
func answerRequest(t *testing.T, w *world, owner, adviser *client.Client) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	purpose, err := grant.FindPurpose("energy advice")
	if err != nil {
		t.Fatal(err)
	}
	ref, err := adviser.Ask(ctx, owner.Address(), grant.Request{
		Service: "Energy advice", Name: "Energy advice", Purpose: purpose,
		Wants: []grant.Want{{Name: "water/flow", Actions: strings.Fields(readOps), Precision: grant.Precision{Every: grant.Duration(time.Hour), Stat: grant.Mean}}},
		For:   7 * grant.Day, Retention: 30 * grant.Day, DeletesWithin: 30 * grant.Day, Notice: grant.NewNotice("en", "to see how much water flows"),
	})
	if err != nil {
		t.Fatalf("ask: %v", err)
	}
	var asked *circle.RequestInfo
	eventually(t, "the request arrives", func() bool {
		for _, r := range owner.Owner.Requests() {
			if r.ID == ref {
				asked = &r
			}
		}
		return asked != nil
	})
	if asked.From != adviser.Address() {
		t.Errorf("the request is shown as from %q", asked.From)
	}
	return w.give(t, owner, adviser.Address(), ref, time.Hour, readOps, "water/flow")
}

func commands(t *testing.T, w *world, home *broker, friend, adviser *client.Client, lamp string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answered := make(chan error, 1)
	target := find(t, friend, "lamp/state")
	eventually(t, "join the lamp's circle", func() bool { target, _ = friend.Find("lamp/state"); return target.Grant != nil && target.Grant.Joined })
	go func() {
		_, err := friend.Send(ctx, target, json.RawMessage(`"ON"`), patience)
		answered <- err
	}()
	got := home.expect(t, func(topic string) bool { return topic == "house/lamp/set" })
	if string(got.Payload) != "ON" {
		t.Errorf("the lamp was told %q", got.Payload)
	}
	home.publish(t, "house/lamp/state", "ON", true)
	if err := <-answered; err != nil {
		t.Errorf("switch the lamp: %v", err)
	}
	flow := find(t, adviser, "water/flow")
	_, err := adviser.Send(ctx, flow, json.RawMessage(`1`), patience)
	var denied *grant.Denied
	if !errors.As(err, &denied) {
		t.Errorf("a command without the right: %v, want a *grant.Denied", err)
	}
}

// thingToThing runs the adviser's receiving side on a broker of its own.
func thingToThing(t *testing.T, w *world, home *broker, e *edge.Edge, adviser *client.Client) {
	t.Helper()
	theirs := startBroker(t, "homeassistant/#", "primum/#")
	sink, err := edge.NewBrokerSink(edge.BrokerSinkOptions{Broker: mqtt.Options{URL: theirs.URL()}, Dir: filepath.Join(t.TempDir(), "sink")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- adviser.Receive(ctx, "", func(ctx context.Context, g client.Target, v client.Value) error {
			d := edge.Delivery{
				ID: g.Circle.String() + v.At.String(), Kind: "value", At: v.At, From: g.Owner, Grant: v.Grant,
				Thing: g.Thing, Title: g.Title, Name: g.Name, Value: v.Value, Unit: v.Unit,
			}
			if v.State != "" {
				d.Kind = v.State
			}
			for sink.Deliver(ctx, d) != nil && ctx.Err() == nil {
				time.Sleep(time.Millisecond) // until the broker is connected
			}
			return ctx.Err()
		})
	}()
	t.Cleanup(func() { cancel(); <-done; _ = sink.Close() })
	// The rest of the hour passes with a value a minute.
	for w.clock.Now().Minute() != 0 {
		w.speak(t, home, e, 1, func(int) float64 { return 6 })
		w.toNextMinute()
	}
	theirs.expect(t, func(topic string) bool { return strings.HasPrefix(topic, "homeassistant/sensor/") })
	m := theirs.expect(t, func(topic string) bool {
		return strings.HasPrefix(topic, "primum/") && strings.HasSuffix(topic, "/state")
	})
	if len(m.Payload) == 0 {
		t.Error("the borrowed sensor has no state")
	}
}

func withdraw(t *testing.T, owner, friend *client.Client, id string, seen <-chan client.Value) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	start := time.Now()
	info, _, err := owner.Withdraw(ctx, id, patience)
	if err != nil {
		t.Fatalf("withdraw: %v", err)
	}
	if info.LockOne.IsZero() || info.LockTwo.IsZero() || !info.Confirmed() {
		t.Fatalf("both locks should be shut: %+v", info)
	}
	t.Logf("both locks after %v", time.Since(start))
	for v := next(t, seen); !v.Ended(); v = next(t, seen) {
		continue
	}
}

func askAgain(t *testing.T, owner, friend *client.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	purpose, err := grant.FindPurpose("energy advice")
	if err != nil {
		t.Fatal(err)
	}
	_, err = friend.Ask(ctx, owner.Address(), grant.Request{
		Service: "friend", Purpose: purpose,
		Wants: []grant.Want{{Name: "water/flow", Actions: strings.Fields(readOps), Precision: grant.Precision{Every: grant.Duration(time.Hour), Stat: grant.Mean}}},
		For:   grant.Day, Retention: grant.Day, DeletesWithin: grant.Day, Notice: grant.NewNotice("en", "again"),
	})
	if !client.IsProblem(err, wire.ProbAskLater) {
		t.Errorf("asking again: %v, want %s", err, wire.ProbAskLater)
	}
}

func given(t *testing.T, owner *client.Client, id string) circle.GrantInfo {
	t.Helper()
	for _, g := range owner.Owner.Given() {
		if g.ID == id {
			return g
		}
	}
	t.Fatalf("grant %s is not among those given", id)
	return circle.GrantInfo{}
}

package simulated

import (
	"context"
	"fmt"
	"testing"
	"time"

	"primum/internal/clock"
	"primum/thing"
)

func start() time.Time { return time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC) }

// play runs a house for a number of rounds and returns what it told.
func play(t *testing.T, seed uint64, rounds int) []thing.Report {
	t.Helper()
	c := clock.NewManual(start())
	h := New(c, 0, seed)
	told := make(chan thing.Report, 2+rounds)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.Run(ctx, func(r thing.Report) { told <- r })
	}()
	var all []thing.Report
	for range 2 {
		all = append(all, <-told)
	}
	for range rounds {
		if err := c.BlockUntil(ctx, 1); err != nil {
			t.Fatal(err)
		}
		c.Advance(time.Second)
		all = append(all, <-told)
	}
	cancel()
	<-ended
	return all
}

func TestMeterSpeaksEverySecondAsDescribed(t *testing.T) {
	t.Parallel()
	all := play(t, 7, 61)
	described := map[string]*thing.Description{}
	for _, f := range all[0].Found {
		if err := f.Description.Validate(); err != nil {
			t.Errorf("%s: %v", f.Key, err)
		}
		described[f.Key] = f.Description
	}
	count := map[string]int{}
	for _, r := range all {
		for _, x := range r.Readings {
			count[x.Key+" "+x.Affordance]++
			if err := described[x.Key].Properties[x.Affordance].Check(x.Value); err != nil {
				t.Errorf("%s/%s = %v: %v", x.Key, x.Affordance, x.Value, err)
			}
		}
	}
	if count[Water+" flow"] != 61 || count[Thermometer+" temperature"] != 7 || count[Lamp+" state"] != 1 {
		t.Errorf("values %v", count)
	}
	if fmt.Sprint(all) == fmt.Sprint(play(t, 8, 61)) {
		t.Error("another seed gives the same values")
	}
	if !all[61].Readings[0].At.Equal(start().Add(60 * time.Second)) {
		t.Errorf("last value at %v", all[61].Readings[0].At)
	}
}

func TestLamp(t *testing.T) {
	t.Parallel()
	h := New(clock.NewManual(start()), 0, 1)
	send, err := h.Write(Lamp, "state", "ON")
	if err != nil || !h.Has(send.Topic) {
		t.Fatal(send, err)
	}
	if err := h.Send(send); err != nil || !h.Lit() {
		t.Errorf("lit %v, %v", h.Lit(), err)
	}
	for _, c := range []struct {
		key, name string
		value     any
	}{{Lamp, "state", "PURPLE"}, {Lamp, "x", "ON"}, {Water, "flow", 1.0}, {Lamp, "state", true}} {
		if _, err := h.Write(c.key, c.name, c.value); err == nil {
			t.Errorf("%v was taken", c)
		}
	}
	if err := h.Send(thing.Send{Topic: "x", Payload: []byte(`"ON"`)}); err == nil {
		t.Error("a message for nobody was taken")
	}
}

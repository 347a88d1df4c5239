// Package simulated is a small house without a broker: a water meter that
// speaks every second, a lamp that can be switched, a thermometer. It is the
// device side of `primum local`.
package simulated

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"primum/internal/clock"
	"primum/thing"
)

// Keys of the three things.
const (
	Water       = "simulated/water"
	Lamp        = "simulated/lamp"
	Thermometer = "simulated/hall"
)

// House is the simulation. Safe for concurrent use.
type House struct {
	clock clock.Clock
	every time.Duration
	seed  uint64

	mu     sync.Mutex
	lit    bool    // under mu
	litres float64 // under mu
	ticks  int     // under mu
	told   func(thing.Report)
}

// New makes a house whose meter speaks every so often (0: every second). Equal
// seeds give equal values.
func New(c clock.Clock, every time.Duration, seed uint64) *House {
	if every <= 0 {
		every = time.Second
	}
	return &House{clock: c, every: every, seed: seed}
}

// Found describes the three things.
func (h *House) Found() []thing.Found {
	lowest, coldest, hottest := 0.0, -40.0, 80.0
	water := thing.New("Water meter")
	water.AddProperty("flow", thing.Schema{Title: "Flow", Text: "Water running now", Type: "number", Unit: "L/min", Minimum: &lowest, ReadOnly: true})
	water.AddProperty("volume", thing.Schema{Title: "Volume", Text: "Counter reading", Type: "number", Unit: "L", Minimum: &lowest, ReadOnly: true})
	lamp := thing.New("Lamp")
	lamp.AddProperty("state", thing.Schema{Title: "State", Text: "Whether it is lit", Type: "string", Enum: []any{"ON", "OFF"}})
	hall := thing.New("Thermometer in the hall")
	hall.AddProperty("temperature", thing.Schema{Title: "Temperature", Type: "number", Unit: "°C", Minimum: &coldest, Maximum: &hottest, ReadOnly: true})
	return []thing.Found{
		{Key: Water, Thing: Water, Wish: "water", Description: water},
		{Key: Lamp, Thing: Lamp, Wish: "lamp", Description: lamp, Topics: []string{Lamp}},
		{Key: Thermometer, Thing: Thermometer, Wish: "hall", Description: hall},
	}
}

// Run tells the three descriptions and then values until the context ends.
func (h *House) Run(ctx context.Context, tell func(thing.Report)) {
	h.mu.Lock()
	h.told = tell
	h.mu.Unlock()
	tell(thing.Report{Found: h.Found()})
	tell(h.lampReport())
	for {
		timer := h.clock.NewTimer(h.every)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
			tell(h.tick())
		}
	}
}

// tick is one round of the meter and, every tenth, of the thermometer.
func (h *House) tick() thing.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock.Now()
	noise := rand.New(rand.NewPCG(h.seed, uint64(h.ticks)))
	// Half a minute of running water in each minute, as from a tap.
	flow := 0.0
	if h.ticks%60 < 30 {
		flow = round(6 + 2*math.Sin(float64(h.ticks)/5) + noise.Float64())
	}
	h.litres = round(h.litres + flow*h.every.Minutes())
	r := thing.Report{Readings: []thing.Reading{
		{Key: Water, Affordance: "flow", Value: flow, At: now},
		{Key: Water, Affordance: "volume", Value: h.litres, At: now},
	}}
	if h.ticks%10 == 0 {
		r.Readings = append(r.Readings, thing.Reading{Key: Thermometer, Affordance: "temperature", Value: round(20 + noise.Float64()), At: now})
	}
	h.ticks++
	return r
}

func round(f float64) float64 { return math.Round(f*100) / 100 }

func (h *House) lampReport() thing.Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	state := "OFF"
	if h.lit {
		state = "ON"
	}
	return thing.Report{Readings: []thing.Reading{{Key: Lamp, Affordance: "state", Value: state, At: h.clock.Now()}}}
}

// Write makes the message that switches the lamp.
func (h *House) Write(key, affordance string, value any) (thing.Send, error) {
	if key != Lamp || affordance != "state" || value != "ON" && value != "OFF" {
		return thing.Send{}, fmt.Errorf("%s can't be set to that", affordance)
	}
	b, err := json.Marshal(value)
	return thing.Send{Topic: Lamp, Payload: b}, err
}

// Has tells whether a message of Write goes to the house.
func (h *House) Has(topic string) bool { return topic == Lamp }

// Send takes what Write made: the lamp is switched and says so.
func (h *House) Send(s thing.Send) error {
	var state string
	if s.Topic != Lamp || json.Unmarshal(s.Payload, &state) != nil {
		return errors.New("the small house has no such device")
	}
	h.mu.Lock()
	h.lit = state == "ON"
	tell := h.told
	h.mu.Unlock()
	if tell != nil {
		tell(h.lampReport())
	}
	return nil
}

// Lit tells whether the lamp is on.
func (h *House) Lit() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lit
}

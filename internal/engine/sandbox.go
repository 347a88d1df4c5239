package engine

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"primum/circle"
	"primum/client"
	"primum/internal/durable"
	"primum/thing"
)

// Names of the sandbox's one thing.
const (
	sandboxThing       = "thermometer"
	sandboxTemperature = "temperature"
	sandboxLight       = "light"
)

const (
	// sandboxEvery is how often the thermometer measures.
	sandboxEvery = 10 * time.Second
	// sandboxPast is how far its memory reaches back when it is switched on.
	sandboxPast = 25 * time.Hour
	// sandboxSwitches bounds what it keeps of its light.
	sandboxSwitches = 200
)

// sandboxState is what a sandbox keeps beside its anchor.
type sandboxState struct {
	Key   []byte     `json:"key"` // of the anchor
	Since time.Time  `json:"since"`
	Light []switched `json:"light,omitempty"` // oldest first
	// Removed are homes of sandboxes that were removed: they hold nothing any
	// more.
	Removed []string `json:"removed,omitempty"`
}

type switched struct {
	At time.Time `json:"at"`
	On bool      `json:"on"`
}

// sandbox is a thermometer that lives in this engine: an anchor as in any edge,
// with a made-up room around it. What it measures is a function of the time, so
// that it has a past. Safe for concurrent use.
type sandbox struct {
	e   *Engine
	dir string
	// turn is held by whoever makes or removes it: two tabs that ask at once get
	// one home.
	turn sync.Mutex

	mu     sync.Mutex
	state  sandboxState
	anchor *circle.Anchor // nil: there is none
	stop   context.CancelFunc
	done   chan struct{}
}

func newSandbox(e *Engine) *sandbox {
	return &sandbox{e: e, dir: filepath.Join(e.o.Dir, "sandbox")}
}

func (b *sandbox) file() string { return filepath.Join(b.e.o.Dir, "sandbox.json") }

// open goes on with a sandbox that is on the disk.
func (b *sandbox) open(ctx context.Context, calls client.Calls) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	raw, err := durable.ReadFile(b.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &b.state)
	}
	if err != nil {
		return fmt.Errorf("open sandbox: %w", err)
	}
	if b.state.Key == nil {
		return nil
	}
	return b.run(ctx, calls)
}

// run opens the anchor and drives it; b.mu is held.
func (b *sandbox) run(ctx context.Context, calls client.Calls) error {
	a, err := circle.OpenAnchor(b.dir, circle.AnchorOptions{Clock: b.e.o.Clock, Rand: b.e.o.Rand, History: b, Log: b.e.o.Log})
	if err != nil {
		return fmt.Errorf("open sandbox: %w", err)
	}
	if err := a.SetThings(sandboxThings()); err != nil {
		return errors.Join(err, a.Close())
	}
	ctx, stop := context.WithCancel(ctx)
	b.anchor, b.stop, b.done = a, stop, make(chan struct{})
	go func() {
		defer close(b.done)
		var work sync.WaitGroup
		work.Go(func() { b.measure(ctx, a) })
		o := client.AnchorOptions{Calls: calls, Pace: b.e.o.Pace, Take: func(v circle.Event) error { return b.take(a, v) }}
		if err := client.RunAnchor(ctx, a, o); err != nil && ctx.Err() == nil {
			b.e.o.Log.Error("sandbox stopped", "why", err)
		}
		work.Wait()
	}()
	return nil
}

// close stops the sandbox; it goes on at the next open.
func (b *sandbox) close() error {
	b.mu.Lock()
	a, stop, done := b.anchor, b.stop, b.done
	b.anchor = nil
	b.mu.Unlock()
	if a == nil {
		return nil
	}
	stop()
	<-done
	return a.Close()
}

func (b *sandbox) save() error {
	raw, err := json.Marshal(b.state)
	if err == nil {
		err = durable.WriteFile(b.file(), raw)
	}
	if err != nil {
		return fmt.Errorf("keep sandbox: %w", err)
	}
	return nil
}

// is tells the sandbox's home from others.
func (b *sandbox) is(thingKey ed25519.PublicKey) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state.Key != nil && bytes.Equal(b.state.Key, thingKey)
}

// removed tells a home whose sandbox was removed.
func (b *sandbox) removed(home circle.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.state.Removed, home.String())
}

// measure feeds the anchor until the context ends.
func (b *sandbox) measure(ctx context.Context, a *circle.Anchor) {
	light := circle.Sample{Thing: sandboxThing, Name: sandboxLight, At: b.e.o.Clock.Now(), Value: b.lit()}
	b.feed(a, light)
	for {
		now := b.e.o.Clock.Now()
		at := now.Truncate(sandboxEvery)
		b.feed(a, circle.Sample{Thing: sandboxThing, Name: sandboxTemperature, At: at, Value: temperature(at), Unit: "°C"})
		timer := b.e.o.Clock.NewTimer(at.Add(sandboxEvery).Sub(now))
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (b *sandbox) feed(a *circle.Anchor, s circle.Sample) {
	if err := a.Feed(s); err != nil && !errors.Is(err, circle.ErrClosed) {
		b.e.o.Log.Warn("sandbox value not taken", "why", err)
	}
}

// temperature is a room by day and night, with some unrest, in tenths of °C.
func temperature(at time.Time) json.RawMessage {
	h := float64(at.Unix()) / 3600
	f := 20.5 + 1.8*math.Sin((h-9)*math.Pi/12) + 0.4*math.Sin(h*2.3) + 0.2*math.Sin(h*17.9) + 0.1*math.Sin(h*61.7)
	return json.RawMessage(fmt.Sprintf("%.1f", f))
}

func (b *sandbox) lit() json.RawMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return litOf(b.state.Light)
}

func litOf(all []switched) json.RawMessage {
	if n := len(all); n > 0 && all[n-1].On {
		return json.RawMessage("true")
	}
	return json.RawMessage("false")
}

// take does what a command says.
func (b *sandbox) take(a *circle.Anchor, v circle.Event) error {
	if v.Kind != circle.EventCommand {
		return nil
	}
	var on bool
	if v.Name != sandboxLight || v.Op != thing.WriteProperty || json.Unmarshal(v.Value, &on) != nil {
		return ignoreUnknown(a.Answer(v.Ref, nil, &circle.Problem{Kind: "refused", Detail: "only the light can be switched"}))
	}
	now := b.e.o.Clock.Now().UTC()
	b.mu.Lock()
	b.state.Light = append(b.state.Light, switched{now, on})
	b.state.Light = slices.Clone(b.state.Light[max(0, len(b.state.Light)-sandboxSwitches):])
	err := b.save()
	value := litOf(b.state.Light)
	b.mu.Unlock()
	if err != nil {
		return err
	}
	b.feed(a, circle.Sample{Thing: sandboxThing, Name: sandboxLight, At: now, Value: value})
	return ignoreUnknown(a.Answer(v.Ref, value, nil))
}

// ignoreUnknown passes over a command that nobody waits for any more.
func ignoreUnknown(err error) error {
	if errors.Is(err, circle.ErrUnknown) {
		return nil
	}
	return err
}

// History implements circle.History.
func (b *sandbox) History(id, name string, from, to time.Time, limit int) (out []circle.Sample, err error) {
	if id != sandboxThing {
		return nil, nil
	}
	b.mu.Lock()
	since, light := b.state.Since, slices.Clone(b.state.Light)
	b.mu.Unlock()
	switch name {
	case sandboxTemperature:
		if from.Before(since) {
			from = since
		}
		at := from.Truncate(sandboxEvery)
		if at.Before(from) {
			at = at.Add(sandboxEvery)
		}
		for ; at.Before(to) && len(out) < limit; at = at.Add(sandboxEvery) {
			out = append(out, circle.Sample{Thing: id, Name: name, At: at.UTC(), Value: temperature(at), Unit: "°C"})
		}
	case sandboxLight:
		for _, s := range light {
			if !s.At.Before(from) && s.At.Before(to) && len(out) < limit {
				out = append(out, circle.Sample{Thing: id, Name: name, At: s.At, Value: litOf([]switched{s})})
			}
		}
	}
	return out, nil
}

func sandboxThings() []circle.Thing {
	d := thing.New("Thermometer to try")
	d.AddProperty(sandboxTemperature, thing.Schema{Title: "Temperature", Type: "number", Unit: "°C", ReadOnly: true})
	d.AddProperty(sandboxLight, thing.Schema{Title: "Light", Type: "boolean"})
	raw, err := json.Marshal(d)
	if err != nil {
		return nil // it is made of the lines above
	}
	return []circle.Thing{{ID: sandboxThing, Title: d.Title, Description: raw}}
}

// erase forgets the anchor and its keys; b.mu is not held.
func (b *sandbox) erase(homes []string) error {
	b.mu.Lock()
	a := b.anchor
	b.mu.Unlock()
	var err error
	if a != nil {
		err = a.Reset()
	}
	err = errors.Join(err, b.close(), os.RemoveAll(b.dir))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = sandboxState{Removed: append(b.state.Removed, homes...)}
	return errors.Join(err, b.save())
}

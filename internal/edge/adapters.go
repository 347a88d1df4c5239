package edge

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"primum/internal/edge/homeassistant"
	"primum/internal/edge/house"
	"primum/internal/edge/mqtt"
	"primum/internal/edge/statestream"
	"primum/internal/edge/zigbee2mqtt"
	"primum/thing"
)

// adapter is the device side of one protocol on a broker.
type adapter interface {
	house.Source
	// Filters lists the topics to subscribe to now.
	Filters() []string
	// Receive takes one message.
	Receive(topic string, payload []byte, at time.Time) thing.Report
}

// lockedAdapter lets commands and messages use an adapter from two goroutines,
// and puts the broker's name into its keys: the same topic on another broker is
// another device.
type lockedAdapter struct {
	broker string

	mu      sync.Mutex
	adapter adapter // under mu
}

func (a *lockedAdapter) key(own string) string {
	if own == "" {
		return ""
	}
	return a.broker + " " + own
}

func (a *lockedAdapter) Write(key, affordance string, value any) (thing.Send, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.adapter.Write(strings.TrimPrefix(key, a.broker+" "), affordance, value)
}

func (a *lockedAdapter) receive(topic string, payload []byte, at time.Time) thing.Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.adapter.Receive(topic, payload, at)
	for i := range r.Found {
		r.Found[i].Key, r.Found[i].Thing = a.key(r.Found[i].Key), a.key(r.Found[i].Thing)
	}
	for i := range r.Gone {
		r.Gone[i] = a.key(r.Gone[i])
	}
	for i := range r.Readings {
		r.Readings[i].Key = a.key(r.Readings[i].Key)
	}
	for i := range r.Troubles {
		r.Troubles[i].Key = a.key(r.Troubles[i].Key)
	}
	return r
}

func (a *lockedAdapter) filters() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.adapter.Filters()
}

// ownBase is where the receiving side puts shared values; the sending side
// does not read them back.
const ownBase = "primum"

// brokerSide is everything on one broker.
type brokerSide struct {
	conn     *mqtt.Conn
	adapters []*lockedAdapter
	house    *house.House
	now      func() time.Time
	changed  chan struct{} // capacity 1: other topics are wanted
}

func openBroker(c Config, h *house.House) (*brokerSide, error) {
	b := &brokerSide{house: h, now: c.Clock.Now, changed: make(chan struct{}, 1)}
	name := c.BrokerName
	if name == "" {
		name = c.Broker.String()
	}
	var elsewhere, never []string
	if c.Zigbee2MQTT != Off {
		z := zigbee2mqtt.New(c.Zigbee2MQTT)
		elsewhere, never = append(elsewhere, z.Base()), append(never, z.Base()+"/bridge/logging")
		b.adapters = append(b.adapters, &lockedAdapter{broker: name, adapter: z})
	}
	if c.HomeAssistant != Off {
		o := homeassistant.Options{Prefix: c.HomeAssistant, Elsewhere: append(elsewhere, ownBase), Never: never}
		b.adapters = append(b.adapters, &lockedAdapter{broker: name, adapter: homeassistant.New(o)})
	}
	if c.Statestream != "" && c.Statestream != Off {
		b.adapters = append(b.adapters, &lockedAdapter{broker: name, adapter: statestream.New(c.Statestream)})
	}
	o := *c.Broker
	o.Never = append(slices.Clone(o.Never), never...)
	if o.Clock == nil {
		o.Clock = c.Clock
	}
	if o.Log == nil {
		o.Log = c.Log
	}
	var err error
	if b.conn, err = mqtt.New(o, b.receive); err != nil {
		return nil, err
	}
	return b, b.subscribe()
}

// receive passes a message to the adapters; one of them knows it.
func (b *brokerSide) receive(m mqtt.Message) {
	at, changed := b.now(), false
	for _, a := range b.adapters {
		r := a.receive(m.Topic, m.Payload, at)
		changed = changed || len(r.Found)+len(r.Gone) > 0
		b.house.Take(a, r)
	}
	if changed {
		select {
		case b.changed <- struct{}{}:
		default: // many announcements, one new subscription
		}
	}
}

// run keeps the connection and its subscriptions until the context ends.
func (b *brokerSide) run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-b.changed:
			}
			if err := b.subscribe(); err != nil {
				b.house.Note(err.Error())
			}
		}
	})
	return b.conn.Run(ctx)
}

func (b *brokerSide) subscribe() error {
	var filters []string
	for _, a := range b.adapters {
		filters = append(filters, a.filters()...)
	}
	return b.conn.Subscribe(filters)
}

func (b *brokerSide) send(ctx context.Context, s thing.Send) error {
	return b.conn.Publish(ctx, s.Topic, s.Payload, false)
}

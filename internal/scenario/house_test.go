package scenario

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"primum/internal/edge"
	"primum/internal/edge/mqtt"
	"primum/internal/edge/mqtt/mosquittotest"
)

// broker is a real mosquitto with a client of the test's own, which plays the
// devices.
type broker struct {
	*mosquittotest.Broker
	devices *mqtt.Conn
	heard   chan mqtt.Message // what the test subscribed to
}

func startBroker(t *testing.T, filters ...string) *broker {
	t.Helper()
	b := &broker{Broker: mosquittotest.Start(t, mosquittotest.Options{}), heard: make(chan mqtt.Message, 4096)}
	var err error
	b.devices, err = mqtt.New(mqtt.Options{URL: b.URL()}, func(m mqtt.Message) { b.heard <- m })
	if err != nil {
		t.Fatal(err)
	}
	if err := b.devices.Subscribe(filters); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.devices.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	eventually(t, "connect to the broker", func() bool { return b.devices.Status().Connected })
	return b
}

func (b *broker) publish(t *testing.T, topic, payload string, retain bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.devices.Publish(ctx, topic, []byte(payload), retain); err != nil {
		t.Fatalf("publish %s: %v", topic, err)
	}
}

// expect waits for a message on a topic.
func (b *broker) expect(t *testing.T, topic func(string) bool) mqtt.Message {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case m := <-b.heard:
			if topic(m.Topic) {
				return m
			}
		case <-deadline:
			t.Fatal("the message did not come")
		}
	}
}

// replayCapture publishes what an unmodified zigbee2mqtt announced; it skips
// the test where the capture is absent.
func replayCapture(t *testing.T, b *broker) (configs int) {
	t.Helper()
	f, err := os.Open("../../../shared/data/z2m-and-homeassistant-discovery.txt")
	if err != nil {
		t.Log("no ../shared beside this clone: the captured devices are left out")
		return 0
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		topic, payload, ok := strings.Cut(lines.Text(), " ")
		if ok {
			b.publish(t, topic, payload, true)
			configs++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return configs
}

// announceOwn announces a meter and a lamp by Home Assistant discovery.
func announceOwn(t *testing.T, b *broker) {
	t.Helper()
	b.publish(t, "homeassistant/sensor/water/flow/config", `{"name":"Flow","unique_id":"water_flow","state_topic":"house/water",
		"value_template":"{{ value_json.flow }}","unit_of_measurement":"L/min","state_class":"measurement",
		"device":{"identifiers":["water"],"name":"Water"}}`, true)
	b.publish(t, "homeassistant/switch/lamp/state/config", `{"name":"State","unique_id":"lamp_state","state_topic":"house/lamp/state",
		"command_topic":"house/lamp/set","payload_on":"ON","payload_off":"OFF",
		"device":{"identifiers":["lamp"],"name":"Lamp"}}`, true)
}

// taken is how many values of a thing the edge has taken.
func taken(e *edge.Edge, name string) uint64 {
	for _, s := range e.Overview().Things {
		if s.Name == name {
			return s.Values
		}
	}
	return 0
}

// speak lets the meter speak once a second of the world's clock and returns
// what it said, with the time of each value.
func (w *world) speak(t *testing.T, b *broker, e *edge.Edge, seconds int, flow func(i int) float64) {
	t.Helper()
	for i := range seconds {
		before := taken(e, "water")
		b.publish(t, "house/water", fmt.Sprintf(`{"flow":%g}`, flow(i)), false)
		eventually(t, "the edge takes the value", func() bool { return taken(e, "water") > before })
		w.clock.Advance(time.Second)
	}
}

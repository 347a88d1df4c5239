package edge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"primum/circle"
	"primum/internal/edge/mqtt"
	"primum/internal/edge/mqtt/mosquittotest"
	"primum/thing"
)

// A meter and a lamp as zigbee2mqtt announces them.
const houseDevices = `[
 {"ieee_address":"0x01","friendly_name":"Coordinator","type":"Coordinator"},
 {"ieee_address":"0x02","friendly_name":"water","type":"EndDevice","definition":{"vendor":"V","model":"M","description":"Meter","exposes":[
   {"type":"numeric","name":"flow","property":"flow","access":1,"unit":"L/min"},
   {"type":"numeric","name":"battery","property":"battery","access":1,"unit":"%","value_min":0,"value_max":100}]}},
 {"ieee_address":"0x03","friendly_name":"kitchen/lamp","type":"Router","definition":{"vendor":"V","model":"L","description":"Lamp","exposes":[
   {"type":"light","features":[
     {"type":"binary","name":"state","property":"state","access":7,"value_on":"ON","value_off":"OFF"},
     {"type":"numeric","name":"brightness","property":"brightness","access":7,"value_min":0,"value_max":254}]}]}}]`

// capturedMessages are those of the shared capture: topic, space, payload.
func capturedMessages(t *testing.T) (messages []mqtt.Message) {
	t.Helper()
	f, err := os.Open("../../../shared/data/z2m-and-homeassistant-discovery.txt")
	if err != nil {
		if os.Getenv("PRIMUM_NEED_ALL") == "1" {
			t.Fatal("../shared is not here (and PRIMUM_NEED_ALL=1)")
		}
		t.Skip("../shared is not here: the capture was not replayed")
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if topic, payload, ok := strings.Cut(lines.Text(), " "); ok {
			messages = append(messages, mqtt.Message{Topic: topic, Payload: []byte(payload)})
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return messages
}

func publish(t *testing.T, c *mqtt.Conn, topic, payload string, retain bool) {
	t.Helper()
	if err := c.Publish(context.Background(), topic, []byte(payload), retain); err != nil {
		t.Fatal(err)
	}
}

func TestHouseOnARealBroker(t *testing.T) {
	t.Parallel()
	b := mosquittotest.Start(t, mosquittotest.Options{})
	devices, got := listen(t, b, "zigbee2mqtt/+/+/set", "zigbee2mqtt/+/set", "zigbee2mqtt/bridge/request/#")
	publish(t, devices, "zigbee2mqtt/bridge/devices", houseDevices, true)
	publish(t, devices, "zigbee2mqtt/bridge/logging", strings.Repeat("x", 100_000), true)
	publish(t, devices, "zigbee2mqtt/kitchen/lamp", `{"state":"OFF","brightness":10}`, true)
	a, terminal := newAnchor(t), &screen{}
	e := run(t, Config{Broker: &mqtt.Options{URL: b.URL()}, Settle: 50 * time.Millisecond, Terminal: terminal}, a)
	a.await(t, "things and the retained state", func() bool { return len(a.things) == 2 && len(a.fed) == 2 })
	if got := ids(a.things); !slices.Equal(got, []string{"kitchen-lamp", "water"}) {
		t.Errorf("things %v", got)
	}
	a.did(func() { a.fed = nil })

	publish(t, devices, "zigbee2mqtt/water", `{"flow":7.25,"battery":90,"unknown":1}`, false)
	a.await(t, "a value", func() bool {
		return len(a.fed) == 2 && a.fed[1].Thing == "water" && a.fed[1].Name == "flow" && string(a.fed[1].Value) == "7.25" && a.fed[1].Unit == "L/min"
	})
	// Text where the description says number: not forwarded, counted, shown.
	publish(t, devices, "zigbee2mqtt/water", `{"flow":"warm","battery":90}`, false)
	publish(t, devices, "zigbee2mqtt/water", `not json`, false)
	publish(t, devices, "zigbee2mqtt/water", `{"flow":8}`, false)
	a.await(t, "the value behind garbage", func() bool { return len(a.fed) == 4 && string(a.fed[3].Value) == "8" })
	for end := time.Now().Add(patience); e.Overview().Things[1].Values < 4 && time.Now().Before(end); {
		runtime.Gosched() // a value is counted right after it was passed on
	}
	if s := e.Overview().Things[1]; s.Refused != 2 || s.Values != 4 || !strings.Contains(s.Problem, "not JSON") {
		t.Errorf("water %+v", s)
	}

	command := circle.Event{Kind: circle.EventCommand, Ref: "1", Op: thing.WriteProperty, Thing: "kitchen-lamp", Name: "state", Value: json.RawMessage(`"ON"`), Deadline: time.Now().Add(time.Minute)}
	if err := e.event(context.Background(), command); err != nil {
		t.Fatal(err)
	}
	m := until(t, got, "the device's own command topic", func(mqtt.Message) bool { return true })
	if m.Topic != "zigbee2mqtt/kitchen/lamp/set" || string(m.Payload) != `{"state":"ON"}` {
		t.Errorf("command %s %s", m.Topic, m.Payload)
	}
	publish(t, devices, "zigbee2mqtt/kitchen/lamp", `{"state":"ON","brightness":10}`, true)
	a.await(t, "the answer", func() bool { return string(a.answers["1"].value) == `"ON"` })

	b.Restart(t) // everything retained is gone; the edge comes back by itself
	online(t, devices.Status, devices.Changed)
	online(t, e.broker.conn.Status, e.broker.conn.Changed)
	deadline := time.Now().Add(patience)
	for n := len(a.fed); ; { // until its subscriptions are restored
		publish(t, devices, "zigbee2mqtt/water", `{"flow":9}`, false)
		a.mu.Lock()
		more := len(a.fed) > n
		a.mu.Unlock()
		if more {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no value after the broker's restart")
		}
	}
	for _, want := range []string{"Connected to the broker " + b.URL() + " by MQTT 5.", "The broker " + b.URL() + " is not reachable: the broker closed the connection; next try in 1s."} {
		if !strings.Contains(terminal.String(), want) {
			t.Errorf("the terminal does not say %q: %s", want, terminal)
		}
	}
	if o := e.Overview(); o.Broker == nil || !o.Broker.Connected || o.Broker.Version != "5" {
		t.Errorf("broker %+v", o.Broker)
	}
}

// screen is a terminal that can be read while it is written.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *screen) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *screen) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

func TestCaptureOnARealBroker(t *testing.T) {
	t.Parallel()
	messages := capturedMessages(t)
	b := mosquittotest.Start(t, mosquittotest.Options{})
	devices, _ := listen(t, b)
	for _, m := range messages {
		publish(t, devices, m.Topic, string(m.Payload), true)
	}
	for name, c := range map[string]struct {
		config Config
		want   int
	}{
		"both":                {Config{}, 6},                   // from the bridge; Home Assistant's are the same devices
		"Home Assistant only": {Config{Zigbee2MQTT: Off}, 7},   // with the bridge itself
		"zigbee2mqtt only":    {Config{HomeAssistant: Off}, 6}, //
		"neither":             {Config{Zigbee2MQTT: Off, HomeAssistant: Off}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAnchor(t)
			c.config.Broker, c.config.Settle = &mqtt.Options{URL: b.URL()}, 100*time.Millisecond
			e := run(t, c.config, a)
			online(t, e.broker.conn.Status, e.broker.conn.Changed)
			if c.want > 0 {
				a.await(t, "things", func() bool { return len(a.things) == c.want })
			}
			publish(t, devices, "zigbee2mqtt/0x00158d0001000005", `{"occupancy":true,"battery":100,"illuminance":12}`, false)
			if c.want > 0 {
				a.await(t, "values", func() bool { return len(a.fed) == 3 })
			}
			for _, p := range e.Overview().Problems {
				t.Errorf("problem: %s", p)
			}
		})
	}
}

func TestOwnAnnouncementsAreNotReadBack(t *testing.T) {
	t.Parallel()
	b := mosquittotest.Start(t, mosquittotest.Options{})
	s, err := NewBrokerSink(BrokerSinkOptions{Broker: mqtt.Options{URL: b.URL()}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	online(t, s.Status, s.conn.Changed)
	deliver(t, s, delivery(1))
	devices, _ := listen(t, b)
	publish(t, devices, "homeassistant/sensor/own/config", `{"name":"own","stat_t":"own/s"}`, true)
	a := newAnchor(t)
	run(t, Config{Broker: &mqtt.Options{URL: b.URL()}, Settle: 50 * time.Millisecond}, a)
	a.await(t, "the one own thing", func() bool { return len(a.things) > 0 })
	if got := ids(a.things); !slices.Equal(got, []string{"own"}) {
		t.Errorf("things %v", got)
	}
}

// TestSameTopicOnAnotherBroker: a pin is to broker and topic; another broker
// can't pass its devices off as those that were accepted.
func TestSameTopicOnAnotherBroker(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "edge")
	for _, want := range [][]string{{"kitchen-lamp", "water"}, {"kitchen-lamp-2", "water-2"}} {
		b := mosquittotest.Start(t, mosquittotest.Options{})
		devices, _ := listen(t, b)
		publish(t, devices, "zigbee2mqtt/bridge/devices", houseDevices, true)
		t.Run(want[0], func(t *testing.T) {
			a := newAnchor(t)
			run(t, Config{Dir: dir, Broker: &mqtt.Options{URL: b.URL()}, Settle: 50 * time.Millisecond}, a)
			a.await(t, "things", func() bool { return len(a.things) == 2 })
			if got := ids(a.things); !slices.Equal(got, want) {
				t.Errorf("things %v, want %v", got, want)
			}
		})
	}
	first := &mqtt.Options{URL: "mqtt://127.0.0.1:1"} // the named one is meant, wherever it is
	var known struct {
		Things map[string]struct{ Name string }
	}
	if err := json.Unmarshal(readFile(t, filepath.Join(dir, registryFile)), &known); err != nil {
		t.Fatal(err)
	}
	name := ""
	for key, of := range known.Things {
		if of.Name == "water" {
			name, _, _ = strings.Cut(key, " ")
		}
	}
	e, err := openWith(Config{Dir: dir, Broker: first, BrokerName: name}, newAnchor(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	e.broker.receive(mqtt.Message{Topic: "zigbee2mqtt/bridge/devices", Payload: []byte(houseDevices)})
	e.house.Settled(time.Now().Add(time.Hour))
	for _, s := range e.Overview().Things {
		if s.Gone != strings.HasSuffix(s.Name, "-2") {
			t.Errorf("%s: gone %v", s.Name, s.Gone)
		}
	}
}

package homeassistant

import (
	"encoding/json"
	"fmt"
	"strings"

	"primum/thing"
)

// Shared is one shared affordance as the receiving side announces it.
type Shared struct {
	// ID is stable and made of letters, digits and '_': part of topics and of
	// unique ids.
	ID string
	// Device groups what one owner shares of one thing.
	Device string
	// DeviceTitle and Title are for people: "Water meter of Ann", "Flow".
	DeviceTitle string
	Title       string
	Unit        string
	// Sample is a value, from which the kind of entity is chosen; nil: text.
	Sample any
}

// Announcer makes discovery configurations and states for shared values.
type Announcer struct {
	Prefix string // of discovery; "" is "homeassistant"
	Base   string // of the states; "" is "primum"
}

func (a Announcer) prefix() string {
	if a.Prefix == "" {
		return "homeassistant"
	}
	return a.Prefix
}

func (a Announcer) base() string {
	if a.Base == "" {
		return "primum"
	}
	return a.Base
}

// StatusTopic is where Home Assistant says that it was started: then announce
// again.
func (a Announcer) StatusTopic() string { return a.prefix() + "/status" }

// StateTopic is where the values of a shared affordance go.
func (a Announcer) StateTopic(s Shared) string { return a.base() + "/" + s.ID + "/state" }

func (a Announcer) availability(s Shared) string { return a.base() + "/" + s.ID + "/available" }

func (a Announcer) configTopic(s Shared) string {
	return a.prefix() + "/" + component(s) + "/" + s.ID + "/config"
}

func component(s Shared) string {
	if _, ok := s.Sample.(bool); ok {
		return "binary_sensor"
	}
	return "sensor"
}

// Announce makes the retained messages by which a shared affordance appears:
// its configuration and that it is available.
func (a Announcer) Announce(s Shared) ([]thing.Send, error) {
	config := map[string]any{
		"name":               s.Title,
		"unique_id":          "primum_" + s.ID,
		"object_id":          "primum_" + s.ID,
		"state_topic":        a.StateTopic(s),
		"availability_topic": a.availability(s),
		"device": map[string]any{
			"identifiers": []string{"primum_" + s.Device}, "name": s.DeviceTitle, "manufacturer": "Primum", "model": "shared value",
		},
		"origin": map[string]any{"name": "Primum"},
	}
	switch s.Sample.(type) {
	case bool:
		config["payload_on"], config["payload_off"] = "true", "false"
	default:
		if _, ok := thing.Number(s.Sample); ok {
			config["state_class"] = "measurement"
		}
		if s.Unit != "" {
			config["unit_of_measurement"] = s.Unit
		}
		if class := deviceClass(s.Unit); class != "" {
			config["device_class"] = class
		}
	}
	b, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("announce %s: %w", s.ID, err)
	}
	return []thing.Send{{Topic: a.configTopic(s), Payload: b}, {Topic: a.availability(s), Payload: []byte("online")}}, nil
}

// State makes the message that carries a value; null says "unknown".
func (a Announcer) State(s Shared, value any) thing.Send {
	payload := text(value)
	return thing.Send{Topic: a.StateTopic(s), Payload: []byte(payload)}
}

// Unavailable makes the message that says that no values come for now.
func (a Announcer) Unavailable(s Shared) thing.Send {
	return thing.Send{Topic: a.availability(s), Payload: []byte("offline")}
}

// Withdraw makes the messages by which a shared affordance disappears: empty
// retained payloads.
func (a Announcer) Withdraw(s Shared) []thing.Send {
	return []thing.Send{{Topic: a.configTopic(s)}, {Topic: a.StateTopic(s)}, {Topic: a.availability(s)}}
}

// deviceClass is the class of sensors whose unit leaves no doubt.
func deviceClass(unit string) string {
	switch unit {
	case "°C", "°F":
		return "temperature"
	case "W", "kW":
		return "power"
	case "V", "mV":
		return "voltage"
	case "A", "mA":
		return "current"
	case "lx":
		return "illuminance"
	case "hPa", "bar", "kPa":
		return "pressure"
	case "L/min", "m³/h":
		return "volume_flow_rate"
	}
	return ""
}

// ID makes an id of any text: letters, digits and '_'.
func ID(parts ...string) string {
	id := thing.Slug(strings.Join(parts, "-"))
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, id)
}

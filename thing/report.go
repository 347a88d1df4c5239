package thing

import (
	"encoding/json"
	"time"
)

// Found is a part of a thing that an adapter met: a whole device, or one
// entity of it where a protocol announces entities one by one.
type Found struct {
	// Key names the announcement: broker topic and, where one topic announces
	// many devices, the device's id. The description is pinned to it.
	Key string
	// Thing is the same for all parts of one device.
	Thing string
	// Wish is the name that the device would like; the edge makes it unique.
	Wish        string
	Description *Description
	// Topics are the device topics that commands go to, sorted: a change of
	// them is a change of the description.
	Topics   []string
	Unmapped []Unmapped
}

// Unmapped is a piece of a device that has no affordance, and why.
type Unmapped struct {
	Place  string `json:"place"`  // JSON pointer or entity name
	Reason string `json:"reason"` // for people
}

// Reading is a value that a device told. Value is JSON-typed: nil, bool,
// json.Number, float64, string, []any or map[string]any.
type Reading struct {
	Key        string // Found.Key
	Affordance string
	Value      any
	At         time.Time // when the edge received it
}

// Trouble is something that a device or broker sent and that was not used.
type Trouble struct {
	Key        string // Found.Key, empty where no device is known
	Affordance string // empty where it concerns the whole message
	Place      string // topic, or JSON pointer
	Reason     string // for people
}

// Send is a message for a device: an MQTT publish.
type Send struct {
	Topic   string
	Payload []byte
}

// Report is what an adapter made of one message.
type Report struct {
	Found    []Found
	Gone     []string // keys
	Readings []Reading
	Troubles []Trouble
}

// RawValue writes a JSON-typed value; a value that has no JSON is an error.
func RawValue(v any) (json.RawMessage, error) { return json.Marshal(v) }

package thing

import (
	"encoding/json"
	"time"
)

// Found is a thing that an adapter met, as the adapter describes it.
type Found struct {
	// Key is stable for the device and its place: broker topic and, where the
	// protocol has one, the device's id. Descriptions are pinned to it.
	Key string
	// Wish is the name that the device would like; the edge makes it unique.
	Wish        string
	Description *Description
	// Topics are the command topics that the description came with, sorted: a
	// change of them is a change of the description.
	Topics   []string
	Unmapped []Unmapped
}

// Unmapped is a part of a device that has no affordance, and why.
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

// Trouble is something a device or broker sent that was not used.
type Trouble struct {
	Key    string // Found.Key, empty where no device is known
	Place  string // topic, JSON pointer
	Reason string
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
